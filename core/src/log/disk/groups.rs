//! A group of posting segments: which of its 8 or 64 segments have which terms.
//!
//! ```text
//! key     = u8 level (1: 8 segments, 2: 64) ‖ u64be number ‖ u16be part
//! part    = CRC ‖ posting …           0 to 511: those of a bucket, by mark
//!         | CRC ‖ bounds × segments   512: written last, with it the group is complete
//! posting = u16 mark ‖ u8 bytes ‖ the bytes of the mask that are not zero
//! bounds  = u64 least lamport ‖ u64 greatest lamport ‖ stream id (40) ‖ u64 first offset
//! ```
//! A group says nothing that its segments do not say. It is made of full segments, which never
//! change, so it never changes either; whoever lacks it asks each segment.
//! No I/O. Source: docs/format.md, "Groups of segments".

use super::block::{checked, with_checksum};
use super::postings::{BUCKETS, BlockEntry, SegmentHead, bucket_and_mark, segment_key};
use crate::error::{Error, ErrorKind, Result};
use crate::event::StreamId;
use crate::event::codec::Reader;

/// Part of the key that completes a group.
pub(crate) const HEAD_PART: u16 = BUCKETS as u16;
const KEY_BYTES: usize = 11;

/// Which group: `1 << 3 * level` consecutive segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) level: u8,
    pub(crate) number: u64,
}

/// Between what the blocks of a segment lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Least and greatest.
    pub(crate) lamports: (u64, u64),
    /// The least stream, and the least offset in it.
    pub(crate) first: (StreamId, u64),
}

impl Group {
    /// The levels, larger groups first.
    pub(crate) const LEVELS: [u8; 2] = [2, 1];

    /// The group of a level that has this segment.
    pub(crate) fn of(level: u8, segment: u64) -> Group {
        Group { level, number: segment >> (3 * level) }
    }

    /// The numbers of its segments, half-open.
    pub(crate) fn segments(self) -> std::ops::Range<u64> {
        let first = self.number << (3 * self.level);
        first..first + (1 << (3 * self.level))
    }

    /// A bit for each of its segments.
    pub(crate) fn all(self) -> u64 {
        u64::MAX >> (64 - (1 << (3 * self.level)))
    }

    /// The key of a bucket; of what completes it, with the number of buckets.
    pub(crate) fn key(self, part: usize) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        key[0] = self.level;
        key[1..9].copy_from_slice(&self.number.to_be_bytes());
        key[9..].copy_from_slice(&(part as u16).to_be_bytes());
        key
    }

    /// The group that a key is of, and whether that row completes it.
    ///
    /// # Errors
    /// `corrupt`: it is no key of a group.
    pub(crate) fn of_key(key: &[u8]) -> Result<(Group, bool)> {
        let mut reader = Reader::new(key);
        let group = Group { level: reader.u8()?, number: reader.u64_be()? };
        let part = u16::from_be_bytes(reader.array()?);
        reader.finish()?;
        if !Group::LEVELS.contains(&group.level) || part > HEAD_PART {
            return Err(damaged("has an impossible key"));
        }
        Ok((group, part == HEAD_PART))
    }

    /// The row of a bucket, given the segments, each with its head; `None` when it has no posting.
    ///
    /// # Errors
    /// `corrupt`: a segment is damaged.
    pub(crate) fn bucket_row(
        self,
        bucket: usize,
        segments: &[(SegmentHead, &[u8])],
    ) -> Result<Option<Vec<u8>>> {
        let mut pairs: Vec<(u16, u8)> = Vec::new();
        for ((head, row), number) in segments.iter().zip(self.segments()) {
            let own = (number - self.segments().start) as u8;
            head.each_posting(&segment_key(number), row, bucket, |mark, _| {
                pairs.push((mark, own))
            })?;
        }
        pairs.sort_unstable();
        let mut content = Vec::new();
        for own in pairs.chunk_by(|one, other| one.0 == other.0) {
            let mask =
                own.iter().fold(0u64, |mask, (_, segment)| mask | 1 << segment).to_le_bytes();
            let some = (0..8).filter(|at| mask[*at] != 0);
            content.extend_from_slice(&own[0].0.to_le_bytes());
            content.push(some.clone().fold(0, |bytes, at| bytes | 1 << at));
            content.extend(some.map(|at| mask[at]));
        }
        let row = with_checksum(&self.key(bucket), &content);
        Ok((!content.is_empty()).then_some(row))
    }

    /// The row that completes it, given the bounds of its segments.
    pub(crate) fn head_row(self, bounds: &[Bounds]) -> Vec<u8> {
        let mut content = Vec::new();
        for own in bounds {
            content.extend_from_slice(&own.lamports.0.to_le_bytes());
            content.extend_from_slice(&own.lamports.1.to_le_bytes());
            content.extend_from_slice(&own.first.0.to_bytes());
            content.extend_from_slice(&own.first.1.to_le_bytes());
        }
        with_checksum(&self.key(BUCKETS), &content)
    }

    /// The bounds of its segments.
    ///
    /// # Errors
    /// `corrupt`: the row is damaged.
    pub(crate) fn read_head(self, row: &[u8]) -> Result<Vec<Bounds>> {
        let content = checked(&self.key(BUCKETS), row).map_err(|_| wrong_checksum())?;
        let mut reader = Reader::new(content);
        let bounds = self.segments().map(|_| Bounds::read(&mut reader)).collect::<Result<_>>()?;
        reader.finish()?;
        Ok(bounds)
    }

    /// The segments that have the term with this number, as bits, given the row of its bucket;
    /// others may be among them.
    ///
    /// # Errors
    /// `corrupt`: the row is damaged.
    pub(crate) fn find(self, row: &[u8], number: u32) -> Result<u64> {
        let (bucket, wanted) = bucket_and_mark(number);
        let content = checked(&self.key(bucket), row).map_err(|_| wrong_checksum())?;
        let mut reader = Reader::new(content);
        while !reader.is_empty() {
            let mark = u16::from_le_bytes(reader.array()?);
            let some = reader.u8()?;
            let bytes = reader.bytes(some.count_ones() as usize)?;
            if mark == wanted {
                let places = (0..8).filter(|at| some >> at & 1 == 1);
                let mask = places
                    .zip(bytes)
                    .fold(0, |mask, (at, byte)| mask | u64::from(*byte) << (8 * at));
                return Ok(mask & self.all());
            }
            if mark > wanted {
                break;
            }
        }
        Ok(0)
    }
}

impl Bounds {
    /// Those of a segment with these blocks.
    pub(crate) fn of(blocks: &[BlockEntry]) -> Option<Bounds> {
        let own = |block: &BlockEntry| Bounds {
            lamports: block.summary.lamports,
            first: (block.stream, block.first),
        };
        blocks.iter().map(own).reduce(Bounds::and)
    }

    /// Those of both.
    pub(crate) fn and(self, other: Bounds) -> Bounds {
        let least = self.lamports.0.min(other.lamports.0);
        let greatest = self.lamports.1.max(other.lamports.1);
        Bounds { lamports: (least, greatest), first: self.first.min(other.first) }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Bounds> {
        let lamports = (reader.u64()?, reader.u64()?);
        Ok(Bounds { lamports, first: (StreamId::read(reader)?, reader.u64()?) })
    }
}

fn wrong_checksum() -> Error {
    damaged("has a wrong checksum")
}

fn damaged(how: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("a group of segments of the postings {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::NodeId;
    use crate::log::disk::block::Summary;
    use crate::log::disk::postings::SegmentBuilder;
    use crate::log::disk::terms::Terms;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn entry(first: u64) -> BlockEntry {
        let stream = StreamId { node: NodeId::from_bytes([7; 32]), number: 3 };
        let (lamports, times) = ((first, first + 9), (-1, 4));
        let summary = Summary { sealed: true, count: 1024, raw_bytes: 5, lamports, times };
        BlockEntry { stream, first, summary }
    }

    fn terms() -> impl Strategy<Value = Vec<u32>> {
        let number = prop_oneof![(0u32..30).prop_map(|low| low << 7 | low << 23), any::<u32>()];
        prop::collection::btree_set(number, 0..40).prop_map(|numbers| numbers.into_iter().collect())
    }

    fn segment(number: u64, terms: &[u32]) -> Vec<u8> {
        let mut builder = SegmentBuilder::default();
        let pairs = terms.iter().map(|number| (*number, 5)).collect();
        builder.add(entry(number), &Terms::from_pairs(pairs));
        builder.finish(&segment_key(number))
    }

    /// All rows of a group.
    fn rows(group: Group, segments: &[Vec<u8>]) -> BTreeMap<usize, Vec<u8>> {
        let open = |(number, row): (u64, &'_ Vec<u8>)| {
            SegmentHead::read(&segment_key(number), row).unwrap()
        };
        let heads = group.segments().zip(segments).map(open);
        let opened: Vec<_> = heads.zip(segments.iter().map(Vec::as_slice)).collect();
        let row = |bucket| Some((bucket, group.bucket_row(bucket, &opened).unwrap()?));
        (0..BUCKETS).filter_map(row).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_group_knows_the_segments_of_every_term(
            terms in prop::collection::vec(terms(), 64),
            is_large in any::<bool>(),
        ) {
            let group = Group { level: 1 + u8::from(is_large), number: 3 };
            let segments: Vec<Vec<u8>> =
                group.segments().zip(&terms).map(|(number, own)| segment(number, own)).collect();
            let rows = rows(group, &segments);
            let all: Vec<u32> = terms.iter().flatten().copied().collect();
            for number in all.into_iter().chain([0xfedc_ba98]) {
                let has = |own: &Vec<u32>| own.iter().any(|other| other >> 7 == number >> 7);
                let expected = (0..).zip(&terms[..segments.len()]).filter(|(_, own)| has(own));
                let expected = expected.fold(0u64, |mask, (at, _)| mask | 1 << at);
                let row = rows.get(&bucket_and_mark(number).0);
                let found = row.map_or(0, |row| group.find(row, number).unwrap());
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_any_row_is_found() {
        let group = Group { level: 1, number: 0 };
        let segments: Vec<Vec<u8>> = (0..8).map(|number| segment(number, &[5, 90 << 7])).collect();
        let bounds: Vec<Bounds> = (0..8).map(|at| Bounds::of(&[entry(at)]).unwrap()).collect();
        let (bucket, head) = (rows(group, &segments).remove(&0).unwrap(), group.head_row(&bounds));
        assert_eq!(group.read_head(&head).unwrap(), bounds);
        assert_eq!(group.find(&bucket, 5).unwrap(), 0xff);
        for bit in 0..head.len() * 8 {
            let flip = |row: &[u8]| {
                let mut row = row.to_vec();
                let bit = bit % (row.len() * 8);
                row[bit / 8] ^= 1 << (bit % 8);
                row
            };
            let read = group.read_head(&flip(&head));
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "bit {bit}");
            assert!(group.find(&flip(&bucket), 5).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn keys_say_which_group_and_which_segments() {
        let group = Group::of(2, 200);
        assert_eq!((group.number, group.segments(), group.all()), (3, 192..256, u64::MAX));
        assert_eq!((Group::of(1, 15).segments(), Group::of(1, 15).all()), (8..16, 0xff));
        assert_eq!(Group::of_key(&group.key(7)).unwrap(), (group, false));
        assert_eq!(Group::of_key(&group.key(BUCKETS)).unwrap(), (group, true));
        for wrong in [&[][..], &[3; 11], &group.key(BUCKETS + 1), &[1; 12]] {
            assert!(Group::of_key(wrong).is_err(), "{wrong:?}");
        }
    }
}

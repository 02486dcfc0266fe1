//! A group of posting segments: which of its 8 or 64 segments have which terms.
//!
//! ```text
//! key     = u8 level (1: 8 segments, 2: 64) ‖ u64be number ‖ u16be part
//! part    = CRC over key ‖ ends ‖ u32 bucket_end × 32 ‖ bucket …    0 to 15: of 32 buckets each
//!         | CRC ‖ bounds × segments          16: written last, with it the group is complete
//! bucket  = CRC over key ‖ u32 number of the bucket ‖ posting … ‖ posting …        or nothing
//! posting = u16 mark ‖ u8 bytes ‖ the bytes of the mask that are not zero
//! bounds  = u64 least lamport ‖ u64 greatest lamport ‖ stream id (40) ‖ u64 first offset
//! ```
//! A group says nothing that its segments do not say. It is made of full segments, which never
//! change, so it never changes either; whoever lacks it asks each segment.
//! No I/O. Source: docs/format.md, "Groups of segments".

use super::block::{checked, with_checksum};
use super::postings::{BUCKETS, BlockEntry, SegmentHead, bucket_and_mark, bucket_crc, segment_key};
use crate::error::{Error, ErrorKind, Result};
use crate::event::StreamId;
use crate::event::codec::Reader;

/// Parts of a group: few rows, so that whoever walks through all keys has little to read.
const PARTS: usize = 16;
const PART_BUCKETS: usize = BUCKETS / PARTS;
const ENDS_BYTES: usize = 4 * PART_BUCKETS;
/// The part that completes a group.
pub(crate) const HEAD_PART: usize = PARTS;
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

    /// The key of a part.
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
        if !Group::LEVELS.contains(&group.level) || usize::from(part) > HEAD_PART {
            return Err(damaged("has an impossible key"));
        }
        Ok((group, usize::from(part) == HEAD_PART))
    }

    /// The row of a part, given the segments, each with its head.
    ///
    /// # Errors
    /// `corrupt`: a segment is damaged.
    pub(crate) fn part_row(
        self,
        part: usize,
        segments: &[(SegmentHead, &[u8])],
    ) -> Result<Vec<u8>> {
        let (key, mut ends, mut buckets) = (self.key(part), Vec::new(), Vec::new());
        for bucket in part * PART_BUCKETS..(part + 1) * PART_BUCKETS {
            let postings = self.postings(bucket, segments)?;
            if !postings.is_empty() {
                buckets.extend_from_slice(&bucket_crc(&key, bucket, &postings).to_le_bytes());
                buckets.extend_from_slice(&postings);
            }
            ends.extend_from_slice(&(buckets.len() as u32).to_le_bytes());
        }
        let mut row = with_checksum(&key, &ends);
        row.extend_from_slice(&buckets);
        Ok(row)
    }

    fn postings(self, bucket: usize, segments: &[(SegmentHead, &[u8])]) -> Result<Vec<u8>> {
        let mut pairs: Vec<(u16, u8)> = Vec::new();
        for (((head, row), number), own) in segments.iter().zip(self.segments()).zip(0..) {
            let key = segment_key(number);
            head.each_posting(&key, row, bucket, |mark, _| pairs.push((mark, own)))?;
        }
        pairs.sort_unstable();
        let mut postings = Vec::new();
        for own in pairs.chunk_by(|one, other| one.0 == other.0) {
            let mask = own.iter().fold(0u64, |mask, (_, segment)| mask | 1 << segment);
            let mask = mask.to_le_bytes();
            let some = (0..8).filter(|at| mask[*at] != 0);
            postings.extend_from_slice(&own[0].0.to_le_bytes());
            postings.push(some.clone().fold(0, |bytes, at| bytes | 1 << at));
            postings.extend(some.map(|at| mask[at]));
        }
        Ok(postings)
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
        with_checksum(&self.key(HEAD_PART), &content)
    }

    /// The bounds of its segments.
    ///
    /// # Errors
    /// `corrupt`: the row is damaged.
    pub(crate) fn read_head(self, row: &[u8]) -> Result<Vec<Bounds>> {
        let content = checked(&self.key(HEAD_PART), row).map_err(|_| wrong_checksum())?;
        let mut reader = Reader::new(content);
        let bounds = self.segments().map(|_| Bounds::read(&mut reader)).collect::<Result<_>>()?;
        reader.finish()?;
        Ok(bounds)
    }

    /// The key of the part that has the bucket of a term.
    pub(crate) fn key_for(self, number: u32) -> [u8; KEY_BYTES] {
        self.key(bucket_and_mark(number).0 / PART_BUCKETS)
    }

    /// The segments that have the term with this number, as bits, given the row of its part;
    /// others may be among them.
    ///
    /// # Errors
    /// `corrupt`: the row is damaged.
    pub(crate) fn find(self, row: &[u8], number: u32) -> Result<u64> {
        let (bucket, wanted) = bucket_and_mark(number);
        let key = self.key_for(number);
        let (head, buckets) = row.split_at_checked(ENDS_BYTES + 4).ok_or_else(wrong_checksum)?;
        let ends = checked(&key, head).map_err(|_| wrong_checksum())?;
        let end = |at: usize| Reader::new(&ends[4 * at..]).u32().map(|end| end as usize);
        let at = bucket % PART_BUCKETS;
        let start = if at == 0 { 0 } else { end(at - 1)? };
        let own = buckets.get(start..end(at)?).ok_or_else(|| damaged("lacks a bucket"))?;
        if own.is_empty() {
            return Ok(0);
        }
        let mut reader = Reader::new(own);
        if reader.u32()? != bucket_crc(&key, bucket, reader.rest()) {
            return Err(wrong_checksum());
        }
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

    /// All parts of a group but the last.
    fn rows(group: Group, segments: &[Vec<u8>]) -> BTreeMap<[u8; KEY_BYTES], Vec<u8>> {
        let open = |(number, row): (u64, &'_ Vec<u8>)| {
            SegmentHead::read(&segment_key(number), row).unwrap()
        };
        let heads = group.segments().zip(segments).map(open);
        let opened: Vec<_> = heads.zip(segments.iter().map(Vec::as_slice)).collect();
        let row = |part| (group.key(part), group.part_row(part, &opened).unwrap());
        (0..PARTS).map(row).collect()
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
                let found = group.find(&rows[&group.key_for(number)], number).unwrap();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_any_row_is_found() {
        let group = Group { level: 1, number: 0 };
        let segments: Vec<Vec<u8>> = (0..8).map(|number| segment(number, &[5, 90 << 7])).collect();
        let bounds: Vec<Bounds> = (0..8).map(|at| Bounds::of(&[entry(at)]).unwrap()).collect();
        let (part, head) = (rows(group, &segments)[&group.key(0)].clone(), group.head_row(&bounds));
        assert_eq!(group.read_head(&head).unwrap(), bounds);
        assert_eq!(group.find(&part, 5).unwrap(), 0xff);
        let flip = |row: &[u8], bit: usize| {
            let mut row = row.to_vec();
            row[bit / 8] ^= 1 << (bit % 8);
            row
        };
        for bit in 0..head.len() * 8 {
            let read = group.read_head(&flip(&head, bit));
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "bit {bit}");
        }
        // All its postings are in the bucket of this term.
        for bit in 0..part.len() * 8 {
            assert!(group.find(&flip(&part, bit), 5).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn keys_say_which_group_and_which_segments() {
        let group = Group::of(2, 200);
        assert_eq!((group.number, group.segments(), group.all()), (3, 192..256, u64::MAX));
        assert_eq!((Group::of(1, 15).segments(), Group::of(1, 15).all()), (8..16, 0xff));
        assert_eq!(Group::of_key(&group.key(7)).unwrap(), (group, false));
        assert_eq!(Group::of_key(&group.key(HEAD_PART)).unwrap(), (group, true));
        for wrong in [&[][..], &[3; 11], &group.key(HEAD_PART + 1), &[1; 12]] {
            assert!(Group::of_key(wrong).is_err(), "{wrong:?}");
        }
    }
}

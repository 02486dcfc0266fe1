//! A posting segment: for up to 64 full blocks, what they are and which frames have which term.
//!
//! ```text
//! segment = u32 crc(key ‖ head) ‖ head ‖ bucket …
//! head    = u32 block_count ‖ (stream id (40) ‖ u64 first offset ‖ summary (44)) × block_count
//!           ‖ u32 bucket_end × 512
//! bucket  = u32 crc(key ‖ u32 number of the bucket ‖ posting …) ‖ posting …        or nothing
//! posting = u16 mark ‖ u8 place_count (1 to 64) ‖ u16 place × place_count
//!         | u16 mark ‖ u8 0 ‖ u16 frames × 64
//! ```
//! The upper 9 bits of a term's number choose the bucket, the next 16 are the mark. A place is
//! block × 16 + frame. A look for a term costs one bucket, not the segment.
//! No I/O. Rule: equal blocks make equal bytes. Source: docs/format.md, "Postings".

use super::block::{SUMMARY_BYTES, Summary};
use super::terms::Terms;
use crate::error::{Error, ErrorKind, Result};
use crate::event::StreamId;
use crate::event::codec::Reader;

/// Most blocks of a segment.
pub(crate) const SEGMENT_BLOCKS: usize = 64;
/// Parts of a segment, by the number of a term.
pub(crate) const BUCKETS: usize = 512;
const ENTRY_BYTES: usize = 48 + SUMMARY_BYTES;
/// A term at more places than this has a bit for each frame instead.
const PLACES_MAX: usize = 64;

/// The frames, as bits, of each block of a segment.
pub(crate) type Frames = [u16; SEGMENT_BLOCKS];

/// One block of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    pub(crate) stream: StreamId,
    pub(crate) first: u64,
    pub(crate) summary: Summary,
}

/// What a segment says about its blocks, and where its buckets are.
#[derive(Clone, Debug)]
pub(crate) struct SegmentHead {
    pub(crate) blocks: Vec<BlockEntry>,
    ends: Vec<u32>,
    /// Bytes before the buckets.
    bytes: usize,
}

/// A segment under construction.
#[derive(Debug, Default)]
pub(crate) struct SegmentBuilder {
    blocks: Vec<BlockEntry>,
    /// Bucket and mark (25 bits), place (10 bits).
    places: Vec<u64>,
}

/// The key of a segment.
pub(crate) fn segment_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The bucket of a term and its mark there.
pub(crate) fn bucket_and_mark(number: u32) -> (usize, u16) {
    ((number >> 23) as usize, (number >> 7) as u16)
}

impl SegmentHead {
    /// Reads the head of a segment, after its checksum.
    ///
    /// # Errors
    /// `corrupt`: the checksum does not fit.
    pub(crate) fn read(key: &[u8], row: &[u8]) -> Result<SegmentHead> {
        let mut reader = Reader::new(row);
        let crc = reader.u32()?;
        let count = reader.u32()? as usize;
        if count == 0 || count > SEGMENT_BLOCKS {
            return Err(damaged("names an impossible number of blocks"));
        }
        let bytes = 8 + count * ENTRY_BYTES + BUCKETS * 4;
        let head = row.get(4..bytes).ok_or_else(|| damaged("is too short"))?;
        if crc32c::crc32c_append(crc32c::crc32c(key), head) != crc {
            return Err(damaged("has a wrong checksum"));
        }
        let blocks = (0..count).map(|_| BlockEntry::read(&mut reader)).collect::<Result<_>>()?;
        let ends = (0..BUCKETS).map(|_| reader.u32()).collect::<Result<_>>()?;
        Ok(SegmentHead { blocks, ends, bytes })
    }

    /// The frames that have the term with this number; others may be among them.
    ///
    /// # Errors
    /// `corrupt`: the bucket is damaged.
    pub(crate) fn find(&self, key: &[u8], row: &[u8], number: u32) -> Result<Frames> {
        let mut found = [0; SEGMENT_BLOCKS];
        let (bucket, mark) = bucket_and_mark(number);
        self.each_posting(key, row, bucket, |own, places| {
            if own == mark {
                places.add_to(&mut found);
            }
        })?;
        Ok(found)
    }

    /// Calls `each` with each mark of a bucket, rising, and where its terms are.
    ///
    /// # Errors
    /// `corrupt`: the bucket is damaged.
    pub(crate) fn each_posting(
        &self,
        key: &[u8],
        row: &[u8],
        bucket: usize,
        mut each: impl FnMut(u16, Places<'_>),
    ) -> Result<()> {
        let start = bucket.checked_sub(1).map_or(0, |before| self.ends[before]) as usize;
        let end = self.ends[bucket] as usize;
        let bytes = row.get(self.bytes..).and_then(|buckets| buckets.get(start..end));
        let bytes = bytes.ok_or_else(|| damaged("lacks a bucket"))?;
        if bytes.is_empty() {
            return Ok(());
        }
        let mut reader = Reader::new(bytes);
        if reader.u32()? != bucket_crc(key, bucket, reader.rest()) {
            return Err(damaged("has a bucket with a wrong checksum"));
        }
        while !reader.is_empty() {
            let mark = u16::from_le_bytes(reader.array()?);
            let places = match reader.u8()? {
                0 => Places::Frames(reader.bytes(2 * SEGMENT_BLOCKS)?),
                count => Places::List(reader.bytes(2 * usize::from(count))?),
            };
            each(mark, places);
        }
        Ok(())
    }
}

/// Where a term is, as it lies in a bucket.
pub(crate) enum Places<'a> {
    List(&'a [u8]),
    Frames(&'a [u8]),
}

impl<'a> Places<'a> {
    fn add_to(&self, frames: &mut Frames) {
        self.each(|place| {
            frames[usize::from(place >> 4) % SEGMENT_BLOCKS] |= 1 << (place & 15);
        });
    }

    /// Gives each place, block × 16 + frame.
    fn each(&self, mut give: impl FnMut(u16)) {
        let numbers = |bytes: &'a [u8]| {
            bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        };
        match self {
            Places::List(bytes) => numbers(bytes).for_each(give),
            Places::Frames(bytes) => {
                for (block, mut frames) in (0..).zip(numbers(bytes)) {
                    while frames != 0 {
                        give(block << 4 | frames.trailing_zeros() as u16);
                        frames &= frames - 1;
                    }
                }
            }
        }
    }
}

impl SegmentBuilder {
    /// Goes on with a stored segment.
    ///
    /// # Errors
    /// `corrupt`: it is damaged.
    pub(crate) fn resume(key: &[u8], row: &[u8]) -> Result<SegmentBuilder> {
        let head = SegmentHead::read(key, row)?;
        let mut places = Vec::new();
        for bucket in 0..BUCKETS {
            head.each_posting(key, row, bucket, |mark, found| {
                let term = (bucket as u64) << 16 | u64::from(mark);
                found.each(|place| places.push(term << 10 | u64::from(place & 1023)));
            })?;
        }
        Ok(SegmentBuilder { blocks: head.blocks, places })
    }

    /// True when it takes no further block.
    pub(crate) fn is_full(&self) -> bool {
        self.blocks.len() == SEGMENT_BLOCKS
    }

    /// Adds a full block.
    pub(crate) fn add(&mut self, block: BlockEntry, terms: &Terms) {
        assert!(!self.is_full(), "a segment has 64 blocks");
        let at = (self.blocks.len() as u64) << 4;
        let pairs = terms.pairs().iter();
        self.places.extend(
            pairs.map(|(number, frame)| u64::from(number >> 7) << 10 | at | u64::from(*frame)),
        );
        self.blocks.push(block);
    }

    /// Compares with what is stored, but for the places of the blocks in `damaged`, a bit for each.
    ///
    /// # Errors
    /// `corrupt`: it is not the segment of these blocks.
    pub(crate) fn check(mut self, key: &[u8], row: &[u8], damaged: u64) -> Result<()> {
        let fits = if damaged == 0 {
            self.finish(key) == row
        } else {
            let mut stored = SegmentBuilder::resume(key, row)?;
            for places in [&mut self.places, &mut stored.places] {
                places.retain(|place| damaged >> (place >> 4 & 63) & 1 == 0);
                places.sort_unstable();
                places.dedup();
            }
            self.places == stored.places
        };
        if fits { Ok(()) } else { Err(self::damaged("is not that of its events")) }
    }

    /// The row of the segment.
    pub(crate) fn finish(mut self, key: &[u8]) -> Vec<u8> {
        // The places of a block rise already, and this sort goes by what is in order.
        self.places.sort();
        self.places.dedup();
        let mut buckets = Vec::with_capacity(self.places.len() * 3);
        let mut ends = Vec::with_capacity(BUCKETS * 4);
        let mut rest = &self.places[..];
        for bucket in 0..BUCKETS {
            let count = rest.partition_point(|place| (place >> 26) as usize == bucket);
            let (own, behind) = rest.split_at(count);
            rest = behind;
            if !own.is_empty() {
                let start = buckets.len();
                buckets.extend_from_slice(&[0; 4]);
                own.chunk_by(|one, other| one >> 10 == other >> 10)
                    .for_each(|places| put_posting(&mut buckets, places));
                let crc = bucket_crc(key, bucket, &buckets[start + 4..]);
                buckets[start..start + 4].copy_from_slice(&crc.to_le_bytes());
            }
            ends.extend_from_slice(&(buckets.len() as u32).to_le_bytes());
        }
        let mut row = vec![0; 4];
        row.extend_from_slice(&(self.blocks.len() as u32).to_le_bytes());
        self.blocks.iter().for_each(|block| block.encode(&mut row));
        row.extend_from_slice(&ends);
        let crc = crc32c::crc32c_append(crc32c::crc32c(key), &row[4..]);
        row[..4].copy_from_slice(&crc.to_le_bytes());
        row.extend_from_slice(&buckets);
        row
    }
}

fn put_posting(out: &mut Vec<u8>, places: &[u64]) {
    out.extend_from_slice(&((places[0] >> 10) as u16).to_le_bytes());
    let place = |place: &u64| (place & 1023) as u16;
    if places.len() <= PLACES_MAX {
        out.push(places.len() as u8);
        places.iter().for_each(|own| out.extend_from_slice(&place(own).to_le_bytes()));
        return;
    }
    let mut frames = [0u16; SEGMENT_BLOCKS];
    places.iter().map(place).for_each(|place| frames[usize::from(place >> 4)] |= 1 << (place & 15));
    out.push(0);
    frames.iter().for_each(|frames| out.extend_from_slice(&frames.to_le_bytes()));
}

/// The checksum of a bucket.
pub(crate) fn bucket_crc(key: &[u8], bucket: usize, postings: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &(bucket as u32).to_le_bytes());
    crc32c::crc32c_append(crc, postings)
}

impl BlockEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.stream.to_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        self.summary.encode(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<BlockEntry> {
        let stream = StreamId::read(reader)?;
        Ok(BlockEntry { stream, first: reader.u64()?, summary: Summary::read(reader)? })
    }
}

fn damaged(how: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("a segment of the postings {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::NodeId;
    use proptest::prelude::*;

    fn entry(first: u64) -> BlockEntry {
        let stream = StreamId { node: NodeId::from_bytes([7; 32]), number: 3 };
        let summary = Summary {
            sealed: true,
            count: 1024,
            raw_bytes: 5,
            lamports: (first, first + 9),
            times: (-1, 4),
        };
        BlockEntry { stream, first, summary }
    }

    fn terms() -> impl Strategy<Value = Vec<(u32, u8)>> {
        let number = prop_oneof![(0u32..30).prop_map(|low| low << 7 | low << 23), any::<u32>()];
        prop::collection::vec((number, 0u8..16), 0..300).prop_map(|mut pairs| {
            pairs.sort_unstable();
            pairs.dedup();
            pairs
        })
    }

    proptest! {
        #[test]
        fn a_term_is_found_where_it_is_and_a_segment_goes_on_as_if_never_stored(
            blocks in prop::collection::vec(terms(), 1..64),
            cut in any::<prop::sample::Index>(),
        ) {
            let key = segment_key(9);
            let cut = cut.index(blocks.len());
            let (mut whole, mut resumed) = (SegmentBuilder::default(), SegmentBuilder::default());
            for (at, terms) in blocks.iter().enumerate() {
                if at == cut && at > 0 {
                    resumed = SegmentBuilder::resume(&key, &resumed.finish(&key)).unwrap();
                }
                let terms = Terms::from_pairs(terms.clone());
                whole.add(entry(at as u64), &terms);
                resumed.add(entry(at as u64), &terms);
            }
            let row = whole.finish(&key);
            prop_assert_eq!(&row, &resumed.finish(&key));
            let head = SegmentHead::read(&key, &row).unwrap();
            prop_assert_eq!(head.blocks.len(), blocks.len());
            for (at, terms) in blocks.iter().enumerate() {
                prop_assert_eq!(head.blocks[at], entry(at as u64));
                for (number, frame) in terms {
                    let found = head.find(&key, &row, *number).unwrap();
                    prop_assert!(found[at] >> frame & 1 == 1, "{number} in {at}, {frame}");
                }
            }
            let absent = head.find(&key, &row, 0xfedc_ba98).unwrap();
            let mut numbers = blocks.iter().flatten().map(|(number, _)| number);
            let present = numbers.any(|number| number >> 7 == 0xfedc_ba98 >> 7);
            prop_assert!(present || absent == [0; SEGMENT_BLOCKS]);
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found_by_who_reads_it() {
        let key = segment_key(0);
        let pairs: Vec<(u32, u8)> = (0..40).map(|term| (term << 24, (term % 16) as u8)).collect();
        let mut builder = SegmentBuilder::default();
        builder.add(entry(0), &Terms::from_pairs(pairs.clone()));
        let row = builder.finish(&key);
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = SegmentHead::read(&key, &flipped).and_then(|head| {
                pairs.iter().try_for_each(|pair| head.find(&key, &flipped, pair.0).map(drop))
            });
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "bit {bit}");
        }
        assert!(SegmentHead::read(&segment_key(1), &row).is_err(), "under another key");
    }
}

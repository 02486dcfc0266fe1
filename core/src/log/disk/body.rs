//! What one journal record says: forks, ranges of events with their heads, idempotency keys.
//!
//! Not here: the record around it (`segment`). No I/O. Rule: the journal alone rebuilds everything
//! that LMDB does not hold yet. Source: docs/format.md, "Journal bodies".

use super::terms;
use super::windows::ForkRow;
use crate::error::Result;
use crate::event::codec::{Reader, bad, put_varint};
use crate::event::{EventRange, Lamport, PackedRange, StreamId, WallTime};
use crate::log::interest::News;
use bytes::Bytes;

const ENTRY_RANGE: u8 = 1;
const ENTRY_IDEMPOTENCY: u8 = 2;
const ENTRY_PACKED: u8 = 3;
const ENTRY_FORK: u8 = 4;

/// What an idempotency key stood for: enough to give the first answer again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// BLAKE3 over the contents of the append.
    pub(crate) digest: [u8; 32],
    /// The own stream it went to.
    pub(crate) stream_number: u64,
    pub(crate) first_offset: u64,
    pub(crate) count: u64,
    pub(crate) first_lamport: Lamport,
    pub(crate) time: WallTime,
}

/// BLAKE3 of an idempotency key.
pub(crate) type KeyHash = [u8; 32];

/// The content of one journal record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Body {
    /// Counts before the ranges, and at once with them.
    pub(crate) forks: Vec<(StreamId, ForkRow)>,
    pub(crate) ranges: Vec<EventRange>,
    pub(crate) remembered: Vec<(KeyHash, Remembered)>,
}

/// What these bring, for who waits for some of it.
pub(crate) fn news_of<'a>(bodies: impl Iterator<Item = &'a Body> + Clone) -> News {
    // A fork moves events that were there before.
    if bodies.clone().any(|body| !body.forks.is_empty()) {
        return News::ANYTHING;
    }
    let mut news = News::new();
    let mut ranges = bodies.flat_map(|body| &body.ranges);
    while let Some(range) = ranges.next()
        && news.add(range.records().len())
    {
        terms::each_of(range.records(), |term| news.add_term(term));
    }
    news
}

impl Body {
    /// Appends the byte form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut scratch = Vec::new();
        for (stream, row) in &self.forks {
            scratch.clear();
            row.encode(&mut scratch);
            out.push(ENTRY_FORK);
            out.extend_from_slice(&stream.to_bytes());
            put_varint(out, scratch.len() as u64);
            out.extend_from_slice(&scratch);
        }
        for range in &self.ranges {
            scratch.clear();
            match range.packed() {
                Some(packed) => {
                    packed.encode(&mut scratch);
                    out.push(ENTRY_PACKED);
                }
                None => {
                    range.encode(&mut scratch);
                    out.push(ENTRY_RANGE);
                }
            }
            put_varint(out, scratch.len() as u64);
            out.extend_from_slice(&scratch);
        }
        for (key, remembered) in &self.remembered {
            out.push(ENTRY_IDEMPOTENCY);
            out.extend_from_slice(key);
            remembered.encode(out);
        }
    }

    /// Reads what `encode` wrote, sharing `bytes`.
    ///
    /// # Errors
    /// `corrupt` and the errors of `EventRange::decode` and `PackedRange::unpack`: it did not write
    /// this.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Body> {
        let mut body = Body::default();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            match reader.u8()? {
                ENTRY_RANGE => {
                    let range_bytes = reader.counted(usize::MAX, "a range")?;
                    body.ranges.push(EventRange::decode(&bytes.slice_ref(range_bytes))?);
                }
                ENTRY_PACKED => {
                    let range_bytes = reader.counted(usize::MAX, "a packed range")?;
                    let packed = PackedRange::decode(&bytes.slice_ref(range_bytes))?;
                    body.ranges.push(packed.unpack()?);
                }
                ENTRY_IDEMPOTENCY => {
                    let key = reader.array()?;
                    body.remembered.push((key, Remembered::read(&mut reader)?));
                }
                ENTRY_FORK => {
                    let stream = StreamId::read(&mut reader)?;
                    let row = reader.counted(ForkRow::BYTES_MAX, "a fork")?;
                    body.forks.push((stream, ForkRow::decode(&stream, row)?));
                }
                other => return Err(bad(format!("a journal record has an entry of kind {other}"))),
            }
        }
        Ok(body)
    }
}

impl Remembered {
    /// Bytes of the byte form.
    pub(crate) const BYTES: usize = 32 + 5 * 8;

    /// Appends the byte form; numbers with their little end first.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.digest);
        out.extend_from_slice(&self.stream_number.to_le_bytes());
        out.extend_from_slice(&self.first_offset.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.first_lamport.value().to_le_bytes());
        out.extend_from_slice(&self.time.micros().to_le_bytes());
    }

    /// Takes one off the front.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Remembered> {
        Ok(Remembered {
            digest: reader.array()?,
            stream_number: reader.u64()?,
            first_offset: reader.u64()?,
            count: reader.u64()?,
            first_lamport: Lamport::new(reader.u64()?)?,
            time: WallTime::from_micros(reader.u64()? as i64),
        })
    }
}

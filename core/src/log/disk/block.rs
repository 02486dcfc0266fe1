//! Blocks as LMDB values: a checksum, a summary, the block.
//!
//! ```text
//! row     = u32 crc(key ‖ summary ‖ head of the block) ‖ summary ‖ block
//! summary = u32 flags (1: full) ‖ u32 count ‖ u32 raw_bytes ‖ u64 lamport_min
//!           ‖ u64 lamport_max ‖ i64 time_min ‖ i64 time_max             (44 bytes)
//! ```
//! The checksum covers the key, so that a row under a wrong key is found out; the frames of the
//! block have their own in its head, so that one event costs one frame. No I/O.
//! Source: docs/format.md, "Tables".

use crate::error::{Error, ErrorKind, Result};
use crate::event::block::{self, BlockReader};
use crate::event::codec::Reader;
use crate::event::{Record, StreamId};

const FLAG_SEALED: u32 = 1;
/// Bytes of a summary.
pub(crate) const SUMMARY_BYTES: usize = 44;

/// What a row says about its events without decoding them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// True: the block is full and its row never changes again.
    pub(crate) sealed: bool,
    pub(crate) count: u32,
    pub(crate) raw_bytes: u32,
    pub(crate) lamports: (u64, u64),
    pub(crate) times: (i64, i64),
}

/// Key of a block: sorts by stream, then by offset.
pub(crate) fn block_key(stream: &StreamId, first: u64) -> [u8; 48] {
    let mut key = [0; 48];
    key[..40].copy_from_slice(&stream.to_bytes());
    key[40..].copy_from_slice(&first.to_be_bytes());
    key
}

/// The first offset in a key that belongs to `stream`.
pub(crate) fn first_in_key(key: &[u8], stream: &StreamId) -> Option<u64> {
    let (own, first) = key.split_at_checked(40)?;
    (own == stream.to_bytes()).then_some(u64::from_be_bytes(first.try_into().ok()?))
}

/// The row of these records.
pub(crate) fn encode_row(key: &[u8], summary: &Summary, records: &[Record]) -> Vec<u8> {
    row_of_block(key, summary, &block::encode(records))
}

/// The row of a block that can be read.
pub(crate) fn row_of_block(key: &[u8], summary: &Summary, block: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(4 + SUMMARY_BYTES + block.len());
    row.extend_from_slice(&[0; 4]);
    summary.encode(&mut row);
    row.extend_from_slice(block);
    let head = BlockReader::head_bytes(block).expect("it can be read");
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &row[4..4 + SUMMARY_BYTES + head.len()]);
    row[..4].copy_from_slice(&crc.to_le_bytes());
    row
}

/// Splits a row into its summary and its block, after the checksum of all but the frames.
///
/// # Errors
/// `corrupt`: the checksum does not fit.
pub(crate) fn open_row<'a>(key: &[u8], row: &'a [u8]) -> Result<(Summary, BlockReader<'a>)> {
    let mut reader = Reader::new(row);
    let crc = reader.u32()?;
    let summary = Summary::read(&mut reader)?;
    let block = reader.rest();
    let head = BlockReader::head_bytes(block)?;
    let covered = &row[4..4 + SUMMARY_BYTES + head.len()];
    if crc32c::crc32c_append(crc32c::crc32c(key), covered) != crc {
        return Err(damaged("has a wrong checksum"));
    }
    let block = BlockReader::open(block)?;
    if block.count() != summary.count as usize {
        return Err(damaged("has another number of events than it says"));
    }
    Ok((summary, block))
}

/// The block of a row as it is, when it is full and after all checksums.
///
/// # Errors
/// `corrupt`: a checksum does not fit.
pub(crate) fn full_block<'a>(key: &[u8], row: &'a [u8]) -> Result<Option<&'a [u8]>> {
    let (summary, block) = open_row(key, row)?;
    if !summary.sealed {
        return Ok(None);
    }
    block.check_frames()?;
    Ok(Some(&row[4 + SUMMARY_BYTES..]))
}

/// The records of a row, after all checksums.
///
/// # Errors
/// `corrupt`: the content is not what the summary says.
pub(crate) fn row_records(key: &[u8], row: &[u8]) -> Result<(Summary, Vec<Record>)> {
    let (summary, block) = open_row(key, row)?;
    let records = block.records(true)?;
    if Summary::of(&records, summary.sealed) != summary {
        return Err(damaged("has other events than it says"));
    }
    Ok((summary, records))
}

/// A value with the checksum over key and value before it.
pub(crate) fn with_checksum(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(4 + content.len());
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), content);
    value.extend_from_slice(&crc.to_le_bytes());
    value.extend_from_slice(content);
    value
}

/// What `with_checksum` was given.
///
/// # Errors
/// `corrupt`: the checksum does not fit.
pub(crate) fn checked<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8]> {
    let (crc, content) = value.split_first_chunk::<4>().ok_or_else(|| damaged("is too short"))?;
    if u32::from_le_bytes(*crc) == crc32c::crc32c_append(crc32c::crc32c(key), content) {
        return Ok(content);
    }
    Err(damaged("has a wrong checksum"))
}

impl Summary {
    /// What is said of 1 to 1,024 records.
    pub(crate) fn of(records: &[Record], sealed: bool) -> Summary {
        assert!(!records.is_empty(), "a block has events");
        let lamports = (records[0].lamport(), records[records.len() - 1].lamport());
        let times = records.iter().map(|record| record.time().micros());
        Summary {
            sealed,
            count: records.len() as u32,
            raw_bytes: records.iter().map(|record| record.as_bytes().len() as u32).sum(),
            lamports: (lamports.0.value(), lamports.1.value()),
            times: times
                .fold((i64::MAX, i64::MIN), |(low, high), time| (low.min(time), high.max(time))),
        }
    }

    /// Appends the byte form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::from(self.sealed).to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.raw_bytes.to_le_bytes());
        out.extend_from_slice(&self.lamports.0.to_le_bytes());
        out.extend_from_slice(&self.lamports.1.to_le_bytes());
        out.extend_from_slice(&self.times.0.to_le_bytes());
        out.extend_from_slice(&self.times.1.to_le_bytes());
    }

    /// Takes one off the front.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Summary> {
        Ok(Summary {
            sealed: reader.u32()? & FLAG_SEALED != 0,
            count: reader.u32()?,
            raw_bytes: reader.u32()?,
            lamports: (reader.u64()?, reader.u64()?),
            times: (reader.u64()? as i64, reader.u64()? as i64),
        })
    }
}

fn damaged(how: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("a stored row {how}"))
}

//! Blocks and index rows as LMDB values: summary, checksum, compressed records.
//!
//! ```text
//! block row = crc32c ‖ summary ‖ zstd(record …)         key = stream id ‖ u64_be first offset
//! index row = crc32c ‖ summary ‖ index                  same key
//! summary   = u32 flags (1: sealed) ‖ u32 count ‖ u32 raw_bytes ‖ u64 lamport_min
//!             ‖ u64 lamport_max ‖ i64 time_min ‖ i64 time_max             (44 bytes)
//! ```
//! The checksum covers key and value, so that a row under a wrong key is found out. No I/O.
//! Source: docs/format.md, "Tables".

use super::index::Index;
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::Reader;
use crate::event::limits::{BLOCK_BYTES_SEAL, RECORD_BYTES_MAX};
use crate::event::{Record, StreamId};
use bytes::Bytes;

/// zstd level; higher ones were slower and not smaller on machine data.
const COMPRESSION_LEVEL: i32 = 1;
const FLAG_SEALED: u32 = 1;

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

/// The rows of a block: the compressed records and their index.
///
/// # Errors
/// `internal`: the compressor failed.
pub(crate) fn encode(
    stream: &StreamId,
    first: u64,
    sealed: bool,
    records: &[Record],
    index: &Index,
) -> Result<(Vec<u8>, Vec<u8>)> {
    let summary = Summary::of(records, sealed);
    let mut raw = Vec::with_capacity(summary.raw_bytes as usize);
    records.iter().for_each(|record| raw.extend_from_slice(record.as_bytes()));
    let compressed = zstd::bulk::compress(&raw, COMPRESSION_LEVEL).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("could not compress a block: {error}"))
    })?;
    let key = block_key(stream, first);
    Ok((row(&key, &summary, &compressed), row(&key, &summary, index.as_bytes())))
}

/// Splits a block or index row into its summary and content, after its checksum.
///
/// # Errors
/// `corrupt`: the checksum does not fit.
pub(crate) fn decode_row<'a>(key: &[u8], row: &'a [u8]) -> Result<(Summary, &'a [u8])> {
    let content = checked(key, row)?;
    let mut reader = Reader::new(content);
    let sealed = reader.u32()? & FLAG_SEALED != 0;
    let summary = Summary {
        sealed,
        count: reader.u32()?,
        raw_bytes: reader.u32()?,
        lamports: (reader.u64()?, reader.u64()?),
        times: (reader.u64()? as i64, reader.u64()? as i64),
    };
    Ok((summary, reader.rest()))
}

/// The records of a block row.
///
/// # Errors
/// `corrupt`: the content is not what the summary says.
pub(crate) fn decode_records(summary: &Summary, compressed: &[u8]) -> Result<Vec<Record>> {
    let raw_bytes = summary.raw_bytes as usize;
    if raw_bytes > BLOCK_BYTES_SEAL + RECORD_BYTES_MAX {
        return Err(damaged("claims more bytes than a block has"));
    }
    let raw = zstd::bulk::decompress(compressed, raw_bytes)
        .map_err(|error| damaged(&format!("does not decompress: {error}")))?;
    let mut raw = Bytes::from(raw);
    let mut records = Vec::new();
    while !raw.is_empty() {
        records.push(Record::take_trusted(&mut raw)?);
    }
    if records.len() != summary.count as usize {
        return Err(damaged("has another number of events than it says"));
    }
    Ok(records)
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
    fn of(records: &[Record], sealed: bool) -> Summary {
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
}

fn row(key: &[u8], summary: &Summary, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(44 + content.len());
    bytes.extend_from_slice(&u32::from(summary.sealed).to_le_bytes());
    bytes.extend_from_slice(&summary.count.to_le_bytes());
    bytes.extend_from_slice(&summary.raw_bytes.to_le_bytes());
    bytes.extend_from_slice(&summary.lamports.0.to_le_bytes());
    bytes.extend_from_slice(&summary.lamports.1.to_le_bytes());
    bytes.extend_from_slice(&summary.times.0.to_le_bytes());
    bytes.extend_from_slice(&summary.times.1.to_le_bytes());
    bytes.extend_from_slice(content);
    with_checksum(key, &bytes)
}

fn damaged(how: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("a stored row {how}"))
}

//! A whole block of a stream as it is stored and shipped, with the head that vouches for it.
//!
//! Rule: what a block claims is compared with its bytes and with the limits here; its events count
//! only after [`PackedRange::unpack`]. A block that is longer than its records is not packed.
//! Source: docs/format.md, "Ranges".

use crate::error::{Error, ErrorKind, Result};
use crate::event::block::BlockReader;
use crate::event::chain::SignedHead;
use crate::event::codec::Reader;
use crate::event::range::{EventRange, SealRule};
use bytes::Bytes;

/// One full block and the head at its end, not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedRange {
    head: SignedHead,
    block: Bytes,
    count: u64,
    record_bytes: usize,
}

impl PackedRange {
    /// A full block and the head at its end. Only what the block claims is looked at.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded`: it claims what cannot be, or is longer than its records.
    pub fn new(head: SignedHead, block: Bytes) -> Result<PackedRange> {
        let (count, record_bytes) = BlockReader::claims(&block)?;
        if count > head.count {
            let message = format!("a block holds {count} events of {}", head.count);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        if block.len() > record_bytes {
            let message = format!("a block has {} bytes, its records {record_bytes}", block.len());
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        Ok(PackedRange { head, block, count, record_bytes })
    }

    /// Reads what [`PackedRange::encode`] wrote, sharing `bytes`.
    ///
    /// # Errors
    /// As [`SignedHead::read`] and [`PackedRange::new`].
    pub fn decode(bytes: &Bytes) -> Result<PackedRange> {
        let mut reader = Reader::new(bytes);
        let head = SignedHead::read(&mut reader)?;
        PackedRange::new(head, bytes.slice(SignedHead::BYTES..))
    }

    /// Appends the byte form: the head, the block.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(SignedHead::BYTES + self.block.len());
        out.extend_from_slice(&self.head.to_bytes());
        out.extend_from_slice(&self.block);
    }

    /// The author's word for everything up to the end of the block.
    pub fn head(&self) -> &SignedHead {
        &self.head
    }

    /// Offset of the first event.
    pub fn first(&self) -> u64 {
        self.head.count - self.count
    }

    /// By how many bytes the records are longer than the block: what unpacking adds.
    pub fn bytes_saved(&self) -> usize {
        self.record_bytes - self.block.len()
    }

    /// The events, each record's form checked as by [`EventRange::decode`], and that readers of the
    /// block find them by their tags. Chain and signature are not verified. The range keeps the
    /// block as it is.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded`, `invalid_argument`: the block is damaged, holds what is not a
    /// record, or is not full.
    pub fn unpack(self) -> Result<EventRange> {
        let records = BlockReader::open(&self.block)?.records(false)?;
        let mut seal = SealRule::new();
        let ends = records.iter().map(|record| seal.push(record.as_bytes().len()));
        if ends.enumerate().any(|(at, ends)| ends != (at as u64 + 1 == self.count)) {
            return Err(Error::new(ErrorKind::Corrupt, "a block does not end where blocks end"));
        }
        let first = self.first();
        Ok(EventRange::with_block(first, records, self.head, self.block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::block;
    use crate::event::tests::{empty, key, range, record, secret};
    use crate::event::{Lamport, Record, cbor};

    fn of(records: &[Record]) -> Result<PackedRange> {
        let chain =
            records.iter().fold(empty().chain, |chain, record| chain.extend(&record.leaf()));
        let count = records.len() as u64;
        let lamport = records.last().map_or(Lamport::ZERO, Record::lamport);
        let head = key().sign_head(&secret().swarm_id(), 0, count, lamport, chain);
        PackedRange::new(head, block::encode(records).into())
    }

    #[test]
    fn a_block_comes_back_as_it_was_with_its_records() {
        let range = range(1, &empty(), 1024);
        assert_eq!(range.packed(), None);
        let packed = of(range.records()).unwrap();
        let mut bytes = Vec::new();
        packed.encode(&mut bytes);
        assert!(bytes.len() < 8 << 10, "{} bytes", bytes.len());
        let read = PackedRange::decode(&bytes.into()).unwrap();
        assert_eq!((&read, read.first()), (&packed, 0));
        assert_eq!(read.bytes_saved(), range.record_bytes() - packed.block.len());
        let mut unpacked = read.unpack().unwrap();
        unpacked.verify(&secret().swarm_id(), &empty()).unwrap();
        assert_eq!(unpacked.records(), range.records());
        assert_eq!(unpacked.packed(), Some(packed));
        unpacked.drop_front(0);
        assert!(unpacked.block().is_some());
        unpacked.drop_front(1);
        assert_eq!((unpacked.first, unpacked.records().len(), unpacked.block()), (1, 1023, None));
    }

    #[test]
    fn a_block_that_is_not_full_or_longer_than_its_records_is_refused() {
        let range = range(1, &empty(), 1023);
        let error = of(range.records()).unwrap().unpack().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let bytes = |count: usize| cbor::Value::Bytes(vec![7; count]);
        let half = crate::event::limits::BLOCK_BYTES_SEAL / 2;
        let records: Vec<Record> =
            (1..=3).map(|lamport| record(lamport, &[], bytes(half))).collect();
        assert!(of(&records[..2]).unwrap().unpack().is_ok());
        assert!(of(&records).unwrap().unpack().is_err(), "it goes on after its end");
        let error = of(&[record(1, &[], cbor::Value::Null)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    }

    #[test]
    fn a_head_that_counts_fewer_events_than_its_block_is_refused() {
        let range = range(1, &empty(), 1024);
        let block: Bytes = block::encode(range.records()).into();
        let fewer = SignedHead { count: 1023, ..range.head };
        assert_eq!(PackedRange::new(fewer, block).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

//! Consecutive events of one stream with the head that vouches for them: the unit that syncs.

use crate::error::{Error, ErrorKind, Result};
use crate::event::chain::{Chain, SignedHead};
use crate::event::codec::{Reader, put_varint};
use crate::event::ids::{StreamId, SwarmId};
use crate::event::limits::{BLOCK_BYTES_SEAL, BLOCK_EVENTS_MAX};
use crate::event::packed::PackedRange;
use crate::event::position::Lamport;
use crate::event::record::Record;
use bytes::Bytes;

/// Where blocks end: after `BLOCK_EVENTS_MAX` events, or with the event that brings a block's
/// records to `BLOCK_BYTES_SEAL` bytes.
///
/// A deterministic function of the stream, so every node cuts the same blocks. The author signs a
/// head at each end of a block and at the end of each commit; every node keeps the former and the
/// latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealRule {
    events: u64,
    bytes: usize,
}

impl SealRule {
    /// The rule at the start of a block.
    pub const fn new() -> SealRule {
        SealRule { events: 0, bytes: 0 }
    }

    /// The rule in the middle of a block that has `events` records of `bytes` bytes together.
    pub const fn resume(events: u64, bytes: usize) -> SealRule {
        assert!(
            events < BLOCK_EVENTS_MAX && bytes < BLOCK_BYTES_SEAL,
            "the block would have ended"
        );
        SealRule { events, bytes }
    }

    /// Counts one more record of the block; true when the block ends with it. The next record then
    /// starts the next block.
    pub fn push(&mut self, record_bytes: usize) -> bool {
        self.events += 1;
        self.bytes += record_bytes;
        let sealed = self.events == BLOCK_EVENTS_MAX || self.bytes >= BLOCK_BYTES_SEAL;
        if sealed {
            *self = SealRule::new();
        }
        sealed
    }

    /// Events counted since the block began: 0 to `BLOCK_EVENTS_MAX` − 1.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Record bytes counted since the block began.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What we hold of a stream, as far as the next range must fit on: count, chain and lamport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEnd {
    /// Number of events.
    pub count: u64,
    /// The chain after the last of them.
    pub chain: Chain,
    /// The lamport of the last of them; zero when there is none.
    pub lamport: Lamport,
}

impl StreamEnd {
    /// The end of a stream that has no events yet.
    pub fn empty(swarm: &SwarmId, stream: &StreamId) -> StreamEnd {
        StreamEnd { count: 0, chain: Chain::start(swarm, stream), lamport: Lamport::ZERO }
    }
}

impl From<&SignedHead> for StreamEnd {
    fn from(head: &SignedHead) -> StreamEnd {
        StreamEnd { count: head.count, chain: head.chain, lamport: head.lamport }
    }
}

/// Consecutive events of one stream, from `first` to exactly `head.count`, inside one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRange {
    /// Offset of the first record.
    pub first: u64,
    /// 1 to `BLOCK_EVENTS_MAX`.
    records: Vec<Record>,
    /// The author's word for everything up to the end of this range.
    pub head: SignedHead,
    /// The block that these records, all of them, were unpacked from.
    block: Option<Bytes>,
}

impl EventRange {
    /// The range of these 1 to `BLOCK_EVENTS_MAX` records, of which the first stands at offset
    /// `first`. Nothing is checked: see [`EventRange::verify`].
    pub fn new(first: u64, records: Vec<Record>, head: SignedHead) -> EventRange {
        EventRange { first, records, head, block: None }
    }

    /// The range of the records that `block` was unpacked to.
    pub(super) fn with_block(
        first: u64,
        records: Vec<Record>,
        head: SignedHead,
        block: Bytes,
    ) -> EventRange {
        EventRange { first, records, head, block: Some(block) }
    }

    /// The records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The records, taken out.
    pub fn into_records(self) -> Vec<Record> {
        self.records
    }

    /// Bytes of the records together.
    pub fn record_bytes(&self) -> usize {
        self.records.iter().map(|record| record.as_bytes().len()).sum()
    }

    /// The block that the records were unpacked from, if they still are all of it.
    pub fn block(&self) -> Option<&Bytes> {
        self.block.as_ref()
    }

    /// The same as one block, if it was unpacked from one.
    pub fn packed(&self) -> Option<PackedRange> {
        let block = self.block.clone()?;
        Some(PackedRange::new(self.head.clone(), block).expect("it was unpacked from this"))
    }

    /// Forgets the block that the records were unpacked from.
    pub fn forget_block(&mut self) {
        self.block = None;
    }

    /// Takes off the first `count` records.
    pub fn drop_front(&mut self, count: usize) {
        if count > 0 {
            self.block = None;
            self.records.drain(..count.min(self.records.len()));
            self.first += count as u64;
        }
    }

    /// Whose events.
    pub fn stream(&self) -> StreamId {
        self.head.stream
    }

    /// Appends the byte form: the head, the number of records, the records. `first` follows from
    /// the head's count. The other form is that of [`PackedRange`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(SignedHead::BYTES + 2 + self.record_bytes());
        out.extend_from_slice(&self.head.to_bytes());
        put_varint(out, self.records.len() as u64);
        self.records.iter().for_each(|record| out.extend_from_slice(record.as_bytes()));
    }

    /// Reads what [`EventRange::encode`] wrote, sharing `bytes`, and checks every record's form.
    /// Chain and signature are not verified. Whether the block ends within the range is checked as
    /// far as the range alone shows it; who knows where the block began asks a `SealRule`.
    ///
    /// # Errors
    /// As [`SignedHead::read`] and [`Record::take`]; `limit_exceeded`: more than a block holds.
    pub fn decode(bytes: &Bytes) -> Result<EventRange> {
        let mut reader = Reader::new(bytes);
        let head = SignedHead::read(&mut reader)?;
        let count = reader.varint_max(BLOCK_EVENTS_MAX, "the number of events in a range")?;
        if count == 0 || count > head.count {
            let message = format!("a range holds {count} events of {}", head.count);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let mut rest = bytes.slice(bytes.len() - reader.rest().len()..);
        let all = rest.len();
        let mut records = Vec::new();
        for _ in 0..count {
            if all - rest.len() >= BLOCK_BYTES_SEAL {
                let message = format!("a range of {count} events goes beyond the end of a block");
                return Err(Error::new(ErrorKind::LimitExceeded, message));
            }
            records.push(Record::take(&mut rest)?);
        }
        Reader::new(&rest).finish()?;
        Ok(EventRange::new(head.count - count, records, head))
    }

    /// Checks that this range goes on exactly where `before` ends: offsets, rising lamports, the
    /// chain, and the author's signature.
    ///
    /// # Errors
    /// `peer_misbehaved` with reason `forged`, `lamport_order` or `gap`: it does not.
    pub fn verify(&self, swarm: &SwarmId, before: &StreamEnd) -> Result<()> {
        self.verify_chain(before)?;
        self.head.verify(swarm)
    }

    /// As [`EventRange::verify`], without the signature: for a head that was verified before.
    ///
    /// # Errors
    /// As [`EventRange::verify`].
    pub fn verify_chain(&self, before: &StreamEnd) -> Result<()> {
        let stream = self.stream();
        if self.first != before.count || self.first + self.records.len() as u64 != self.head.count {
            let message = format!(
                "events {}..{} of stream {stream} do not follow the {} held",
                self.first, self.head.count, before.count
            );
            return Err(Error::new(ErrorKind::PeerMisbehaved, message).with_reason("gap"));
        }
        let (mut chain, mut lamport) = (before.chain, before.lamport);
        for (record, offset) in self.records.iter().zip(self.first..) {
            if record.lamport() <= lamport {
                let message = format!(
                    "event {offset} of stream {stream} has lamport {} after {lamport}",
                    record.lamport()
                );
                let error = Error::new(ErrorKind::PeerMisbehaved, message);
                return Err(error.with_reason("lamport_order"));
            }
            lamport = record.lamport();
            chain = chain.extend(&record.leaf());
        }
        if chain == self.head.chain && lamport == self.head.lamport {
            return Ok(());
        }
        let message = format!(
            "events {}..{} of stream {stream} are not the ones its node signed",
            self.first, self.head.count
        );
        Err(Error::new(ErrorKind::PeerMisbehaved, message).with_reason("forged"))
    }
}

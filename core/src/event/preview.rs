//! Events that their author has not on its disk yet, as it shows them to peers that want them.

use crate::error::{Error, ErrorKind, Result};
use crate::event::chain::Chain;
use crate::event::codec::{Reader, put_varint};
use crate::event::ids::{NodeId, StreamId};
use crate::event::limits::{BLOCK_EVENTS_MAX, LAMPORT_MAX};
use crate::event::range::StreamEnd;
use crate::event::record::Record;
use bytes::Bytes;

/// Consecutive events of one stream. Nothing of it is signed: it is worth something only from the
/// author itself, in a session that shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Whose events.
    pub stream: StreamId,
    /// Offset of the first.
    pub first: u64,
    /// The chain before it.
    pub before: Chain,
    /// 1 to `BLOCK_EVENTS_MAX`, of at most [`Preview::BYTES_MAX`] bytes together.
    pub records: Vec<Record>,
}

impl Preview {
    /// Most bytes of its records together.
    pub const BYTES_MAX: usize = 64 << 10;

    /// Appends the byte form: number of the stream, offset, chain, number of records, records. The
    /// stream's node is not said: it is the sender.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.stream.number);
        put_varint(out, self.first);
        out.extend_from_slice(self.before.as_bytes());
        put_varint(out, self.records.len() as u64);
        self.records.iter().for_each(|record| out.extend_from_slice(record.as_bytes()));
    }

    /// Reads what [`Preview::encode`] wrote of a stream of `node`, sharing `bytes`, and checks the
    /// form of every record.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded` or `invalid_argument`: it is not of this form.
    pub fn decode(bytes: &Bytes, node: NodeId) -> Result<Preview> {
        let mut reader = Reader::new(bytes);
        let stream = StreamId { node, number: reader.varint()? };
        let first = reader.varint_max(LAMPORT_MAX, "the offset of a preview")?;
        let before = Chain::from_bytes(reader.array()?);
        let count = reader.varint_max(BLOCK_EVENTS_MAX, "the number of events in a preview")?;
        let mut rest = bytes.slice(bytes.len() - reader.rest().len()..);
        if count == 0 || rest.len() > Preview::BYTES_MAX {
            let message = format!("a preview of {count} events in {} bytes", rest.len());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let records = (0..count).map(|_| Record::take(&mut rest)).collect::<Result<_>>()?;
        Reader::new(&rest).finish()?;
        Ok(Preview { stream, first, before, records })
    }

    /// Where its stream would end with it, if it goes on from `end`; `None` when it does not.
    ///
    /// # Errors
    /// `peer_misbehaved`, reason `lamport_order`: its lamports do not rise.
    pub fn after(&self, end: &StreamEnd) -> Result<Option<StreamEnd>> {
        if self.first != end.count || self.before != end.chain {
            return Ok(None);
        }
        let mut after = *end;
        for record in &self.records {
            if record.lamport() <= after.lamport {
                let message = format!("a preview of {} has falling lamports", self.stream);
                let error = Error::new(ErrorKind::PeerMisbehaved, message);
                return Err(error.with_reason("lamport_order"));
            }
            after.count += 1;
            after.lamport = record.lamport();
            after.chain = after.chain.extend(&record.leaf());
        }
        Ok(Some(after))
    }
}

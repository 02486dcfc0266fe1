//! The messages about blobs as bytes: one type byte, then the fields.
//!
//! Every message has exactly one form, nothing may be left over, and a claimed number is held
//! against its bound before anything is allocated for it. All types may be skipped by those who do
//! not know them. Begin with [`BlobMessage`]. Source: docs/protocol.md, "Blobs".

use crate::blob::id::BlobId;
use crate::blob::limits::{
    ASKED_GROUPS_PER_PEER_MAX, BLOB_BYTES_MAX, GROUPS_MAX, IDS_PER_MESSAGE_MAX, OTHERS_MAX,
    SPANS_MAX,
};
use crate::blob::size::{BlobSize, GroupIndex, GroupRange};
use crate::error::Result;
use crate::event::NodeId;
use crate::event::codec::{Reader, bad, put_varint};
use bytes::Bytes;

/// What one node says to another about blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobMessage {
    /// What of these blobs does the receiver hold? 1 to `IDS_PER_MESSAGE_MAX`.
    Find(Vec<Find>),
    /// What of these blobs the sender holds. 1 to `IDS_PER_MESSAGE_MAX`.
    Have(Vec<Have>),
    /// Please send these groups, in order.
    Ask(Ask),
    /// One group of a transfer; on the bulk lane only.
    Piece(PieceFrame),
    /// Nothing more of a transfer, said by who asked for it: on the live lane.
    Stop {
        /// Which of the sender's asks.
        transfer: u64,
    },
    /// Nothing more of a transfer comes, said by who was asked: on the bulk lane, behind what came.
    Stopped {
        /// Which of the receiver's asks.
        transfer: u64,
        /// Why.
        reason: StopReason,
    },
    /// Requests to hold blobs, and answers to them. 1 to `IDS_PER_MESSAGE_MAX`.
    Keep(Vec<(BlobId, KeepWord)>),
}

/// A question about one blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Find {
    /// Which blob.
    pub id: BlobId,
    /// Whether to tell of changes as well. A later question about the same blob counts instead.
    pub watch: bool,
}

/// What a node holds of one blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Have {
    /// Which blob.
    pub id: BlobId,
    /// How much of it.
    pub holding: Holding,
    /// Nodes that told the sender themselves that they hold it whole, rising: a hint, no more.
    /// At most `OTHERS_MAX`.
    pub others: Vec<NodeId>,
}

/// How much of a blob a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Nothing.
    Nothing,
    /// These groups, 1 to `SPANS_MAX` runs that rise and do not touch; there may be more.
    Part {
        /// The blob's size, as far as the sender knows.
        size: BlobSize,
        /// The groups.
        spans: Vec<GroupRange>,
    },
    /// All of it, and it would survive a power cut.
    Whole {
        /// The blob's size.
        size: BlobSize,
    },
}

/// A request for groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its number, higher than those of all earlier asks of the sender on this connection.
    pub transfer: u64,
    /// Which blob.
    pub id: BlobId,
    /// Its size, as the receiver stated it.
    pub size: BlobSize,
    /// Which groups of it: 1 to `ASKED_GROUPS_PER_PEER_MAX`.
    pub groups: GroupRange,
}

/// A group on its way. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceFrame {
    /// Which ask it answers.
    pub transfer: u64,
    /// Which group.
    pub group: GroupIndex,
    /// The hash pairs and the bytes, see `blob::piece`.
    pub piece: Bytes,
}

macro_rules! bytes_of {
    ($(#[doc = $doc:literal])+ $name:ident {
        $($(#[doc = $sentence:literal])+ $variant:ident = $byte:literal,)+
    }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[doc = $sentence])+ $variant,)+
            /// One of a later version, by its byte.
            Other(u8),
        }

        impl $name {
            /// All that this version knows, by rising byte.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The byte that stands for it.
            pub const fn byte(self) -> u8 {
                match self {
                    $($name::$variant => $byte,)+
                    $name::Other(byte) => byte,
                }
            }

            fn from_byte(byte: u8) -> $name {
                match byte {
                    $($byte => $name::$variant,)+
                    other => $name::Other(other),
                }
            }
        }
    };
}

bytes_of! {
    /// Why nothing more of a transfer comes. One of a later version counts as no time now.
    StopReason {
        /// Because who asked said so.
        AsYouSaid = 0,
        /// The sender does not hold it.
        NotHeld = 1,
        /// The sender has no time for it now.
        NoTimeNow = 2,
        /// What the sender holds is damaged.
        Damaged = 3,
        /// The blob has another size than the ask says.
        OtherSize = 4,
    }
}

bytes_of! {
    /// One word about holding a blob for somebody. One of a later version means nothing.
    KeepWord {
        /// The request is taken back.
        NoMore = 0,
        /// Please hold it whole.
        Please = 1,
        /// The sender holds it whole, and it would survive a power cut.
        Held = 2,
        /// The sender is fetching it.
        Fetching = 3,
        /// The sender has no room for it.
        NoRoom = 4,
        /// Nothing that the sender holds refers to it.
        NotKnown = 5,
    }
}

mod kind {
    pub(super) const FIND: u8 = 0x90;
    pub(super) const HAVE: u8 = 0x91;
    pub(super) const ASK: u8 = 0x92;
    pub(super) const PIECE: u8 = 0x93;
    pub(super) const STOP: u8 = 0x94;
    pub(super) const KEEP: u8 = 0x95;
}

const NOTHING: u8 = 0;
const PART: u8 = 1;
const WHOLE: u8 = 2;

impl BlobMessage {
    /// The frame.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            BlobMessage::Find(finds) => {
                put_count(kind::FIND, finds.len(), &mut out);
                for find in finds {
                    out.extend_from_slice(find.id.as_bytes());
                    out.push(u8::from(find.watch));
                }
            }
            BlobMessage::Have(all) => {
                put_count(kind::HAVE, all.len(), &mut out);
                all.iter().for_each(|have| have.put(&mut out));
            }
            BlobMessage::Ask(ask) => {
                out.push(kind::ASK);
                put_varint(&mut out, ask.transfer);
                out.extend_from_slice(ask.id.as_bytes());
                put_varint(&mut out, ask.size.bytes());
                put_varint(&mut out, ask.groups.first().into());
                put_varint(&mut out, ask.groups.count().into());
            }
            BlobMessage::Piece(frame) => {
                out = piece_head(frame.transfer, frame.group, frame.piece.len());
                out.extend_from_slice(&frame.piece);
            }
            BlobMessage::Stop { transfer } => {
                out.extend_from_slice(&[kind::STOP, 0]);
                put_varint(&mut out, *transfer);
            }
            BlobMessage::Stopped { transfer, reason } => {
                out.extend_from_slice(&[kind::STOP, 1]);
                put_varint(&mut out, *transfer);
                out.push(reason.byte());
            }
            BlobMessage::Keep(all) => {
                put_count(kind::KEEP, all.len(), &mut out);
                for (id, word) in all {
                    out.extend_from_slice(id.as_bytes());
                    out.push(word.byte());
                }
            }
        }
        out.into()
    }

    /// Reads a frame, sharing its bytes; none when it is of a type that may be skipped.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded` or `invalid_argument`: it is of a type of ours and no message.
    pub fn decode(frame: &Bytes) -> Result<Option<BlobMessage>> {
        let mut reader = Reader::new(frame);
        let message = match reader.u8()? {
            kind::FIND => BlobMessage::Find(read_all(&mut reader, |reader| {
                let id = read_id(reader)?;
                let watch = match reader.u8()? {
                    0 => false,
                    1 => true,
                    other => return Err(bad(format!("a watch has no form {other}"))),
                };
                Ok(Find { id, watch })
            })?),
            kind::HAVE => BlobMessage::Have(read_all(&mut reader, Have::read)?),
            kind::ASK => BlobMessage::Ask(read_ask(&mut reader)?),
            kind::PIECE => {
                let (transfer, group) = (reader.varint()?, GroupIndex::new(reader.varint()?)?);
                let piece = frame.slice(frame.len() - reader.rest().len()..);
                let frame = PieceFrame { transfer, group, piece };
                return Ok(Some(BlobMessage::Piece(frame)));
            }
            kind::STOP => match reader.u8()? {
                0 => BlobMessage::Stop { transfer: reader.varint()? },
                1 => {
                    let transfer = reader.varint()?;
                    BlobMessage::Stopped { transfer, reason: StopReason::from_byte(reader.u8()?) }
                }
                other => return Err(bad(format!("a stop has no form {other}"))),
            },
            kind::KEEP => BlobMessage::Keep(read_all(&mut reader, |reader| {
                Ok((read_id(reader)?, KeepWord::from_byte(reader.u8()?)))
            })?),
            _ => return Ok(None),
        };
        reader.finish()?;
        Ok(Some(message))
    }
}

/// The beginning of the frame of a piece, with room for the `piece_bytes` that follow.
pub(crate) fn piece_head(transfer: u64, group: GroupIndex, piece_bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + piece_bytes);
    out.push(kind::PIECE);
    put_varint(&mut out, transfer);
    put_varint(&mut out, group.value().into());
    out
}

impl Have {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        match &self.holding {
            Holding::Nothing => out.push(NOTHING),
            Holding::Part { size, spans } => {
                out.push(PART);
                put_varint(out, size.bytes());
                put_varint(out, spans.len() as u64);
                let mut end = 0;
                for span in spans {
                    put_varint(out, u64::from(span.first() - end));
                    put_varint(out, span.count().into());
                    end = span.end();
                }
            }
            Holding::Whole { size } => {
                out.push(WHOLE);
                put_varint(out, size.bytes());
            }
        }
        put_varint(out, self.others.len() as u64);
        self.others.iter().for_each(|node| out.extend_from_slice(node.as_bytes()));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Have> {
        let id = read_id(reader)?;
        let holding = match reader.u8()? {
            NOTHING => Holding::Nothing,
            PART => {
                let size = read_size(reader)?;
                Holding::Part { size, spans: read_spans(reader, size)? }
            }
            WHOLE => Holding::Whole { size: read_size(reader)? },
            other => return Err(bad(format!("a holding has no form {other}"))),
        };
        let mut others = Vec::new();
        for _ in 0..reader.varint_max(OTHERS_MAX as u64, "the number of other holders")? {
            others.push(NodeId::from_bytes(reader.array()?));
        }
        if !others.is_sorted_by(|a, b| a < b) {
            return Err(bad("other holders do not rise"));
        }
        Ok(Have { id, holding, others })
    }
}

fn read_spans(reader: &mut Reader<'_>, size: BlobSize) -> Result<Vec<GroupRange>> {
    let count = reader.varint_max(SPANS_MAX as u64, "the number of spans")?;
    if count == 0 {
        return Err(bad("a part has no span"));
    }
    let (mut spans, mut end) = (Vec::new(), 0);
    for index in 0..count {
        let gap = reader.varint_max(GROUPS_MAX.into(), "a gap between spans")?;
        let groups = reader.varint_max(GROUPS_MAX.into(), "the groups of a span")?;
        if groups == 0 || (index > 0 && gap == 0) {
            return Err(bad("a span is empty or touches the one before"));
        }
        let first = end + gap;
        end = first + groups;
        if end > u64::from(size.groups()) {
            return Err(bad("a span ends behind its blob"));
        }
        spans.push(GroupRange::new(first, end)?);
    }
    Ok(spans)
}

fn read_ask(reader: &mut Reader<'_>) -> Result<Ask> {
    let (transfer, id, size) = (reader.varint()?, read_id(reader)?, read_size(reader)?);
    let first = reader.varint_max(GROUPS_MAX.into(), "the first group of an ask")?;
    let count = reader.varint_max(ASKED_GROUPS_PER_PEER_MAX.into(), "the groups of an ask")?;
    if count == 0 || first + count > u64::from(size.groups()) {
        return Err(bad("an ask is for no group, or for one behind the end of its blob"));
    }
    Ok(Ask { transfer, id, size, groups: GroupRange::new(first, first + count)? })
}

fn read_id(reader: &mut Reader<'_>) -> Result<BlobId> {
    Ok(BlobId::from_bytes(reader.array()?))
}

fn read_size(reader: &mut Reader<'_>) -> Result<BlobSize> {
    BlobSize::new(reader.varint_max(BLOB_BYTES_MAX, "the size of a blob")?)
}

fn put_count(kind: u8, count: usize, out: &mut Vec<u8>) {
    assert!((1..=IDS_PER_MESSAGE_MAX).contains(&count), "a message names 1 to 64 blobs");
    out.push(kind);
    put_varint(out, count as u64);
}

/// One to `IDS_PER_MESSAGE_MAX` of something, each of which takes 33 bytes or more.
fn read_all<T>(
    reader: &mut Reader<'_>,
    mut one: impl FnMut(&mut Reader<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = reader.varint_max(IDS_PER_MESSAGE_MAX as u64, "the number of blobs")?;
    if count == 0 {
        return Err(bad("a message names no blob"));
    }
    (0..count).map(|_| one(reader)).collect()
}

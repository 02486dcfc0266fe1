//! The messages of a session as bytes: one type byte, then the fields.
//!
//! A type below 0x80 must be understood, else the session ends; one from 0x80 on is skipped when it
//! is unknown. Every message has exactly one form, and nothing is allocated for a claimed size.
//! Begin with [`Message`]. Source: docs/protocol.md, "Messages".

use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::{Reader, bad, put_varint};
use crate::event::limits::{FORMER_SECRETS_MAX, LAMPORT_MAX};
use crate::event::{Chain, EventRange, NodeId, PackedRange, Preview, SignedHead, StreamId};
use crate::sync::constants::{
    LIMITS, LIMITS_COUNT_MAX, PEERS_LISTED_MAX, PROGRESS_STREAMS_MAX, PRUNE_STREAMS_MAX,
    SUMMARY_HEADS_MAX,
};
#[cfg(feature = "net")]
use crate::sync::lane::Lane;
use crate::sync::memory::Heard;
use crate::sync::priority::PRIORITY_BYTES_MAX;
use crate::sync::refusal::RefusalReason;
use bytes::Bytes;
use std::net::SocketAddr;

mod addresses;

/// From this type on, a message may be skipped by those who do not know it.
const IGNORABLE: u8 = 0x80;
/// Longest extension of a hello.
const EXTENSION_BYTES_MAX: usize = 1024;
/// The extension of a hello with its second and further proofs.
const FURTHER_PROOFS: u64 = 2;
/// The extension of a hello that says how much was heard in an earlier session.
const HEARD: u64 = 4;
/// The extension of a hello whose sender carries cargo, and what it holds.
const CARRIES_CARGO: u64 = 6;
const CARRIES_CARGO_BYTES: &[u8] = &[1];
/// Most proofs of one node: of its current secret and of all former ones.
const PROOFS_MAX: usize = 1 + FORMER_SECRETS_MAX;

/// The first message of both sides: what the sender speaks, and its proof of the swarm secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The oldest version that the sender speaks.
    pub version_min: u8,
    /// The newest one.
    pub version_max: u8,
    /// Changes whenever the sender's process starts anew.
    pub instance: [u8; 8],
    /// See `admission`: 1 to 5, that of the sender's current secret first.
    pub proofs: Vec<[u8; 32]>,
    /// What the sender can receive, in the order of docs/protocol.md.
    pub limits: Vec<u64>,
    /// How much the sender heard of the receiver in an earlier session, if it can go on from there;
    /// hidden from who does not have its secret, see `admission`.
    pub heard: Option<Heard>,
    /// Whether the sender carries cargo: messages of the types `90` to `97`.
    pub carries_cargo: bool,
}

/// What one side says to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields say what the variants' sentences name.
pub enum Message {
    /// Who the sender is and what it speaks.
    Hello(Hello),
    /// Only the version range of a hello, when it has none in common with us: the rest may be of
    /// another form.
    ForeignHello,
    /// The sender ends the session, and why.
    Goodbye(RefusalReason),
    /// Are you there?
    Ping(u64),
    /// The answer to the ping with this number.
    Pong(u64),
    /// Heads of streams that the sender holds; `is_last` ends the first full account of them.
    Summary { is_last: bool, heads: Vec<SignedHead> },
    /// Further bytes of events the receiver may send, and streams as far as the sender holds them.
    Progress { credit: u64, held: Vec<(StreamId, u64)> },
    /// Please send events `from..to` of the stream; an empty range takes the request back.
    Want { stream: StreamId, from: u64, to: u64 },
    /// Events, and the chain that the sender has before the first of them. A range that was
    /// unpacked from a block travels as that block.
    Range { before: Chain, range: EventRange },
    /// The nodes that the sender has sessions with, rising.
    Peers(Vec<NodeId>),
    /// Events of the sender that are not on its disk yet. Read, its stream's node is all zeros: who
    /// the sender is the session knows.
    Preview(Preview),
    /// Whether the sender wants previews.
    Live(bool),
    /// Where nodes are that the sender has sessions with, by rising id.
    Addresses(Vec<(NodeId, Vec<SocketAddr>)>),
    /// Streams whose live events the receiver need not push: they came before its own did.
    Prune(Vec<StreamId>),
    /// The canonical text of a query: of what the sender asks for, streams with such events go
    /// first. 1 to 1,024 bytes.
    Priority(String),
    /// In place of those of the sender's hello: 1 to 5, that of its current secret first.
    Proofs(Vec<[u8; 32]>),
    /// The sender goes on from what the receiver has heard, as its hello says.
    GoingOn,
}

/// A message or the reason to skip or refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// One that we know.
    Message(Box<Message>),
    /// One that we do not know and need not know.
    Skip,
    /// One of this type that we would have to know.
    Unsupported(u8),
}

mod kind {
    pub(super) const HELLO: u8 = 0x01;
    pub(super) const GOODBYE: u8 = 0x02;
    pub(super) const PING: u8 = 0x03;
    pub(super) const PONG: u8 = 0x04;
    pub(super) const SUMMARY: u8 = 0x05;
    pub(super) const PROGRESS: u8 = 0x06;
    pub(super) const WANT: u8 = 0x07;
    pub(super) const RANGE: u8 = 0x08;
    pub(super) const PEERS: u8 = 0x09;
    pub(super) const BLOCK: u8 = 0x0a;
    pub(super) const PREVIEW: u8 = 0x83;
    pub(super) const LIVE: u8 = 0x84;
    pub(super) const PRUNE: u8 = 0x81;
    pub(super) const ADDRESSES: u8 = 0x82;
    pub(super) const PRIORITY: u8 = 0x85;
    pub(super) const GOING_ON: u8 = 0x86;
    pub(super) const PROOFS: u8 = 0x8b;
    /// Cargo, and long: nobody sends it who was not asked.
    #[cfg(feature = "net")]
    pub(super) const PIECE: u8 = 0x93;
}

/// What a frame with events claims.
#[derive(Clone, Debug)]
pub(crate) struct RangeClaims {
    pub(crate) head: SignedHead,
    /// Offset of the first event.
    pub(crate) first: u64,
    /// What it costs of the credit: the frame, with the records of a block in place of the block.
    pub(crate) cost: usize,
    pub(crate) is_block: bool,
}

/// Whether a frame claims to be events as records, which live ones are.
#[cfg(feature = "net")] // Only the driver of a network asks.
pub(crate) fn carries_events(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(&kind::RANGE | &kind::PREVIEW))
}

/// Whether a frame claims to be events in any form, which have a credit of their own, or a piece of
/// what was asked for.
#[cfg(feature = "net")] // Here as well.
pub(crate) fn is_bounded(lane: Lane, frame: &[u8]) -> bool {
    match frame.first() {
        Some(&(kind::RANGE | kind::BLOCK | kind::PREVIEW)) => true,
        Some(&kind::PIECE) => lane == Lane::Bulk,
        _ => false,
    }
}

/// What the range or block in `frame` claims, without decoding its records; none when the frame is
/// neither, or its claims cannot be. So that duplicates cost next to nothing.
pub(crate) fn peek_range(frame: &Bytes) -> Option<RangeClaims> {
    let mut reader = Reader::new(frame);
    let kind = reader.u8().ok()?;
    if kind != kind::RANGE && kind != kind::BLOCK {
        return None;
    }
    reader.bytes(32).ok()?;
    if kind == kind::BLOCK {
        let packed = PackedRange::decode(&frame.slice(33..)).ok()?;
        let cost = frame.len() + packed.bytes_saved();
        let (head, first) = (packed.head().clone(), packed.first());
        return Some(RangeClaims { head, first, cost, is_block: true });
    }
    let head = SignedHead::read(&mut reader).ok()?;
    let first = head.count.checked_sub(reader.varint().ok()?)?;
    Some(RangeClaims { head, first, cost: frame.len(), is_block: false })
}

/// The frame of a whole block.
pub(crate) fn encode_block(before: &Chain, packed: &PackedRange) -> Bytes {
    let mut out = vec![kind::BLOCK];
    out.extend_from_slice(before.as_bytes());
    packed.encode(&mut out);
    out.into()
}

impl Message {
    /// The frame.
    ///
    /// # Panics
    /// For a `ForeignHello`, which is only read.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Message::Hello(hello) => encode_hello(hello, &mut out),
            Message::ForeignHello => unreachable!("only read, never written"),
            Message::Goodbye(reason) => {
                out.push(kind::GOODBYE);
                put_varint(&mut out, reason.code());
            }
            Message::Ping(number) => put_echo(kind::PING, *number, &mut out),
            Message::Pong(number) => put_echo(kind::PONG, *number, &mut out),
            Message::Summary { is_last, heads } => {
                out.extend_from_slice(&[kind::SUMMARY, u8::from(*is_last)]);
                put_varint(&mut out, heads.len() as u64);
                heads.iter().for_each(|head| out.extend_from_slice(&head.to_bytes()));
            }
            Message::Progress { credit, held } => {
                out.push(kind::PROGRESS);
                put_varint(&mut out, *credit);
                put_varint(&mut out, held.len() as u64);
                for (stream, count) in held {
                    out.extend_from_slice(&stream.to_bytes());
                    put_varint(&mut out, *count);
                }
            }
            Message::Want { stream, from, to } => {
                out.push(kind::WANT);
                out.extend_from_slice(&stream.to_bytes());
                put_varint(&mut out, *from);
                put_varint(&mut out, *to);
            }
            Message::Range { before, range } => {
                if let Some(packed) = range.packed() {
                    return encode_block(before, &packed);
                }
                out.push(kind::RANGE);
                out.extend_from_slice(before.as_bytes());
                range.encode(&mut out);
            }
            Message::Peers(nodes) => {
                out.push(kind::PEERS);
                put_varint(&mut out, nodes.len() as u64);
                nodes.iter().for_each(|node| out.extend_from_slice(node.as_bytes()));
            }
            Message::Preview(preview) => {
                out.push(kind::PREVIEW);
                preview.encode(&mut out);
            }
            Message::Live(wanted) => out.extend_from_slice(&[kind::LIVE, u8::from(*wanted)]),
            Message::Addresses(listed) => {
                out.push(kind::ADDRESSES);
                addresses::put(listed, &mut out);
            }
            Message::Prune(streams) => {
                out.push(kind::PRUNE);
                put_varint(&mut out, streams.len() as u64);
                streams.iter().for_each(|stream| out.extend_from_slice(&stream.to_bytes()));
            }
            Message::Priority(text) => put_priority(text, &mut out),
            Message::GoingOn => out.push(kind::GOING_ON),
            Message::Proofs(proofs) => {
                out.push(kind::PROOFS);
                put_varint(&mut out, proofs.len() as u64);
                out.extend_from_slice(proofs.as_flattened());
            }
        }
        out.into()
    }

    /// Reads a frame, sharing its bytes.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded` or `invalid_argument`: it is not a message.
    pub fn decode(frame: &Bytes) -> Result<Decoded> {
        let mut reader = Reader::new(frame);
        let message = match reader.u8()? {
            kind::HELLO => {
                return read_hello(reader).map(|hello| Decoded::Message(Box::new(hello)));
            }
            kind::GOODBYE => Message::Goodbye(RefusalReason::from_code(reader.varint()?)),
            kind::PING => Message::Ping(reader.u64()?),
            kind::PONG => Message::Pong(reader.u64()?),
            kind::SUMMARY => read_summary(&mut reader)?,
            kind::PROGRESS => read_progress(&mut reader)?,
            kind::WANT => read_want(&mut reader)?,
            kind::RANGE => {
                let before = Chain::from_bytes(reader.array()?);
                let range = EventRange::decode(&frame.slice(frame.len() - reader.rest().len()..))?;
                return Ok(Decoded::Message(Box::new(Message::Range { before, range })));
            }
            kind::PEERS => read_peers(&mut reader)?,
            kind::PRUNE => read_prune(&mut reader)?,
            kind::ADDRESSES => addresses::read(&mut reader)?,
            kind::BLOCK => {
                let before = Chain::from_bytes(reader.array()?);
                let packed = PackedRange::decode(&frame.slice(frame.len() - reader.rest().len()..));
                let range = packed?.unpack()?;
                return Ok(Decoded::Message(Box::new(Message::Range { before, range })));
            }
            kind::PROOFS => read_proofs(&mut reader)?,
            kind::PRIORITY => read_priority(&mut reader)?,
            kind::GOING_ON => Message::GoingOn,
            kind::PREVIEW => {
                let preview = Preview::decode(&frame.slice(1..), NodeId::from_bytes([0; 32]))?;
                return Ok(Decoded::Message(Box::new(Message::Preview(preview))));
            }
            kind::LIVE => Message::Live(read_flag(&mut reader, "an interest")?),
            other if other >= IGNORABLE => return Ok(Decoded::Skip),
            other => return Ok(Decoded::Unsupported(other)),
        };
        reader.finish()?;
        Ok(Decoded::Message(Box::new(message)))
    }
}

fn put_priority(text: &str, out: &mut Vec<u8>) {
    out.push(kind::PRIORITY);
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn read_priority(reader: &mut Reader<'_>) -> Result<Message> {
    let length = reader.varint_max(PRIORITY_BYTES_MAX as u64, "the bytes of a priority")?;
    let text = std::str::from_utf8(reader.bytes(length as usize)?);
    let text = text.ok().filter(|text| !text.is_empty());
    Ok(Message::Priority(text.ok_or_else(|| bad("a priority is no text"))?.to_owned()))
}

fn put_echo(kind: u8, number: u64, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&number.to_le_bytes());
}

fn encode_hello(hello: &Hello, out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind::HELLO, hello.version_min, hello.version_max]);
    out.extend_from_slice(&hello.instance);
    let (first, further) = hello.proofs.split_first().expect("a hello has a proof");
    out.extend_from_slice(first);
    put_varint(out, hello.limits.len() as u64);
    hello.limits.iter().for_each(|limit| put_varint(out, *limit));
    let extensions = [!further.is_empty(), hello.heard.is_some(), hello.carries_cargo];
    put_varint(out, extensions.into_iter().map(u64::from).sum());
    if !further.is_empty() {
        put_varint(out, FURTHER_PROOFS);
        put_varint(out, further.as_flattened().len() as u64);
        out.extend_from_slice(further.as_flattened());
    }
    if let Some(Heard { session, count }) = &hello.heard {
        put_varint(out, HEARD);
        put_varint(out, 16);
        out.extend_from_slice(session);
        out.extend_from_slice(&count.to_le_bytes());
    }
    if hello.carries_cargo {
        put_varint(out, CARRIES_CARGO);
        put_varint(out, CARRIES_CARGO_BYTES.len() as u64);
        out.extend_from_slice(CARRIES_CARGO_BYTES);
    }
}

fn read_hello(mut reader: Reader<'_>) -> Result<Message> {
    use crate::sync::constants::{VERSION_MAX, VERSION_MIN};
    let (version_min, version_max) = (reader.u8()?, reader.u8()?);
    if version_min > version_max {
        return Err(corrupt("a hello has an empty range of versions"));
    }
    if version_min > VERSION_MAX || version_max < VERSION_MIN {
        return Ok(Message::ForeignHello);
    }
    let (instance, mut proofs) = (reader.array()?, vec![reader.array()?]);
    let (mut limits, mut heard, mut carries_cargo) = (Vec::new(), None, false);
    for _ in 0..reader.varint_max(LIMITS_COUNT_MAX, "the number of limits in a hello")? {
        limits.push(reader.varint()?);
    }
    if limits.len() < LIMITS.len() {
        return Err(corrupt("a hello lists too few limits"));
    }
    for _ in 0..reader.varint_max(LIMITS_COUNT_MAX, "the number of extensions of a hello")? {
        let id = reader.varint()?;
        let bytes = reader.counted(EXTENSION_BYTES_MAX, "the length of an extension")?;
        if id % 2 == 1 {
            return Ok(Message::ForeignHello);
        }
        if id == FURTHER_PROOFS {
            let (further, rest) = bytes.as_chunks::<32>();
            let is_first = proofs.len() == 1;
            if !is_first || further.is_empty() || further.len() >= PROOFS_MAX || !rest.is_empty() {
                return Err(corrupt("further proofs of a hello are 1 to 4, of 32 bytes each"));
            }
            proofs.extend_from_slice(further);
        }
        if id == HEARD {
            let halves = bytes.split_first_chunk().filter(|_| heard.is_none());
            let said = halves.and_then(|(session, count)| Some((*session, count.try_into().ok()?)));
            let (session, count) = said.ok_or_else(|| corrupt("what was heard is 16 bytes"))?;
            heard = Some(Heard { session, count: u64::from_le_bytes(count) });
        }
        if id == CARRIES_CARGO {
            if carries_cargo || bytes != CARRIES_CARGO_BYTES {
                return Err(corrupt("who carries cargo says so once, by the byte 01"));
            }
            carries_cargo = true;
        }
    }
    reader.finish()?;
    let hello = Hello { version_min, version_max, instance, proofs, limits, heard, carries_cargo };
    Ok(Message::Hello(hello))
}

fn read_proofs(reader: &mut Reader<'_>) -> Result<Message> {
    let count = reader.varint_max(PROOFS_MAX as u64, "the number of proofs")?;
    if count == 0 {
        return Err(corrupt("a list without a proof"));
    }
    let proofs = (0..count).map(|_| reader.array()).collect::<Result<Vec<_>>>()?;
    Ok(Message::Proofs(proofs))
}

fn read_summary(reader: &mut Reader<'_>) -> Result<Message> {
    let is_last = read_flag(reader, "a summary")?;
    let count = reader.varint_max(SUMMARY_HEADS_MAX as u64, "the number of heads in a summary")?;
    let heads = (0..count).map(|_| SignedHead::read(reader)).collect::<Result<Vec<_>>>()?;
    Ok(Message::Summary { is_last, heads })
}

fn read_flag(reader: &mut Reader<'_>, what: &str) -> Result<bool> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(corrupt(format!("{what} has the flags {other}"))),
    }
}

fn read_progress(reader: &mut Reader<'_>) -> Result<Message> {
    let credit = reader.varint()?;
    let count =
        reader.varint_max(PROGRESS_STREAMS_MAX as u64, "the number of streams in a progress")?;
    let mut held = Vec::new();
    for _ in 0..count {
        held.push((StreamId::read(reader)?, read_count(reader)?));
    }
    Ok(Message::Progress { credit, held })
}

fn read_want(reader: &mut Reader<'_>) -> Result<Message> {
    let stream = StreamId::read(reader)?;
    let (from, to) = (read_count(reader)?, read_count(reader)?);
    if from > to {
        return Err(corrupt(format!("a request for events {from}..{to}")));
    }
    Ok(Message::Want { stream, from, to })
}

fn read_count(reader: &mut Reader<'_>) -> Result<u64> {
    reader.varint_max(LAMPORT_MAX, "the count of a stream")
}

fn read_peers(reader: &mut Reader<'_>) -> Result<Message> {
    let count = reader.varint_max(PEERS_LISTED_MAX as u64, "the number of nodes in a list")?;
    let mut nodes: Vec<NodeId> = Vec::new();
    for _ in 0..count {
        let node = NodeId::from_bytes(reader.array()?);
        if nodes.last().is_some_and(|last| *last >= node) {
            return Err(corrupt("the nodes of a list do not rise"));
        }
        nodes.push(node);
    }
    Ok(Message::Peers(nodes))
}

fn read_prune(reader: &mut Reader<'_>) -> Result<Message> {
    let count = reader.varint_max(PRUNE_STREAMS_MAX as u64, "the number of streams in a prune")?;
    let streams = (0..count).map(|_| StreamId::read(reader)).collect::<Result<_>>()?;
    Ok(Message::Prune(streams))
}

fn corrupt(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

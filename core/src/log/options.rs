//! What callers choose, and what they get back.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{
    AppId, Columns, EventKey, Lamport, NodeKey, Offset, OffsetMap, SignedHead, StreamId, SwarmId,
    WallTime,
};
use crate::query::Order;
use std::path::PathBuf;
use std::sync::Arc;

/// How a log is opened.
#[derive(Clone)]
pub struct LogOptions {
    /// Directory of the store; made when absent.
    pub path: PathBuf,
    /// The swarm whose events the log holds; an existing store must be of the same.
    pub swarm: SwarmId,
    /// The key a new store gets; must be the one of an existing store. `None`: the store's own, or
    /// for a new store one made from `random`.
    pub node_key: Option<NodeKey>,
    /// 32 bytes from a good source of randomness, used only for a new store's key.
    pub random: [u8; 32],
    /// Bytes of each of the two journal segments, at least 64 KiB.
    pub segment_bytes: u64,
    /// Most bytes of events in memory that LMDB does not hold yet; publishers wait beyond it.
    pub tail_bytes_max: usize,
    /// Most bytes of decoded blocks kept for readers.
    pub cache_bytes_max: usize,
    /// Most bytes of the saved states of all fish.
    pub snapshot_bytes_max: u64,
    /// Reads the wall clock.
    pub clock: Arc<dyn Fn() -> WallTime + Send + Sync>,
    /// True: a store on NFS, SMB, FUSE or the like is opened all the same.
    pub allow_network_fs: bool,
}

impl LogOptions {
    /// Defaults for a store in `path`.
    pub fn new(
        path: impl Into<PathBuf>,
        swarm: SwarmId,
        random: [u8; 32],
        clock: Arc<dyn Fn() -> WallTime + Send + Sync>,
    ) -> LogOptions {
        LogOptions {
            path: path.into(),
            swarm,
            node_key: None,
            random,
            segment_bytes: 32 << 20,
            tail_bytes_max: 64 << 20,
            cache_bytes_max: 16 << 20,
            snapshot_bytes_max: 64 << 20,
            clock,
            allow_network_fs: false,
        }
    }
}

/// What is told of growth: the latest heads of the streams that grew.
pub type GrowthHook = Arc<dyn Fn(&[SignedHead]) + Send + Sync>;

/// What is told that something stored was found damaged. It must be quick, and must not read.
pub type DamageHook = Arc<dyn Fn() + Send + Sync>;

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When the events survive a power cut.
    #[default]
    Power,
    /// When they survive the end of the process. Queries, subscriptions and peers see them only
    /// once they survive a power cut too: up to 50 ms later, and the time of one sync. Until then a
    /// read up to their token answers `not_yet_visible`.
    Process,
}

/// When a subscription gets an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// When it is on this node's disk.
    #[default]
    Durable,
    /// As soon as it is verified here: before it is on this node's disk and, of an author that we
    /// are connected with, before it is on the author's. A power cut may take such an event back:
    /// then the subscription goes on with what its stream has at that offset instead.
    Live,
}

/// How events are appended.
#[derive(Clone, Debug)]
pub struct AppendOptions {
    /// The application that publishes.
    pub app_id: AppId,
    /// When the append is acknowledged.
    pub durability: Durability,
    /// 1 to 255 bytes: a second append with the same key and contents gets the first answer, with
    /// other contents `conflict`. The newest 1,048,576 keys are kept.
    pub idempotency_key: Option<Vec<u8>>,
    /// Append only if the own stream has exactly this many events, else `conflict`.
    pub expected: Option<u64>,
}

impl AppendOptions {
    /// Power-durable, without key or expectation.
    pub fn new(app_id: AppId) -> AppendOptions {
        let durability = Durability::Power;
        AppendOptions { app_id, durability, idempotency_key: None, expected: None }
    }
}

/// Where events went that were appended together: consecutive offsets and lamports, one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The own stream; after a fork the branch in which the first event is now.
    pub stream: StreamId,
    /// Offset of the first event.
    pub first_offset: Offset,
    /// Lamport of the first event.
    pub first_lamport: Lamport,
    /// Number of events, at least 1.
    pub count: u64,
    /// The time recorded in each.
    pub time: WallTime,
    /// True when the idempotency key was used before: nothing was stored now.
    pub replayed: bool,
    pub(super) seen: Arc<OffsetMap>,
    /// Of a batch that a fork has divided since: from which event on they are in which stream.
    pub(super) moved: Vec<(u64, StreamId)>,
}

/// Where one event went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its place in the one order.
    pub key: EventKey,
    /// Its position in its stream.
    pub offset: Offset,
    /// The time recorded in it.
    pub time: WallTime,
}

impl Appended {
    /// Of `count` events from `first` on, which could have seen `seen`.
    pub(crate) fn at(first: Receipt, count: u64, seen: OffsetMap, replayed: bool) -> Appended {
        Appended {
            stream: first.key.stream,
            first_offset: first.offset,
            first_lamport: first.key.lamport,
            count,
            time: first.time,
            replayed,
            seen: Arc::new(seen),
            moved: Vec::new(),
        }
    }

    /// A receipt for each event, in order.
    pub fn receipts(&self) -> impl ExactSizeIterator<Item = Receipt> + '_ {
        let count = usize::try_from(self.count).expect("a batch fits into memory");
        (0..count).map(|step| self.receipt(step as u64))
    }

    /// The receipt of the event number `step` of the batch, counted from 0.
    ///
    /// # Panics
    /// There are no more than `step` events.
    pub fn receipt(&self, step: u64) -> Receipt {
        assert!(step < self.count, "the batch has only {} events", self.count);
        let lamport = self.first_lamport.plus(step).expect("checked when it was appended");
        let moved = self.moved.iter().rev().find(|(from, _)| step >= *from);
        let stream = moved.map_or(self.stream, |(_, stream)| *stream);
        Receipt {
            key: EventKey { lamport, stream },
            offset: Offset::new(self.first_offset.value() + step),
            time: self.time,
        }
    }

    /// The offset map of a log that holds these events and all that they could have seen.
    pub fn token(&self) -> OffsetMap {
        let mut token = (*self.seen).clone();
        let first = self.first_offset.value();
        let ends = self.moved.iter().map(|(from, _)| *from).chain([self.count]);
        let streams = [self.stream].into_iter().chain(self.moved.iter().map(|(_, own)| *own));
        ends.zip(streams).for_each(|(end, stream)| token.raise(stream, first + end));
        token
    }
}

/// How far a stream is held after a range was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeStored {
    /// The stream.
    pub stream: StreamId,
    /// Number of its events that are durable.
    pub count: u64,
}

/// What a cursor walks over.
#[derive(Clone, Debug, Default)]
pub struct CursorOptions {
    /// Key order ascending or descending, or stream after stream.
    pub order: Order,
    /// Events below these counts are left out.
    pub lower: OffsetMap,
    /// Events from these counts on are left out; `None`: what is durable now. Must be held.
    pub upper: Option<OffsetMap>,
    /// What is decoded of the events; a column that is left out costs nothing.
    pub columns: Columns,
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the log is closed")
}

pub(super) fn invalid<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::new(ErrorKind::InvalidArgument, message))
}

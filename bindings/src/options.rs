//! Options, and how they become the facade's.
//!
//! Rule: what was not said stays unsaid; the facade knows every default.

use millpond_facade::{self as facade, Offsets, Result, SessionHandle, StartAt};
use std::time::Duration;

/// How to open a node; see the facade's `OpenOptions` for what is meant where nothing is said.
#[derive(Clone, Debug, uniffi::Record)]
pub struct OpenOptions {
    /// Folder of the store.
    pub path: String,
    /// The application: 1 to 64 of ASCII letters, digits, `.`, `-`, `_`.
    pub app: String,
    /// Swarm secret.
    pub swarm: Option<String>,
    /// Swarm secrets that it takes the place of.
    pub former_secrets: Option<Vec<String>>,
    /// A ticket: the swarm's secret, and a first peer.
    pub ticket: Option<String>,
    /// False: no sockets.
    pub network: Option<bool>,
    /// Socket addresses to listen on.
    pub bind: Option<Vec<String>>,
    /// Whether to look for peers.
    pub discovery: Option<bool>,
    /// Peers to keep a session with.
    pub peers: Option<Vec<String>>,
    /// The only nodes to talk to, by id.
    pub allow: Option<Vec<String>>,
    /// Cap on what is sent to all peers together, bytes per second.
    pub send_bytes_per_second_max: Option<u64>,
    /// The same for each peer.
    pub send_bytes_per_second_per_peer_max: Option<u64>,
    /// What peers send first, as a query.
    pub priority: Option<String>,
    /// Size of a journal segment in bytes.
    pub segment_bytes: Option<u64>,
    /// Most bytes of events in memory before a checkpoint.
    pub tail_bytes_max: Option<u64>,
    /// Most bytes of decoded blocks in memory.
    pub cache_bytes: Option<u64>,
    /// Most bytes of saved states on disk.
    pub snapshot_bytes_max: Option<u64>,
    /// Whether to open a store on a network file system all the same.
    pub allow_network_file_system: Option<bool>,
}

impl From<OpenOptions> for facade::OpenOptions {
    fn from(options: OpenOptions) -> facade::OpenOptions {
        facade::OpenOptions {
            path: options.path.into(),
            app_id: options.app,
            swarm: options.swarm,
            former_secrets: options.former_secrets,
            ticket: options.ticket,
            network: options.network,
            bind: options.bind,
            discovery: options.discovery,
            peers: options.peers,
            allow: options.allow,
            send_bytes_per_second_max: options.send_bytes_per_second_max,
            send_bytes_per_second_per_peer_max: options.send_bytes_per_second_per_peer_max,
            priority: options.priority,
            segment_bytes: options.segment_bytes,
            tail_bytes_max: options.tail_bytes_max,
            cache_bytes: options.cache_bytes,
            snapshot_bytes_max: options.snapshot_bytes_max,
            allow_network_file_system: options.allow_network_file_system,
        }
    }
}

/// How to publish.
#[derive(Clone, Debug, uniffi::Record)]
pub struct PublishOptions {
    /// `power` or `process`.
    pub durability: Option<String>,
    /// 1 to 255 bytes: the same published again with the same key is stored once.
    pub idempotency_key: Option<Vec<u8>>,
    /// How many events this node's stream must have.
    pub expected: Option<u64>,
    /// The handle of a session.
    pub session: Option<u64>,
}

impl From<PublishOptions> for facade::PublishOptions {
    fn from(options: PublishOptions) -> facade::PublishOptions {
        facade::PublishOptions {
            durability: options.durability,
            idempotency_key: options.idempotency_key,
            expected: options.expected,
            session: of_session(options.session),
        }
    }
}

/// How to query; offset maps as token texts.
#[derive(Clone, Debug, uniffi::Record)]
pub struct QueryOptions {
    /// `ascending`, `descending` or `stream`.
    pub order: Option<String>,
    /// Only what this does not count.
    pub lower: Option<String>,
    /// Only what this counts.
    pub upper: Option<String>,
    /// What is decoded: `tags`, `payload`.
    pub columns: Option<Vec<String>>,
    /// What it must have seen.
    pub after: Option<String>,
    /// The handle of a session.
    pub session: Option<u64>,
}

impl QueryOptions {
    pub(crate) fn to_facade(&self) -> Result<facade::QueryOptions> {
        Ok(facade::QueryOptions {
            order: self.order.clone(),
            lower: of_token(self.lower.as_deref())?,
            upper: of_token(self.upper.as_deref())?,
            columns: self.columns.clone(),
            after: of_token(self.after.as_deref())?,
            session: of_session(self.session),
        })
    }
}

/// How to subscribe.
#[derive(Clone, Debug, uniffi::Record)]
pub struct SubscribeOptions {
    /// `beginning`, `now` or a position text.
    pub start: Option<String>,
    /// `durable` or `live`.
    pub delivery: Option<String>,
    /// `arrival` or `key`.
    pub order: Option<String>,
    /// What it must have seen, as token text.
    pub after: Option<String>,
    /// The handle of a session.
    pub session: Option<u64>,
}

impl SubscribeOptions {
    pub(crate) fn to_facade(&self) -> Result<facade::SubscribeOptions> {
        Ok(facade::SubscribeOptions {
            from: self.start.as_deref().map(StartAt::parse).transpose()?,
            delivery: self.delivery.clone(),
            order: self.order.clone(),
            after: of_token(self.after.as_deref())?,
            session: of_session(self.session),
        })
    }
}

/// What a read of a fish, an account or a claim must have seen.
#[derive(Clone, Debug, uniffi::Record)]
pub struct ReadOptions {
    /// Token text.
    pub after: Option<String>,
    /// The handle of a session.
    pub session: Option<u64>,
}

impl ReadOptions {
    pub(crate) fn to_facade(&self) -> Result<facade::ReadOptions> {
        Ok(facade::ReadOptions {
            after: of_token(self.after.as_deref())?,
            session: of_session(self.session),
        })
    }
}

/// How something is done to an account or a claim.
#[derive(Clone, Debug, uniffi::Record)]
pub struct DeedOptions {
    /// What it must have seen.
    pub reading: ReadOptions,
    /// 1 to 255 bytes: the same asked again with the same key gets the first answer.
    pub idempotency_key: Option<Vec<u8>>,
}

impl DeedOptions {
    pub(crate) fn to_facade(&self) -> Result<facade::DeedOptions> {
        let idempotency_key = self.idempotency_key.clone();
        Ok(facade::DeedOptions { reading: self.reading.to_facade()?, idempotency_key })
    }
}

pub(crate) fn of_token(token: Option<&str>) -> Result<Option<Offsets>> {
    token.map(Offsets::parse).transpose()
}

pub(crate) fn of_session(handle: Option<u64>) -> Option<SessionHandle> {
    handle.map(SessionHandle::from_id)
}

pub(crate) fn of_millis(milliseconds: Option<u64>) -> Option<Duration> {
    milliseconds.map(Duration::from_millis)
}

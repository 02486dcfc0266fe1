//! What callers may say, and how it becomes what the core takes.
//!
//! Rule: a field that is `None` was not said; its value comes from `defaults`.

use crate::core::{
    self, Delivery, Durability, NetworkOptions, NodeOptions, PeerAddress, StorageOptions,
};
use crate::errors::{FacadeError, Result};
use crate::needs::Needs;
use crate::offsets::Offsets;
use crate::position::{Position, key_position_needed};
use crate::session::SessionHandle;
use crate::{defaults, text};
use millpond::Columns;
use millpond::event::{AppId, KeyPosition, NodeId, OffsetMap, SwarmSecret};
use millpond::query::{Order, Query};
use std::fmt;
use std::path::PathBuf;

/// How to open a node. `path`, `app_id` and one of `swarm` and `ticket` must be said.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// The folder of the store; created when absent.
    pub path: PathBuf,
    /// The application, stamped on every event: 1 to 64 of ASCII letters, digits, `.`, `-`, `_`.
    pub app_id: String,
    /// The swarm's secret: 64 hex digits, or 128 of one that took another's place.
    pub swarm: Option<String>,
    /// A ticket: the swarm's secret, and a first peer.
    pub ticket: Option<String>,
    /// Secrets that it takes the place of and that still admit, too: up to 4; default none.
    pub former_secrets: Option<Vec<String>>,
    /// Whether to have a network at all; default true.
    pub network: Option<bool>,
    /// Addresses to listen on, `<ip>:<port>`; default every interface, a port of the system's
    /// choice.
    pub bind: Option<Vec<String>>,
    /// Whether to look for peers by mDNS, and where other peers say that they are; default true.
    pub discovery: Option<bool>,
    /// Peers to keep a session with, `<node id>@<ip>:<port>[,<ip>:<port>…]`: at most 1,024, each
    /// with 1 to 16 addresses.
    pub peers: Option<Vec<String>>,
    /// The only nodes to talk to; default every node that holds the secret.
    pub allow: Option<Vec<String>>,
    /// Most bytes a second sent to all peers together, on average: 0, the default, is no cap, and
    /// another is at least 1,000.
    pub send_bytes_per_second_max: Option<u64>,
    /// The same for each peer.
    pub send_bytes_per_second_per_peer_max: Option<u64>,
    /// A query of tags, app ids, `allEvents` and `isLocal` (the sender's own events): when there is
    /// much to catch up with, peers first send the streams in which they see such events among the
    /// next 8,192. At most 1,024 bytes and 16 alternatives. Default none: all streams take turns.
    pub priority: Option<String>,
    /// Size of each of the two journal segments in bytes, 64 KiB at least; default 32 MiB.
    pub segment_bytes: Option<u64>,
    /// Most bytes of events in memory before a checkpoint; default 64 MiB.
    pub tail_bytes_max: Option<u64>,
    /// Most bytes of decoded blocks kept in memory; default 16 MiB.
    pub cache_bytes: Option<u64>,
    /// Most bytes of the saved states of all fish, on disk; default 64 MiB, and with 0 none is
    /// kept.
    pub snapshot_bytes_max: Option<u64>,
    /// Whether to open a store on a network file system all the same; default false.
    pub allow_network_file_system: Option<bool>,
}

impl fmt::Debug for OpenOptions {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenOptions({}, {})", self.path.display(), self.app_id)
    }
}

impl OpenOptions {
    /// What the core takes.
    ///
    /// # Errors
    /// `invalid_argument`: a text is not of its form, or something needed was not said.
    pub(crate) fn resolve(&self) -> Result<NodeOptions> {
        if self.path.as_os_str().is_empty() {
            return Err(FacadeError::invalid("say the folder of the store: `path` is empty"));
        }
        let app_id = AppId::parse(&self.app_id)?;
        let mut peers = text::each(self.peers.as_deref(), text::peer)?;
        let swarm = match (&self.swarm, &self.ticket) {
            (Some(secret), None) => text::swarm_secret(secret)?,
            (None, Some(ticket)) => {
                let ticket = text::ticket(ticket)?;
                peers.push(text::peer_of(&ticket));
                SwarmSecret::clone(ticket.secret())
            }
            _ => {
                let message = "say exactly one of `swarm` (the swarm's secret) and `ticket`";
                return Err(FacadeError::invalid(message));
            }
        };
        let unsaid = StorageOptions::default();
        let size =
            |said: Option<u64>| said.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let storage = StorageOptions {
            segment_bytes: self.segment_bytes.unwrap_or(unsaid.segment_bytes),
            tail_bytes_max: size(self.tail_bytes_max).unwrap_or(unsaid.tail_bytes_max),
            cache_bytes_max: size(self.cache_bytes).unwrap_or(unsaid.cache_bytes_max),
            snapshot_bytes_max: self.snapshot_bytes_max.unwrap_or(unsaid.snapshot_bytes_max),
            allow_network_fs: self.allow_network_file_system.unwrap_or(unsaid.allow_network_fs),
            blobs: unsaid.blobs,
        };
        let network = self.network(peers)?;
        let former_secrets = text::each(self.former_secrets.as_deref(), text::swarm_secret)?;
        let path = self.path.clone();
        Ok(NodeOptions { path, app_id, swarm, former_secrets, network, storage })
    }

    fn network(&self, peers: Vec<PeerAddress>) -> Result<Option<NetworkOptions>> {
        let bind = text::each(self.bind.as_deref(), text::address)?;
        let allow = match &self.allow {
            Some(texts) => {
                let nodes = text::each(Some(texts), |text| Ok(text.parse::<NodeId>()?))?;
                Some(nodes.into_iter().collect())
            }
            None => None,
        };
        let discovery = self.discovery.unwrap_or(defaults::DISCOVERY);
        let is_wanted = self.network.unwrap_or(defaults::NETWORK);
        let options = NetworkOptions {
            bind,
            discovery,
            allow,
            peers,
            send_bytes_per_second_max: self.send_bytes_per_second_max.unwrap_or(0),
            send_bytes_per_second_per_peer_max: self
                .send_bytes_per_second_per_peer_max
                .unwrap_or(0),
            priority: self.priority.as_deref().map(Query::parse).transpose()?,
        };
        Ok(is_wanted.then_some(options))
    }
}

/// How to publish.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// `power` (default: on disk before the answer) or `process` (survives the process only, and is
    /// seen by queries, subscriptions and peers once it is on disk, up to 50 ms after the answer).
    pub durability: Option<String>,
    /// 1 to 255 bytes; a retry with the same key gets the first answer again.
    pub idempotency_key: Option<Vec<u8>>,
    /// Publish only if this node's stream has exactly this many events, else `conflict`.
    pub expected: Option<u64>,
    /// Only once the log covers what this session has seen; it then has seen these events, too. The
    /// call's timeout is also how long to wait for that, and `not_yet_visible` the end of it.
    pub session: Option<SessionHandle>,
}

impl PublishOptions {
    pub(crate) fn needs(&self) -> Result<Needs> {
        Needs::new(None, self.session)
    }

    pub(crate) fn resolve(self) -> Result<core::PublishOptions> {
        let durability = match self.durability.as_deref() {
            None | Some("power") => Durability::Power,
            Some("process") => Durability::Process,
            Some(other) => {
                let message = format!("durability is `power` or `process`, not {other:?}");
                return Err(FacadeError::invalid(message));
            }
        };
        let (idempotency_key, expected) = (self.idempotency_key, self.expected);
        Ok(core::PublishOptions { durability, idempotency_key, expected })
    }
}

/// How to query.
#[derive(Clone, Debug, Default)]
pub struct QueryOptions {
    /// `ascending` (default) or `descending` by event key, or `stream` after stream.
    pub order: Option<String>,
    /// Only what lies beyond this offset map.
    pub lower: Option<Offsets>,
    /// Only what lies within this offset map; default everything that is durable here now.
    pub upper: Option<Offsets>,
    /// What is decoded of the events: `tags`, `payload`; default both. Key, stream, offset, time
    /// and app id always are. What is left out costs nothing, and reading it is refused.
    pub columns: Option<Vec<String>>,
    /// Only once the log covers this. The call's timeout is how long to wait for that; its end is
    /// `not_yet_visible`.
    pub after: Option<Offsets>,
    /// The same for what this session has seen; it then has seen what the query is answered at.
    pub session: Option<SessionHandle>,
}

const ORDERS: [(&str, Order); 3] =
    [("ascending", Order::Ascending), ("descending", Order::Descending), ("stream", Order::Stream)];

/// What an order is called in every language.
pub(crate) fn order_name(order: Order) -> &'static str {
    ORDERS.iter().find(|(_, own)| *own == order).expect("every order has a name").0
}

impl QueryOptions {
    pub(crate) fn needs(&self) -> Result<Needs> {
        Needs::new(self.after.clone(), self.session)
    }

    pub(crate) fn resolve(self) -> Result<core::QueryOptions> {
        let named = |name: String| {
            ORDERS.iter().find(|(own, _)| *own == name).map(|(_, order)| *order).ok_or_else(|| {
                let message =
                    format!("order is `ascending`, `descending` or `stream`, not {name:?}");
                FacadeError::invalid(message)
            })
        };
        let order = self.order.map(named).transpose()?.unwrap_or_default();
        let columns = match &self.columns {
            None => Columns::default(),
            Some(names) => Columns::from_names(names.iter().map(String::as_str))?,
        };
        let lower = self.lower.map_or_else(OffsetMap::new, Offsets::into_map);
        let upper = self.upper.map(Offsets::into_map);
        Ok(core::QueryOptions { order, lower, upper, columns, after: None })
    }
}

/// How to subscribe.
#[derive(Clone, Debug, Default)]
pub struct SubscribeOptions {
    /// Where to begin; default `StartAt::Beginning`.
    pub from: Option<StartAt>,
    /// `durable` (default: events that are on this node's disk) or `live` (as soon as they are
    /// verified here; a power cut may take them back, and then what its stream has there comes
    /// instead).
    pub delivery: Option<String>,
    /// `arrival` (default: each stream in its order) or `key`: in the one order that all nodes
    /// agree on, with the way back where an event comes late ([`crate::EventBatch::is_rewind`]).
    /// Then `delivery` is `durable`, and `from` is the beginning or the position of such a
    /// subscription.
    pub order: Option<String>,
    /// Only once the log covers this. The call's timeout is how long to wait for that; its end is
    /// `not_yet_visible`.
    pub after: Option<Offsets>,
    /// The same for what this session has seen; it then has seen what each batch brings it to.
    pub session: Option<SessionHandle>,
}

/// Where a subscription begins, by its order.
#[derive(Clone, Debug)]
pub(crate) enum Beginning {
    /// In arrival order, after this; `None` is what is durable when it begins.
    Arrival(Option<Offsets>, Delivery),
    /// In key order.
    Key(KeyPosition),
}

impl SubscribeOptions {
    pub(crate) fn needs(&self) -> Result<Needs> {
        Needs::new(self.after.clone(), self.session)
    }

    /// The offset map that it begins after; `None` is what is durable when it begins.
    pub fn position(&self) -> Option<Offsets> {
        match &self.from {
            None | Some(StartAt::Beginning) => Some(Offsets::default()),
            Some(StartAt::Position(position)) => Some(position.offsets().clone()),
            Some(StartAt::Now) => None,
        }
    }

    /// Where it begins, in which order.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such order or delivery, or they do not go together; reason
    /// `key_position`: it does not begin there in this order.
    pub(crate) fn beginning(&self) -> Result<Beginning> {
        let delivery = match self.delivery.as_deref() {
            None | Some("durable") => Delivery::Durable,
            Some("live") => Delivery::Live,
            Some(other) => {
                let message = format!("delivery is `durable` or `live`, not {other:?}");
                return Err(FacadeError::invalid(message));
            }
        };
        // Not a default: what was not said is in `StartAt`.
        let from = self.from.clone().unwrap_or(StartAt::Beginning);
        match self.order.as_deref() {
            None | Some("arrival") => {
                let from = match from {
                    StartAt::Beginning => Some(Offsets::default()),
                    StartAt::Now => None,
                    StartAt::Position(position) => Some(position.into_arrival()?),
                };
                Ok(Beginning::Arrival(from, delivery))
            }
            Some("key") if delivery == Delivery::Live => {
                let message = "in key order events are delivered when they are durable; say \
                               delivery `durable`, or the order `arrival`";
                Err(FacadeError::invalid(message))
            }
            Some("key") => match from {
                StartAt::Beginning => Ok(Beginning::Key(KeyPosition::default())),
                StartAt::Now => Err(key_position_needed()),
                StartAt::Position(position) => Ok(Beginning::Key(position.into_key_position()?)),
            },
            Some(other) => {
                let message = format!("order is `arrival` or `key`, not {other:?}");
                Err(FacadeError::invalid(message))
            }
        }
    }
}

/// Where a subscription begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With the first event there is.
    Beginning,
    /// With the next event that arrives.
    Now,
    /// With everything beyond this position: of arrival order an offset map, of key order where one
    /// of that order stood.
    Position(Position),
}

impl StartAt {
    /// `beginning`, `now`, a token, or a position in key order.
    ///
    /// # Errors
    /// `invalid_argument`: it is none of them.
    pub fn parse(text: &str) -> Result<StartAt> {
        match text {
            "beginning" => Ok(StartAt::Beginning),
            "now" => Ok(StartAt::Now),
            position => Position::parse(position).map(StartAt::Position),
        }
    }
}

impl From<Offsets> for StartAt {
    fn from(offsets: Offsets) -> StartAt {
        StartAt::Position(offsets.into())
    }
}

/// What a read of a fish, an account or a claim must have seen.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Only once the log covers this. The call's timeout is how long to wait for that; its end is
    /// `not_yet_visible`.
    pub after: Option<Offsets>,
    /// The same for what this session has seen; it then has seen what the answer is as of.
    pub session: Option<SessionHandle>,
}

impl ReadOptions {
    pub(crate) fn needs(&self) -> Result<Needs> {
        Needs::new(self.after.clone(), self.session)
    }
}

//! Options as C gives them. Rule: begin with the `_INIT` macro; a field that is zero was not said.
//!
//! Growth: new fields are appended; `value::options` reads shorter and longer ones.

use crate::batch::{MILLPOND_COLUMN_KEY, MILLPOND_COLUMN_PAYLOAD, MILLPOND_COLUMN_TAGS};
use crate::call::{array, bytes};
use crate::value::{millpond_session_t, millpond_text_t, options};
use millpond_facade::{
    Offsets, OpenOptions, PublishOptions, QueryOptions, ReadOptions, Result, StartAt,
    SubscribeOptions, host_error,
};
use std::path::PathBuf;

/// A choice that may be left unsaid: 0 is unsaid, 1 is yes, 2 is no. Any other value is refused.
pub type millpond_choice_t = i32;

/// How to open a node. Set `path`, `app_id`, and one of `swarm` and `ticket`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_node_options_t {
    /// Set by MILLPOND_NODE_OPTIONS_INIT.
    pub struct_size: u32,
    /// Whether to have a network at all. Unsaid: yes.
    pub network: millpond_choice_t,
    /// Whether to look for peers by mDNS, and where other peers say that they are. Unsaid: yes.
    pub discovery: millpond_choice_t,
    /// Whether to open a store on a network file system all the same. Unsaid: no.
    pub allow_network_file_system: millpond_choice_t,
    /// The folder of the store, UTF-8; created when absent.
    pub path: millpond_text_t,
    /// The application, stamped on every event: 1 to 64 of ASCII letters, digits, '.', '-', '_'.
    pub app_id: millpond_text_t,
    /// The swarm's secret: 64 hex digits, or 128 of one that took another's place.
    pub swarm: millpond_text_t,
    /// A ticket: the swarm's secret, and a first peer.
    pub ticket: millpond_text_t,
    /// Addresses to listen on, "<ip>:<port>", at most one of IPv4 and one of IPv6; port 0 is one of
    /// the system's choice. NULL is unsaid: every interface, any port.
    pub bind: *const millpond_text_t,
    /// How many.
    pub bind_count: usize,
    /// Peers to keep a session with, "<node id>@<ip>:<port>[,<ip>:<port>...]": at most 1,024, each
    /// with 1 to 16 addresses. NULL is none.
    pub peers: *const millpond_text_t,
    /// How many.
    pub peer_count: usize,
    /// The only nodes to talk to, by node id. NULL is unsaid: every node that holds the secret.
    pub allow: *const millpond_text_t,
    /// How many.
    pub allow_count: usize,
    /// Size of each of the two journal segments in bytes, 64 KiB at least. 0 is unsaid: 32 MiB.
    pub segment_bytes: u64,
    /// Most bytes of events in memory before a checkpoint. 0 is unsaid: 64 MiB.
    pub tail_bytes_max: u64,
    /// Most bytes of decoded blocks kept in memory. 0 is unsaid: 16 MiB.
    pub cache_bytes: u64,
    /// Secrets that `swarm` takes the place of and that still admit, too: at most 4. NULL is none.
    pub former_secrets: *const millpond_text_t,
    /// How many.
    pub former_secret_count: usize,
    /// Most bytes a second sent to all peers together, on average; at least 1,000. 0 is unsaid: no
    /// cap.
    pub send_bytes_per_second_max: u64,
    /// The same for each peer.
    pub send_bytes_per_second_per_peer_max: u64,
    /// A query of tags, app ids, allEvents and isLocal (the sender's own events): when there is
    /// much to catch up with, peers first send the streams in which they see such events among the
    /// next 8,192. At most 1,024 bytes and 16 alternatives. NULL is unsaid: all streams take turns.
    pub priority: millpond_text_t,
    /// Most bytes of the saved states of all fish, on disk. 0 is unsaid: 64 MiB; with
    /// MILLPOND_SNAPSHOTS_NONE none is kept.
    pub snapshot_bytes_max: u64,
}

/// In millpond_node_options_t: no state of a fish is kept on disk.
pub const MILLPOND_SNAPSHOTS_NONE: u64 = u64::MAX;

/// How to publish.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_publish_options_t {
    /// Set by MILLPOND_PUBLISH_OPTIONS_INIT.
    pub struct_size: u32,
    /// 1 when `expected` is said, else 0.
    pub has_expected: i32,
    /// Publish only if this node's stream has exactly this many events, else
    /// MILLPOND_ERROR_CONFLICT.
    pub expected: u64,
    /// "power" (unsaid: this; on disk before the answer) or "process" (survives the process only).
    /// With "process", queries, subscriptions and peers see the events once they are on disk: up to
    /// 50 ms after the answer, and the time of one sync.
    pub durability: millpond_text_t,
    /// 1 to 255 bytes; a retry with the same key gets the first answer again. NULL is unsaid.
    pub idempotency_key: *const u8,
    /// How many bytes.
    pub idempotency_key_len: usize,
    /// Publish only once the log covers what this session has seen; it then has seen these events,
    /// too. The timeout of the call is also how long to wait for that, and
    /// MILLPOND_ERROR_NOT_YET_VISIBLE the end of it. {0} is none.
    pub session: millpond_session_t,
}

/// How to query.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_query_options_t {
    /// Set by MILLPOND_QUERY_OPTIONS_INIT.
    pub struct_size: u32,
    /// What is decoded of the events: MILLPOND_COLUMN_ numbers, joined by |. 0 is unsaid: all. What
    /// is left out costs nothing.
    pub columns: u32,
    /// "ascending" (unsaid: this) or "descending" by event key, or "stream" after stream.
    pub order: millpond_text_t,
    /// Only what lies beyond this token. Unsaid: everything.
    pub lower: millpond_text_t,
    /// Only what lies within this token. Unsaid: everything that is durable here now.
    pub upper: millpond_text_t,
    /// Only once the log covers this token. The timeout of the call is how long to wait for that,
    /// and MILLPOND_ERROR_NOT_YET_VISIBLE the end of it: see millpond_error_missing.
    pub after: millpond_text_t,
    /// The same for what this session has seen; it then has seen what the query is answered at. {0}
    /// is none.
    pub session: millpond_session_t,
}

/// How to subscribe.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_subscribe_options_t {
    /// Set by MILLPOND_SUBSCRIBE_OPTIONS_INIT.
    pub struct_size: u32,
    /// Most events per call of a callback, 1 to 4,096. 0 is unsaid: 1,024.
    pub batch_count_max: u32,
    /// Where to begin: "beginning" (unsaid: this), "now", or a token.
    pub from: millpond_text_t,
    /// "durable" (unsaid: this): events that are on this node's disk. "live": as soon as they are
    /// verified here; a power cut may take such events back, and then what their stream has there
    /// instead is delivered. millpond_batch_is_durable says which they are.
    pub delivery: millpond_text_t,
    /// "arrival" (unsaid: this): each stream in its order. "key": in the one order that all nodes
    /// agree on, with the way back where an event comes late: millpond_batch_is_rewind. Then
    /// `delivery` is "durable", and `from` is "beginning" or the position of such a subscription.
    pub order: millpond_text_t,
    /// Only once the log covers this token. The timeout of the call is how long to wait for that,
    /// and MILLPOND_ERROR_NOT_YET_VISIBLE the end of it; with a callback it does not wait.
    pub after: millpond_text_t,
    /// The same for what this session has seen; it then has seen what each batch brings it to. {0}
    /// is none.
    pub session: millpond_session_t,
}

/// What a read of a fish, an account or a claim must have seen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_read_options_t {
    /// Set by MILLPOND_READ_OPTIONS_INIT.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Only once the log covers this token. The timeout of the call is how long to wait for that,
    /// and MILLPOND_ERROR_NOT_YET_VISIBLE the end of it: see millpond_error_missing.
    pub after: millpond_text_t,
    /// The same for what this session has seen; it then has seen what the answer is as of. {0} is
    /// none.
    pub session: millpond_session_t,
}

const UNSAID: millpond_text_t = millpond_text_t { data: std::ptr::null(), len: 0 };
const NO_SESSION: millpond_session_t = millpond_session_t { id: 0 };

impl millpond_node_options_t {
    pub(crate) const INIT: Self = Self {
        struct_size: size_of::<Self>() as u32,
        network: 0,
        discovery: 0,
        allow_network_file_system: 0,
        path: UNSAID,
        app_id: UNSAID,
        swarm: UNSAID,
        ticket: UNSAID,
        bind: std::ptr::null(),
        bind_count: 0,
        peers: std::ptr::null(),
        peer_count: 0,
        allow: std::ptr::null(),
        allow_count: 0,
        segment_bytes: 0,
        tail_bytes_max: 0,
        cache_bytes: 0,
        former_secrets: std::ptr::null(),
        former_secret_count: 0,
        send_bytes_per_second_max: 0,
        send_bytes_per_second_per_peer_max: 0,
        priority: UNSAID,
        snapshot_bytes_max: 0,
    };

    /// # Safety
    /// Every pointer in it is NULL or names what the header says, unchanged during the call.
    pub(crate) unsafe fn resolve(&self) -> Result<OpenOptions> {
        let said = |number: u64| (number != 0).then_some(number);
        let snapshots = said(self.snapshot_bytes_max);
        let kept = |bytes| if bytes == MILLPOND_SNAPSHOTS_NONE { 0 } else { bytes };
        // SAFETY: the same contract, for each field.
        unsafe {
            Ok(OpenOptions {
                // Not a default: the facade refuses what is empty.
                path: PathBuf::from(self.path.read_option("path")?.unwrap_or_default()),
                app_id: self.app_id.read_option("app_id")?.unwrap_or_default().to_owned(),
                swarm: self.swarm.read_option("swarm")?.map(str::to_owned),
                former_secrets: texts(
                    self.former_secrets,
                    self.former_secret_count,
                    "former_secrets",
                )?,
                ticket: self.ticket.read_option("ticket")?.map(str::to_owned),
                network: choice(self.network, "network")?,
                bind: texts(self.bind, self.bind_count, "bind")?,
                discovery: choice(self.discovery, "discovery")?,
                peers: texts(self.peers, self.peer_count, "peers")?,
                allow: texts(self.allow, self.allow_count, "allow")?,
                segment_bytes: said(self.segment_bytes),
                tail_bytes_max: said(self.tail_bytes_max),
                cache_bytes: said(self.cache_bytes),
                snapshot_bytes_max: snapshots.map(kept),
                send_bytes_per_second_max: said(self.send_bytes_per_second_max),
                send_bytes_per_second_per_peer_max: said(self.send_bytes_per_second_per_peer_max),
                priority: self.priority.read_option("priority")?.map(str::to_owned),
                allow_network_file_system: choice(
                    self.allow_network_file_system,
                    "allow_network_file_system",
                )?,
            })
        }
    }
}

impl millpond_publish_options_t {
    pub(crate) const INIT: Self = Self {
        struct_size: size_of::<Self>() as u32,
        has_expected: 0,
        expected: 0,
        durability: UNSAID,
        idempotency_key: std::ptr::null(),
        idempotency_key_len: 0,
        session: NO_SESSION,
    };

    /// # Safety
    /// As [`millpond_node_options_t::resolve`].
    pub(crate) unsafe fn resolve(&self) -> Result<PublishOptions> {
        let expected = match self.has_expected {
            0 => None,
            1 => Some(self.expected),
            other => return Err(host_error(format!("`has_expected` is {other}, not 0 or 1"))),
        };
        let (key, len) = (self.idempotency_key, self.idempotency_key_len);
        // SAFETY: the same contract.
        let key_bytes = unsafe { bytes(key, len, "idempotency_key") }?;
        let idempotency_key = (!key.is_null()).then(|| key_bytes.to_vec());
        // SAFETY: the same contract.
        let durability = unsafe { self.durability.read_option("durability") }?.map(str::to_owned);
        let session = self.session.read();
        Ok(PublishOptions { durability, idempotency_key, expected, session })
    }
}

impl millpond_query_options_t {
    pub(crate) const INIT: Self = Self {
        struct_size: size_of::<Self>() as u32,
        columns: 0,
        order: UNSAID,
        lower: UNSAID,
        upper: UNSAID,
        after: UNSAID,
        session: NO_SESSION,
    };

    /// # Safety
    /// As [`millpond_node_options_t::resolve`].
    pub(crate) unsafe fn resolve(&self) -> Result<QueryOptions> {
        let columns = column_names(self.columns)?;
        // SAFETY: the same contract, for each field.
        unsafe {
            Ok(QueryOptions {
                order: self.order.read_option("order")?.map(str::to_owned),
                lower: self.lower.read_option("lower")?.map(Offsets::parse).transpose()?,
                upper: self.upper.read_option("upper")?.map(Offsets::parse).transpose()?,
                columns,
                after: self.after.read_option("after")?.map(Offsets::parse).transpose()?,
                session: self.session.read(),
            })
        }
    }
}

impl millpond_subscribe_options_t {
    pub(crate) const INIT: Self = Self {
        struct_size: size_of::<Self>() as u32,
        batch_count_max: 0,
        from: UNSAID,
        delivery: UNSAID,
        order: UNSAID,
        after: UNSAID,
        session: NO_SESSION,
    };

    /// # Safety
    /// As [`millpond_node_options_t::resolve`].
    pub(crate) unsafe fn resolve(&self) -> Result<SubscribeOptions> {
        // SAFETY: the same contract, for each field.
        unsafe {
            Ok(SubscribeOptions {
                from: self.from.read_option("from")?.map(StartAt::parse).transpose()?,
                delivery: self.delivery.read_option("delivery")?.map(str::to_owned),
                order: self.order.read_option("order")?.map(str::to_owned),
                after: self.after.read_option("after")?.map(Offsets::parse).transpose()?,
                session: self.session.read(),
            })
        }
    }
}

impl millpond_read_options_t {
    const INIT: Self = Self {
        struct_size: size_of::<Self>() as u32,
        reserved: 0,
        after: UNSAID,
        session: NO_SESSION,
    };

    /// What the options at `given` say; nothing for NULL.
    ///
    /// # Safety
    /// `given` is NULL or points to options as the header says.
    pub(crate) unsafe fn read(given: *const Self) -> Result<ReadOptions> {
        if given.is_null() {
            return Ok(ReadOptions::default());
        }
        // SAFETY: the same contract, for each field.
        unsafe {
            let said = options(given, Self::INIT, "read_options")?;
            let after = said.after.read_option("after")?.map(Offsets::parse).transpose()?;
            Ok(ReadOptions { after, session: said.session.read() })
        }
    }
}

/// The names of the columns with these numbers; `None` when nothing was said.
fn column_names(columns: u32) -> Result<Option<Vec<String>>> {
    let known = MILLPOND_COLUMN_KEY | MILLPOND_COLUMN_TAGS | MILLPOND_COLUMN_PAYLOAD;
    if columns & !known != 0 {
        return Err(host_error(format!(
            "`columns` is {columns:#x}; there are MILLPOND_COLUMN_KEY, MILLPOND_COLUMN_TAGS, \
             MILLPOND_COLUMN_PAYLOAD"
        )));
    }
    let named = [(MILLPOND_COLUMN_TAGS, "tags"), (MILLPOND_COLUMN_PAYLOAD, "payload")];
    let said = named.into_iter().filter(|(number, _)| columns & number != 0);
    Ok((columns != 0).then(|| said.map(|(_, name)| name.to_owned()).collect()))
}

pub(crate) fn choice(choice: millpond_choice_t, name: &str) -> Result<Option<bool>> {
    match choice {
        0 => Ok(None),
        1 => Ok(Some(true)),
        2 => Ok(Some(false)),
        other => Err(host_error(format!("`{name}` is {other}; say MILLPOND_YES or MILLPOND_NO"))),
    }
}

/// # Safety
/// As [`millpond_node_options_t::resolve`].
pub(crate) unsafe fn texts(
    data: *const millpond_text_t,
    count: usize,
    name: &str,
) -> Result<Option<Vec<String>>> {
    // SAFETY: the same contract.
    let list = unsafe { array(data, count, name) }?;
    if data.is_null() {
        return Ok(None);
    }
    // SAFETY: the same contract, for each text.
    let text = |text: &millpond_text_t| unsafe { text.read(name) }.map(str::to_owned);
    list.iter().map(text).collect::<Result<Vec<String>>>().map(Some)
}

//! Options as JavaScript objects, and how they become the facade's.
//!
//! Rule: what was not said stays unsaid; the facade knows every default.

use crate::failure::thrown;
use crate::handles::session;
use millpond_facade::{DeedOptions, Looks, Offsets, ReadOptions};
use millpond_facade::{OpenOptions, PublishOptions, QueryOptions, Result, SessionHandle};
use millpond_facade::{StartAt, SubscribeOptions};
use napi::bindgen_prelude::{BigInt, Env, Uint8Array};
use napi_derive::napi;
use std::time::Duration;

/// How long an operation may take, and what cancels it.
#[napi(object, object_to_js = false)]
pub struct JsLimit {
    /// In milliseconds.
    pub timeout_ms: Option<f64>,
    /// Its ticket, if it can be called off under that.
    pub ticket: Option<i64>,
}

impl JsLimit {
    pub(crate) fn timeout(&self) -> Result<Option<Duration>> {
        let seconds = self.timeout_ms.map(|milliseconds| milliseconds / 1000.0);
        millpond_facade::timeout_from_seconds(seconds)
    }
}

/// The options of `open`.
#[napi(object, object_to_js = false)]
pub struct JsOpenOptions {
    /// Folder of the store.
    pub path: String,
    /// App id.
    pub app: String,
    /// Swarm secret.
    pub swarm: Option<String>,
    /// Swarm secrets that it takes the place of.
    pub former_secrets: Option<Vec<String>>,
    /// Ticket.
    pub ticket: Option<String>,
    /// False: no sockets.
    pub network: Option<bool>,
    /// Socket addresses.
    pub bind: Option<Vec<String>>,
    /// mDNS.
    pub discovery: Option<bool>,
    /// Peer texts.
    pub peers: Option<Vec<String>>,
    /// Node ids.
    pub allow: Option<Vec<String>>,
    /// Cap on what is sent.
    pub send_bytes_per_second_max: Option<i64>,
    /// For each peer.
    pub send_bytes_per_second_per_peer_max: Option<i64>,
    /// What peers send first.
    pub priority: Option<String>,
    /// Journal segment.
    pub segment_bytes: Option<i64>,
    /// Tail.
    pub tail_bytes_max: Option<i64>,
    /// Block cache.
    pub cache_bytes: Option<i64>,
    /// Saved states of fish.
    pub snapshot_bytes_max: Option<i64>,
    /// Network file systems.
    pub allow_network_file_system: Option<bool>,
}

impl JsOpenOptions {
    pub(crate) fn to_options(&self) -> Result<OpenOptions> {
        Ok(OpenOptions {
            path: self.path.clone().into(),
            app_id: self.app.clone(),
            swarm: self.swarm.clone(),
            former_secrets: self.former_secrets.clone(),
            ticket: self.ticket.clone(),
            network: self.network,
            bind: self.bind.clone(),
            discovery: self.discovery,
            peers: self.peers.clone(),
            allow: self.allow.clone(),
            send_bytes_per_second_max: unsigned(
                "sendBytesPerSecondMax",
                self.send_bytes_per_second_max,
            )?,
            send_bytes_per_second_per_peer_max: unsigned(
                "sendBytesPerSecondPerPeerMax",
                self.send_bytes_per_second_per_peer_max,
            )?,
            priority: self.priority.clone(),
            segment_bytes: unsigned("segmentBytes", self.segment_bytes)?,
            tail_bytes_max: unsigned("tailBytesMax", self.tail_bytes_max)?,
            cache_bytes: unsigned("cacheBytes", self.cache_bytes)?,
            snapshot_bytes_max: unsigned("snapshotBytesMax", self.snapshot_bytes_max)?,
            allow_network_file_system: self.allow_network_file_system,
        })
    }
}

/// The options of `publish`.
#[napi(object, object_to_js = false)]
pub struct JsPublishOptions {
    /// `power` or `process`.
    pub durability: Option<String>,
    /// Idempotency key.
    pub idempotency_key: Option<Uint8Array>,
    /// Expected count.
    pub expected: Option<i64>,
    /// Session.
    pub session: Option<BigInt>,
}

impl JsPublishOptions {
    pub(crate) fn to_options(&self) -> Result<PublishOptions> {
        Ok(PublishOptions {
            durability: self.durability.clone(),
            idempotency_key: self.idempotency_key.as_ref().map(|key| key.to_vec()),
            expected: unsigned("expected", self.expected)?,
            session: of_session(self.session.as_ref()),
        })
    }
}

/// The options of `query`; offset maps as token texts.
#[napi(object, object_to_js = false)]
pub struct JsQueryOptions {
    /// `ascending`, `descending` or `stream`.
    pub order: Option<String>,
    /// Lower bound.
    pub lower: Option<String>,
    /// Upper bound.
    pub upper: Option<String>,
    /// What is decoded: `tags`, `payload`.
    pub columns: Option<Vec<String>>,
    /// What it must have seen.
    pub after: Option<String>,
    /// Session.
    pub session: Option<BigInt>,
}

impl JsQueryOptions {
    pub(crate) fn to_options(&self) -> Result<QueryOptions> {
        Ok(QueryOptions {
            order: self.order.clone(),
            lower: self.lower.as_deref().map(Offsets::parse).transpose()?,
            upper: self.upper.as_deref().map(Offsets::parse).transpose()?,
            columns: self.columns.clone(),
            after: of_token(self.after.as_deref())?,
            session: of_session(self.session.as_ref()),
        })
    }
}

/// What a read of a fish, an account or a claim must have seen.
#[napi(object, object_to_js = false)]
pub struct JsReadOptions {
    /// Token text.
    pub after: Option<String>,
    /// Session.
    pub session: Option<BigInt>,
}

impl JsReadOptions {
    pub(crate) fn to_options(&self) -> Result<ReadOptions> {
        Ok(ReadOptions {
            after: of_token(self.after.as_deref())?,
            session: of_session(self.session.as_ref()),
        })
    }
}

/// How something is done to an account or a claim.
#[napi(object, object_to_js = false)]
pub struct JsDeedOptions {
    /// Token text.
    pub after: Option<String>,
    /// Session.
    pub session: Option<BigInt>,
    /// Idempotency key.
    pub idempotency_key: Option<Uint8Array>,
}

impl JsDeedOptions {
    pub(crate) fn to_options(&self) -> Result<DeedOptions> {
        let reading = ReadOptions {
            after: of_token(self.after.as_deref())?,
            session: of_session(self.session.as_ref()),
        };
        let idempotency_key = self.idempotency_key.as_ref().map(|key| key.to_vec());
        Ok(DeedOptions { reading, idempotency_key })
    }
}

/// A query that is over.
#[napi(object, object_to_js = false)]
pub struct JsPastQuery {
    /// Its text.
    pub text: String,
    /// How it was asked.
    pub options: JsQueryOptions,
    /// What it had looked at.
    pub actual: JsLooks,
}

/// What a query looked at.
#[napi(object)]
pub struct JsLooks {
    /// Segments of the postings.
    pub segments: i64,
    /// Blocks.
    pub blocks: i64,
    /// Frames.
    pub frames: i64,
    /// Events.
    pub events: i64,
}

impl From<Looks> for JsLooks {
    fn from(looks: Looks) -> JsLooks {
        JsLooks {
            segments: looks.segments as i64,
            blocks: looks.blocks as i64,
            frames: looks.frames as i64,
            events: looks.events as i64,
        }
    }
}

impl From<JsLooks> for Looks {
    fn from(looks: JsLooks) -> Looks {
        // Numbers that we gave.
        Looks {
            segments: looks.segments as u64,
            blocks: looks.blocks as u64,
            frames: looks.frames as u64,
            events: looks.events as u64,
        }
    }
}

/// The options of `subscribe`.
#[napi(object, object_to_js = false)]
pub struct JsSubscribeOptions {
    /// `beginning`, `now` or a position text.
    pub from: Option<String>,
    /// `durable` or `live`.
    pub delivery: Option<String>,
    /// `arrival` or `key`.
    pub order: Option<String>,
    /// What it must have seen.
    pub after: Option<String>,
    /// Session.
    pub session: Option<BigInt>,
}

impl JsSubscribeOptions {
    pub(crate) fn to_options(&self) -> Result<SubscribeOptions> {
        let from = self.from.as_deref().map(StartAt::parse).transpose()?;
        Ok(SubscribeOptions {
            from,
            delivery: self.delivery.clone(),
            order: self.order.clone(),
            after: of_token(self.after.as_deref())?,
            session: of_session(self.session.as_ref()),
        })
    }
}

/// The token after which a subscription from there begins; null is now.
#[napi(catch_unwind)]
pub fn start_position(env: Env, from: Option<String>) -> napi::Result<Option<String>> {
    let options =
        JsSubscribeOptions { from, delivery: None, order: None, after: None, session: None };
    let options = thrown(&env, options.to_options())?;
    Ok(options.position().map(|offsets| offsets.token()))
}

fn of_token(token: Option<&str>) -> Result<Option<Offsets>> {
    token.map(Offsets::parse).transpose()
}

fn of_session(handle: Option<&BigInt>) -> Option<SessionHandle> {
    handle.map(session)
}

pub(crate) fn unsigned(name: &str, value: Option<i64>) -> Result<Option<u64>> {
    value.map(u64::try_from).transpose().map_err(|_| {
        millpond_facade::host_error(format!("{name} is negative; give a whole number from 0 on"))
    })
}

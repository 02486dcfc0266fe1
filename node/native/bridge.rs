//! What one JavaScript environment (main thread or worker) holds of millpond.
//!
//! Every operation takes a ticket of JavaScript's choosing, starts, and comes back through `drain`
//! under that ticket; also errors of arguments come back there. What is quick answers at once.

use crate::answer::JsCompletion;
use crate::completion::Completions;
use crate::failure::thrown;
use crate::handles::{cursor, id, node, subscription};
use crate::options::{
    JsLimit, JsOpenOptions, JsPastQuery, JsPublishOptions, JsQueryOptions, JsSubscribeOptions,
};
use millpond_facade::{
    Closed, Limit, NodeHandle, Result, SessionHandle, close_any, drafts_from_packed,
};
use napi::bindgen_prelude::{BigInt, Env, Function};
use napi_derive::napi;
use std::sync::Arc;

/// One environment's operations.
#[napi]
pub struct Bridge {
    pub(crate) completions: Arc<Completions>,
}

/// Starts an operation: what fails before it begins completes it with that error.
macro_rules! start {
    ($bridge:ident, $env:ident, $ticket:ident, $prepare:expr, $begin:expr) => {{
        let done = $bridge.completions.begin(&$env, $ticket)?;
        match $prepare {
            Ok(prepared) => $begin(prepared, done),
            Err(error) => done(Err(error)),
        }
        Ok(())
    }};
}

/// As `start!`, and answers at once when the operation does not have to wait.
macro_rules! start_here {
    ($bridge:ident, $env:ident, $ticket:ident, $prepare:expr, $begin:expr) => {{
        let done = $bridge.completions.begin_here($env, $ticket)?;
        match $prepare {
            Ok(prepared) => $begin(prepared, done),
            Err(error) => done(Err(error)),
        }
        let answer = $bridge.completions.answer($env)?;
        answer.map(|completion| JsCompletion::new($env, completion)).transpose()
    }};
}

pub(crate) use {start, start_here};

impl Bridge {
    /// What bounds an operation that begins.
    pub(crate) fn limit(&self, limit: &JsLimit) -> Result<Limit> {
        let timeout = limit.timeout()?;
        match limit.ticket {
            Some(ticket) => self.completions.tickets.begin(ticket as u64, timeout),
            None => Ok(Limit { timeout, cancel: None }),
        }
    }
}

#[napi]
impl Bridge {
    /// `ready` runs on the event loop whenever `drain` has something.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, ready: Function<'_, (), ()>) -> napi::Result<Bridge> {
        Ok(Bridge { completions: Completions::new(&env, &ready)? })
    }

    /// Every operation that ended since the last call.
    #[napi(catch_unwind)]
    pub fn drain<'a>(&self, env: &'a Env) -> napi::Result<Vec<JsCompletion<'a>>> {
        let ended = self.completions.drain(env)?;
        ended.into_iter().map(|completion| JsCompletion::new(env, completion)).collect()
    }

    /// Calls off the operation with this ticket, if it goes on and its limit names the ticket.
    #[napi(catch_unwind)]
    pub fn cancel(&self, env: Env, ticket: i64) -> napi::Result<()> {
        thrown(&env, self.completions.tickets.cancel(ticket as u64))
    }

    /// A session that has seen nothing.
    #[napi(catch_unwind)]
    pub fn session_new(&self, env: Env) -> napi::Result<BigInt> {
        self.completions.keep(&env, SessionHandle::new().map(SessionHandle::id))
    }

    /// Closes whatever a handle stands for.
    #[napi(catch_unwind)]
    pub fn release(&self, env: Env, handle: BigInt) -> napi::Result<()> {
        self.completions.forget(id(&handle));
        thrown(&env, close_any(id(&handle)).map(drop))
    }

    /// Opens a node; completes with its handle.
    #[napi(catch_unwind)]
    pub fn open(
        &self,
        env: Env,
        ticket: i64,
        options: JsOpenOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared = options.to_options().and_then(|options| Ok((options, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(options, limit), done| {
            NodeHandle::open_start(options, limit, done)
        })
    }

    /// Closes a node.
    #[napi(catch_unwind)]
    pub fn close(&self, env: Env, ticket: i64, handle: BigInt, limit: JsLimit) -> napi::Result<()> {
        let done = self.completions.begin::<Closed>(&env, ticket)?;
        match self.limit(&limit) {
            Ok(limit) => {
                let (completions, node) = (Arc::clone(&self.completions), node(&handle));
                node.close_start(limit, move |result: Result<Closed>| {
                    if result.is_ok() {
                        completions.forget(node.id());
                    }
                    done(result);
                });
            }
            Err(error) => done(Err(error)),
        }
        Ok(())
    }

    /// Publishes the events that `bytes` hold; see `packed.rs` of the facade.
    #[napi(catch_unwind)]
    pub fn publish(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        bytes: &[u8],
        options: JsPublishOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared = drafts_from_packed(bytes)
            .and_then(|drafts| Ok((drafts, options.to_options()?, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(drafts, options, limit), done| {
            node(&handle).publish_start(drafts, options, limit, done)
        })
    }

    /// Starts a query; completes with a cursor's handle.
    #[napi(catch_unwind)]
    pub fn query(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        text: String,
        options: JsQueryOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared = options.to_options().and_then(|options| Ok((options, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(options, limit), done| {
            node(&handle).query_start(&text, options, limit, done)
        })
    }

    /// Starts a subscription; completes with its handle.
    #[napi(catch_unwind)]
    pub fn subscribe(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        text: String,
        options: JsSubscribeOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared = options.to_options().and_then(|options| Ok((options, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(options, limit), done| {
            node(&handle).subscribe_start(&text, options, limit, done)
        })
    }

    /// Connects to a peer.
    #[napi(catch_unwind)]
    pub fn connect(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        target: String,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).connect_start(&target, limit, done)
        })
    }

    /// Forgets a peer.
    #[napi(catch_unwind)]
    pub fn disconnect(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        peer: String,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).disconnect_start(&peer, limit, done)
        })
    }

    /// Ends all sessions, or allows them again.
    #[napi(catch_unwind)]
    pub fn set_network(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        enabled: bool,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).set_network_start(enabled, limit, done)
        })
    }

    /// Replaces the swarm's secret.
    #[napi(catch_unwind)]
    pub fn set_secrets(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        current: String,
        former: Vec<String>,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).set_secrets_start(&current, &former, limit, done)
        })
    }

    /// A ticket to paste.
    #[napi(catch_unwind)]
    pub fn ticket(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).ticket_start(limit, done)
        })
    }

    /// The status as JSON text.
    #[napi(catch_unwind)]
    pub fn status(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).status_json_start(limit, done)
        })
    }

    /// The status as JSON text, once its version is not this one any more.
    #[napi(catch_unwind)]
    pub fn next_status(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        version: f64,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).next_status_start(version as u64, limit, done)
        })
    }

    /// The figures for Prometheus.
    #[napi(catch_unwind)]
    pub fn metrics(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).metrics_start(limit, done)
        })
    }

    /// What a verification found, as JSON text.
    #[napi(catch_unwind)]
    pub fn verify(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).verify_json_start(limit, done)
        })
    }

    /// What a compaction did, as JSON text.
    #[napi(catch_unwind)]
    pub fn compact(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).compact_json_start(limit, done)
        })
    }

    /// The next events of a cursor: at once, when they are there.
    #[napi(catch_unwind)]
    pub fn cursor_next<'a>(
        &self,
        env: &'a Env,
        ticket: i64,
        handle: BigInt,
        count_max: Option<u32>,
        limit: JsLimit,
    ) -> napi::Result<Option<JsCompletion<'a>>> {
        let count_max = count_max.map(|count| count as usize);
        start_here!(self, env, ticket, self.limit(&limit), |limit, done| {
            cursor(&handle).next_batch_start(count_max, limit, done)
        })
    }

    /// How a cursor answers its query, as JSON text.
    #[napi(catch_unwind)]
    pub fn cursor_explain(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            cursor(&handle).explain_start(limit, done)
        })
    }

    /// The same for a query that is over; `handle` is its node's.
    #[napi(catch_unwind)]
    pub fn query_explain(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        query: JsPastQuery,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let JsPastQuery { text, options, actual } = query;
        let prepared = options.to_options().and_then(|options| Ok((options, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(options, limit), done| {
            node(&handle).explain_start(&text, options, actual.into(), limit, done)
        })
    }

    /// The next events of a subscription: at once, when they are there.
    #[napi(catch_unwind)]
    pub fn subscription_next<'a>(
        &self,
        env: &'a Env,
        ticket: i64,
        handle: BigInt,
        count_max: Option<u32>,
        limit: JsLimit,
    ) -> napi::Result<Option<JsCompletion<'a>>> {
        let count_max = count_max.map(|count| count as usize);
        start_here!(self, env, ticket, self.limit(&limit), |limit, done| {
            subscription(&handle).next_batch_start(count_max, limit, done)
        })
    }
}

/// The node's id.
#[napi(catch_unwind)]
pub fn node_id(env: Env, handle: BigInt) -> napi::Result<String> {
    thrown(&env, node(&handle).node_id())
}

/// The swarm's id.
#[napi(catch_unwind)]
pub fn node_swarm_id(env: Env, handle: BigInt) -> napi::Result<String> {
    thrown(&env, node(&handle).swarm_id())
}

/// The id of the stream that the node writes.
#[napi(catch_unwind)]
pub fn node_stream(env: Env, handle: BigInt) -> napi::Result<String> {
    thrown(&env, node(&handle).stream())
}

/// True until it is closed.
#[napi(catch_unwind)]
pub fn node_is_open(handle: BigInt) -> bool {
    node(&handle).is_open()
}

/// Token text of what is durable.
#[napi(catch_unwind)]
pub fn node_offsets(env: Env, handle: BigInt) -> napi::Result<String> {
    thrown(&env, node(&handle).offsets().map(|offsets| offsets.token()))
}

/// The sizes of a store, as JSON text.
#[napi(catch_unwind)]
pub fn node_stats(env: Env, handle: BigInt) -> napi::Result<String> {
    thrown(&env, node(&handle).stats_json())
}

/// How complete an answer is, as JSON text.
#[napi(catch_unwind)]
pub fn cursor_completeness(env: Env, handle: BigInt) -> napi::Result<String> {
    thrown(&env, cursor(&handle).completeness_json())
}

/// Events that a subscription has not passed.
#[napi(catch_unwind)]
pub fn subscription_lag(env: Env, handle: BigInt) -> napi::Result<i64> {
    thrown(&env, subscription(&handle).lag().map(|lag| lag as i64))
}

/// Throws when no call can have this timeout.
#[napi(catch_unwind)]
pub fn check_timeout(env: Env, timeout_ms: Option<f64>) -> napi::Result<()> {
    thrown(&env, JsLimit { timeout_ms, ticket: None }.timeout().map(drop))
}

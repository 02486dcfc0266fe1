//! Calls of nodes.

use crate::answer::Completion;
use crate::bridge::{Bridge, Done};
use crate::options::{OpenOptions, PublishOptions, QueryOptions, SubscribeOptions};
use millpond_facade::{Closed, NodeHandle, Offsets, Result, drafts_from_packed};

#[uniffi::export]
impl Bridge {
    /// Opens a node; comes to its handle.
    pub fn open(
        &self,
        ticket: u64,
        options: OpenOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_open", ticket, limit_ms, |limit, done| {
            NodeHandle::open_start(options.into(), limit, done);
            Ok(())
        })
    }

    /// Closes a node.
    pub fn close_node(&self, ticket: u64, node: u64, limit_ms: Option<u64>) -> Option<Completion> {
        self.start("bridge_close_node", ticket, limit_ms, |limit, done| {
            let nodes = self.shared_nodes();
            let done: Done<Closed> = Box::new(move |closed: Result<Closed>| {
                if closed.is_ok() {
                    Bridge::forget(&nodes, node);
                }
                done(closed);
            });
            NodeHandle::from_id(node).close_start(limit, done);
            Ok(())
        })
    }

    /// Publishes the events that `drafts` hold: see `packed.rs` of the facade.
    pub fn publish(
        &self,
        ticket: u64,
        node: u64,
        drafts: Vec<u8>,
        options: PublishOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_publish", ticket, limit_ms, |limit, done| {
            let drafts = drafts_from_packed(&drafts)?;
            NodeHandle::from_id(node).publish_start(drafts, options.into(), limit, done);
            Ok(())
        })
    }

    /// Starts a query; comes to a cursor's handle.
    pub fn query(
        &self,
        ticket: u64,
        node: u64,
        text: String,
        options: QueryOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_query", ticket, limit_ms, |limit, done| {
            let options = options.to_facade()?;
            NodeHandle::from_id(node).query_start(&text, options, limit, done);
            Ok(())
        })
    }

    /// Starts a subscription; comes to its handle.
    pub fn subscribe(
        &self,
        ticket: u64,
        node: u64,
        text: String,
        options: SubscribeOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_subscribe", ticket, limit_ms, |limit, done| {
            let options = options.to_facade()?;
            NodeHandle::from_id(node).subscribe_start(&text, options, limit, done);
            Ok(())
        })
    }

    /// Waits until the log covers the token; with a query, as far as that can tell.
    pub fn wait_for(
        &self,
        ticket: u64,
        node: u64,
        token: String,
        query: Option<String>,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_wait_for", ticket, limit_ms, |limit, done| {
            let token = Offsets::parse(&token)?;
            NodeHandle::from_id(node).wait_for_start(&token, query.as_deref(), limit, done);
            Ok(())
        })
    }

    /// Connects to a peer: a ticket, or `<node id>@<ip>:<port>[,<ip>:<port>…]`.
    pub fn connect(
        &self,
        ticket: u64,
        node: u64,
        target: String,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_connect", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).connect_start(&target, limit, done);
            Ok(())
        })
    }

    /// Forgets a peer.
    pub fn disconnect(
        &self,
        ticket: u64,
        node: u64,
        peer: String,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_disconnect", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).disconnect_start(&peer, limit, done);
            Ok(())
        })
    }

    /// Ends all sessions, or allows them again.
    pub fn set_network(
        &self,
        ticket: u64,
        node: u64,
        enabled: bool,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_set_network", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).set_network_start(enabled, limit, done);
            Ok(())
        })
    }

    /// Replaces the swarm's secret.
    pub fn set_secrets(
        &self,
        ticket: u64,
        node: u64,
        current: String,
        former: Vec<String>,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_set_secrets", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).set_secrets_start(&current, &former, limit, done);
            Ok(())
        })
    }

    /// A ticket to paste.
    pub fn swarm_ticket(
        &self,
        ticket: u64,
        node: u64,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_swarm_ticket", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).ticket_start(limit, done);
            Ok(())
        })
    }

    /// The status as JSON text.
    pub fn status(&self, ticket: u64, node: u64, limit_ms: Option<u64>) -> Option<Completion> {
        self.start("bridge_status", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).status_json_start(limit, done);
            Ok(())
        })
    }

    /// The status as JSON text, once its version is not this one any more.
    pub fn next_status(
        &self,
        ticket: u64,
        node: u64,
        version: u64,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_next_status", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).next_status_start(version, limit, done);
            Ok(())
        })
    }

    /// The figures for Prometheus.
    pub fn metrics(&self, ticket: u64, node: u64, limit_ms: Option<u64>) -> Option<Completion> {
        self.start("bridge_metrics", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).metrics_start(limit, done);
            Ok(())
        })
    }

    /// What a verification found, as JSON text.
    pub fn verify(&self, ticket: u64, node: u64, limit_ms: Option<u64>) -> Option<Completion> {
        self.start("bridge_verify", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).verify_json_start(limit, done);
            Ok(())
        })
    }

    /// What a compaction did, as JSON text.
    pub fn compact(&self, ticket: u64, node: u64, limit_ms: Option<u64>) -> Option<Completion> {
        self.start("bridge_compact", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).compact_json_start(limit, done);
            Ok(())
        })
    }
}

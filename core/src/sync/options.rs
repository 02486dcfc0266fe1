//! What a swarm needs to know before it starts.

use crate::event::{NodeId, StreamId, SwarmSecrets};
use crate::query::Query;
use crate::sync::cap::SendCaps;
use std::collections::BTreeSet;

/// Most peers at a time, unless told otherwise.
pub const PEERS_MAX_DEFAULT: usize = 64;

/// Who we are and whom we let in.
#[derive(Clone, Debug)]
pub struct SwarmOptions {
    /// Our node; the transport proves it to the other end.
    pub node: NodeId,
    /// The stream that our node writes now.
    pub own_stream: StreamId,
    /// What the nodes of the swarm share, and shared.
    pub secrets: SwarmSecrets,
    /// Different in every run of the process: random, or a counter in the store. With it peers tell
    /// a restarted node's connection from a second one.
    pub instance: [u8; 8],
    /// Nodes that may be peers; without it, all that hold the secret.
    pub allowed: Option<BTreeSet<NodeId>>,
    /// Most peers at a time; `PEERS_MAX_DEFAULT` is a good value.
    pub peers_max: usize,
    /// How fast we may send.
    pub send_caps: SendCaps,
    /// Whether peers are also found where other peers say that they are.
    pub learns: bool,
    /// What peers are asked to send first; none: no stream before another.
    pub priority: Option<Query>,
    /// Whether somebody here looks into cargo: peers are told, and those that carry it, too, may
    /// send it.
    pub carries_cargo: bool,
}

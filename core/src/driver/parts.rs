//! What a turn is made of: the log as peers see it, the swarm, discovery.

use crate::driver::clock;
use crate::driver::options::{NetworkOptions, PeerAddress};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{
    Chain, Columns, EventRange, NodeId, OffsetMap, PackedRange, StreamId, SwarmSecrets,
};
use crate::log::{CursorOptions, Log};
use crate::net::{Discovery, DiscoveryOptions, EventSink};
use crate::query::{Order, Query};
use crate::sync::{
    BOOK_PEERS_MAX, Input, LogRead, PEERS_MAX_DEFAULT, Swarm, SwarmOptions, checked_priority,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What peers are served from: the log as it is durable.
impl LogRead for Log {
    fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        Log::read_range(self, stream, from)
    }

    fn read_block(&self, stream: &StreamId, from: u64) -> Result<Option<PackedRange>> {
        Log::read_block(self, stream, from)
    }

    fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>> {
        Log::chain_at(self, stream, count)
    }

    fn block_start(&self, stream: &StreamId, offset: u64) -> Result<Option<u64>> {
        Log::block_start(self, stream, offset)
    }

    fn last_match(
        &self,
        query: &Query,
        stream: &StreamId,
        from: u64,
        to: u64,
    ) -> Result<Option<u64>> {
        let at = |count| OffsetMap::from_iter([(*stream, count)]);
        let columns = Columns { tags: false, payload: false };
        let (order, lower, upper) = (Order::Descending, at(from), Some(at(to)));
        let mut cursor = self.cursor(query, CursorOptions { order, lower, upper, columns })?;
        let last = cursor.next_batch(1)?;
        Ok(last.iter().next().map(|event| event.offset().value() + 1))
    }
}

/// Every peer that the options name.
///
/// # Errors
/// `invalid_argument`: one cannot be dialled. `limit_exceeded`: there are too many.
pub(crate) fn named_peers(options: &NetworkOptions) -> Result<BTreeMap<NodeId, PeerAddress>> {
    options.peers.iter().try_for_each(|peer| peer.check(options.discovery))?;
    let peers: BTreeMap<NodeId, PeerAddress> =
        options.peers.iter().map(|peer| (peer.node, peer.clone())).collect();
    if peers.len() > BOOK_PEERS_MAX {
        let message = format!(
            "the node is to connect to {} peers; the limit is {BOOK_PEERS_MAX}",
            peers.len()
        );
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    Ok(peers)
}

/// A swarm that knows what the log holds.
pub(crate) fn new_swarm(
    options: &NetworkOptions,
    log: &Log,
    secrets: &SwarmSecrets,
) -> Result<Swarm> {
    let random = clock::random()?;
    let instance = *random.first_chunk().expect("32 bytes hold 8");
    let options = SwarmOptions {
        node: log.node_id(),
        secrets: secrets.clone(),
        own_stream: log.own_stream(),
        instance,
        allowed: options.allow.clone(),
        peers_max: PEERS_MAX_DEFAULT,
        send_caps: options.send_caps()?,
        learns: options.discovery,
        priority: options.priority.as_ref().map(checked_priority).transpose()?,
        carries_cargo: true,
    };
    let mut swarm = Swarm::new(options, log.heads(), log.forks(), clock::now());
    swarm.handle(Input::Live(log.live().is_wanted()), clock::now());
    Ok(swarm)
}

/// Looks for peers from the sockets that are bound at these addresses.
pub(crate) fn discover(log: &Log, bound: &[SocketAddr], sink: EventSink) -> Result<Discovery> {
    let port_of = |v6: bool| bound.iter().find(|at| at.is_ipv6() == v6).map(SocketAddr::port);
    let every = |at: &SocketAddr| at.ip().is_unspecified();
    let interfaces = match bound.iter().any(every) {
        true => Vec::new(),
        false => bound.iter().map(SocketAddr::ip).collect(),
    };
    let options = DiscoveryOptions {
        swarm: log.swarm_id(),
        node: log.node_id(),
        port: port_of(false).or(port_of(true)).expect("a transport is bound somewhere"),
        port_v6: port_of(true),
        interfaces,
        any_address: false,
    };
    Discovery::start(&options, sink)
}

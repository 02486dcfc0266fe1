//! A stand-in for who looks into cargo: some nodes carry it, and send each other numbered frames.
//!
//! What two honest nodes carry comes whole and in order on each lane, goes only to peers that carry
//! it, and stands behind all else that a session has to say; and none of it is left at the end.
//! Not here: blobs, of which this knows nothing. Begin with `World::open_freight`.

use crate::sim::random::Random;
use crate::sim::world::{Event, World};
use bytes::Bytes;
use millpond::sync::{
    BULK_FRAME_BYTES_MAX, CARGO_BYTES_BULK_MAX, CARGO_BYTES_LIVE_MAX, ConnectionId, Input, Lane,
    SendCaps,
};
use std::collections::BTreeMap;

/// Share of nodes that carry cargo, where any do.
const CARRIERS: f64 = 0.7;
/// Types of cargo: docs/protocol.md, "Messages".
const TYPES: std::ops::RangeInclusive<u8> = 0x90..=0x97;
/// Ping and Pong.
const SIGNS_OF_LIFE: [u8; 2] = [0x03, 0x04];
/// Frames for each lane of a session.
const FRAMES_MAX: u64 = 6;
/// Longest frame where nodes may send only so much a second.
const CAPPED_BYTES_MAX: usize = 3000;
/// Type and number.
const HEAD_BYTES: usize = 1 + 8;

/// The cargo of one process.
#[derive(Debug, Default)]
pub(super) struct Freight {
    sessions: BTreeMap<ConnectionId, [Load; 2]>,
    /// The session of which a bulk frame was the last thing that left, if nothing happened since.
    bulk_left: Option<ConnectionId>,
}

/// That of one lane of a session.
#[derive(Debug, Default)]
struct Load {
    /// Lengths of frames that are to be handed over, the next one last.
    lengths: Vec<usize>,
    /// Frames that were, and their bytes that have not left.
    given: u64,
    waiting: usize,
    /// Frames that came.
    received: u64,
}

const LANES: [(Lane, u8, usize); 2] =
    [(Lane::Live, 0x90, CARGO_BYTES_LIVE_MAX), (Lane::Bulk, 0x93, CARGO_BYTES_BULK_MAX)];

impl Freight {
    /// Something happens: who has a bulk frame may have more that is urgent by now.
    pub(super) fn something_happens(&mut self) {
        self.bulk_left = None;
    }

    fn load(&mut self, connection: ConnectionId, lane: Lane) -> Option<&mut Load> {
        let loads = self.sessions.get_mut(&connection)?;
        Some(&mut loads[usize::from(lane == Lane::Bulk)])
    }

    fn is_done(&self) -> bool {
        let mut loads = self.sessions.values().flatten();
        loads.all(|load| load.lengths.is_empty() && load.waiting == 0)
    }
}

impl World {
    /// Whether the processes of `node` carry cargo.
    pub(super) fn carries_cargo(&self, node: usize) -> bool {
        let seed = self.plan.freight;
        seed.is_some_and(|seed| Random::new(seed ^ (node as u64) << 32).chance(CARRIERS))
    }

    /// Cargo passes on a connection from now on: some is there at once.
    pub(super) fn open_freight(&mut self, node: usize, connection: ConnectionId) {
        let mut random = Random::new(self.plan.freight.unwrap_or_default() ^ connection.value());
        // All of it could pass within a part of the quiet phase.
        let is_capped = self.plan.caps != SendCaps::default();
        let bulk_max = if is_capped { CAPPED_BYTES_MAX } else { BULK_FRAME_BYTES_MAX };
        let loads = LANES.map(|(lane, ..)| {
            let longest = if lane == Lane::Bulk { bulk_max } else { 300 };
            let mut length =
                || *random.pick(&[HEAD_BYTES, 200, longest / 20 + HEAD_BYTES, longest]);
            let lengths: Vec<usize> = (0..FRAMES_MAX).map(|_| length()).collect();
            Load { lengths, ..Load::default() }
        });
        let live = self.nodes[node].live.as_mut().expect("it has just been polled");
        let is_new = live.freight.sessions.insert(connection, loads).is_none();
        if !is_new {
            return self.violated(Some(node), format!("opens {connection} to cargo twice"));
        }
        self.hand_over(node, connection);
    }

    /// Hands over what there is room for. The caller polls the swarm.
    fn hand_over(&mut self, node: usize, connection: ConnectionId) {
        let now = self.instant();
        let Some(live) = &mut self.nodes[node].live else { return };
        for (lane, kind, bytes_max) in LANES {
            let Some(load) = live.freight.load(connection, lane) else { return };
            while let Some(length) = load.lengths.pop_if(|it| load.waiting + *it <= bytes_max) {
                let mut bytes = vec![kind];
                bytes.extend_from_slice(&load.given.to_le_bytes());
                bytes.resize(length, 0);
                load.given += 1;
                load.waiting += length;
                let bytes = Bytes::from(bytes);
                live.swarm.handle(Input::Carry { connection, lane, bytes }, now);
            }
        }
        live.freight.something_happens();
    }

    /// A frame of cargo has left: there is room for more, which comes a moment later.
    pub(super) fn carried(
        &mut self,
        node: usize,
        connection: ConnectionId,
        lane: Lane,
        bytes: usize,
    ) {
        let live = self.nodes[node].live.as_mut().expect("it has just been polled");
        let Some(load) = live.freight.load(connection, lane) else { return };
        let Some(waiting) = load.waiting.checked_sub(bytes) else {
            return self.violated(Some(node), "carries what nobody handed over".to_owned());
        };
        load.waiting = waiting;
        if !load.lengths.is_empty() {
            let run = self.nodes[node].run;
            self.schedule(self.now, Event::Freight { node, run, connection });
        }
    }

    /// There is more for a session.
    pub(super) fn load_more(&mut self, node: usize, connection: ConnectionId) {
        self.hand_over(node, connection);
        self.drain(node);
    }

    /// A session has ended, and its cargo with it.
    pub(super) fn end_freight(&mut self, node: usize, connection: ConnectionId) {
        let live = self.nodes[node].live.as_mut().expect("it has just been polled");
        if live.freight.sessions.remove(&connection).is_none() {
            self.violated(Some(node), format!("ends the cargo of {connection}, which has none"));
        }
    }

    /// Cargo came to `node`.
    pub(super) fn unload(
        &mut self,
        node: usize,
        connection: ConnectionId,
        lane: Lane,
        bytes: &Bytes,
    ) {
        let sender = self.peer_of(connection);
        let is_honest = sender.is_some_and(|sender| self.nodes[sender].is_honest());
        let live = self.nodes[node].live.as_mut().expect("it has just been polled");
        let load = live.freight.load(connection, lane);
        let Some(load) = load.filter(|_| is_honest) else { return };
        let number = bytes.get(1..HEAD_BYTES).and_then(|number| number.try_into().ok());
        let (expected, number) = (load.received, number.map(u64::from_le_bytes));
        load.received += 1;
        self.figures.cargo += 1;
        if number != Some(expected) {
            let what = format!("was sent cargo {number:?} in place of {expected}, {lane:?}");
            self.violated(Some(node), what);
        }
    }

    /// A frame leaves the swarm of `node`: cargo goes only to who carries it, and bulk only when
    /// nothing else may go.
    pub(super) fn check_freight(
        &mut self,
        node: usize,
        connection: ConnectionId,
        lane: Lane,
        bytes: &Bytes,
    ) {
        let Some(peer) = self.peer_of(connection).filter(|_| self.nodes[node].is_honest()) else {
            return;
        };
        let is_cargo = bytes.first().is_some_and(|kind| TYPES.contains(kind));
        if is_cargo && !self.carries_cargo(peer) {
            return self.violated(Some(node), "sends cargo to a peer that carries none".to_owned());
        }
        // What was just said is a reason to ask whether the peer is there.
        if bytes.first().is_some_and(|kind| SIGNS_OF_LIFE.contains(kind)) {
            return;
        }
        let live = self.nodes[node].live.as_mut().expect("it has just been polled");
        if lane != Lane::Bulk && live.freight.bulk_left == Some(connection) {
            let what = format!("sent bulk before what waited on the {} lane", lane.name());
            return self.violated(Some(node), what);
        }
        live.freight.bulk_left = (lane == Lane::Bulk).then_some(connection);
    }

    /// A node that has not sent all its cargo.
    pub(super) fn has_freight_left(&self) -> Option<usize> {
        let is_left = |node: &usize| {
            let live = self.nodes[*node].live.as_ref();
            live.is_some_and(|live| !live.freight.is_done())
        };
        self.members().map(|(node, _)| node).find(is_left)
    }
}

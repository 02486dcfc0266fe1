//! Damaged blocks of our own log: asked for from peers that hold the same events.
//!
//! Who answers need not be trusted, nor checked here: the log takes only what it had signed.
//! Not here: finding damage, and putting blocks back (`log`). Rule: a question never stands in the
//! way of what is being fetched, and what comes of it changes nothing that we know of a peer.
//! Begin with [`run`].

use crate::error::Result;
use crate::event::{NodeId, StreamId};
use crate::planted;
use crate::sync::constants::{FETCH_TIMEOUT, PROBE_RETRY, PROBE_RETRY_MAX};
use crate::sync::io::{ConnectionId, Output};
use crate::sync::opening::Content;
use crate::sync::schedule::Schedule;
use crate::sync::session::Session;
use crate::sync::shared::Shared;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Blocks that are asked for at a time, of all peers together.
const ASKED_MAX: usize = 4;

/// Pause before another block is asked for when there are so many.
const CROWDED_PAUSE: Duration = Duration::from_millis(250);

/// A stream, and the offset at which a block of it begins.
type Place = (StreamId, u64);

/// The blocks that are damaged.
#[derive(Debug, Default)]
pub(crate) struct Repairs {
    blocks: BTreeMap<Place, Block>,
    /// When each is looked at.
    due: Schedule<Place>,
}

#[derive(Debug)]
struct Block {
    end: u64,
    state: State,
    /// Who was asked last.
    last: Option<NodeId>,
    /// The next pause after nobody could give it.
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waits,
    Asked(ConnectionId),
    /// The log has an answer in hand.
    AtLog,
}

impl Repairs {
    /// These blocks are damaged, with the offsets behind them, and no others.
    pub(crate) fn set(&mut self, damaged: &[(StreamId, u64, u64)], now: Instant) {
        let places: BTreeSet<Place> =
            damaged.iter().map(|(stream, at, _)| (*stream, *at)).collect();
        let is_gone = |place: &&Place| !places.contains(place);
        let gone: Vec<Place> = self.blocks.keys().filter(is_gone).copied().collect();
        gone.iter().for_each(|place| self.forget(place));
        for (stream, first, end) in damaged {
            let place = (*stream, *first);
            match self.blocks.entry(place) {
                // Where a block ends shows once its neighbours can be read.
                Entry::Occupied(mut known) => known.get_mut().end = *end,
                Entry::Vacant(new) => {
                    let (state, last, pause) = (State::Waits, None, PROBE_RETRY);
                    new.insert(Block { end: *end, state, last, pause });
                    self.due.set(place, now);
                }
            }
        }
    }

    /// True when `connection` was asked for events of `stream` from `first` on.
    pub(crate) fn expects(&self, connection: ConnectionId, stream: &StreamId, first: u64) -> bool {
        let block = self.blocks.get(&(*stream, first));
        block.is_some_and(|block| block.state == State::Asked(connection))
    }

    /// What came of an answer.
    pub(crate) fn answered(
        &mut self,
        stream: StreamId,
        first: u64,
        result: &Result<()>,
        now: Instant,
    ) {
        match result {
            Ok(()) => self.forget(&(stream, first)),
            Err(_) => self.back_off((stream, first), now),
        }
    }

    /// A peer has come that may hold what is needed; what it holds is known by `at`.
    pub(crate) fn peer_came(&mut self, at: Instant) {
        for (place, block) in &mut self.blocks {
            if block.state == State::Waits {
                block.pause = PROBE_RETRY;
                self.due.set_earliest(*place, at);
            }
        }
    }

    /// When there is something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.next()
    }

    fn forget(&mut self, place: &Place) {
        self.blocks.remove(place);
        self.due.remove(place);
    }

    fn back_off(&mut self, place: Place, now: Instant) {
        let Some(block) = self.blocks.get_mut(&place) else { return };
        block.state = State::Waits;
        if planted!("block_asked_for_only_once") {
            return;
        }
        self.due.set(place, now + block.pause);
        block.pause = (block.pause * 2).min(PROBE_RETRY_MAX);
    }

    fn asked(&self) -> usize {
        self.blocks.values().filter(|block| block.state != State::Waits).count()
    }
}

/// Asks for what is due to be asked for.
pub(crate) fn run(shared: &mut Shared, sessions: &mut BTreeMap<ConnectionId, Session>) {
    let now = shared.now;
    while let Some(place) = shared.repairs.due.first_due(now) {
        shared.repairs.due.remove(&place);
        let is_asked = matches!(shared.repairs.blocks[&place].state, State::Asked(_));
        if !is_asked && shared.repairs.asked() >= ASKED_MAX {
            shared.repairs.due.set(place, now + CROWDED_PAUSE);
            continue;
        }
        let chosen = if is_asked { None } else { choose(place, shared, sessions) };
        let Some(connection) = chosen else {
            // Nothing came of it, or nobody can be asked now.
            shared.repairs.back_off(place, now);
            continue;
        };
        let session = sessions.get_mut(&connection).expect("it was just chosen");
        let block = shared.repairs.blocks.get_mut(&place).expect("it is damaged");
        session.requests.insert(place.0, (place.1, block.end));
        (block.state, block.last) = (State::Asked(connection), Some(session.peer));
        shared.repairs.due.set(place, now + FETCH_TIMEOUT);
    }
}

/// Of those that hold the block the one whose turn it is.
fn choose(
    (stream, first): Place,
    shared: &Shared,
    sessions: &BTreeMap<ConnectionId, Session>,
) -> Option<ConnectionId> {
    let block = &shared.repairs.blocks[&(stream, first)];
    let is_asked_for = |session: &Session| {
        // A question for a stream takes the place of the one before.
        let mut others = shared.repairs.blocks.range((stream, 0)..=(stream, u64::MAX));
        session.requests.contains_key(&stream)
            || shared.fetches.source(&stream) == Some(session.connection)
            || others.any(|(_, other)| other.state == State::Asked(session.connection))
    };
    let holders = sessions.values().filter(|session| {
        session.is_admitted()
            && session.known.count(&stream) >= block.end
            && !session.disputes.contains(&stream)
            && !is_asked_for(session)
    });
    let turn = |session: &&Session| (Some(session.peer) <= block.last, session.peer);
    holders.min_by_key(turn).map(|session| session.connection)
}

impl Session {
    /// Takes the events of a damaged block that the peer was asked for. False when it was not.
    pub(crate) fn take_repair(&mut self, content: &Content, shared: &mut Shared) -> bool {
        let (stream, first) = (content.range.stream(), content.range.first);
        if !shared.repairs.expects(self.connection, &stream, first) {
            return false;
        }
        let block = shared.repairs.blocks.get_mut(&(stream, first)).expect("it was asked for");
        block.state = State::AtLog;
        shared.repairs.due.remove(&(stream, first));
        shared.outputs.push_back(Output::Repair { range: content.range.clone() });
        // It took the question for what we hold.
        self.announcements.held.insert(stream);
        self.flush_soon(shared.now);
        true
    }
}

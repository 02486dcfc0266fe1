//! Whom to ask for what we lack.
//!
//! A stream is asked of one peer at a time: of those that have more than we do the one with the
//! fewest requests. A request that brings nothing is taken back, and that peer is not asked for
//! that stream for a while, longer each time; so lies and withheld data cost time, never the
//! stream.

use crate::event::{NodeId, StreamId};
use crate::planted;
use crate::sync::constants::{
    CREDIT_BYTES_FETCHING, CREDIT_BYTES_INITIAL, FETCH_OVERTAKEN_MAX, FETCH_PENALTY_MAX,
    FETCH_SHARED_MIN, FETCH_TIMEOUT, FETCHES_PER_SESSION_MAX, FETCHING_SESSIONS_MAX, FLUSH_DELAY,
};
use crate::sync::io::ConnectionId;
use crate::sync::schedule::Schedule;
use crate::sync::session::Session;
use crate::sync::shared::Shared;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Longest time that a request may be fed with parts of one frame.
const FRAME_TIME_MAX: Duration = Duration::from_secs(300);

/// Streams to be asked for, and the requests under way.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    /// Peers that have just told all they hold.
    newcomers: Vec<ConnectionId>,
    /// Streams of which some peer may have more, and from when on to ask.
    queue: Schedule<StreamId>,
    active: BTreeMap<StreamId, Fetch>,
    /// When to look at the requests under way.
    checks: Schedule<StreamId>,
    /// Number of requests per connection; absent means none.
    loads: BTreeMap<ConnectionId, usize>,
    penalties: BTreeMap<(NodeId, StreamId), Penalty>,
}

#[derive(Clone, Copy, Debug)]
struct Fetch {
    connection: ConnectionId,
    to: u64,
    progress_at: Instant,
    /// Ranges that had come from the peer at that time.
    ranges_before: u64,
}

#[derive(Clone, Copy, Debug)]
struct Penalty {
    until: Instant,
    pause: Duration,
}

impl Fetches {
    /// The peer has told all it holds, so it may take over what others were asked for.
    pub(crate) fn may_share(&mut self, connection: ConnectionId) {
        self.newcomers.push(connection);
    }

    /// From `at` on, `stream` may be asked for.
    pub(crate) fn ask_from(&mut self, stream: StreamId, at: Instant) {
        if !self.active.contains_key(&stream) {
            self.queue.set_earliest(stream, at);
        }
    }

    /// `stream` may be asked for at `at` and not before.
    pub(crate) fn ask_again_at(&mut self, stream: StreamId, at: Instant) {
        self.end(&stream);
        self.queue.set(stream, at);
    }

    /// Events of `stream` up to `end` came, from anyone.
    pub(crate) fn progressed(&mut self, stream: &StreamId, end: u64, now: Instant) {
        let Some(fetch) = self.active.get_mut(stream) else { return };
        fetch.progress_at = now;
        if end >= fetch.to {
            self.end(stream);
            // Somebody may have told of more meanwhile.
            self.queue.set_earliest(*stream, now + FLUSH_DELAY);
        }
    }

    /// Who is being asked for `stream`.
    pub(crate) fn source(&self, stream: &StreamId) -> Option<ConnectionId> {
        self.active.get(stream).map(|fetch| fetch.connection)
    }

    /// Number of requests under way to this connection.
    pub(crate) fn load(&self, connection: ConnectionId) -> usize {
        self.loads.get(&connection).copied().unwrap_or(0)
    }

    /// Forgets the request for `stream`.
    pub(crate) fn end(&mut self, stream: &StreamId) {
        self.queue.remove(stream);
        self.checks.remove(stream);
        let Some(fetch) = self.active.remove(stream) else { return };
        let load = self.loads.get_mut(&fetch.connection).expect("every request is counted");
        *load -= 1;
        if *load == 0 {
            self.loads.remove(&fetch.connection);
        }
    }

    /// The connection is gone: what was asked of it is asked of others.
    pub(crate) fn connection_ended(&mut self, connection: ConnectionId, now: Instant) {
        let lost = self.active.iter().filter(|(_, fetch)| fetch.connection == connection);
        let streams: Vec<StreamId> = lost.map(|(stream, _)| *stream).collect();
        for stream in streams {
            self.end(&stream);
            if !planted!("request_not_repeated_after_a_lost_session") {
                self.queue.set_earliest(stream, now);
            }
        }
    }

    /// The session that was asked brought nothing: another's turn.
    fn penalize(&mut self, node: NodeId, stream: StreamId, now: Instant) {
        self.penalties.retain(|_, penalty| now < penalty.until + FETCH_PENALTY_MAX);
        let before = self.penalties.get(&(node, stream));
        let pause = before.map_or(FETCH_TIMEOUT, |before| before.pause * 2).min(FETCH_PENALTY_MAX);
        let pause = if planted!("penalty_never_ends") { pause * 1000 } else { pause };
        self.penalties.insert((node, stream), Penalty { until: now + pause, pause });
    }

    fn penalty_end(&self, node: NodeId, stream: StreamId, now: Instant) -> Option<Instant> {
        let until = self.penalties.get(&(node, stream))?.until;
        (until > now).then_some(until)
    }

    fn begin(&mut self, stream: StreamId, session: &Session, to: u64, now: Instant) {
        self.queue.remove(&stream);
        let fetch = Fetch {
            connection: session.connection,
            to,
            progress_at: now,
            ranges_before: session.ranges_received,
        };
        self.active.insert(stream, fetch);
        self.checks.set(stream, now + FETCH_TIMEOUT);
        *self.loads.entry(session.connection).or_default() += 1;
    }

    /// When there is something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        [self.queue.next(), self.checks.next()].into_iter().flatten().min()
    }
}

type Sessions = BTreeMap<ConnectionId, Session>;

/// Asks for what is due to be asked for, and takes back what brings nothing.
pub(crate) fn run(shared: &mut Shared, sessions: &mut Sessions) {
    while let Some(stream) = shared.fetches.checks.first_due(shared.now) {
        check(stream, shared, sessions);
    }
    while let Some(newcomer) = shared.fetches.newcomers.pop() {
        share(newcomer, shared, sessions);
    }
    while let Some(stream) = shared.fetches.queue.first_due(shared.now) {
        assign(stream, shared, sessions);
    }
    let fetching: Vec<ConnectionId> = shared.fetches.loads.keys().copied().collect();
    for session in sessions.values_mut() {
        let place = fetching.iter().position(|connection| *connection == session.connection);
        let is_large = place.is_some_and(|place| place < FETCHING_SESSIONS_MAX);
        let window = if is_large { CREDIT_BYTES_FETCHING } else { CREDIT_BYTES_INITIAL };
        session.credit.set_window(window);
    }
}

/// Takes back some of what others were asked for, so that `newcomer` is asked for it: it may have
/// told what it holds a moment later. Not of a peer that may have sent all of it already.
fn share(newcomer: ConnectionId, shared: &mut Shared, sessions: &mut Sessions) {
    let (fetches, now) = (&shared.fetches, shared.now);
    let Some(session) = sessions.get(&newcomer) else { return };
    let (mut own, mut loads) = (fetches.load(newcomer), fetches.loads.clone());
    let mut outstanding: BTreeMap<ConnectionId, u64> = BTreeMap::new();
    for (stream, fetch) in &fetches.active {
        let held = shared.streams.get(stream).map_or(0, |state| state.end_count());
        *outstanding.entry(fetch.connection).or_default() += fetch.to.saturating_sub(held);
    }
    let mut moved = Vec::new();
    for (stream, fetch) in &fetches.active {
        let is_worth_it = outstanding[&fetch.connection] > FETCH_SHARED_MIN;
        let can_have = session.known.count(stream) >= fetch.to
            && !session.disputes.contains(stream)
            && fetches.penalty_end(session.peer, *stream, now).is_none();
        let Some(load) = loads.get_mut(&fetch.connection) else { continue };
        if is_worth_it && can_have && *load > own + 1 {
            *load -= 1;
            own += 1;
            moved.push((*stream, fetch.connection));
        }
    }
    for (stream, from) in moved {
        if let Some(session) = sessions.get_mut(&from) {
            session.requests.insert(stream, (0, 0));
        }
        shared.fetches.ask_again_at(stream, now);
    }
}

/// Looks whether the request for `stream` still gets on.
fn check(stream: StreamId, shared: &mut Shared, sessions: &mut Sessions) {
    let now = shared.now;
    shared.fetches.checks.remove(&stream);
    let Some(fetch) = shared.fetches.active.get(&stream).copied() else { return };
    let Some(session) = sessions.get_mut(&fetch.connection) else { return };
    let within = |at: Instant, time: Duration| now < at + time;
    let is_overtaken = session.ranges_received > fetch.ranges_before + FETCH_OVERTAKEN_MAX
        && !within(fetch.progress_at, FETCH_TIMEOUT);
    let others_come = within(session.range_at, FETCH_TIMEOUT) && !is_overtaken;
    let part_comes = session.part_at.is_some_and(|at| within(at, FETCH_TIMEOUT))
        && within(session.range_at.max(fetch.progress_at), FRAME_TIME_MAX);
    let is_alive = within(fetch.progress_at, FETCH_TIMEOUT) || others_come || part_comes;
    if is_alive || session.credit.is_processing() || planted!("one_peer_asked_for_ever") {
        if within(fetch.progress_at, FETCH_TIMEOUT)
            && let Some(active) = shared.fetches.active.get_mut(&stream)
        {
            active.ranges_before = session.ranges_received;
        }
        shared.fetches.checks.set(stream, now + FETCH_TIMEOUT);
        return;
    }
    session.requests.insert(stream, (0, 0));
    let node = session.peer;
    shared.fetches.penalize(node, stream, now);
    shared.fetches.ask_again_at(stream, now);
}

/// Asks the best peer for `stream`, or puts it off, or drops it when nobody has more.
fn assign(stream: StreamId, shared: &mut Shared, sessions: &mut Sessions) {
    let now = shared.now;
    shared.fetches.queue.remove(&stream);
    let Some(state) = shared.streams.get(&stream) else { return };
    if !shared.streams.is_fetchable(&stream) || shared.fetches.active.contains_key(&stream) {
        return;
    }
    let from = state.end_count();
    let mut later: Option<Instant> = None;
    let mut best: Option<(usize, ConnectionId)> = None;
    for session in sessions.values().filter(|session| session.is_admitted()) {
        if session.known.count(&stream) <= from || session.disputes.contains(&stream) {
            continue;
        }
        let load = shared.fetches.load(session.connection);
        let free_at = shared.fetches.penalty_end(session.peer, stream, now);
        let busy_until = (load >= FETCHES_PER_SESSION_MAX).then(|| now + FLUSH_DELAY);
        match free_at.or(busy_until) {
            Some(at) => later = Some(later.map_or(at, |earlier| earlier.min(at))),
            None if best.is_none_or(|best| (load, session.connection) < best) => {
                best = Some((load, session.connection));
            }
            None => {}
        }
    }
    if let Some((_, connection)) = best {
        let session = sessions.get_mut(&connection).expect("it was just found");
        // Of a branch that is offered only the beginning: it shows whether it is one.
        let is_offered = stream.is_branch() && from == 0;
        let to = if is_offered { 1 } else { session.known.count(&stream) };
        session.requests.insert(stream, (from, to));
        session.tree.asks_for(&stream);
        shared.fetches.begin(stream, session, to, now);
    } else if let Some(at) = later {
        shared.fetches.queue.set(stream, at);
    }
}

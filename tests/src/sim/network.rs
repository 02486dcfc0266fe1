//! Connections of the simulated world: dialling, frames, close codes, silence, cuts of any shape.
//!
//! A connection is made by one packet there and one back, and known to the other end with the first
//! frame. It ends with a close code, or without a word when nothing passes for `IDLE_MAX`.
//! Not here: what a packet goes through (`link`), how frames become packets (`carrier`).
//! Begin with `World::dial`.

use crate::sim::carrier::{Ack, Flow, PACKET_OVERHEAD, Received, Sent};
use crate::sim::link::{Link, LinkProfile};
use crate::sim::random::Random;
use crate::sim::world::{Event, World};
use bytes::Bytes;
use millpond::event::NodeId;
use millpond::sync::{ConnectionId, Input, Lane};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A connection on which nothing arrives for this long is dead.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// What is queued when a connection is closed may still be sent for this long.
const FAREWELL_MAX: Duration = Duration::from_secs(1);
const DIAL_MAX: Duration = Duration::from_secs(10);
const DIAL_REPEAT: Duration = Duration::from_secs(1);
const HANDSHAKE_BYTES: usize = 1200;

/// All paths and connections.
#[derive(Debug)]
pub(super) struct Network {
    size: usize,
    links: Vec<Link>,
    /// How many cuts lie on each path.
    cut: Vec<u32>,
    /// Packets that would arrive earlier arrive then.
    clogged_until: Vec<Duration>,
    pipes: BTreeMap<u64, Pipe>,
    pipe_count: u64,
}

/// One connection.
#[derive(Debug)]
struct Pipe {
    ends: [End; 2],
    /// Flows from end 0 and from end 1.
    flows: [Flow; 2],
    timers: [Option<Duration>; 2],
    peer: NodeId,
    began: Duration,
}

#[derive(Debug)]
struct End {
    node: usize,
    run: u64,
    state: EndState,
    heard_at: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndState {
    /// The dialler waits for an answer; or the other end has answered and heard nothing more.
    Opening,
    Open,
    /// Closed by its node: what is queued goes out, then the code.
    Closing(u64),
    Gone,
}

/// What a packet is.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Hello,
    Answer,
    Data(Sent),
    Ack(Ack),
    Close(u64),
}

impl Network {
    pub(super) fn new(size: usize, profiles: &[[LinkProfile; 2]], random: &mut Random) -> Network {
        let mut links = Vec::with_capacity(size * size);
        for from in 0..size {
            for to in 0..size {
                let profile = &profiles[pair_index(from, to) % profiles.len()];
                let direction = usize::from(from > to);
                links.push(Link::new(profile[direction].clone(), random.next()));
            }
        }
        Network {
            size,
            links,
            cut: vec![0; size * size],
            clogged_until: vec![Duration::ZERO; size * size],
            pipes: BTreeMap::new(),
            pipe_count: 0,
        }
    }

    /// Lays one more cut on a path.
    pub(super) fn cut(&mut self, from: usize, to: usize) {
        self.cut[from * self.size + to] += 1;
    }

    /// Takes one cut away.
    pub(super) fn mend(&mut self, from: usize, to: usize) {
        let cuts = &mut self.cut[from * self.size + to];
        *cuts = cuts.saturating_sub(1);
    }

    pub(super) fn clog(&mut self, from: usize, to: usize, until: Duration) {
        self.clogged_until[from * self.size + to] = until;
    }

    /// Every path is as good as can be from now on.
    pub(super) fn heal(&mut self, random: &mut Random) {
        self.cut.fill(0);
        self.clogged_until.fill(Duration::ZERO);
        let profile = LinkProfile::perfect(Duration::from_millis(2));
        self.links.iter_mut().for_each(|link| *link = Link::new(profile.clone(), random.next()));
    }
}

impl Pipe {
    /// True while an end holds it. One that was dialled holds it when it has heard a frame.
    fn is_held(&self) -> bool {
        let [dialler, dialled] = [self.ends[0].state, self.ends[1].state];
        matches!(dialler, EndState::Opening | EndState::Open) || dialled == EndState::Open
    }
}

/// The address of a simulated machine.
pub(super) fn address(node: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 1 + node as u16))
}

/// The connection as its end `end` calls it.
fn connection(pipe: u64, end: usize) -> ConnectionId {
    ConnectionId::new(pipe * 2 + end as u64)
}

fn pair_index(a: usize, b: usize) -> usize {
    let (low, high) = (a.min(b), a.max(b));
    high * (high.max(1) - 1) / 2 + low
}

impl World {
    /// `from` dials `peer` at one of `addresses`.
    pub(super) fn dial(&mut self, from: usize, peer: NodeId, addresses: &[SocketAddr]) {
        let to = usize::from(self.random.pick(addresses).port()) - 1;
        let number = self.net.pipe_count;
        self.net.pipe_count += 1;
        let end =
            |node: usize, run| End { node, run, state: EndState::Opening, heard_at: self.now };
        let ends = [end(from, self.nodes[from].run), end(to, self.nodes[to].run)];
        let flows = [Flow::new(self.now), Flow::new(self.now)];
        let pipe = Pipe { ends, flows, timers: [None; 2], peer, began: self.now };
        self.net.pipes.insert(number, pipe);
        self.transmit(number, 0, What::Hello, HANDSHAKE_BYTES);
        self.schedule(self.now + DIAL_REPEAT, Event::DialAgain { pipe: number });
    }

    pub(super) fn dial_again(&mut self, number: u64) {
        let Some(pipe) = self.net.pipes.get(&number) else { return };
        let (node, run) = (pipe.ends[0].node, pipe.ends[0].run);
        if pipe.ends[0].state != EndState::Opening || self.nodes[node].run != run {
            return;
        }
        if self.now >= pipe.began + DIAL_MAX {
            let peer = pipe.peer;
            self.net.pipes.remove(&number);
            return self.give(node, Input::DialFailed { peer });
        }
        self.transmit(number, 0, What::Hello, HANDSHAKE_BYTES);
        self.schedule(self.now + DIAL_REPEAT * 2, Event::DialAgain { pipe: number });
    }

    /// A node takes bulk on a connection from now on.
    pub(super) fn grant_bulk(&mut self, connection: ConnectionId) {
        let (number, end) = split(connection);
        let Some(pipe) = self.net.pipes.get_mut(&number) else { return };
        pipe.flows[1 - end].grant_bulk();
        if pipe.ends[1 - end].state == EndState::Open {
            self.pump(number, 1 - end);
        }
    }

    /// Who is at the other end of a connection.
    pub(super) fn peer_of(&self, connection: ConnectionId) -> Option<usize> {
        let (number, end) = split(connection);
        self.net.pipes.get(&number).map(|pipe| pipe.ends[1 - end].node)
    }

    /// `node` sends a frame; it knows that the connection stands.
    pub(super) fn send(&mut self, connection: ConnectionId, lane: Lane, frame: Bytes) {
        let (number, end) = split(connection);
        let Some(pipe) = self.net.pipes.get_mut(&number) else { return };
        if pipe.ends[end].state == EndState::Open {
            pipe.flows[end].push(lane, frame);
            self.pump(number, end);
        }
    }

    /// A node closes its end: what is queued on the live lane goes out, then the code.
    pub(super) fn close(&mut self, connection: ConnectionId, code: u64) {
        let (number, end) = split(connection);
        let Some(pipe) = self.net.pipes.get_mut(&number) else { return };
        pipe.ends[end].state = EndState::Closing(code);
        pipe.flows[end].drop_all_but_live();
        self.schedule(self.now + FAREWELL_MAX, Event::Farewell { pipe: number, end });
        self.say_goodbye(number, end, false);
    }

    /// Sends the close code when nothing is queued any more, or at once when `now`.
    pub(super) fn say_goodbye(&mut self, number: u64, end: usize, now: bool) {
        let Some(pipe) = self.net.pipes.get_mut(&number) else { return };
        let EndState::Closing(code) = pipe.ends[end].state else { return };
        if !now && !pipe.flows[end].is_done() {
            return;
        }
        if now && pipe.ends[1 - end].state == EndState::Gone {
            self.net.pipes.remove(&number);
            return;
        }
        self.transmit(number, end, What::Close(code), PACKET_OVERHEAD);
    }

    /// The process of `node` has ended: its ends are gone without a word.
    pub(super) fn drop_ends(&mut self, node: usize) {
        for pipe in self.net.pipes.values_mut() {
            let gone = pipe.ends.iter_mut().filter(|end| end.node == node);
            gone.for_each(|end| end.state = EndState::Gone);
        }
        self.net.pipes.retain(|_, pipe| pipe.is_held());
    }

    pub(super) fn check_idle(&mut self, number: u64, end: usize) {
        let Some(pipe) = self.net.pipes.get_mut(&number) else { return };
        let state = &mut pipe.ends[end];
        if state.state == EndState::Gone {
            return;
        }
        let at = state.heard_at + IDLE_MAX;
        if at > self.now {
            return self.schedule(at, Event::Idle { pipe: number, end });
        }
        let was_open = state.state == EndState::Open;
        state.state = EndState::Gone;
        let node = state.node;
        if !pipe.is_held() {
            self.net.pipes.remove(&number);
        }
        if was_open {
            self.give(
                node,
                Input::Disconnected { connection: connection(number, end), code: None },
            );
        }
    }

    fn transmit(&mut self, number: u64, from: usize, what: What, bytes: usize) {
        let pipe = &self.net.pipes[&number];
        let (sender, receiver) = (pipe.ends[from].node, pipe.ends[1 - from].node);
        let at = sender * self.net.size + receiver;
        let arrivals = self.net.links[at].pass(self.now, bytes);
        if self.net.cut[at] > 0 {
            self.figures.faults += 1;
            return;
        }
        let (clogged, now) = (self.net.clogged_until[at], self.now);
        if arrivals == [None; 2] {
            self.figures.faults += 1;
        }
        for arrival in arrivals.into_iter().flatten() {
            if arrival.flip.is_some() || arrival.at < now {
                // Its seal does not hold: the transport drops it.
                self.figures.faults += 1;
                continue;
            }
            let to = 1 - from;
            self.schedule(arrival.at.max(clogged), Event::Packet { pipe: number, to, what });
        }
    }

    /// A packet arrives at the end `to` of a connection.
    pub(super) fn arrive(&mut self, number: u64, to: usize, what: What) {
        let Some(pipe) = self.net.pipes.get_mut(&number) else { return };
        let end = &mut pipe.ends[to];
        let node = end.node;
        let there = self.nodes[node].live.is_some() && self.nodes[node].frozen(self.now).is_none();
        if !there || (end.state != EndState::Opening && self.nodes[node].run != end.run) {
            return;
        }
        end.heard_at = self.now;
        match (what, end.state) {
            (What::Hello, EndState::Opening) => self.answer_dial(number),
            (What::Answer, EndState::Opening) if to == 0 => self.open(number, 0),
            (What::Close(code), EndState::Open) => {
                end.state = EndState::Gone;
                let connection = connection(number, to);
                self.give(node, Input::Disconnected { connection, code: Some(code) });
                self.forget(number);
            }
            (What::Close(_), _) => {
                pipe.ends[to].state = EndState::Gone;
                self.forget(number);
            }
            (What::Data(packet), EndState::Opening) if to == 1 => {
                self.open(number, 1);
                self.take_data(number, to, packet);
            }
            (What::Data(packet), EndState::Open) => self.take_data(number, to, packet),
            (What::Data(_), EndState::Closing(_)) => self.say_goodbye(number, to, true),
            (What::Ack(ack), EndState::Open | EndState::Closing(_)) => {
                let lost = pipe.flows[to].acknowledge(ack, self.now);
                for (packet, bytes) in lost {
                    self.transmit(number, to, What::Data(packet), bytes);
                }
                self.pump(number, to);
                self.say_goodbye(number, to, false);
            }
            _ => {}
        }
    }

    fn forget(&mut self, number: u64) {
        if self.net.pipes.get(&number).is_some_and(|pipe| !pipe.is_held()) {
            self.net.pipes.remove(&number);
        }
    }

    /// The dialled machine answers, if it is the node that was dialled.
    fn answer_dial(&mut self, number: u64) {
        let pipe = self.net.pipes.get_mut(&number).expect("it was just looked at");
        let node = pipe.ends[1].node;
        if self.nodes[node].id != pipe.peer {
            return;
        }
        pipe.ends[1].run = self.nodes[node].run;
        self.transmit(number, 1, What::Answer, HANDSHAKE_BYTES);
    }

    fn open(&mut self, number: u64, end: usize) {
        let pipe = self.net.pipes.get_mut(&number).expect("it was just looked at");
        pipe.ends[end].state = EndState::Open;
        pipe.ends[end].heard_at = self.now;
        let (node, other) = (pipe.ends[end].node, pipe.ends[1 - end].node);
        let mut binding = [7; 32];
        binding[..8].copy_from_slice(&number.to_le_bytes());
        let (connection, peer) = (connection(number, end), self.nodes[other].id);
        self.schedule(self.now + IDLE_MAX, Event::Idle { pipe: number, end });
        self.give(node, Input::Connected { connection, peer, binding, dialed: end == 0 });
        if self.plan.learns {
            self.give(node, Input::Seen { connection, address: address(other) });
        }
    }

    fn take_data(&mut self, number: u64, to: usize, packet: Sent) {
        let Some(pipe) = self.net.pipes.get_mut(&number) else { return };
        if pipe.ends[to].state != EndState::Open {
            return;
        }
        let node = pipe.ends[to].node;
        let (ack, received) = pipe.flows[1 - to].receive(packet, self.now);
        self.transmit(number, to, What::Ack(ack), PACKET_OVERHEAD);
        let Received { frames, part } = received;
        let connection = connection(number, to);
        for (lane, bytes) in frames {
            self.take_frame(node, connection, lane, bytes);
        }
        if let Some(bytes) = part {
            self.give(node, Input::Heard { connection, bytes });
        }
    }

    /// Sends what the window lets out, and tells of frames that are out.
    fn pump(&mut self, number: u64, end: usize) {
        loop {
            let Some(pipe) = self.net.pipes.get_mut(&number) else { return };
            let Some((packet, bytes)) = pipe.flows[end].next_packet(self.now) else { break };
            self.transmit(number, end, What::Data(packet), bytes);
        }
        self.set_timer(number, end);
        let Some(pipe) = self.net.pipes.get_mut(&number) else { return };
        let is_open = pipe.ends[end].state == EndState::Open;
        let (node, connection) = (pipe.ends[end].node, connection(number, end));
        let mut sent = [0; 3];
        for lane in Lane::ALL {
            while let Some(bytes) = pipe.flows[end].next_sent(lane) {
                sent[lane.index()] += bytes;
            }
        }
        for (lane, bytes) in Lane::ALL.into_iter().zip(sent) {
            if bytes > 0 && is_open {
                self.schedule(self.now, Event::Sent { node, connection, lane, bytes });
            }
        }
    }

    fn set_timer(&mut self, number: u64, end: usize) {
        let pipe = self.net.pipes.get_mut(&number).expect("it was just looked at");
        let Some(at) = pipe.flows[end].probe_at() else { return };
        if pipe.timers[end].is_none() {
            pipe.timers[end] = Some(at);
            self.schedule(at, Event::Probe { pipe: number, end });
        }
    }

    pub(super) fn probe(&mut self, number: u64, end: usize) {
        let Some(pipe) = self.net.pipes.get_mut(&number) else { return };
        pipe.timers[end] = None;
        let is_there = matches!(pipe.ends[end].state, EndState::Open | EndState::Closing(_));
        let node = pipe.ends[end].node;
        if !is_there || self.nodes[node].run != pipe.ends[end].run {
            return;
        }
        if let Some(thaw) = self.nodes[node].frozen(self.now) {
            pipe.timers[end] = Some(thaw);
            return self.schedule(thaw, Event::Probe { pipe: number, end });
        }
        if let Some((packet, bytes)) = pipe.flows[end].probe(self.now) {
            self.transmit(number, end, What::Data(packet), bytes);
        }
        self.set_timer(number, end);
    }
}

fn split(connection: ConnectionId) -> (u64, usize) {
    (connection.value() / 2, (connection.value() % 2) as usize)
}

//! One direction of a connection: three ordered, reliable channels of frames over packets that may
//! not come. What QUIC does for millpond, as far as it can be noticed.
//!
//! Frames become packets of up to 1,200 bytes, those of the live lane first and of the bulk lane
//! last; each is repeated until it is acknowledged. A loss on one lane does not hold up the others.
//! A window grows while nothing is lost, and shrinks when something is or when a queue stands
//! before a link. A damaged packet counts as lost.
//! Not here: which packets arrive (`link`), connections (`network`), time and chance.
//! Begin with [`Flow::push`].

use bytes::Bytes;
use millpond::sync::Lane;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

/// Bytes of frames in one packet.
const PACKET_BYTES: u64 = 1200;
/// Bytes of a packet beside what it carries.
pub const PACKET_OVERHEAD: usize = 45;
/// Bytes of the length before each frame.
const LENGTH_BYTES: u64 = 4;
const WINDOW_START: f64 = 10.0;
const WINDOW_MIN: f64 = 2.0;
const WINDOW_MAX: f64 = 2000.0;
/// A round trip that is longer than the shortest by this means that a queue stands somewhere.
const QUEUE_MAX: Duration = Duration::from_millis(500);
const PROBE_START: Duration = Duration::from_millis(500);
const PROBE_MIN: Duration = Duration::from_millis(20);
const PROBE_MAX: Duration = Duration::from_secs(3);
/// A packet counts as lost when so many after it arrived.
const OVERTAKEN_MAX: u64 = 3;
/// How often a frame that is arriving is told of.
const PART_EVERY: Duration = Duration::from_millis(250);

/// Both ends of one direction.
#[derive(Debug)]
pub struct Flow {
    lanes: [Channel; 3],
    has_bulk: bool,
    /// Packets from the first that is not acknowledged on, and its number.
    packets: VecDeque<Packet>,
    first: u64,
    in_flight: usize,
    window: f64,
    is_growing_fast: bool,
    shrunk_at: Duration,
    round_trip: Option<Duration>,
    shortest: Option<Duration>,
    probes: u32,
    /// Packets that arrived: all below `next`, and those in the set.
    next: u64,
    beyond: BTreeSet<u64>,
}

/// One lane of a direction.
#[derive(Debug)]
struct Channel {
    /// Frames that have not arrived whole: where each ends, and the frame.
    frames: VecDeque<(u64, Bytes)>,
    /// Position after the last byte of the last frame, and up to which bytes were sent.
    end: u64,
    sent: u64,
    /// Lengths of frames whose last byte was not sent yet, with their ends.
    unsent: VecDeque<(u64, usize)>,
    /// Up to which all bytes arrived, and spans that arrived beyond: begin and end of each.
    arrived: u64,
    beyond: BTreeMap<u64, u64>,
    part_told_at: Duration,
    part_told: u64,
}

#[derive(Clone, Debug)]
struct Packet {
    /// What it carries of each lane.
    spans: [Range<u64>; 3],
    size: usize,
    sent_at: Duration,
    is_acknowledged: bool,
}

/// A packet that is sent, once more perhaps.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    number: u64,
    at: Duration,
}

/// What an acknowledgement says: all packets below `next` arrived, and this one.
#[derive(Clone, Copy, Debug)]
pub struct Ack {
    next: u64,
    number: u64,
    /// When that one was sent: it may have been sent more than once.
    sent_at: Duration,
}

/// What arrived with a packet.
#[derive(Debug, Default)]
pub struct Received {
    /// Frames that are whole now, in order, and their lanes.
    pub frames: Vec<(Lane, Bytes)>,
    /// Bytes of a frame that is not whole, when it is time to tell.
    pub part: Option<usize>,
}

impl Flow {
    /// A channel on which nothing was sent.
    pub fn new(now: Duration) -> Flow {
        Flow {
            lanes: Lane::ALL.map(|_| Channel::new(now)),
            has_bulk: false,
            packets: VecDeque::new(),
            first: 0,
            in_flight: 0,
            window: WINDOW_START,
            is_growing_fast: true,
            shrunk_at: now,
            round_trip: None,
            shortest: None,
            probes: 0,
            next: 0,
            beyond: BTreeSet::new(),
        }
    }

    /// Takes a frame to be sent.
    pub fn push(&mut self, lane: Lane, frame: Bytes) {
        self.lanes[lane.index()].push(frame);
    }

    /// The other end takes bulk, too: until then it stays where it is.
    pub fn grant_bulk(&mut self) {
        self.has_bulk = true;
    }

    /// True when everything of the live lane was sent, and all packets were acknowledged.
    pub fn is_done(&self) -> bool {
        self.lanes[Lane::Live.index()].left() == 0 && self.in_flight == 0
    }

    /// Sends nothing more but what is on the live lane.
    pub fn drop_all_but_live(&mut self) {
        for lane in [Lane::Backlog, Lane::Bulk] {
            let lane = &mut self.lanes[lane.index()];
            lane.end = lane.sent;
        }
    }

    /// The next packet that may be sent, and its size.
    pub fn next_packet(&mut self, now: Duration) -> Option<(Sent, usize)> {
        let open = if self.has_bulk { &self.lanes[..] } else { &self.lanes[..Lane::Bulk.index()] };
        let is_empty = open.iter().all(|lane| lane.left() == 0);
        if is_empty || self.in_flight as f64 >= self.window {
            return None;
        }
        let mut room = PACKET_BYTES;
        let spans = Lane::ALL.map(|lane| {
            let is_open = lane != Lane::Bulk || self.has_bulk;
            let span = self.lanes[lane.index()].take(if is_open { room } else { 0 });
            room -= span.end - span.start;
            span
        });
        let size = (PACKET_BYTES - room) as usize + PACKET_OVERHEAD;
        let packet = Packet { spans, size, sent_at: now, is_acknowledged: false };
        self.packets.push_back(packet);
        self.in_flight += 1;
        Some((Sent { number: self.first + self.packets.len() as u64 - 1, at: now }, size))
    }

    /// Bytes of the next frame of a lane whose last byte was sent since this was last asked.
    pub fn next_sent(&mut self, lane: Lane) -> Option<usize> {
        let lane = &mut self.lanes[lane.index()];
        lane.unsent.front().filter(|(end, _)| *end <= lane.sent)?;
        lane.unsent.pop_front().map(|(_, bytes)| bytes)
    }

    /// A packet arrived at the other end.
    pub fn receive(&mut self, sent: Sent, now: Duration) -> (Ack, Received) {
        let Sent { number, at: sent_at } = sent;
        let mut received = Received::default();
        if number >= self.next && self.beyond.insert(number) {
            while self.beyond.remove(&self.next) {
                self.next += 1;
            }
            // The sender keeps what was not acknowledged, and this was not.
            let spans = self.packets[(number - self.first) as usize].spans.clone();
            for (lane, span) in Lane::ALL.into_iter().zip(spans) {
                self.lanes[lane.index()].receive(lane, span, now, &mut received);
            }
        }
        (Ack { next: self.next, number, sent_at }, received)
    }

    /// An acknowledgement arrived; packets that count as lost by it are to be sent again.
    pub fn acknowledge(&mut self, ack: Ack, now: Duration) -> Vec<(Sent, usize)> {
        let Some(at) = ack.number.checked_sub(self.first) else {
            self.confirm_below(ack.next);
            return Vec::new();
        };
        if !self.packets[at as usize].is_acknowledged {
            self.probes = 0;
            if self.sampled(now.saturating_sub(ack.sent_at)) {
                self.shrink(now, 0.85);
            } else {
                self.window += if self.is_growing_fast { 1.0 } else { 1.0 / self.window };
                self.window = self.window.min(WINDOW_MAX);
            }
            self.confirm(at as usize);
        }
        self.confirm_below(ack.next);
        let overtaken = ack.number.saturating_sub(OVERTAKEN_MAX);
        let mut lost = Vec::new();
        for (number, lagging) in (self.first..overtaken).zip(&mut self.packets) {
            if !lagging.is_acknowledged && lagging.sent_at < ack.sent_at {
                lagging.sent_at = now;
                lost.push((Sent { number, at: now }, lagging.size));
            }
        }
        if !lost.is_empty() {
            self.shrink(now, 0.5);
        }
        lost
    }

    /// When the first packet that is not acknowledged counts as lost.
    pub fn probe_at(&self) -> Option<Duration> {
        let oldest = self.packets.front()?.sent_at;
        let usual = self.round_trip.map_or(PROBE_START, |time| (time * 2).max(PROBE_MIN));
        Some(oldest + (usual * (1 << self.probes.min(8))).min(PROBE_MAX))
    }

    /// The time of `probe_at` came: what is to be sent again.
    pub fn probe(&mut self, now: Duration) -> Option<(Sent, usize)> {
        if self.probe_at()? > now {
            return None;
        }
        self.probes += 1;
        self.shrink(now, 0.5);
        let packet = self.packets.front_mut()?;
        packet.sent_at = now;
        Some((Sent { number: self.first, at: now }, packet.size))
    }

    /// A round trip took so long: true when that tells of a queue somewhere.
    fn sampled(&mut self, sample: Duration) -> bool {
        self.round_trip = Some(self.round_trip.map_or(sample, |before| (before * 7 + sample) / 8));
        let shortest = self.shortest.map_or(sample, |before| before.min(sample));
        self.shortest = Some(shortest);
        sample > shortest + QUEUE_MAX
    }

    fn shrink(&mut self, now: Duration, to: f64) {
        if now > self.shrunk_at + self.round_trip.unwrap_or_default() {
            self.window = (self.window * to).max(WINDOW_MIN);
            self.is_growing_fast = false;
            self.shrunk_at = now;
        }
    }

    fn confirm_below(&mut self, next: u64) {
        for at in 0..next.saturating_sub(self.first) {
            self.confirm(at as usize);
        }
        while self.packets.front().is_some_and(|first| first.is_acknowledged) {
            // The receiver has it, too: `next` is its own.
            self.packets.pop_front();
            self.first += 1;
        }
    }

    fn confirm(&mut self, at: usize) {
        let packet = &mut self.packets[at];
        if !std::mem::replace(&mut packet.is_acknowledged, true) {
            self.in_flight -= 1;
        }
    }
}

impl Channel {
    fn new(now: Duration) -> Channel {
        Channel {
            frames: VecDeque::new(),
            end: 0,
            sent: 0,
            unsent: VecDeque::new(),
            arrived: 0,
            beyond: BTreeMap::new(),
            part_told_at: now,
            part_told: 0,
        }
    }

    fn push(&mut self, frame: Bytes) {
        self.end += LENGTH_BYTES + frame.len() as u64;
        self.unsent.push_back((self.end, frame.len()));
        self.frames.push_back((self.end, frame));
    }

    /// Bytes that were never sent.
    fn left(&self) -> u64 {
        self.end - self.sent
    }

    /// At most `room` of them, which are sent now.
    fn take(&mut self, room: u64) -> Range<u64> {
        let begin = self.sent;
        self.sent += self.left().min(room);
        begin..self.sent
    }

    /// A span arrived, for the first time.
    fn receive(&mut self, lane: Lane, span: Range<u64>, now: Duration, received: &mut Received) {
        if span.is_empty() {
            return;
        }
        self.beyond.insert(span.start, span.end);
        while let Some(end) = self.beyond.remove(&self.arrived) {
            self.arrived = end;
        }
        while self.frames.front().is_some_and(|(end, _)| *end <= self.arrived) {
            received.frames.extend(self.frames.pop_front().map(|(_, frame)| (lane, frame)));
            self.part_told = self.arrived;
            self.part_told_at = now;
        }
        if now >= self.part_told_at + PART_EVERY && self.arrived > self.part_told {
            let part = received.part.unwrap_or(0) + (self.arrived - self.part_told) as usize;
            received.part = Some(part);
            self.part_told = self.arrived;
            self.part_told_at = now;
        }
    }
}

//! One direction of a connection: an ordered, reliable channel of frames over packets that may not
//! come. What QUIC does for millpond, as far as it can be noticed.
//!
//! Frames become packets of up to 1,200 bytes; each is repeated until it is acknowledged. A window
//! grows while nothing is lost and shrinks when something is. A damaged packet counts as lost.
//! Not here: which packets arrive (`link`), connections (`network`), time and chance.
//! Begin with [`Flow::push`].

use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
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
    /// Frames that have not arrived whole: where each ends, and the frame.
    frames: VecDeque<(u64, Bytes)>,
    /// Position after the last byte of the last frame, and up to which bytes were sent.
    end: u64,
    sent: u64,
    /// Lengths of frames whose last byte was not sent yet, with their ends.
    unsent: VecDeque<(u64, usize)>,
    /// Packets from the first that is not acknowledged on, and its number.
    packets: VecDeque<Packet>,
    first: u64,
    in_flight: usize,
    window: f64,
    is_growing_fast: bool,
    shrunk_at: Duration,
    round_trip: Option<Duration>,
    probes: u32,
    /// Packets that arrived: all below `next`, and those in the set.
    next: u64,
    beyond: BTreeSet<u64>,
    arrived: u64,
    part_told_at: Duration,
    part_told: u64,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    end: u64,
    size: usize,
    sent_at: Duration,
    is_acknowledged: bool,
}

/// What an acknowledgement says: all packets below `next` arrived, and this one.
#[derive(Clone, Copy, Debug)]
pub struct Ack {
    /// All packets below it arrived.
    pub next: u64,
    /// The one that caused it.
    pub number: u64,
}

/// What arrived with a packet.
#[derive(Debug, Default)]
pub struct Received {
    /// Frames that are whole now, in order.
    pub frames: Vec<Bytes>,
    /// Bytes of a frame that is not whole, when it is time to tell.
    pub part: Option<usize>,
}

impl Flow {
    /// A channel on which nothing was sent.
    pub fn new(now: Duration) -> Flow {
        Flow {
            frames: VecDeque::new(),
            end: 0,
            sent: 0,
            unsent: VecDeque::new(),
            packets: VecDeque::new(),
            first: 0,
            in_flight: 0,
            window: WINDOW_START,
            is_growing_fast: true,
            shrunk_at: now,
            round_trip: None,
            probes: 0,
            next: 0,
            beyond: BTreeSet::new(),
            arrived: 0,
            part_told_at: now,
            part_told: 0,
        }
    }

    /// Takes a frame to be sent.
    pub fn push(&mut self, frame: Bytes) {
        self.end += LENGTH_BYTES + frame.len() as u64;
        self.unsent.push_back((self.end, frame.len()));
        self.frames.push_back((self.end, frame));
    }

    /// True when everything was sent and acknowledged.
    pub fn is_done(&self) -> bool {
        self.sent == self.end && self.in_flight == 0
    }

    /// The next packet that may be sent: its number and size.
    pub fn next_packet(&mut self, now: Duration) -> Option<(u64, usize)> {
        if self.sent == self.end || self.in_flight as f64 >= self.window {
            return None;
        }
        let bytes = (self.end - self.sent).min(PACKET_BYTES);
        self.sent += bytes;
        let size = bytes as usize + PACKET_OVERHEAD;
        let packet = Packet { end: self.sent, size, sent_at: now, is_acknowledged: false };
        self.packets.push_back(packet);
        self.in_flight += 1;
        Some((self.first + self.packets.len() as u64 - 1, size))
    }

    /// Bytes of the next frame whose last byte was sent since this was last asked.
    pub fn next_sent(&mut self) -> Option<usize> {
        self.unsent.front().filter(|(end, _)| *end <= self.sent)?;
        self.unsent.pop_front().map(|(_, bytes)| bytes)
    }

    /// A packet arrived at the other end.
    pub fn receive(&mut self, number: u64, now: Duration) -> (Ack, Received) {
        let mut received = Received::default();
        if number >= self.next && self.beyond.insert(number) {
            while self.beyond.remove(&self.next) {
                // The sender keeps what was not acknowledged, and nothing was before this.
                self.arrived = self.packets[(self.next - self.first) as usize].end;
                self.next += 1;
            }
            while self.frames.front().is_some_and(|(end, _)| *end <= self.arrived) {
                received.frames.extend(self.frames.pop_front().map(|(_, frame)| frame));
                self.part_told = self.arrived;
                self.part_told_at = now;
            }
            if now >= self.part_told_at + PART_EVERY && self.arrived > self.part_told {
                received.part = Some((self.arrived - self.part_told) as usize);
                self.part_told = self.arrived;
                self.part_told_at = now;
            }
        }
        (Ack { next: self.next, number }, received)
    }

    /// An acknowledgement arrived; packets that count as lost by it are to be sent again.
    pub fn acknowledge(&mut self, ack: Ack, now: Duration) -> Vec<(u64, usize)> {
        let Some(at) = ack.number.checked_sub(self.first) else {
            self.confirm_below(ack.next);
            return Vec::new();
        };
        let packet = self.packets[at as usize];
        if !packet.is_acknowledged {
            let sample = now.saturating_sub(packet.sent_at);
            self.round_trip =
                Some(self.round_trip.map_or(sample, |before| (before * 7 + sample) / 8));
            self.probes = 0;
            self.window += if self.is_growing_fast { 1.0 } else { 1.0 / self.window };
            self.window = self.window.min(WINDOW_MAX);
            self.confirm(at as usize);
        }
        self.confirm_below(ack.next);
        let overtaken = ack.number.saturating_sub(OVERTAKEN_MAX);
        let mut lost = Vec::new();
        for (number, lagging) in (self.first..overtaken).zip(&mut self.packets) {
            if !lagging.is_acknowledged && lagging.sent_at < packet.sent_at {
                lagging.sent_at = now;
                lost.push((number, lagging.size));
            }
        }
        if !lost.is_empty() {
            self.shrink(now);
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
    pub fn probe(&mut self, now: Duration) -> Option<(u64, usize)> {
        if self.probe_at()? > now {
            return None;
        }
        self.probes += 1;
        self.shrink(now);
        let packet = self.packets.front_mut()?;
        packet.sent_at = now;
        Some((self.first, packet.size))
    }

    fn shrink(&mut self, now: Duration) {
        if now > self.shrunk_at + self.round_trip.unwrap_or_default() {
            self.window = (self.window / 2.0).max(WINDOW_MIN);
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

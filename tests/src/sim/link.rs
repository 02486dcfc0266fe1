//! One direction of a network path, packet by packet: what a real one does, from a seed.
//!
//! A packet waits in a queue of bounded length, travels for a time that varies, and may be lost
//! (alone or in bursts, after Gilbert and Elliott), doubled, overtaken, or damaged. Order is kept
//! unless a packet is drawn to be overtaken.
//!
//! Not here: what packets hold, clocks, sockets. The simulator's carrier stands on it; so can
//! anything else that passes packets on. Begin with [`Link::pass`].

use crate::sim::random::Random;
use std::time::Duration;

/// What one direction of a path is like.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkProfile {
    /// Time from end to end, without waiting.
    pub delay: Duration,
    /// At most this is added to it, evenly drawn.
    pub jitter: Duration,
    /// Bytes a second; none for more than anybody sends.
    pub rate: Option<u64>,
    /// Bytes that may wait for the rate; what comes beyond them is dropped.
    pub queue_bytes: usize,
    /// What gets lost.
    pub loss: Loss,
    /// Probability that a packet arrives twice.
    pub duplicate: f64,
    /// Probability that a packet is held back, so that later ones overtake it.
    pub reorder: f64,
    /// For how long at most.
    pub reorder_by: Duration,
    /// Probability that a packet arrives with a flipped bit.
    pub flip: f64,
    /// Largest piece in bytes: a larger packet travels in several, and is lost with each of them.
    pub mtu: usize,
    /// When the path comes and goes.
    pub flap: Option<Flap>,
}

/// How packets get lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// Probability for each packet outside of bursts.
    pub alone: f64,
    /// Probability for each packet that a burst begins with it, in which all are lost.
    pub burst: f64,
    /// How long a burst is.
    pub length: BurstLength,
}

/// How long bursts of losses are, in the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BurstLength {
    /// So many packets, at least 1, however slowly they are sent.
    Packets(f64),
    /// For this time, as the fading of a radio; the packet that it begins with is always lost.
    Time(Duration),
}

/// A path that goes away now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flap {
    /// Once in this time …
    pub every: Duration,
    /// … it is gone for this long.
    pub gone: Duration,
}

/// One direction of a path, with what is on its way.
#[derive(Clone, Debug)]
pub struct Link {
    profile: LinkProfile,
    random: Random,
    in_burst: bool,
    /// When the queue will be empty.
    idle_at: Duration,
    /// When the burst is over, if bursts last for a time.
    burst_until: Duration,
    /// When the last packet that was not overtaken arrives.
    last: Duration,
    /// Where in its period the flapping begins.
    phase: Duration,
}

/// A packet at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Duration,
    /// A number that chooses the flipped bit, if one is.
    pub flip: Option<u64>,
}

/// What arrives of one packet: nothing, it, or it twice.
pub type Arrivals = [Option<Arrival>; 2];

impl Default for BurstLength {
    fn default() -> BurstLength {
        BurstLength::Packets(1.0)
    }
}

impl LinkProfile {
    /// A path that loses nothing and waits for nothing.
    pub fn perfect(delay: Duration) -> LinkProfile {
        LinkProfile {
            delay,
            jitter: Duration::ZERO,
            rate: None,
            queue_bytes: 1 << 20,
            loss: Loss::default(),
            duplicate: 0.0,
            reorder: 0.0,
            reorder_by: Duration::ZERO,
            flip: 0.0,
            mtu: 1500,
            flap: None,
        }
    }

    /// Names of the profiles that [`LinkProfile::named`] knows.
    pub const NAMES: [&'static str; 10] = [
        "lan",
        "good_wifi",
        "congested_wifi",
        "shop_floor",
        "weak_4g",
        "satellite",
        "barely",
        "absurd",
        "one_way",
        "mtu_576",
    ];

    /// Both directions of the path with this name, there and back. Bursts of losses last
    /// for a time: what their mean number of full packets takes at the rate.
    pub fn named(name: &str) -> Option<[LinkProfile; 2]> {
        let ways = LinkProfile::named_by_packets(name)?;
        Some(ways.map(LinkProfile::with_bursts_in_time))
    }

    /// The same with bursts that are counted in packets: harder than a radio is on whoever has
    /// become slow. Seeds of the simulator are drawn with these.
    pub fn named_by_packets(name: &str) -> Option<[LinkProfile; 2]> {
        let millis = Duration::from_millis;
        let burst = |burst, packets| {
            let length = BurstLength::Packets(packets);
            Loss { alone: 0.0, burst, length }
        };
        let lan = LinkProfile {
            jitter: Duration::from_micros(200),
            rate: Some(125_000_000),
            ..LinkProfile::perfect(Duration::from_micros(300))
        };
        let path = |delay, jitter, kbits: u64, loss| LinkProfile {
            jitter: millis(jitter),
            rate: Some(kbits * 125),
            queue_bytes: 256 << 10,
            loss,
            ..LinkProfile::perfect(millis(delay))
        };
        let both = |profile: LinkProfile| Some([profile.clone(), profile]);
        match name {
            "lan" => both(lan),
            "good_wifi" => both(path(8, 2, 100_000, burst(0.001, 2.0))),
            "congested_wifi" => both(path(20, 12, 25_000, burst(0.01, 6.0))),
            "shop_floor" => both(LinkProfile {
                flap: Some(Flap { every: Duration::from_secs(10), gone: millis(1500) }),
                duplicate: 0.01,
                reorder: 0.01,
                reorder_by: millis(100),
                ..path(100, 100, 10_000, burst(0.01, 20.0))
            }),
            "weak_4g" => {
                let loss = Loss { alone: 0.02, ..burst(0.005, 8.0) };
                Some([path(60, 60, 1_000, loss), path(60, 40, 4_000, loss)])
            }
            "satellite" => Some([
                path(300, 10, 2_000, burst(0.002, 10.0)),
                path(300, 10, 20_000, burst(0.002, 10.0)),
            ]),
            "barely" => both(path(225, 100, 500, Loss { alone: 0.04, ..burst(0.02, 5.0) })),
            "absurd" => both(path(400, 200, 256, Loss { alone: 0.05, ..burst(0.01, 40.0) })),
            "one_way" => {
                let loss = Loss { alone: 1.0, ..Loss::default() };
                Some([lan.clone(), LinkProfile { loss, ..lan }])
            }
            "mtu_576" => both(LinkProfile { mtu: 576, ..path(20, 5, 10_000, burst(0.002, 2.0)) }),
            _ => None,
        }
    }

    /// Mean number of packets in a burst while the path is full of large ones.
    pub fn burst_packets(&self) -> f64 {
        match (self.loss.length, self.rate) {
            (BurstLength::Packets(packets), _) => packets,
            (BurstLength::Time(_), None) => f64::INFINITY,
            (BurstLength::Time(time), Some(rate)) => {
                time.as_secs_f64() * rate as f64 / self.mtu as f64
            }
        }
    }

    fn with_bursts_in_time(self) -> LinkProfile {
        let (BurstLength::Packets(packets), Some(rate)) = (self.loss.length, self.rate) else {
            return self;
        };
        let time = Duration::from_secs_f64(packets * self.mtu as f64 / rate as f64);
        LinkProfile { loss: Loss { length: BurstLength::Time(time), ..self.loss }, ..self }
    }
}

impl Link {
    /// A path with nothing on its way.
    pub fn new(profile: LinkProfile, seed: u64) -> Link {
        let mut random = Random::new(seed);
        let every = profile.flap.map_or(Duration::ZERO, |flap| flap.every);
        let phase = random.time(Duration::ZERO, every);
        let [idle_at, burst_until, last] = [Duration::ZERO; 3];
        Link { profile, random, in_burst: false, idle_at, burst_until, last, phase }
    }

    /// Takes a packet of `bytes` bytes at `now`, which never goes back. Times count from any start.
    pub fn pass(&mut self, now: Duration, bytes: usize) -> Arrivals {
        let pieces = bytes.div_ceil(self.profile.mtu).max(1);
        let Some(leaves) = self.queue(now, bytes) else { return [None; 2] };
        let lost = (0..pieces).fold(false, |lost, _| self.loses(leaves) || lost);
        if lost || self.is_gone(now) {
            return [None; 2];
        }
        let first = self.arrival(leaves);
        let second = self.random.chance(self.profile.duplicate).then(|| self.arrival(leaves));
        [Some(first), second]
    }

    /// When a packet has left the queue; none when it does not fit.
    fn queue(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        let Some(rate) = self.profile.rate else { return Some(now) };
        let begins = self.idle_at.max(now);
        let waiting = (begins - now).as_secs_f64() * rate as f64;
        if waiting as usize + bytes > self.profile.queue_bytes.max(bytes) {
            return None;
        }
        let nanos = bytes as u64 * 1_000_000_000 / rate;
        self.idle_at = begins + Duration::from_nanos(nanos);
        Some(self.idle_at)
    }

    /// Whether the piece that leaves the queue `at` this time is lost.
    fn loses(&mut self, at: Duration) -> bool {
        let loss = self.profile.loss;
        match loss.length {
            BurstLength::Time(_) if at < self.burst_until => return true,
            BurstLength::Packets(mean) if self.in_burst => {
                self.in_burst = !self.random.chance(1.0 / mean.max(1.0));
                return self.in_burst || self.random.chance(loss.alone);
            }
            _ => {}
        }
        if self.random.chance(loss.burst) {
            match loss.length {
                // Its first packet counts, so one of length 1 has ended.
                BurstLength::Packets(_) => self.in_burst = true,
                BurstLength::Time(mean) => self.burst_until = at + self.random.memoryless(mean),
            }
            return true;
        }
        self.random.chance(loss.alone)
    }

    fn is_gone(&self, now: Duration) -> bool {
        self.profile.flap.is_some_and(|flap| {
            let at = (now + self.phase).as_nanos() % flap.every.as_nanos().max(1);
            at < flap.gone.as_nanos()
        })
    }

    fn arrival(&mut self, leaves: Duration) -> Arrival {
        let jitter = self.random.time(Duration::ZERO, self.profile.jitter);
        let mut at = (leaves + self.profile.delay + jitter).max(self.last);
        if self.random.chance(self.profile.reorder) {
            at += self.random.time(Duration::ZERO, self.profile.reorder_by);
        } else {
            self.last = at;
        }
        let flip = self.random.chance(self.profile.flip).then(|| self.random.next());
        Arrival { at, flip }
    }
}

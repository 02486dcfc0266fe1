//! How much may be on its way: enough to fill the link, too little to fill the queue before it.
//!
//! Two controllers of the QUIC library watch the same packets. BBR models the path, so that it goes
//! on where a radio loses packets for no reason of ours, and leaves no standing queue in which live
//! events would wait. It finds the rate of a path by filling its queue at first, which on a slow
//! link takes seconds: so at the start no more is on its way than was seen to get through, and once
//! a queue stands that is cut short. Where a round trip takes next to nothing there is no queue
//! worth speaking of, and Cubic, which does not pace, brings more through.
//!
//! While data waits for a full window, the QUIC library sends no acknowledgements either: two that
//! fill each other's windows would have them a whole round trip late, and grow half as fast. So
//! once in a while a packet may go out beyond the window, which takes them along.

use noq_proto::RttEstimator;
use noq_proto::congestion::{
    Bbr3Config, Controller, ControllerFactory, ControllerMetrics, CubicConfig,
};
use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Round trips below this are near: also our own packets on a link of 10 Mbit/s, eight at a time.
const NEAR: Duration = Duration::from_millis(8);

/// Bytes on their way at the start of a path: 2 s of a link of 64 kbit/s. As many more follow as
/// have arrived …
const START_BYTES: u64 = 14_720;
/// … while round trips are longer than the shortest by no more than this, the least of the last
/// few: a radio delays single packets, and an acknowledgement may be late.
const CALM: Duration = Duration::from_millis(250);
const RECENT: usize = 3;
/// When they are longer than the shortest by this, they have waited in a queue.
const QUEUE: Duration = Duration::from_millis(500);
/// Packets on their way at least while such a queue drains.
const DRAIN_PACKETS: u64 = 4;
/// How long a path's start lasts at most from when it is first made full use of: a queue may be
/// another's, or the path may have become longer.
const START_MAX: Duration = Duration::from_secs(10);
/// When nothing has gone out for so long, or for this part of a round trip, one packet may go out
/// beyond a full window.
const MUTE: Duration = Duration::from_millis(20);
const MUTE_PART: u32 = 16;
/// While it looks for the rate of the path BBR sends nearly three times as fast as packets arrive,
/// later at most a quarter faster.
const LOOKS_FOR_RATE: f64 = 1.5;

/// Makes a [`Dual`] for each path.
#[derive(Debug, Default)]
pub(crate) struct DualConfig;

/// Two controllers, of which the nearness of the peer chooses one.
#[derive(Debug)]
struct Dual {
    near: Box<dyn Controller>,
    far: Box<dyn Controller>,
    is_near: bool,
    mtu: u64,
    shortest: Duration,
    /// The last round trips, and the bytes and the least of those that are being told of.
    recent: [Duration; RECENT],
    acked: (u64, Duration),
    /// Since when the start of the path goes on: it begins when that is first made full use of, and
    /// is over when BBR knows the rate.
    start: Start,
    /// Bytes that may be on their way until the start is over.
    start_bytes: u64,
    /// Bytes that are on their way, and when the last of them were sent.
    in_flight: u64,
    sent_at: Option<Instant>,
}

/// How far the start of a path has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// The path was first made full use of then.
    Since(Option<Instant>),
    /// The model of the path decides.
    Over,
}

impl ControllerFactory for DualConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let near = Arc::new(CubicConfig::default()).build(now, current_mtu);
        let far = Arc::new(Bbr3Config::default()).build(now, current_mtu);
        let start = Start::Since(None);
        Box::new(Dual::new(near, far, u64::from(current_mtu), start, START_BYTES))
    }
}

impl Dual {
    /// For a path of which no packet has come back yet.
    fn new(
        near: Box<dyn Controller>,
        far: Box<dyn Controller>,
        mtu: u64,
        start: Start,
        start_bytes: u64,
    ) -> Dual {
        let (is_near, shortest, recent) = (false, Duration::MAX, [Duration::MAX; RECENT]);
        let (acked, in_flight, sent_at) = ((0, Duration::MAX), 0, None);
        Dual {
            near,
            far,
            is_near,
            mtu,
            shortest,
            recent,
            acked,
            start,
            start_bytes,
            in_flight,
            sent_at,
        }
    }

    fn both(&mut self, mut tell: impl FnMut(&mut dyn Controller)) {
        tell(&mut *self.near);
        tell(&mut *self.far);
    }

    /// `bytes` were acknowledged together, of which none was sent less than `time` ago; `is_full`
    /// when the window kept us from sending more.
    fn note(&mut self, bytes: u64, time: Duration, is_full: bool, now: Instant) {
        self.shortest = self.shortest.min(time);
        self.recent.rotate_left(1);
        self.recent[RECENT - 1] = time;
        let Start::Since(since) = self.start else { return };
        let since = since.or_else(|| is_full.then_some(now));
        let is_long = since.is_some_and(|at| now.saturating_duration_since(at) >= START_MAX);
        self.start = match is_long || !self.looks_for_rate() {
            true => Start::Over,
            false => Start::Since(since),
        };
        let waited = self.recent.iter().min().map(|least| least.saturating_sub(self.shortest));
        match waited.unwrap_or_default() {
            calm if calm <= CALM && is_full => {
                self.start_bytes = self.start_bytes.saturating_add(bytes);
            }
            queued if queued > QUEUE => self.start_bytes = self.start_bytes.min(self.drained()),
            _ => {}
        }
    }

    /// True while BBR does not know the rate of the path.
    fn looks_for_rate(&self) -> bool {
        let ControllerMetrics { pacing_rate, bandwidth_estimate, .. } = self.far.metrics();
        let known = pacing_rate.zip(bandwidth_estimate.filter(|bits| *bits > 0));
        known.is_none_or(|(bytes, bits)| bytes as f64 * 8.0 > bits as f64 * LOOKS_FOR_RATE)
    }

    /// What the path carries without a queue, as far as that is known.
    fn drained(&self) -> u64 {
        let rate = self.far.metrics().bandwidth_estimate.unwrap_or(0) / 8;
        let time = self.shortest.saturating_add(CALM).min(START_MAX);
        let bytes = (rate as f64 * time.as_secs_f64()) as u64;
        bytes.max(DRAIN_PACKETS * self.mtu)
    }

    /// What may be on its way.
    fn inner_window(&self) -> u64 {
        let window = self.chosen().window();
        match self.start {
            Start::Since(_) if !self.is_near => window.min(self.start_bytes),
            Start::Since(_) | Start::Over => window,
        }
    }

    /// True when the window is full and nothing has gone out for a while.
    fn is_mute(&self, window: u64, now: Instant) -> bool {
        // Where a round trip takes nothing, packets had better go out many at a time.
        let is_full =
            !self.is_near && self.in_flight <= window && self.in_flight + self.mtu > window;
        let pause = MUTE.min(self.shortest / MUTE_PART);
        is_full && self.sent_at.is_some_and(|at| now.saturating_duration_since(at) >= pause)
    }

    fn chosen(&self) -> &dyn Controller {
        if self.is_near { &*self.near } else { &*self.far }
    }
}

impl Controller for Dual {
    fn on_sent(&mut self, now: Instant, bytes: u64, largest_pn: u64) {
        self.both(|it| it.on_sent(now, bytes, largest_pn));
    }

    fn on_packet_sent(&mut self, now: Instant, bytes: u16, pn: u64) {
        self.in_flight += u64::from(bytes);
        self.sent_at = Some(now);
        self.both(|it| it.on_packet_sent(now, bytes, pn));
    }

    fn on_cwnd_limited(&mut self) {
        self.both(|it| it.on_cwnd_limited());
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        pn: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.is_near = rtt.get() < NEAR;
        let (acked, least) = self.acked;
        self.acked = (acked + bytes, least.min(now.saturating_duration_since(sent)));
        self.both(|it| it.on_ack(now, sent, bytes, pn, app_limited, rtt));
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.in_flight = in_flight;
        let (acked, least) = std::mem::replace(&mut self.acked, (0, Duration::MAX));
        if acked > 0 {
            self.note(acked, least, !app_limited, now);
        }
        self.both(|it| it.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked));
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        is_ecn: bool,
        lost_bytes: u64,
        largest_lost_pn: u64,
    ) {
        self.both(|it| {
            let persistent = is_persistent_congestion;
            it.on_congestion_event(now, sent, persistent, is_ecn, lost_bytes, largest_lost_pn);
        });
    }

    fn on_packet_lost(&mut self, lost_bytes: u16, pn: u64, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(u64::from(lost_bytes));
        self.both(|it| it.on_packet_lost(lost_bytes, pn, now));
    }

    fn on_spurious_congestion_event(&mut self) {
        self.both(|it| it.on_spurious_congestion_event());
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = u64::from(new_mtu);
        self.both(|it| it.on_mtu_update(new_mtu));
    }

    fn on_ack_frequency_update(&mut self, threshold: u64, requested_max_ack_delay: Duration) {
        self.both(|it| it.on_ack_frequency_update(threshold, requested_max_ack_delay));
    }

    fn window(&self) -> u64 {
        let window = self.inner_window();
        match self.is_mute(window, Instant::now()) {
            true => self.in_flight + self.mtu,
            false => window,
        }
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.chosen().metrics();
        metrics.congestion_window = self.inner_window();
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        let (near, far) = (self.near.clone_box(), self.far.clone_box());
        // It is for another path, which may be longer.
        let dual = Dual::new(near, far, self.mtu, self.start, self.start_bytes);
        Box::new(Dual { is_near: self.is_near, ..dual })
    }

    fn initial_window(&self) -> u64 {
        self.chosen().initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(now: Instant) -> Dual {
        let built = Arc::new(DualConfig).build(now, 1200);
        let Ok(dual) = built.into_any().downcast::<Dual>() else { panic!("it is one") };
        *dual
    }

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A full packet took so many milliseconds.
    fn note(dual: &mut Dual, time: u64, now: Instant) {
        dual.note(1200, millis(time), true, now);
    }

    /// A start whose model would let a megabyte out.
    fn eager(now: Instant) -> Dual {
        let mut dual = start(now);
        let mut config = Bbr3Config::default();
        config.initial_window(1 << 20);
        dual.far = Arc::new(config).build(now, 1200);
        dual
    }

    #[test]
    fn at_the_start_as_much_more_goes_out_as_has_arrived_while_nothing_waits() {
        let now = Instant::now();
        let mut dual = eager(now);
        assert_eq!((dual.window(), dual.metrics().congestion_window), (START_BYTES, START_BYTES));
        // Little was sent, so it says little.
        dual.note(1200, millis(100), false, now);
        assert_eq!(dual.window(), START_BYTES);
        for time in [100, 450, 450, 120, 460, 470] {
            note(&mut dual, time, now);
        }
        assert_eq!(dual.window(), START_BYTES + 6 * 1200, "single packets may be late");
        note(&mut dual, 480, now);
        assert_eq!(dual.window(), START_BYTES + 6 * 1200, "all of the last ones were");
        dual.is_near = true;
        assert_eq!(dual.window(), dual.near.window());
        dual.is_near = false;
        note(&mut dual, 480, now + START_MAX);
        assert_eq!(dual.window(), 1 << 20, "it does not last for ever");
    }

    #[test]
    fn a_start_that_fills_a_queue_is_cut_short_until_that_has_drained() {
        let now = Instant::now();
        let mut dual = eager(now);
        note(&mut dual, 100, now);
        let begun = dual.window();
        for _ in 0..RECENT {
            assert!(dual.window() >= begun, "single packets may be late");
            note(&mut dual, 700, now);
        }
        assert_eq!((dual.window(), dual.metrics().congestion_window), (4800, 4800));
        note(&mut dual, 400, now);
        assert_eq!(dual.window(), 4800);
        note(&mut dual, 300, now);
        assert_eq!(dual.window(), 6000, "what is calm grows again");
        note(&mut dual, 700, now + START_MAX);
        assert_eq!(dual.window(), 1 << 20, "the path may have become longer");
        (0..RECENT).for_each(|_| note(&mut dual, 900, now + START_MAX));
        assert_eq!(dual.window(), 1 << 20, "later the model of the path decides");
        let Ok(moved) = dual.clone_box().into_any().downcast::<Dual>() else { panic!("it is one") };
        assert_eq!((moved.shortest, moved.start), (Duration::MAX, Start::Over));
    }

    #[test]
    fn a_full_window_lets_one_packet_out_after_a_while() {
        let now = Instant::now();
        let mut dual = start(now);
        note(&mut dual, 160, now);
        let window = dual.inner_window();
        let later = now + millis(10);
        (0..window / 1200).for_each(|number| dual.on_packet_sent(now, 1200, number));
        assert!(!dual.is_mute(window, now) && !dual.is_mute(window, now + millis(9)));
        assert!(dual.is_mute(window, later));
        dual.on_packet_sent(later, 1200, 99);
        assert!(!dual.is_mute(window, later + millis(100)), "one is enough");
        dual.on_end_acks(later, window, false, None);
        assert!(dual.is_mute(window, later + millis(10)));
        dual.on_packet_lost(1200, 1, later);
        assert!(!dual.is_mute(window, later + millis(10)), "there is room");
    }
}

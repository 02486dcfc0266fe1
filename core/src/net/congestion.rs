//! How much may be on its way: enough to fill the link, too little to fill the queue before it.
//!
//! Two controllers of the QUIC library watch the same packets. BBR models the path, so that it goes
//! on where a radio loses packets for no reason of ours, and leaves no standing queue in which live
//! events would wait. It finds the rate of a path by filling its queue at first, which on a slow
//! link takes seconds: there its start is cut short. Where a round trip takes next to nothing there
//! is no queue worth speaking of, and Cubic, which does not pace, brings more through.

use noq_proto::RttEstimator;
use noq_proto::congestion::{
    Bbr3Config, Controller, ControllerFactory, ControllerMetrics, CubicConfig,
};
use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Round trips below this are near: also our own packets on a link of 10 Mbit/s, eight at a time.
const NEAR: Duration = Duration::from_millis(8);

/// A round trip that is longer than the shortest by this has waited in a queue.
const QUEUE: Duration = Duration::from_millis(500);
/// Packets on their way while such a queue drains at the start.
const DRAIN_PACKETS: u64 = 4;
/// How long a path's start lasts at most, and how long a queue drains: it may be another's, or the
/// path may have become longer.
const START_MAX: Duration = Duration::from_secs(10);

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
    start: Start,
}

/// How far the start of a path has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Nothing has waited yet, since the path began.
    Growing(Instant),
    /// A queue stands since then, and is to drain.
    Draining(Instant),
    /// It is over.
    Over,
}

impl ControllerFactory for DualConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let near = Arc::new(CubicConfig::default()).build(now, current_mtu);
        let far = Arc::new(Bbr3Config::default()).build(now, current_mtu);
        let (mtu, shortest) = (u64::from(current_mtu), Duration::MAX);
        Box::new(Dual { near, far, is_near: false, mtu, shortest, start: Start::Growing(now) })
    }
}

impl Dual {
    fn both(&mut self, mut tell: impl FnMut(&mut dyn Controller)) {
        tell(&mut *self.near);
        tell(&mut *self.far);
    }

    /// A packet took `time` there and back.
    fn note(&mut self, time: Duration, now: Instant) {
        self.shortest = self.shortest.min(time);
        let has_waited = time > self.shortest.saturating_add(QUEUE);
        let is_long = |since| now.saturating_duration_since(since) >= START_MAX;
        self.start = match self.start {
            Start::Growing(since) if is_long(since) => Start::Over,
            Start::Growing(_) if has_waited => Start::Draining(now),
            Start::Draining(since) if !has_waited || is_long(since) => Start::Over,
            same => same,
        };
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
        self.note(now.saturating_duration_since(sent), now);
        self.both(|it| it.on_ack(now, sent, bytes, pn, app_limited, rtt));
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
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
        let window = self.chosen().window();
        match self.start {
            Start::Draining(_) => window.min(DRAIN_PACKETS * self.mtu),
            Start::Growing(_) | Start::Over => window,
        }
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.chosen().metrics();
        metrics.congestion_window = self.window();
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        let (near, far) = (self.near.clone_box(), self.far.clone_box());
        // It is for another path, which may be longer.
        Box::new(Dual { near, far, shortest: Duration::MAX, ..*self })
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

    #[test]
    fn a_start_that_fills_a_queue_is_cut_short_until_that_has_drained() {
        let now = Instant::now();
        let mut dual = start(now);
        dual.note(millis(100), now);
        let begun = dual.window();
        assert!(begun > DRAIN_PACKETS * 1200);
        dual.note(millis(700), now);
        assert_eq!((dual.window(), dual.metrics().congestion_window), (4800, 4800));
        dual.note(millis(300), now);
        assert_eq!(dual.window(), begun);
        dual.note(millis(700), now);
        assert_eq!(dual.window(), begun, "later the model of the path decides");
    }

    #[test]
    fn a_path_that_became_longer_is_not_taken_for_a_queue_for_ever() {
        let now = Instant::now();
        let mut dual = start(now);
        dual.note(millis(10), now);
        let begun = dual.window();
        dual.note(millis(600), now);
        dual.note(millis(600), now + START_MAX / 2);
        assert_eq!(dual.window(), 4800);
        dual.note(millis(600), now + START_MAX);
        assert_eq!(dual.window(), begun);
        // Nor is one whose start is long over, or another one.
        let mut dual = start(now);
        dual.note(millis(10), now);
        let moved = dual.clone_box();
        dual.note(millis(600), now + START_MAX);
        assert_eq!(dual.window(), begun);
        let Ok(mut moved) = moved.into_any().downcast::<Dual>() else { panic!("it is one") };
        moved.note(millis(600), now);
        assert_eq!(moved.window(), begun);
    }
}

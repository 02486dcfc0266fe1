//! How much may be on its way: enough to fill the link, too little to fill the queue before it.
//!
//! Two controllers of the QUIC library watch the same packets. BBR models the path, so that it goes
//! on where a radio loses packets for no reason of ours, and leaves no standing queue in which live
//! events would wait. Where a round trip takes next to nothing there is no queue worth speaking of,
//! and Cubic, which does not pace, brings more through.

use noq_proto::RttEstimator;
use noq_proto::congestion::{
    Bbr3Config, Controller, ControllerFactory, ControllerMetrics, CubicConfig,
};
use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Round trips below this are near: also our own packets on a link of 10 Mbit/s, eight at a time.
const NEAR: Duration = Duration::from_millis(8);

/// Makes a [`Dual`] for each path.
#[derive(Debug, Default)]
pub(crate) struct DualConfig;

/// Two controllers, of which the nearness of the peer chooses one.
#[derive(Debug)]
struct Dual {
    near: Box<dyn Controller>,
    far: Box<dyn Controller>,
    is_near: bool,
}

impl ControllerFactory for DualConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let near = Arc::new(CubicConfig::default()).build(now, current_mtu);
        let far = Arc::new(Bbr3Config::default()).build(now, current_mtu);
        Box::new(Dual { near, far, is_near: false })
    }
}

impl Dual {
    fn both(&mut self, mut tell: impl FnMut(&mut dyn Controller)) {
        tell(&mut *self.near);
        tell(&mut *self.far);
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
        self.both(|it| it.on_mtu_update(new_mtu));
    }

    fn on_ack_frequency_update(&mut self, threshold: u64, requested_max_ack_delay: Duration) {
        self.both(|it| it.on_ack_frequency_update(threshold, requested_max_ack_delay));
    }

    fn window(&self) -> u64 {
        self.chosen().window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.chosen().metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        let (near, far) = (self.near.clone_box(), self.far.clone_box());
        Box::new(Dual { near, far, is_near: self.is_near })
    }

    fn initial_window(&self) -> u64 {
        self.chosen().initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

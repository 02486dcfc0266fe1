//! How many bytes of events may be on their way, in both directions of one session.
//!
//! The receiver grants, the sender spends; what was received counts until the log has stored it. So
//! a slow disk slows its peers down instead of filling memory. One frame may overdraw, since a
//! block travels whole.
//! Invariant: what the peer may send + what is being processed + what is not granted again yet =
//! the window.

use crate::event::limits::FRAME_BYTES_MAX;
use crate::planted;
use crate::sync::constants::{
    CREDIT_BYTES_INITIAL, CREDIT_BYTES_LIVE, WASTE_PER_FRAME, WASTE_SHARE,
};

/// The account of one session.
#[derive(Debug)]
pub(crate) struct Credit {
    /// Bytes we may send; below zero after a frame that overdrew.
    to_send: i64,
    /// Bytes the peer may send, as far as we have told it.
    granted: i64,
    /// Bytes received and not yet stored or dropped.
    processing: i64,
    /// What `granted` and `processing` are to come to.
    window: i64,
    /// What came to nothing since somebody last asked, in bytes.
    waste: usize,
}

impl Credit {
    pub(crate) fn new() -> Credit {
        Credit {
            to_send: CREDIT_BYTES_INITIAL,
            granted: CREDIT_BYTES_INITIAL,
            processing: 0,
            window: CREDIT_BYTES_INITIAL,
            waste: 0,
        }
    }

    /// True when a live event may be sent.
    pub(crate) fn has_for_live(&self) -> bool {
        self.to_send > 0
    }

    /// True when events of a backlog may be sent; the last bit is left for live ones.
    pub(crate) fn has_for_backlog(&self) -> bool {
        self.to_send > CREDIT_BYTES_LIVE
    }

    /// We sent a frame with events.
    pub(crate) fn spend(&mut self, bytes: usize) {
        assert!(self.to_send > 0, "nothing is sent without credit");
        self.to_send -= bytes as i64;
    }

    /// The peer granted more.
    pub(crate) fn add(&mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.to_send = self.to_send.saturating_add(bytes);
    }

    /// The peer sent a frame with events. False when it had no credit for it: one frame may
    /// overdraw, and on the other lane it may have overtaken those that were sent before it.
    #[must_use]
    pub(crate) fn receive(&mut self, bytes: usize) -> bool {
        self.granted -= bytes as i64;
        self.processing += bytes as i64;
        self.granted > -(FRAME_BYTES_MAX as i64)
    }

    /// Received bytes were stored or dropped.
    pub(crate) fn processed(&mut self, bytes: usize) {
        self.processing -= bytes as i64;
        assert!(self.processing >= 0, "only what was received is processed");
    }

    /// As `processed`, of a frame that brought nothing.
    pub(crate) fn wasted(&mut self, bytes: usize) {
        self.processed(bytes);
        self.waste += WASTE_PER_FRAME + bytes / WASTE_SHARE;
    }

    /// As `processed`, of events that nobody keeps and somebody is shown.
    pub(crate) fn shown(&mut self, bytes: usize) {
        self.processed(bytes);
        self.waste += bytes / WASTE_SHARE;
    }

    /// What frames that brought nothing cost since this was last asked.
    pub(crate) fn take_waste(&mut self) -> usize {
        std::mem::take(&mut self.waste)
    }

    /// True while received events are not stored yet.
    pub(crate) fn is_processing(&self) -> bool {
        self.processing > 0
    }

    /// Sets how much the peer may have on its way to us; a smaller one takes effect as credit is
    /// used up.
    pub(crate) fn set_window(&mut self, window: i64) {
        self.window = window;
    }

    /// True when so much could be granted that the peer should hear of it at once.
    pub(crate) fn grant_is_due(&self) -> bool {
        self.grantable() >= self.window / 4 && !planted!("credit_never_granted_again")
    }

    /// Grants what can be granted; to be told to the peer.
    pub(crate) fn grant(&mut self) -> u64 {
        let bytes = self.grantable().max(0);
        self.granted += bytes;
        bytes as u64
    }

    fn grantable(&self) -> i64 {
        self.window - self.processing - self.granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::constants::CREDIT_BYTES_FETCHING;

    #[test]
    fn what_is_stored_is_granted_again_and_no_more() {
        let mut credit = Credit::new();
        assert!(credit.receive(200_000) && !credit.grant_is_due());
        assert!(credit.receive(1_700_000), "one frame may overdraw");
        assert!(credit.receive(1), "and overtake others");
        assert!(!credit.receive(200_000), "that is more than was granted and a frame");
        credit.processed(2_100_001);
        assert!(credit.grant_is_due());
        assert_eq!(credit.grant(), 2_100_001);
        assert_eq!(credit.grant(), 0);
        credit.set_window(CREDIT_BYTES_FETCHING);
        assert_eq!(credit.grant() as i64, CREDIT_BYTES_FETCHING - CREDIT_BYTES_INITIAL);
    }

    #[test]
    fn an_absurd_grant_does_no_harm() {
        let mut credit = Credit::new();
        credit.add(u64::MAX);
        credit.add(u64::MAX);
        assert!(credit.has_for_backlog());
        credit.spend(1);
    }
}

//! Frames on their way out of one connection: a bounded queue for each lane, and the wish to close.

use crate::net::close::{Closing, code};
use crate::sync::Lane;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Most queued bytes of a lane, beside the one frame that may cross the bound.
const QUEUE_BYTES_MAX: usize = 1 << 20;
/// Most queued frames of a lane.
const QUEUE_FRAMES_MAX: usize = 1 << 16;
/// One write takes frames until it has this many bytes.
const BATCH_BYTES: usize = 256 << 10;

/// The send queues of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    filled: [Notify; 3],
    closing: Notify,
}

#[derive(Debug, Default)]
struct State {
    queues: [Queue; 3],
    closing: Option<Closing>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

/// What the writer does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Write these frames.
    Frames(Vec<Bytes>),
    /// Everything has been taken, or is not worth the time: close.
    Close(Closing),
}

impl Outbox {
    /// Queues `frame`. Beyond the bound, or after [`Outbox::close`], nothing is queued; the first
    /// case closes the connection.
    pub(crate) fn push(&self, lane: Lane, frame: Bytes) {
        let mut state = self.lock();
        if state.closing.is_some() {
            return;
        }
        let queue = &mut state.queues[lane.index()];
        let (length, length_max) = (frame.len(), lane.frame_bytes_max());
        if length > length_max {
            drop(state);
            return self.overflow(format!("a frame of {length} bytes is above {length_max}"));
        }
        if queue.bytes > QUEUE_BYTES_MAX || queue.frames.len() >= QUEUE_FRAMES_MAX {
            let (bytes, frames) = (queue.bytes, queue.frames.len());
            drop(state);
            return self.overflow(format!("{bytes} bytes in {frames} frames wait to be sent"));
        }
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        drop(state);
        self.filled[lane.index()].notify_one();
    }

    fn overflow(&self, what: String) {
        let reason = format!("the send queue overflows: {what}; this is a bug");
        self.close(Closing::new(code::INTERNAL, reason));
    }

    /// Asks for the connection to be closed after what is queued on the live lane. The first wish
    /// counts.
    pub(crate) fn close(&self, closing: Closing) {
        let mut state = self.lock();
        if state.closing.is_none() {
            state.closing = Some(closing);
        }
        drop(state);
        self.filled.iter().for_each(Notify::notify_one);
        self.closing.notify_waiters();
    }

    /// Waits for [`Outbox::close`].
    pub(crate) async fn closing(&self) -> Closing {
        loop {
            let notified = self.closing.notified();
            if let Some(closing) = self.lock().closing.clone() {
                return closing;
            }
            notified.await;
        }
    }

    /// Waits until there are frames of a lane, and leaves them there.
    pub(crate) async fn filled(&self, lane: Lane) {
        while self.lock().queues[lane.index()].frames.is_empty() {
            self.filled[lane.index()].notified().await;
        }
    }

    /// Waits for frames of a lane, or for the end. Only the one writer of the lane calls it.
    pub(crate) async fn next(&self, lane: Lane) -> Next {
        loop {
            if let Some(next) = self.take(lane) {
                return next;
            }
            self.filled[lane.index()].notified().await;
        }
    }

    fn take(&self, lane: Lane) -> Option<Next> {
        let mut state = self.lock();
        let is_done = state.queues[lane.index()].frames.is_empty() || lane != Lane::Live;
        if let Some(closing) = state.closing.clone().filter(|_| is_done) {
            return Some(Next::Close(closing));
        }
        let queue = &mut state.queues[lane.index()];
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES {
            let Some(frame) = queue.frames.pop_front() else { break };
            bytes += frame.len();
            taken.push(frame);
        }
        queue.bytes -= bytes;
        (!taken.is_empty()).then_some(Next::Frames(taken))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frames_leave_together_and_a_close_comes_last() {
        let outbox = Outbox::default();
        for number in 0..10u8 {
            outbox.push(Lane::Live, Bytes::from(vec![number; 100]));
            outbox.push(Lane::Backlog, Bytes::from(vec![number; 200]));
            outbox.push(Lane::Bulk, Bytes::from(vec![number; 300]));
        }
        let Some(Next::Frames(frames)) = outbox.take(Lane::Backlog) else { panic!("frames first") };
        assert!(frames.len() == 10 && frames.iter().all(|frame| frame.len() == 200));
        outbox.push(Lane::Backlog, Bytes::from_static(b"not worth the time"));
        let Some(Next::Frames(frames)) = outbox.take(Lane::Bulk) else { panic!("frames first") };
        assert!(frames.len() == 10 && frames.iter().all(|frame| frame.len() == 300));
        outbox.push(Lane::Bulk, Bytes::from_static(b"nor this"));
        outbox.close(Closing::new(7, "enough"));
        outbox.push(Lane::Live, Bytes::from_static(b"too late"));
        for lane in [Lane::Backlog, Lane::Bulk] {
            assert!(matches!(outbox.take(lane), Some(Next::Close(_))));
        }
        let Some(Next::Frames(frames)) = outbox.take(Lane::Live) else { panic!("frames first") };
        assert_eq!(frames.len(), 10);
        let Some(Next::Close(closing)) = outbox.take(Lane::Live) else { panic!("then the close") };
        assert_eq!(closing, Closing::new(7, "enough"));
    }

    #[test]
    fn a_frame_that_no_reader_of_its_lane_takes_closes_the_connection() {
        for lane in Lane::ALL {
            let outbox = Outbox::default();
            outbox.push(lane, Bytes::from(vec![0; lane.frame_bytes_max()]));
            assert!(outbox.lock().closing.is_none(), "{lane:?}");
            outbox.push(lane, Bytes::from(vec![0; lane.frame_bytes_max() + 1]));
            assert!(outbox.lock().closing.is_some(), "{lane:?}");
        }
    }

    #[test]
    fn a_queue_beyond_its_bound_closes_the_connection_and_grows_no_further() {
        let outbox = Outbox::default();
        let frame = Bytes::from(vec![0; QUEUE_BYTES_MAX / 4]);
        for _ in 0..9 {
            outbox.push(Lane::Backlog, frame.clone());
        }
        let state = outbox.lock();
        assert_eq!(state.closing.as_ref().map(|closing| closing.code), Some(code::INTERNAL));
        let queue = &state.queues[Lane::Backlog.index()];
        assert_eq!(queue.frames.len(), 5, "the bound, and one frame more");
    }
}

//! Frames on their way out of one connection: a bounded queue, and the wish to close after it.

use crate::event::limits::FRAME_BYTES_MAX;
use crate::net::close::{Closing, code};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Most queued bytes, beside the one frame that may cross the bound.
const QUEUE_BYTES_MAX: usize = 1 << 20;
/// Most queued frames.
const QUEUE_FRAMES_MAX: usize = 1 << 16;
/// One write takes frames until it has this many bytes.
const BATCH_BYTES: usize = 256 << 10;

/// The send queue of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    closing: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    closing: Option<Closing>,
}

/// What the writer does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Write these frames.
    Frames(Vec<Bytes>),
    /// Everything has been taken: close.
    Close(Closing),
}

impl Outbox {
    /// Queues `frame`. Beyond the bound, or after [`Outbox::close`], nothing is queued; the first
    /// case closes the connection.
    pub(crate) fn push(&self, frame: Bytes) {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return;
        }
        if frame.len() > FRAME_BYTES_MAX {
            let length = frame.len();
            drop(queue);
            return self.overflow(format!("a frame of {length} bytes is above {FRAME_BYTES_MAX}"));
        }
        if queue.bytes > QUEUE_BYTES_MAX || queue.frames.len() >= QUEUE_FRAMES_MAX {
            let (bytes, frames) = (queue.bytes, queue.frames.len());
            drop(queue);
            return self.overflow(format!("{bytes} bytes in {frames} frames wait to be sent"));
        }
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        drop(queue);
        self.filled.notify_one();
    }

    fn overflow(&self, what: String) {
        let reason = format!("the send queue overflows: {what}; this is a bug");
        self.close(Closing::new(code::INTERNAL, reason));
    }

    /// Asks for the connection to be closed after what is queued. The first wish counts.
    pub(crate) fn close(&self, closing: Closing) {
        let mut queue = self.lock();
        if queue.closing.is_none() {
            queue.closing = Some(closing);
        }
        drop(queue);
        self.filled.notify_one();
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

    /// Waits for frames, or for the end. Only the one writer calls it.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.filled.notified().await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut queue = self.lock();
        if queue.frames.is_empty() {
            return queue.closing.clone().map(Next::Close);
        }
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES {
            let Some(frame) = queue.frames.pop_front() else { break };
            bytes += frame.len();
            taken.push(frame);
        }
        queue.bytes -= bytes;
        Some(Next::Frames(taken))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frames_leave_together_and_a_close_comes_last() {
        let outbox = Outbox::default();
        for number in 0..10u8 {
            outbox.push(Bytes::from(vec![number; 100]));
        }
        outbox.close(Closing::new(7, "enough"));
        outbox.push(Bytes::from_static(b"too late"));
        let Some(Next::Frames(frames)) = outbox.take() else { panic!("frames first") };
        assert_eq!(frames.len(), 10);
        let Some(Next::Close(closing)) = outbox.take() else { panic!("then the close") };
        assert_eq!(closing, Closing::new(7, "enough"));
    }

    #[test]
    fn a_queue_beyond_its_bound_closes_the_connection_and_grows_no_further() {
        let outbox = Outbox::default();
        let frame = Bytes::from(vec![0; QUEUE_BYTES_MAX / 4]);
        for _ in 0..9 {
            outbox.push(frame.clone());
        }
        let queue = outbox.lock();
        assert_eq!(queue.closing.as_ref().map(|closing| closing.code), Some(code::INTERNAL));
        assert_eq!(queue.frames.len(), 5, "the bound, and one frame more");
    }
}

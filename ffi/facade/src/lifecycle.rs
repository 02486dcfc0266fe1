//! How many nodes are open or being opened, and what must end with the last one.
//!
//! Invariant: no thread of ours is left when the count is 0 and the work in hand is done.

use crate::entry::lock;
use crate::{batch, deadlines, process, workers};
use std::sync::Mutex;

static OPEN: Mutex<usize> = Mutex::new(0);

/// Counts one node while it lives.
#[derive(Debug)]
pub(crate) struct Presence(());

impl Presence {
    /// One more node is open.
    pub(crate) fn new() -> Presence {
        let mut open = lock(&OPEN);
        *open += 1;
        process::adopt();
        Presence(())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut open = lock(&OPEN);
        *open -= 1;
        if *open == 0 {
            process::release();
            drop(open);
            batch::clear_spares();
            workers::nudge();
            deadlines::nudge();
        }
    }
}

/// True while a node is open or being opened.
pub(crate) fn is_busy() -> bool {
    *lock(&OPEN) > 0
}

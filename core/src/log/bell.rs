//! Who reads on as the log grows waits here: blocking, as a future, or by a callback.
//!
//! Not here: what there is to read; who waits says whether there is more. Rule: look after the
//! watch was made, so that nothing is missed between.
// A deadline for a blocking wait is read where the thread blocks.
#![allow(clippy::disallowed_methods)]

use super::disk::{Filter, Shared};
use super::interest::Interest;
use super::watch::{Callback, Signal, Watch};
use crate::error::Result;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tells one reader that there may be more.
pub(super) struct Bell {
    shared: Arc<Shared>,
    signal: Signal,
    /// Names the callback.
    number: u64,
}

impl Bell {
    /// Rings when more is durable.
    pub(super) fn durable(shared: Arc<Shared>) -> Bell {
        let signal = shared.signal.clone();
        Bell { number: signal.number(), signal, shared }
    }

    /// Rings when more is verified, too.
    pub(super) fn live(shared: Arc<Shared>) -> Bell {
        let signal = shared.live.signal.clone();
        Bell { number: signal.number(), signal, shared }
    }

    /// Blocks until `has_more`, or for `timeout`; false when that passed first.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub(super) fn wait(
        &self,
        timeout: Option<Duration>,
        has_more: impl Fn() -> bool,
    ) -> Result<bool> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let mut watch = Watch::new(self.signal.clone());
            self.shared.check_open()?;
            if has_more() {
                return Ok(true);
            }
            let at = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            if !watch.wait_until(at) && deadline.is_some() {
                return Ok(false);
            }
        }
    }

    /// Done when it `has_more`, or the log has closed.
    pub(super) fn ready<F: Fn() -> bool + Send>(
        &self,
        has_more: F,
    ) -> impl Future<Output = ()> + Send + use<F> {
        let (shared, mut watch) = (self.shared.clone(), Watch::new(self.signal.clone()));
        async move {
            while shared.check_open().is_ok() && !has_more() {
                watch.changed().await;
            }
        }
    }

    /// Calls `callback` whenever it rings, and once now if it `has_more` or the log is closed.
    pub(super) fn on_ready(&self, callback: Callback, has_more: impl FnOnce() -> bool) {
        self.set(callback, Interest::All, has_more);
    }

    /// As `on_ready`, but of what became durable only for what this filter may select.
    pub(super) fn on_match(
        &self,
        callback: Callback,
        filter: &Filter,
        has_more: impl FnOnce() -> bool,
    ) {
        self.set(callback, Interest::of(filter.terms()), has_more);
    }

    fn set(&self, callback: Callback, interest: Interest, has_more: impl FnOnce() -> bool) {
        self.signal.set_callback(self.number, Some((callback.clone(), interest)));
        if has_more() || self.shared.check_open().is_err() {
            callback();
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if !self.shared.is_forked() {
            self.signal.set_callback(self.number, None);
        }
    }
}

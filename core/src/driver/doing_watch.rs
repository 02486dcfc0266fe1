//! How an optimistic claim of this node stands, as it changes.
// The rim: a thread that waits for a loss, and deadlines.
#![allow(clippy::disallowed_methods)]

use crate::driver::causal_session::Within;
use crate::driver::coordination::DoingDesk;
use crate::driver::doing::OwnDoing;
use crate::driver::node::{Handle, Node};
use crate::driver::subscription::Subscription;
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventKey;
use crate::log::Log;
use crate::pond::claim::{Doer, Standing};
use crate::pond::desk::Told;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Tells how an own claim stands, first as it is now and then whenever that is another. Ends with a
/// `closed` error when its node closes. Keeps its node open.
pub struct DoingWatch {
    doing: OwnDoing,
    news: News,
}

/// What is asked again when something has come.
struct News {
    desk: Arc<DoingDesk>,
    key: EventKey,
    events: Subscription,
    told: Option<Standing>,
    session: Within,
}

impl DoingWatch {
    pub(super) fn new(doing: &OwnDoing) -> Result<DoingWatch> {
        Ok(DoingWatch { news: News::new(doing)?, doing: doing.clone() })
    }

    /// How it stands, if that has not been told; never waits.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the log cannot be read. `closed`, `forked_process`.
    pub fn try_next(&mut self) -> Result<Option<Told>> {
        self.news.look(self.doing.log()?)
    }

    /// How it stands, as soon as that has not been told; `None` when `timeout` passed first. None
    /// waits for ever.
    ///
    /// # Errors
    /// As [`DoingWatch::try_next`].
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Told>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let told = self.try_next()?;
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if told.is_some() || left.is_some_and(|left| left.is_zero()) {
                return Ok(told);
            }
            self.news.events.wait(left)?;
        }
    }

    /// Calls `callback` whenever there may be more to tell, and when the node closes, from a thread
    /// of millpond's, and once now if so; it must not block. Replaces an earlier one.
    pub fn on_ready(&self, callback: Arc<dyn Fn() + Send + Sync>) {
        self.news.events.on_ready(callback);
    }
}

impl News {
    fn new(doing: &OwnDoing) -> Result<News> {
        let (node, desk) = (doing.node(), doing.desk().clone());
        let events = node.subscribe(&desk.decider().query(), node.offsets()?)?;
        let session = doing.session().clone();
        Ok(News { desk, key: doing.key(), events, told: None, session })
    }

    fn look(&mut self, log: &Log) -> Result<Option<Told>> {
        // What comes from here on is seen below, or ends the next wait.
        while !self.events.next_batch(1024)?.events.is_empty() {}
        let told = self.desk.decider().read(log, |ground| Told::of(ground, &self.key))?;
        if self.told.as_ref() == Some(&told.standing) {
            return Ok(None);
        }
        self.session.sees(&told.as_of);
        self.told = Some(told.standing.clone());
        Ok(Some(told))
    }
}

/// Calls `hook` when the claim has lost, on a thread of its own, which does not keep the node open.
pub(super) fn on_loss(doing: &OwnDoing, hook: impl FnOnce(Doer) + Send + 'static) -> Result<()> {
    let (news, node) = (News::new(doing)?, doing.node().weak());
    let wait = move || match wait_for_loss(news, &node) {
        Ok(Some(winner)) => hook(winner),
        Ok(None) => {}
        Err(error) if matches!(error.kind(), ErrorKind::Closed) => {}
        Err(error) => tracing::warn!(%error, "whether a claim has lost cannot be told any more"),
    };
    let spawned = thread::Builder::new().name("millpond-losses".into()).spawn(wait);
    spawned.map(drop).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the system gives no thread: {error}"))
    })
}

/// Who won; none when the claim was released first.
fn wait_for_loss(mut news: News, node: &Weak<Handle>) -> Result<Option<Doer>> {
    loop {
        let Some(handle) = node.upgrade() else { return Ok(None) };
        let told = news.look(Node::of(handle).log()?)?;
        match told.map(|told| told.standing) {
            Some(Standing::Lost(winner)) => return Ok(Some(winner)),
            Some(Standing::Released) => return Ok(None),
            Some(Standing::Won) | None => {}
        }
        news.events.wait(None)?;
    }
}

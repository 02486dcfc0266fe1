//! Waiting for a change that the status shows: storage, damage, and what the driver sees.
//!
//! Not here: what changed; ask for the status. Rule: who waits is answered without any lock of the
//! log, so what is noted under one is told later, by the committer's thread.

use super::disk::{Shared, lock};
use super::log::Log;
use super::options::closed;
use crate::pending::{Completer, Pending, pending};
use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says whether an answer is still wanted.
pub(crate) type Wanted = Box<dyn Fn() -> bool + Send + Sync>;

/// The version of what there is to know, and who waits for the next one.
pub(crate) struct News {
    state: Mutex<State>,
    /// Something changed that was not told yet.
    noted: AtomicBool,
}

struct State {
    /// 1 at first.
    version: u64,
    waiting: Vec<(Wanted, Completer<()>)>,
    ended: bool,
}

impl News {
    pub(crate) fn new() -> News {
        let state = State { version: 1, waiting: Vec::new(), ended: false };
        News { state: Mutex::new(state), noted: AtomicBool::new(false) }
    }

    /// Something changed, and a lock is held.
    pub(crate) fn note(&self) {
        self.noted.store(true, Ordering::Release);
    }

    /// True when something is to be told.
    pub(crate) fn is_noted(&self) -> bool {
        self.noted.load(Ordering::Acquire)
    }

    /// Something changed: answers all who wait.
    pub(crate) fn tell(&self) {
        self.noted.store(false, Ordering::Release);
        let mut state = lock(&self.state);
        state.version += 1;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|(_, waiting)| waiting.complete(Ok(())));
    }

    /// Nothing changes any more: who waits is told that the log was closed.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }

    fn after(&self, version: u64, wanted: Wanted) -> Pending<()> {
        let mut state = lock(&self.state);
        if state.ended {
            return Pending::ready(Err(closed()));
        }
        if state.version != version {
            return Pending::ready(Ok(()));
        }
        let (completer, answer) = pending(None);
        state.waiting.retain(|(wanted, _)| wanted());
        state.waiting.push((wanted, completer));
        answer
    }
}

impl Shared {
    /// Tells what was noted; no lock may be held.
    pub(crate) fn tell_news(&self) {
        if self.news.is_noted() {
            self.news.tell();
        }
    }

    /// Notes a change from a thread that may hold a lock or read the tables.
    pub(crate) fn note_news(&self) {
        self.news.note();
        // The committer's thread looks under this lock before it sleeps.
        drop(self.queue());
        self.queued.notify_all();
    }
}

impl Log {
    /// The version of what there is to know: another one after each change.
    pub(crate) fn news_version(&self) -> u64 {
        lock(&self.shared().news.state).version
    }

    /// Something changed that the status shows.
    pub(crate) fn tell_news(&self) {
        self.shared().news.tell();
    }

    /// Done when the version is not `version`; given up once it is not `wanted` any more.
    pub(crate) fn news_after(&self, version: u64, wanted: Wanted) -> Pending<()> {
        match self.shared().check_open() {
            Ok(()) => self.shared().news.after(version, wanted),
            Err(error) => Pending::ready(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::sync::Arc;

    #[test]
    fn a_change_answers_who_waits_and_the_end_tells_the_rest() {
        let news = News::new();
        assert!(news.after(0, Box::new(|| true)).is_done(), "the first is there at once");
        let waiting = news.after(1, Box::new(|| true));
        assert!(!waiting.is_done());
        news.tell();
        waiting.wait().unwrap();
        let waiting = news.after(2, Box::new(|| true));
        news.end();
        assert_eq!(waiting.wait().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(news.after(2, Box::new(|| true)).wait().unwrap_err().kind(), ErrorKind::Closed);
    }

    #[test]
    fn who_gave_up_waiting_is_forgotten() {
        let news = News::new();
        let wanted = Arc::new(AtomicBool::new(true));
        for _ in 0..100 {
            let own = wanted.clone();
            news.after(1, Box::new(move || own.load(Ordering::Relaxed))).on_done(drop);
        }
        assert_eq!(lock(&news.state).waiting.len(), 100);
        wanted.store(false, Ordering::Relaxed);
        let _last = news.after(1, Box::new(|| true));
        assert_eq!(lock(&news.state).waiting.len(), 1);
    }
}

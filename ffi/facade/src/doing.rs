//! Optimistic claims of this node: "I do this", and how that stands.

use crate::accounts::Matter;
use crate::awaited::{self, Place};
use crate::close::Closed;
use crate::core::Subscription;
use crate::deed::value;
use crate::entry::{entry, guard, lock};
use crate::errors::Result;
use crate::handles::handle;
use crate::json;
use crate::needs::Needs;
use crate::node::{NodeHandle, NodeState};
use crate::offsets::Offsets;
use crate::operation::{Done, Operation};
use crate::options::ReadOptions;
use crate::position::Position;
use crate::publish::refuse_cancelled;
use crate::puller::{Item, Pulled, Puller, Source};
use crate::subscription::waker;
use crate::wait::{Limit, Wait};
use crate::{defaults, registry, workers};
use bytes::Bytes;
use millpond::event::EventKey;
use millpond::pond::claim::Doer;
use millpond::{ErrorKind, OwnDoing, Pending, WhoDoes};
use serde_json::Value;
use std::sync::{Arc, Weak};

handle! {
    /// An optimistic claim that this node has published. Closing it releases nothing.
    DoingHandle
}

/// How an own claim stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandingView {
    /// `won`: no older claim is known. `lost`: one is; undo what was begun, and release this one.
    /// `released`: it was taken back, or is not known here. Empty at the end.
    pub standing: &'static str,
    /// Who has won, if anybody claims it: the key of their claim, and their note as one CBOR value.
    pub winner: Option<(String, Option<Bytes>)>,
    /// As of this point in history: an older claim may still arrive.
    pub as_of: Offsets,
    /// True when nothing will follow, and this is nothing: the handle or its node was closed.
    pub is_end: bool,
}

/// What a doing handle stands for.
pub(crate) struct DoingState {
    puller: Arc<Puller<StandingView>>,
    key: EventKey,
}

/// Tells how a claim stands, now and when that changes.
struct Standings {
    node: Weak<NodeState>,
    what: String,
    key: EventKey,
    /// Wakes when something is said of it.
    news: Subscription,
    told: Option<StandingView>,
}

impl StandingView {
    /// The same as one JSON object: `standing`, `winner` (`key` and `note`, or null), `as_of` (a
    /// token), `is_end`.
    pub fn json(&self) -> String {
        let note = |note: &Bytes| {
            let text = json::from_cbor(note).ok();
            text.and_then(|text| serde_json::from_str::<Value>(&text).ok())
        };
        let winner = self.winner.as_ref().map(
            |(key, noted)| serde_json::json!({ "key": key, "note": noted.as_ref().and_then(note) }),
        );
        serde_json::json!({
            "standing": self.standing, "winner": winner, "as_of": self.as_of.token(),
            "is_end": self.is_end,
        })
        .to_string()
    }

    /// Whether it says the same as another one, as of whatever point.
    fn says_as(&self, other: &StandingView) -> bool {
        (self.standing, &self.winner) == (other.standing, &other.winner)
    }
}

impl Item for StandingView {
    fn end(position: Position) -> StandingView {
        let as_of = position.offsets().clone();
        StandingView { as_of, is_end: true, ..StandingView::default() }
    }

    fn is_end(&self) -> bool {
        self.is_end
    }
}

impl Source<StandingView> for Standings {
    fn pull(&mut self, _: usize) -> Result<Pulled<StandingView>> {
        match self.next() {
            Ok(item) => Ok(Pulled { item, more: false }),
            Err(error) if error.is(ErrorKind::Closed) => {
                let end = StandingView { is_end: true, ..StandingView::default() };
                Ok(Pulled { item: Some(end), more: true })
            }
            Err(error) => Err(error),
        }
    }
}

impl Standings {
    fn next(&mut self) -> Result<Option<StandingView>> {
        // What is said is looked at below: this only says that something was.
        while !self.news.next_batch(defaults::BATCH_COUNT_DEFAULT)?.events.is_empty() {}
        let over = || crate::errors::closed_error("the node is closed");
        let node = self.node.upgrade().ok_or_else(over)?;
        let view = standing(&self.key, node.core().who_does(&self.what)?);
        if self.told.as_ref().is_some_and(|told| told.says_as(&view)) {
            return Ok(None);
        }
        self.told = Some(view.clone());
        Ok(Some(view))
    }
}

/// How the claim with this key stands, whatever its stream is called since.
fn standing(key: &EventKey, who: WhoDoes) -> StandingView {
    let is_own = |doer: &Doer| {
        let (one, other) = (&doer.key, key);
        one.lamport == other.lamport && one.stream.trunk() == other.stream.trunk()
    };
    let winner = who.winner.as_ref();
    let standing = match winner {
        Some(winner) if is_own(winner) => "won",
        _ if who.doers.iter().any(is_own) => "lost",
        _ => "released",
    };
    let winner = winner.map(|winner| {
        let note = winner.note.as_ref().and_then(|note| note.encode().ok());
        (winner.key.to_string(), note.map(Bytes::from))
    });
    StandingView { standing, winner, as_of: who.as_of.into(), is_end: false }
}

impl DoingState {
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        self.puller.node()
    }

    pub(crate) fn end(&self) {
        self.puller.end();
    }
}

impl NodeHandle {
    /// Says "I do this" of `what`, 1 to 200 bytes of UTF-8. Nobody is asked: of all who say so the
    /// least event key wins, and the others learn that they lost by
    /// [`DoingHandle::next_standing`]. `note` is one CBOR value, to remember. Take it back by
    /// [`crate::Deed::DoingRelease`].
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there can be no such name or note. `not_yet_visible`:
    /// the log does not cover in time what the options name. Those of [`NodeHandle::publish`].
    pub fn do_optimistically(
        self,
        what: &str,
        note: Option<Bytes>,
        options: ReadOptions,
        wait: &Wait<'_>,
    ) -> Result<DoingHandle> {
        entry("node_do_optimistically", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let needs = options.needs()?;
            let wait = &self.covered(&needs, None, wait)?;
            let own = what.to_owned();
            awaited::block(self.say(what, note)?, wait, move |said| self.said(&own, &said))
        })
    }

    /// As [`NodeHandle::do_optimistically`], without waiting.
    pub fn do_optimistically_start(
        self,
        what: &str,
        note: Option<Bytes>,
        options: ReadOptions,
        limit: Limit,
        done: impl FnOnce(Result<DoingHandle>) + Send + 'static,
    ) {
        let own = what.to_owned();
        let say = move |_: Needs, limit, done: Done<DoingHandle>| {
            let place = Place::default();
            let held = place.clone();
            let ending = Box::new(move |said| {
                held.let_go();
                done(said);
            });
            let operation = Operation::begin(limit, ending);
            let what = own.clone();
            awaited::start(
                &operation,
                &place,
                move |said| self.said(&what, &said),
                || entry("node_do_optimistically", self.id(), || self.say(&own, note)),
            );
        };
        let (needs, done) = (options.needs(), Box::new(done));
        self.covered_start("node_do_optimistically", needs, None, limit, done, say);
    }

    /// The optimistic claim of this node to `what` that stands, also after a restart; none where
    /// none does.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `invalid_argument`, `limit_exceeded`: there can be no such name.
    /// `corrupt`, `storage_failed`, `timeout`, `cancelled`.
    pub fn own_doing(self, what: &str, wait: &Wait<'_>) -> Result<Option<DoingHandle>> {
        entry("node_own_doing", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let what = what.to_owned();
            let job = move || guard("node_own_doing_work", self.id(), || self.own_claim(&what));
            workers::block(wait, job, give_up)
        })
    }

    /// As [`NodeHandle::own_doing`], without waiting.
    pub fn own_doing_start(
        self,
        what: &str,
        limit: Limit,
        done: impl FnOnce(Result<Option<DoingHandle>>) + Send + 'static,
    ) {
        let what = what.to_owned();
        let job = move || entry("node_own_doing", self.id(), || self.own_claim(&what));
        workers::start(limit, Box::new(done), job, give_up);
    }

    fn say(self, what: &str, note: Option<Bytes>) -> Result<Pending<OwnDoing>> {
        let node = NodeState::usable(self.id())?;
        Ok(node.core().do_optimistically(what, value(note)?))
    }

    fn said(self, what: &str, said: &OwnDoing) -> Result<DoingHandle> {
        self.keep_claim(what, said.key())
    }

    fn own_claim(self, what: &str) -> Result<Option<DoingHandle>> {
        let node = NodeState::usable(self.id())?;
        let own = node.core().own_doing(what)?;
        own.map(|own| self.keep_claim(what, own.key())).transpose()
    }

    fn keep_claim(self, what: &str, key: EventKey) -> Result<DoingHandle> {
        let node = NodeState::usable(self.id())?;
        let news = node.core().subscribe(&Matter::Doing.query(what)?, node.core().offsets()?)?;
        let puller = Arc::new(Puller::new(node.clone(), Position::default(), false));
        news.on_ready(waker(&puller));
        let (what, own) = (what.to_owned(), Arc::downgrade(&node));
        puller.set_source(Box::new(Standings { node: own, what, key, news, told: None }));
        Ok(DoingHandle::from_id(node.keep_reader(DoingState { puller, key })?))
    }
}

impl DoingHandle {
    /// The event that said so, `<lamport>/<stream id>`.
    ///
    /// # Errors
    /// `closed`, `invalid_argument`: it is no open claim.
    pub fn key(self) -> Result<String> {
        entry("doing_key", self.id(), || Ok(self.state()?.key.to_string()))
    }

    /// How it stands: first now, then each time that has changed.
    ///
    /// A call that ended with `timeout` or `cancelled` loses nothing. One call at a time.
    ///
    /// # Errors
    /// `timeout`: nothing changed in time. `corrupt`, `storage_failed`, `cancelled`; `closed`: this
    /// handle was closed before the call.
    pub fn next_standing(self, wait: &Wait<'_>) -> Result<StandingView> {
        entry("doing_next_standing", self.id(), || self.state()?.puller.next(None, wait))
    }

    /// As [`DoingHandle::next_standing`], without waiting; no thread is parked for it.
    pub fn next_standing_start(
        self,
        limit: Limit,
        done: impl FnOnce(Result<StandingView>) + Send + 'static,
    ) {
        let puller = entry("doing_next_standing", self.id(), || Ok(self.state()?.puller.clone()));
        Puller::start(puller, None, limit, Box::new(done));
    }

    /// A descriptor for `poll`, `select` or an event loop: readable while `next_standing` may not
    /// wait. It belongs to the handle and is valid until `close`. Never read or write it.
    ///
    /// # Errors
    /// `closed`; `limit_exceeded`: the process has too many open files.
    pub fn fd(self) -> Result<i32> {
        entry("doing_fd", self.id(), || self.state()?.puller.fd())
    }

    /// Ends the handle, and releases nothing. A call that waits gets the end.
    ///
    /// # Errors
    /// `invalid_argument`: it never was a claim.
    pub fn close(self) -> Result<Closed> {
        entry("doing_close", self.id(), || {
            let Some(state) = registry::remove::<DoingState>(self.id())? else {
                return Ok(Closed::Before);
            };
            lock(&state.node().readers).remove(&self.id());
            state.end();
            Ok(Closed::Now)
        })
    }

    fn state(self) -> Result<Arc<DoingState>> {
        let state = registry::get::<DoingState>(self.id())?;
        state.node().check_poison()?;
        Ok(state)
    }
}

/// Nobody waits for the claim any more.
fn give_up(doing: Option<DoingHandle>) {
    if let Some(doing) = doing {
        let _ = doing.close();
    }
}

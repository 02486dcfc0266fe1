//! Optimistic claims of this node: "I do this", and how that stands.

use crate::awaited::{self, Asked, Place};
use crate::close::Closed;
use crate::core::DoingWatch;
use crate::entry::{entry, guard, guard_node, lock};
use crate::errors::Result;
use crate::handles::handle;
use crate::json;
use crate::needs::{Needs, call_on_worker, rest};
use crate::node::{NodeHandle, NodeState};
use crate::offsets::Offsets;
use crate::operation::{Done, Operation};
use crate::options::ReadOptions;
use crate::position::Position;
use crate::publish::refuse_cancelled;
use crate::puller::{Item, Pulled, Puller, Source};
use crate::subscription::waker;
use crate::wait::{Limit, Wait, deadline};
use crate::{registry, workers};
use bytes::Bytes;
use millpond::event::EventKey;
use millpond::pond::claim::Standing;
use millpond::pond::desk::read_note;
use millpond::{ErrorKind, OwnDoing, Told};
use serde_json::Value;
use std::sync::{Arc, Mutex, Weak};

handle! {
    /// An optimistic claim that this node has published. Closing it releases nothing.
    DoingHandle
}

/// How an own claim stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandingView {
    /// `won`: no older claim is known. `lost`: one is, also if it was released since; undo what was
    /// begun, and release this one. `released`: it was taken back, or is not known here. Empty at
    /// the end.
    pub standing: &'static str,
    /// Whose claim counts: this one as it was first said, or the one that it lost to; none once it
    /// is released. Its key, and its note as one CBOR value.
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
    /// What is asked whether it has lost. Gone when the handle has ended.
    own: Mutex<Option<OwnDoing>>,
    /// Who waits for a loss, and ends with the handle.
    losses: Mutex<Vec<Weak<Puller<StandingView>>>>,
}

/// Tells how a claim stands, now and when that changes. Dropped when the node closes, which it
/// keeps open.
struct Standings(DoingWatch);

/// Tells when a claim has won no longer.
struct Losses(Standings);

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
}

impl From<Told> for StandingView {
    fn from(told: Told) -> StandingView {
        let standing = match told.standing {
            Standing::Won => "won",
            Standing::Lost(_) => "lost",
            Standing::Released => "released",
        };
        let winner = told.winner.map(|winner| {
            let note = winner.note.as_ref().and_then(|note| note.encode().ok());
            (winner.key.to_string(), note.map(Bytes::from))
        });
        let as_of = Arc::unwrap_or_clone(told.as_of).into();
        StandingView { standing, winner, as_of, is_end: false }
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
        match self.0.try_next() {
            Ok(told) => Ok(Pulled { item: told.map(StandingView::from), more: false }),
            Err(error) if error.kind() == ErrorKind::Closed => {
                let end = StandingView { is_end: true, ..StandingView::default() };
                Ok(Pulled { item: Some(end), more: true })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Source<StandingView> for Losses {
    fn pull(&mut self, count_max: usize) -> Result<Pulled<StandingView>> {
        let Pulled { item, more } = self.0.pull(count_max)?;
        Ok(Pulled { item: item.filter(|view| view.standing != "won"), more })
    }
}

impl DoingState {
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        self.puller.node()
    }

    pub(crate) fn end(&self) {
        let own = lock(&self.own).take();
        drop(own); // Calls into the core, hence under no lock.
        self.puller.end();
        let losses = std::mem::take(&mut *lock(&self.losses));
        losses.iter().filter_map(Weak::upgrade).for_each(|loss| loss.end());
    }

    /// A puller that gives its loss, from a watch of its own; it is nobody's but the call's.
    fn loss(&self) -> Result<Arc<Puller<StandingView>>> {
        let loss = Arc::new(Puller::new(self.node().clone(), Position::default(), false));
        let own = lock(&self.own).clone();
        match own {
            Some(own) => {
                let watch = own.watch()?;
                watch.on_ready(waker(&loss));
                loss.set_source(Box::new(Losses(Standings(watch))));
            }
            None => loss.end(),
        }
        {
            let mut losses = lock(&self.losses);
            losses.retain(|loss| loss.strong_count() > 0);
            losses.push(Arc::downgrade(&loss));
        }
        if lock(&self.own).is_none() {
            loss.end(); // It ended meanwhile, and perhaps before this one was among them.
        }
        Ok(loss)
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
    /// the log does not cover in time what the options name. Those of [`NodeHandle::publish`]:
    /// after `timeout` or `cancelled` it may have been said all the same. Said again while it
    /// stands it is the same claim; [`NodeHandle::own_doing`] tells whether one does.
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
            let (node, saying) = NodeState::usable(self.id())?.say(what, note)?;
            let own = node.clone();
            awaited::block(&node, saying, wait, move |said: OwnDoing| own.said(&said, &needs))
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
        let what = what.to_owned();
        let say = move |needs: Needs, limit, done: Done<DoingHandle>| {
            let place = Place::default();
            let held = place.clone();
            let ending = Box::new(move |said| {
                held.let_go();
                done(said);
            });
            let operation = Operation::begin(limit, ending);
            match entry("node_do_optimistically", self.id(), || NodeState::usable(self.id())) {
                Ok(node) => node.clone().in_line(move || {
                    let own = node.clone();
                    let then = move |said: OwnDoing| own.said(&said, &needs);
                    awaited::start(&operation, &place, then, || {
                        guard_node("node_do_optimistically_work", &node, || node.say(&what, note))
                    });
                }),
                Err(error) => drop(operation.complete(Err(error))),
            }
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

    fn own_claim(self, what: &str) -> Result<Option<DoingHandle>> {
        let node = NodeState::usable(self.id())?;
        let own = node.core().own_doing(what)?;
        own.map(|own| node.keep_claim(&own)).transpose()
    }
}

impl NodeState {
    fn say(self: &Arc<Self>, what: &str, note: Option<Bytes>) -> Result<Asked<OwnDoing>> {
        let saying = self.core().do_optimistically(what, read_note(note)?);
        Ok((self.clone(), saying))
    }

    fn said(self: &Arc<Self>, said: &OwnDoing, needs: &Needs) -> Result<DoingHandle> {
        needs.sees(said.token());
        self.keep_claim(said)
    }

    fn keep_claim(self: &Arc<Self>, own: &OwnDoing) -> Result<DoingHandle> {
        let (key, watch) = (own.key(), own.watch()?);
        let puller = Arc::new(Puller::new(self.clone(), Position::default(), false));
        watch.on_ready(waker(&puller));
        puller.set_source(Box::new(Standings(watch)));
        let (own, losses) = (Mutex::new(Some(own.clone())), Mutex::default());
        Ok(DoingHandle::from_id(self.keep_reader(DoingState { puller, key, own, losses })?))
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

    /// How it stands once it has lost: at once if it has, also where [`DoingHandle::next_standing`]
    /// has said so. Or once it is released; or the end, when this handle or its node is closed. Any
    /// number of calls may wait, also beside one of that.
    ///
    /// # Errors
    /// As there; `timeout`, `cancelled`: it had not lost yet.
    pub fn lost(self, wait: &Wait<'_>) -> Result<StandingView> {
        entry("doing_lost", self.id(), || {
            refuse_cancelled(wait.limit)?;
            self.state()?.loss()?.next(None, wait)
        })
    }

    /// As [`DoingHandle::lost`], without waiting; no thread is parked for it.
    pub fn lost_start(
        self,
        limit: Limit,
        done: impl FnOnce(Result<StandingView>) + Send + 'static,
    ) {
        let end = deadline(limit.timeout);
        let job = move |done: Done<StandingView>| match entry("doing_lost", self.id(), || {
            self.state()?.loss()
        }) {
            Ok(loss) => {
                let kept = loss.clone();
                let done = Box::new(move |lost| {
                    drop(kept);
                    done(lost);
                });
                Puller::start(Ok(loss), None, rest(limit, end), done);
            }
            Err(error) => done(Err(error)),
        };
        call_on_worker(limit, Box::new(done), job);
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

//! The fish that are made of events: one for each, observed together.
//!
//! Not here: folding, and waiting for one fish. Rule: a fish is known by its id; events that give
//! the same one give one fish. Begin with [`Node::observe_all`].

use crate::driver::causal_session::Within;
use crate::driver::clock;
use crate::driver::node::{Handle, Node, closed_node};
use crate::driver::pond::crew::Crew;
use crate::driver::pond::observe::decode_of;
use crate::driver::pond::observer::Decode;
use crate::driver::pond::polled::{Polled, Ready, Source};
use crate::driver::pond::state_subscription::StateSubscription;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventView, OffsetMap};
use crate::log::{Follower, Signal, Watch};
use crate::pond::{CodeError, Definition, Emission, Fish, Owner, guarded};
use crate::query::Query;
use futures_core::Stream;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

/// Most fish that are observed together.
pub const FISH_OF_ALL_MAX: usize = 1024;
/// Events that are taken at a time.
pub(super) const SEEDS: usize = 256;

/// What code of the application makes of an event.
pub(super) type Made<S> = std::result::Result<Option<Fish<S>>, CodeError>;
type MakeFish<S> = Box<dyn FnMut(EventView<'_>) -> Made<S> + Send>;

impl Node {
    /// The states of all fish that `make_fish` makes of the events which `seeds` selects, now and
    /// whenever one of them changes or a fish is added: at most [`FISH_OF_ALL_MAX`].
    ///
    /// Events that give a fish of the same id and definition give one fish; `None` gives none.
    /// `make_fish` must be a function of the event. It runs on the thread that asks for states, and
    /// code of the fish on one thread for all of them, but for those that somebody else was the
    /// first to observe.
    ///
    /// # Errors
    /// `closed`, `forked_process`. Later ones are in [`AllObserver::next_states`].
    pub fn observe_all<S: Send + 'static>(
        &self,
        seeds: &Query,
        make_fish: impl FnMut(EventView<'_>) -> Made<S> + Send + 'static,
    ) -> Result<AllObserver<S>> {
        self.observe_all_within(seeds, make_fish, Within::default())
    }

    /// As [`Node::observe_all`]; in a session that `node` has all of.
    pub(super) fn observe_all_within<S: Send + 'static>(
        &self,
        seeds: &Query,
        make_fish: impl FnMut(EventView<'_>) -> Made<S> + Send + 'static,
        session: Within,
    ) -> Result<AllObserver<S>> {
        let changed = Signal::default();
        let all = All {
            lower: session.lower(self)?,
            session,
            node: self.weak(),
            seeds: follow(self, seeds, &changed)?,
            make_fish: Box::new(make_fish),
            crew: Crew::default(),
            members: BTreeMap::new(),
            changed,
            is_changed: true,
            number: 0,
            error: None,
        };
        Ok(AllObserver { all, polled: Polled::default() })
    }
}

/// The states of many fish, each set of them once; of several that came since the last one, the
/// newest.
///
/// The first one comes when all events that were held have been looked at and each fish has shown a
/// state: an empty one where there is no event. As a stream it ends when the node closes; after any
/// other error, which is its last item. A fish that was made stays, whatever comes later.
pub struct AllObserver<S> {
    all: All<S>,
    polled: Polled,
}

/// The states of many fish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllObserved<S> {
    /// Each by the id of its fish. Each is of a point in history of its own.
    pub states: BTreeMap<String, S>,
    /// Counts what this observer was given, from 1.
    pub number: u64,
}

impl<S: Send + 'static> AllObserver<S> {
    /// The newest states, if they were not given yet; never waits. What was made of events that
    /// came since the last call is looked at, too.
    ///
    /// # Errors
    /// `limit_exceeded`, reason `fish`: more than [`FISH_OF_ALL_MAX`]. `user_code`, reason
    /// `make_fish`: that failed; the message names the event. `conflict`: two events give fish of
    /// one id that are not the same, or one is observed here that is not. Those of
    /// [`StateSubscription::next_state`] of any of them. After an error each call gives that.
    pub fn next_states(&mut self) -> Result<Option<AllObserved<S>>> {
        self.all.pull()
    }

    /// Blocks for the next states, or for `timeout` (none waits for ever); `None` when that passed
    /// first.
    ///
    /// # Errors
    /// As [`AllObserver::next_states`].
    pub fn wait_for_states(&mut self, timeout: Option<Duration>) -> Result<Option<AllObserved<S>>> {
        let changed = self.all.changed.clone();
        wait_for(&changed, timeout, || self.all.pull())
    }
}

impl<S: Send + 'static> Stream for AllObserver<S> {
    type Item = Result<AllObserved<S>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let AllObserver { all, polled } = self.get_mut();
        polled.poll(all, context)
    }
}

struct All<S> {
    node: Weak<Handle>,
    seeds: Follower,
    make_fish: MakeFish<S>,
    crew: Crew,
    members: BTreeMap<String, Member<S>>,
    changed: Signal,
    /// Something is to be given that was not.
    is_changed: bool,
    number: u64,
    error: Option<Error>,
    session: Within,
    /// The first state of each fish has at least this; none without a session.
    lower: Option<OffsetMap>,
}

struct Member<S> {
    subscription: StateSubscription,
    decode: Decode<S>,
    shown: Option<Emission>,
}

impl<S: Send + 'static> Source for All<S> {
    type Item = AllObserved<S>;

    fn pull(&mut self) -> Result<Option<AllObserved<S>>> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let states = self.look();
        if let Err(error) = &states {
            self.error = Some(error.clone());
            self.members.clear();
        }
        states
    }

    fn ready(&self) -> Ready {
        ready(&self.changed)
    }
}

impl<S: Send + 'static> All<S> {
    fn look(&mut self) -> Result<Option<AllObserved<S>>> {
        let are_all_seen = self.take_seeds()?;
        for member in self.members.values_mut() {
            if let Some(emission) = member.subscription.next_state()? {
                (member.shown, self.is_changed) = (Some(emission), true);
            }
        }
        let are_shown = self.members.values().all(|member| member.shown.is_some());
        if !(are_all_seen && are_shown && self.is_changed) {
            return Ok(None);
        }
        let mut states = BTreeMap::new();
        for (id, Member { decode, shown, .. }) in &self.members {
            if let Some(Emission { state, .. }) = shown {
                states.insert(id.clone(), decode(state)?);
            }
        }
        // The fish that there are follow from the events that they are made of.
        let shown = self.members.values().filter_map(|member| member.shown.as_ref());
        shown.for_each(|emission| self.session.sees(&emission.offsets));
        self.session.sees(&self.seeds.position());
        self.is_changed = false;
        self.number += 1;
        Ok(Some(AllObserved { states, number: self.number }))
    }

    /// Whether all events that were held at the start have been taken.
    fn take_seeds(&mut self) -> Result<bool> {
        loop {
            let batch = self.seeds.next_batch(SEEDS)?;
            for event in batch.events.iter() {
                let made = made(event, || (self.make_fish)(event))?;
                if let Some(fish) = made {
                    self.add(&fish)?;
                }
            }
            if batch.events.is_empty() {
                return Ok(batch.caught_up);
            }
        }
    }

    fn add(&mut self, fish: &Fish<S>) -> Result<()> {
        let definition = fish.definition();
        if let Some(member) = self.members.get(definition.id()) {
            return member.subscription.definition().check_same(definition);
        }
        if self.members.len() >= FISH_OF_ALL_MAX {
            return Err(too_many(definition));
        }
        let node = self.node.upgrade().map(Node::of).ok_or_else(closed_node)?;
        let (subscription, pump) = node.join_fish(definition)?;
        if let Some(pump) = pump {
            let mut owner = Owner::new(fish.clone());
            self.crew.add(pump, Box::new(move |job| owner.work(job)))?;
        }
        let subscription = match &self.lower {
            Some(lower) => subscription.not_before(lower.clone()),
            None => subscription,
        };
        ring_on(&subscription, &self.changed);
        let member = Member { subscription, decode: decode_of(fish), shown: None };
        self.members.insert(definition.id().to_owned(), member);
        self.is_changed = true;
        Ok(())
    }
}

/// What is made of an event.
///
/// # Errors
/// `user_code`, reason `make_fish`.
pub(super) fn made<T>(
    event: EventView<'_>,
    make: impl FnOnce() -> std::result::Result<T, CodeError>,
) -> Result<T> {
    guarded(|| make().map_err(|error| error.to_string())).map_err(|message| {
        let shown: String = message.chars().take(2_000).collect();
        let (key, offset) = (event.key(), event.offset());
        let message = format!("no fish could be made of event {key}, offset {offset}: {shown}");
        Error::new(ErrorKind::UserCode, message).with_reason("make_fish")
    })
}

/// Follows what the fish are made of.
pub(super) fn follow(node: &Node, seeds: &Query, changed: &Signal) -> Result<Follower> {
    let follower = node.log()?.subscribe(seeds, OffsetMap::new())?;
    let changed = changed.clone();
    follower.on_ready(Arc::new(move || changed.raise()));
    Ok(follower)
}

/// Rings when the fish has something to show.
pub(super) fn ring_on(subscription: &StateSubscription, changed: &Signal) {
    let changed = changed.clone();
    subscription.on_ready(Arc::new(move || changed.raise()));
}

pub(super) fn ready(changed: &Signal) -> Ready {
    let mut watch = Watch::new(changed.clone());
    Box::pin(async move { watch.changed().await })
}

/// What `pull` gives, once it does.
pub(super) fn wait_for<T>(
    changed: &Signal,
    timeout: Option<Duration>,
    mut pull: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let deadline = timeout.and_then(|timeout| clock::now().checked_add(timeout));
    loop {
        let mut watch = Watch::new(changed.clone());
        let pulled = pull()?;
        if pulled.is_some() {
            return Ok(pulled);
        }
        let at = deadline.unwrap_or_else(|| clock::now() + Duration::from_secs(3600));
        if !watch.wait_until(at) && deadline.is_some() {
            return Ok(None);
        }
    }
}

fn too_many(fish: &Definition) -> Error {
    let message = format!(
        "{fish} is one more than the {FISH_OF_ALL_MAX} that are observed together; narrow the \
         query of the events they are made of"
    );
    Error::new(ErrorKind::LimitExceeded, message).with_reason("fish")
}

//! A query that stays open: a cursor over the log that waits at its end.

use crate::batch::EventBatch;
use crate::callback::ThreadPlace;
use crate::close::Closed;
use crate::core;
use crate::entry::{entry, guard, lock};
use crate::errors::{FacadeError, Result};
use crate::handles::handle;
use crate::key_follow::KeyFollow;
use crate::needs::Needs;
use crate::node::{NodeHandle, NodeState};
use crate::offsets::Offsets;
use crate::operation::Done;
use crate::options::{Beginning, SubscribeOptions};
use crate::position::Position;
use crate::publish::refuse_cancelled;
use crate::puller::{Item, Pulled, Puller, Source};
use crate::wait::{Limit, Wait};
use crate::{defaults, registry, workers};
use millpond::ErrorKind;
use millpond::event::OffsetMap;
use millpond::query::Query;
use std::sync::Arc;

handle! {
    /// A subscription. It costs its position, never a queue: a slow reader lags.
    SubscriptionHandle
}

/// What a subscription handle stands for.
pub(crate) struct SubscriptionState {
    pub(crate) puller: Arc<Puller<EventBatch>>,
    /// Present when batches go to a callback.
    pub(crate) callback: ThreadPlace,
}

struct Follow {
    subscription: core::Subscription,
    position: OffsetMap,
    has_told_caught_up: bool,
}

impl Source<EventBatch> for Follow {
    fn pull(&mut self, count_max: usize) -> Result<Pulled<EventBatch>> {
        let batch = match self.subscription.next_batch(count_max) {
            Ok(batch) => batch,
            Err(error) if error.kind() == ErrorKind::Closed => {
                let position = Offsets::from(self.position.clone()).into();
                return Ok(Pulled { item: Some(EventBatch::end(position)), more: true });
            }
            Err(error) => return Err(error.into()),
        };
        self.position.clone_from(&batch.position);
        let is_news = batch.caught_up && !self.has_told_caught_up;
        self.has_told_caught_up |= batch.caught_up;
        if batch.events.is_empty() && !is_news {
            return Ok(Pulled::nothing());
        }
        let more = batch.events.len() == count_max || (batch.lag > 0 && !batch.events.is_empty());
        let position = Offsets::from(batch.position).into();
        let is_durable = batch.is_durable;
        let batch = EventBatch::new(batch.events, batch.caught_up, batch.lag, position);
        let batch = if is_durable { batch } else { batch.not_durable() };
        Ok(Pulled { item: Some(batch), more })
    }
}

impl SubscriptionState {
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        self.puller.node()
    }

    pub(crate) fn end(&self) {
        self.puller.end();
    }
}

impl NodeHandle {
    /// Subscribes to a query. Close it with [`SubscriptionHandle::close`]; when its node is closed
    /// it comes to a normal end and still has to be closed.
    ///
    /// # Errors
    /// `query_invalid`: with `position` and a picture. `not_yet_visible`: the log does not cover in
    /// time what `after` or the session names. `invalid_argument`, `closed`, `timeout`,
    /// `cancelled`.
    pub fn subscribe(
        self,
        text: &str,
        options: SubscribeOptions,
        wait: &Wait<'_>,
    ) -> Result<SubscriptionHandle> {
        entry("node_subscribe", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let needs = options.needs()?;
            let wait = self.covered(&needs, Some(text), wait)?;
            let text = text.to_owned();
            let follow = move || self.follow(&text, &options, needs);
            let job = move || guard("node_subscribe_work", self.id(), follow);
            workers::block(&wait, job, close_quietly)
        })
    }

    /// As [`NodeHandle::subscribe`], without waiting.
    pub fn subscribe_start(
        self,
        text: &str,
        options: SubscribeOptions,
        limit: Limit,
        done: impl FnOnce(Result<SubscriptionHandle>) + Send + 'static,
    ) {
        let (needs, own) = (options.needs(), text.to_owned());
        let read = move |needs: Needs, limit, done: Done<SubscriptionHandle>| {
            let follow = move || self.follow(&own, &options, needs);
            let job = move || entry("node_subscribe", self.id(), follow);
            workers::start(limit, done, job, close_quietly);
        };
        self.covered_start("node_subscribe", needs, Some(text), limit, Box::new(done), read);
    }

    pub(crate) fn follow(
        self,
        text: &str,
        options: &SubscribeOptions,
        needs: Needs,
    ) -> Result<SubscriptionHandle> {
        let node = NodeState::usable(self.id())?;
        let query = Query::parse(text)?;
        let puller = match options.beginning()? {
            Beginning::Key(from) => KeyFollow::begin(&node, &query, from, needs)?,
            Beginning::Arrival(from, delivery) => {
                let from = match from {
                    Some(offsets) => offsets.into_map(),
                    None => node.core().offsets()?,
                };
                let subscription = node.core().subscribe(&query, from.clone())?.deliver(delivery);
                let puller = telling(&node, Offsets::from(from.clone()).into(), needs);
                subscription.on_ready(waker(&puller));
                let follow = Follow { subscription, position: from, has_told_caught_up: false };
                puller.set_source(Box::new(follow));
                puller
            }
        };
        let state = SubscriptionState { puller, callback: ThreadPlace::default() };
        Ok(SubscriptionHandle::from_id(node.keep_reader(state)?))
    }
}

/// A puller of batches, of which a session has seen what was given out.
pub(crate) fn telling(
    node: &Arc<NodeState>,
    from: Position,
    needs: Needs,
) -> Arc<Puller<EventBatch>> {
    let puller = Puller::new(node.clone(), from, false);
    let seen = move |batch: &EventBatch| needs.sees(batch.position().map());
    Arc::new(puller.telling(Box::new(seen)))
}

/// Wakes a puller. Weak, because the core keeps the closure and the puller keeps what the core gave
/// it.
pub(crate) fn waker<T: Item>(puller: &Arc<Puller<T>>) -> Arc<dyn Fn() + Send + Sync> {
    let woken = Arc::downgrade(puller);
    Arc::new(move || {
        if let Some(puller) = woken.upgrade() {
            puller.wake();
        }
    })
}

impl SubscriptionHandle {
    /// The next events, at most `count_max` (default 1,024, at most 4,096).
    ///
    /// Waits for an event, for the first moment at which it has caught up (the batch may then be
    /// empty), or for the end (`is_end`: it or its node was closed). A call that ended with
    /// `timeout` or `cancelled` loses nothing. One call at a time.
    ///
    /// # Errors
    /// `timeout`: there was nothing in time. `closed`: this handle was closed before the call.
    /// `cancelled`, `corrupt`, `storage_failed`; `invalid_argument`: another call waits.
    pub fn next_batch(self, count_max: Option<usize>, wait: &Wait<'_>) -> Result<EventBatch> {
        entry("subscription_next_batch", self.id(), || self.state()?.puller.next(count_max, wait))
    }

    /// As [`SubscriptionHandle::next_batch`], without waiting; no thread is parked for it.
    pub fn next_batch_start(
        self,
        count_max: Option<usize>,
        limit: Limit,
        done: impl FnOnce(Result<EventBatch>) + Send + 'static,
    ) {
        let puller =
            entry("subscription_next_batch", self.id(), || Ok(self.state()?.puller.clone()));
        Puller::start(puller, count_max, limit, Box::new(done));
    }

    /// A descriptor for `poll`, `select` or an event loop: readable while `next_batch` would not
    /// wait. It may rarely be readable although nothing is there, never the other way round.
    ///
    /// It belongs to the subscription and is valid until `close`. Never read or write it.
    ///
    /// # Errors
    /// `closed`; `limit_exceeded`: the process has too many open files.
    pub fn fd(self) -> Result<i32> {
        entry("subscription_fd", self.id(), || self.state()?.puller.fd())
    }

    /// Events of the log that it has not looked at yet, matching or not. In key order it looks at
    /// all that is there before it delivers: [`EventBatch::lag`] counts what is still to come.
    ///
    /// # Errors
    /// `closed`.
    pub fn lag(self) -> Result<u64> {
        entry("subscription_lag", self.id(), || {
            let state = self.state()?;
            let (durable, position) = (state.node().core().offsets()?, state.puller.position());
            Ok(durable
                .beyond(position.offsets().map())
                .map(|(_, missing)| missing.end - missing.start)
                .sum())
        })
    }

    /// Which events of the log it has looked at after the last batch that was given out; before the
    /// first one, where it began.
    ///
    /// # Errors
    /// `closed`.
    pub fn position(self) -> Result<Offsets> {
        entry("subscription_position", self.id(), || {
            Ok(self.state()?.puller.position().offsets().clone())
        })
    }

    /// Where another subscription of the same order goes on after that batch: the text form of a
    /// [`Position`], which is a token in arrival order.
    ///
    /// # Errors
    /// `closed`.
    pub fn position_text(self) -> Result<String> {
        entry("subscription_position", self.id(), || {
            Ok(self.state()?.puller.position().to_string())
        })
    }

    /// Ends the subscription. A call that waits for it gets the end. With a callback: when this
    /// returns, the callback is not running and never will again (unless this is called inside it).
    ///
    /// # Errors
    /// `invalid_argument`: it never was a subscription. `timeout`: the callback did not return
    /// within the default deadline of a close.
    pub fn close(self) -> Result<Closed> {
        entry("subscription_close", self.id(), || {
            let Some(state) = registry::remove::<SubscriptionState>(self.id())? else {
                return Ok(Closed::Before);
            };
            lock(&state.node().readers).remove(&self.id());
            state.end();
            if state.callback.wait_until_gone(defaults::CLOSE_DEADLINE) {
                return Ok(Closed::Now);
            }
            let message = "the callback of the subscription does not return";
            Err(FacadeError::new(ErrorKind::Timeout, message))
        })
    }

    pub(crate) fn state(self) -> Result<Arc<SubscriptionState>> {
        let state = registry::get::<SubscriptionState>(self.id())?;
        state.node().check_poison()?;
        Ok(state)
    }
}

/// Nobody waits for the subscription any more.
fn close_quietly(subscription: SubscriptionHandle) {
    let _ = subscription.close();
}

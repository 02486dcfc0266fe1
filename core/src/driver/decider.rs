//! Decisions that rest on a fold of the log: one after the other, and none on rights that another
//! one has spent already.
//!
//! A decision looks at all that is durable and at what is on its way to the disk; it is queued
//! before the next one looks. So many callers share one sync of the disk. Rule: what was queued
//! counts as spent until the fold contains it, or until it is known to have failed.

use crate::driver::key_fold::{Folded, KeyFold};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{AppId, NewEvent, OffsetMap, Payload, StreamId, Tag, TagSet};
use crate::log::{AppendOptions, Appended, Log, not_yet_visible};
use crate::pending::{Pending, pending};
use crate::pond::Lineage;
use crate::query::{Query, TagExpression};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Makes the decisions about one thing on one node.
pub(crate) struct Decider<F> {
    tag: Tag,
    fold: Mutex<KeyFold<F>>,
    flights: Arc<Mutex<Flights>>,
}

/// What a decision rests on.
pub(crate) struct Ground<'a, F> {
    /// The fold of everything durable.
    pub(crate) state: &'a F,
    /// The stream that the decision would be written to.
    pub(crate) own: StreamId,
    /// What earlier decisions spend that the fold does not contain yet.
    pub(crate) in_flight: u64,
    /// How many decisions the fold does not contain yet.
    pub(crate) flights: usize,
    /// Which forks and streams are known.
    pub(crate) lineage: &'a Lineage,
    /// Of which point in history the fold is.
    pub(crate) as_of: &'a Arc<OffsetMap>,
}

#[derive(Default)]
struct Flights {
    next: u64,
    under_way: Vec<Flight>,
}

/// A decision that was queued.
struct Flight {
    number: u64,
    spends: u64,
    /// Once it is durable: in which stream, and how many events that has with it.
    landed: Option<(StreamId, u64)>,
}

impl<F: Folded> Decider<F> {
    /// For the events with `tag`, from `state`, which is that of none.
    pub(crate) fn new(tag: Tag, state: F) -> Decider<F> {
        let expression = TagExpression::tag(tag.as_str()).expect("a tag is one");
        let fold = Mutex::new(KeyFold::new(expression, state));
        Decider { tag, fold, flights: Arc::default() }
    }

    /// The events that it is about.
    pub(crate) fn query(&self) -> Query {
        let expression = TagExpression::tag(self.tag.as_str()).expect("a tag is one");
        Query::new(expression).expect("one tag is within the bounds")
    }

    /// True when nothing is under way.
    pub(crate) fn is_at_rest(&self) -> bool {
        lock(&self.flights).under_way.is_empty()
    }

    /// Looks at what is durable now.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the log cannot be read. `closed`, `forked_process`.
    pub(crate) fn read<T>(&self, log: &Log, look: impl FnOnce(&Ground<'_, F>) -> T) -> Result<T> {
        // In a forked process a thread that is not there may hold the lock.
        log.check_process()?;
        let mut fold = lock(&self.fold);
        self.on_ground(&mut fold, log, look)
    }

    /// Publishes what `decision` makes of what is durable now, which spends so much.
    ///
    /// # Errors
    /// Those of `decision`, as of [`Decider::read`] and [`Log::append`]; then nothing was
    /// published. `conflict`, reason `stream_changed`: the node went on in another stream
    /// meanwhile, and what was published counts nowhere; decide again.
    pub(crate) fn decide(
        &self,
        log: &Log,
        app_id: &AppId,
        decision: impl FnOnce(&Ground<'_, F>) -> Result<(Payload, u64)>,
    ) -> Pending<Appended> {
        if let Err(error) = log.check_process() {
            return Pending::ready(Err(error));
        }
        let mut fold = lock(&self.fold);
        let decided = self.on_ground(&mut fold, log, |ground| {
            decision(ground).map(|(payload, spends)| (payload, spends, ground.own))
        });
        let (payload, spends, own) = match decided.and_then(|decided| decided) {
            Ok(decided) => decided,
            Err(error) => return Pending::ready(Err(error)),
        };
        let tags = TagSet::new([self.tag.as_str()]).expect("one tag fits");
        let number = lock(&self.flights).take_off(spends);
        // Queued while the fold is held: the next decision is behind it in the stream.
        let queued =
            log.append(vec![NewEvent { tags, payload }], AppendOptions::new(app_id.clone()));
        drop(fold);
        let (completer, answer) = pending(queued.helper());
        let flights = self.flights.clone();
        queued.on_done(move |appended| {
            let result = appended.and_then(|appended| match appended.stream.trunk() == own {
                true => Ok(appended),
                false => Err(stream_changed(&own)),
            });
            lock(&flights).land(number, result.as_ref().ok());
            completer.complete(result);
        });
        answer
    }

    fn on_ground<T>(
        &self,
        fold: &mut MutexGuard<'_, KeyFold<F>>,
        log: &Log,
        look: impl FnOnce(&Ground<'_, F>) -> T,
    ) -> Result<T> {
        fold.refresh(log)?;
        let own = log.own_stream();
        let (in_flight, flights) = lock(&self.flights).settle(&own, fold.as_of());
        let ground = Ground {
            state: fold.state(),
            own,
            in_flight,
            flights,
            lineage: fold.lineage(),
            as_of: fold.as_of(),
        };
        Ok(look(&ground))
    }
}

impl<F> Ground<'_, F> {
    /// That all is known here of what the stream `from` did: what a node takes over of a former
    /// stream of its own it signs together with what that stream did in all. Unless a person
    /// vouches for it (`is_alone`), some node has to have said since this opening what it holds, if
    /// there are other nodes: such as those that hold rights (`has_partners`).
    ///
    /// # Errors
    /// `not_yet_visible`: there is more of it, which is missing; reason `nobody_met`: nobody was
    /// asked yet.
    pub(super) fn check_known(
        &self,
        log: &Log,
        from: StreamId,
        (is_alone, has_partners): (bool, bool),
    ) -> Result<()> {
        let outlook = log.outlook();
        let mut behind = outlook.behind(self.as_of);
        behind.retain(|own| own.stream.trunk() == from);
        if !behind.is_empty() {
            return Err(not_yet_visible(&behind));
        }
        let has_others = has_partners
            || !outlook.reachable.is_empty()
            || !outlook.unheard(from.node, self.as_of).is_empty();
        if is_alone || outlook.has_compared || !has_others {
            return Ok(());
        }
        let message = format!(
            "no other node has said since this store was opened what it holds of {from}, and one \
             may know of more than was restored here: connect to one, or say that there is none"
        );
        Err(Error::new(ErrorKind::NotYetVisible, message).with_reason("nobody_met"))
    }

    /// That nothing is under way: who takes over all that a stream has left may do it only once.
    ///
    /// # Errors
    /// `conflict`, reason `under_way`.
    pub(super) fn check_at_rest(&self) -> Result<()> {
        if self.flights == 0 {
            return Ok(());
        }
        let message = "another decision of this node is not durable yet; try again";
        Err(Error::new(ErrorKind::Conflict, message).with_reason("under_way"))
    }
}

impl Flights {
    /// A decision that spends so much is queued; its number.
    fn take_off(&mut self, spends: u64) -> u64 {
        self.next += 1;
        self.under_way.push(Flight { number: self.next, spends, landed: None });
        self.next
    }

    /// The decision is durable, or came to nothing.
    fn land(&mut self, number: u64, appended: Option<&Appended>) {
        match appended {
            Some(appended) => {
                let landed = (appended.stream, appended.first_offset.value() + appended.count);
                let flight = self.under_way.iter_mut().find(|flight| flight.number == number);
                flight.expect("it lands once").landed = Some(landed);
            }
            None => self.under_way.retain(|flight| flight.number != number),
        }
    }

    /// What is under way and not contained in a fold of `as_of`: how much, and how many.
    fn settle(&mut self, own: &StreamId, as_of: &OffsetMap) -> (u64, usize) {
        self.under_way.retain(|flight| match &flight.landed {
            // What another stream held cannot be spent from this one.
            Some((stream, count)) => stream == own && as_of.count(stream) < *count,
            None => true,
        });
        let spends = self.under_way.iter().map(|flight| flight.spends);
        (spends.fold(0, u64::saturating_add), self.under_way.len())
    }
}

fn stream_changed(own: &StreamId) -> Error {
    let message = format!(
        "the node went on in another stream than {own} meanwhile, so what was decided for that one \
         counts nowhere; decide again"
    );
    Error::new(ErrorKind::Conflict, message).with_reason("stream_changed")
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

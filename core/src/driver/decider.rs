//! Decisions that rest on a fold of the log: one after the other, and none on rights that another
//! one has spent already.
//!
//! A decision looks at all that is durable and at what is on its way to the disk; it is queued
//! before the next one looks. So many callers share one sync of the disk. Rule: what was queued
//! counts as spent until the fold contains it, or until it is known to have failed. What is done
//! once is looked for before anything is decided: among what is under way, then in the log.

use crate::driver::key_fold::KeyFold;
use crate::error::Result;
use crate::event::{AppId, NewEvent, OffsetMap, Once, Payload, StreamId, Tag, TagSet};
use crate::log::{Appended, Log};
use crate::pending::{Completer, Pending, pending};
use crate::pond::desk::{Asked, Decision, Folded, Ground, Knowledge};
use crate::query::{Query, TagExpression};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Makes the decisions about one thing on one node.
pub(crate) struct Decider<F> {
    tag: Tag,
    fold: Mutex<KeyFold<F>>,
    flights: Arc<Mutex<Flights>>,
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
    once: Option<Once>,
    /// Who asked for the same again meanwhile.
    others: Vec<Completer<Appended>>,
    payload: Payload,
    /// The fold has it, which may be before it is known to be durable here.
    is_contained: bool,
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

    /// What is done once because `key` was given, and what is `asked` for.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there can be no such key, or nothing like that.
    pub(crate) fn once(
        &self,
        app_id: &AppId,
        key: Option<&[u8]>,
        asked: impl FnOnce() -> Result<Asked>,
    ) -> Result<Option<Once>> {
        let Some(key) = key else { return Ok(None) };
        Once::decision(key, app_id, &self.tag, asked()?.parts()).map(Some)
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

    /// Publishes what is decided on what is durable now. What is done `once` and was done before is
    /// not decided again: it gets the first answer.
    ///
    /// # Errors
    /// Those of `decision`, as of [`Decider::read`] and [`Log::append`]; then nothing was
    /// published. `conflict`, reason `stream_changed`: the node went on in another stream
    /// meanwhile; nothing was published, decide again.
    pub(crate) fn decide(
        &self,
        log: &Log,
        app_id: &AppId,
        once: Option<Once>,
        decision: impl FnOnce(&Ground<'_, F>) -> Result<Decision>,
    ) -> Pending<Appended> {
        if let Err(error) = log.check_process() {
            return Pending::ready(Err(error));
        }
        let mut fold = lock(&self.fold);
        match once.map_or(Ok(None), |once| self.first_answer(log, &once)) {
            Ok(Some(answer)) => return answer,
            Ok(None) => {}
            Err(error) => return Pending::ready(Err(error)),
        }
        let decided = self.on_ground(&mut fold, log, |ground| {
            decision(ground).map(|decision| (decision, ground.own))
        });
        let (Decision { payload, spends }, own) = match decided.and_then(|decided| decided) {
            Ok(decided) => decided,
            Err(error) => return Pending::ready(Err(error)),
        };
        let tags = TagSet::new([self.tag.as_str()]).expect("one tag fits");
        let number = lock(&self.flights).take_off(spends, once, payload.clone());
        // Queued while the fold is held: the next decision is behind it in the stream.
        let queued = log.append_decided(NewEvent { tags, payload }, app_id.clone(), own, once);
        drop(fold);
        let (completer, answer) = pending(queued.helper());
        let flights = self.flights.clone();
        queued.on_done(move |result| {
            let others = lock(&flights).land(number, result.as_ref().ok());
            let mut again = result.clone();
            if let Ok(appended) = &mut again {
                appended.replayed = true;
            }
            completer.complete(result);
            others.into_iter().for_each(|other| other.complete(again.clone()));
        });
        answer
    }

    /// The answer that this has got, or will get by what is under way; `None` when it was not done.
    fn first_answer(&self, log: &Log, once: &Once) -> Result<Option<Pending<Appended>>> {
        // In this order: what lands between the two is in the log then.
        if let Some(answer) = lock(&self.flights).join(once)? {
            return Ok(Some(answer));
        }
        Ok(log.first_answer(once)?.map(|appended| Pending::ready(Ok(appended))))
    }

    fn on_ground<T>(
        &self,
        fold: &mut MutexGuard<'_, KeyFold<F>>,
        log: &Log,
        look: impl FnOnce(&Ground<'_, F>) -> T,
    ) -> Result<T> {
        fold.refresh(log, &mut |payload| lock(&self.flights).note(payload))?;
        let own = log.own_stream();
        let (in_flight, flights) = lock(&self.flights).settle(&own, fold.as_of());
        let outlook = || {
            let outlook = log.outlook();
            let is_alone =
                outlook.reachable.is_empty() && outlook.unheard(own.node, fold.as_of()).is_empty();
            Knowledge {
                behind: outlook.behind(fold.as_of()),
                has_compared: outlook.has_compared,
                has_others: !is_alone,
            }
        };
        let ground = Ground {
            state: fold.state(),
            own,
            in_flight,
            flights,
            lineage: fold.lineage(),
            as_of: fold.as_of(),
            outlook: &outlook,
        };
        Ok(look(&ground))
    }
}

impl Flights {
    /// A decision that spends so much is queued; its number.
    fn take_off(&mut self, spends: u64, once: Option<Once>, payload: Payload) -> u64 {
        self.next += 1;
        self.under_way.push(Flight {
            number: self.next,
            spends,
            once,
            others: Vec::new(),
            payload,
            is_contained: false,
            landed: None,
        });
        self.next
    }

    /// The fold has an own event: which it is of those that say the same makes no difference.
    fn note(&mut self, payload: &[u8]) {
        let mut flying = self.under_way.iter_mut();
        let flight =
            flying.find(|flight| !flight.is_contained && flight.payload.as_bytes() == payload);
        if let Some(flight) = flight {
            flight.is_contained = true;
        }
    }

    /// The answer of the one that is on its way and is the same; `None` when none is.
    ///
    /// # Errors
    /// `conflict`: one with this key is on its way, and is another one.
    fn join(&mut self, once: &Once) -> Result<Option<Pending<Appended>>> {
        let mut flying = self.under_way.iter_mut().filter(|flight| flight.landed.is_none());
        let same = flying.find_map(|flight| {
            let own = flight.once.filter(|own| own.key == once.key)?;
            Some((own, &mut flight.others))
        });
        let Some((own, others)) = same else { return Ok(None) };
        once.check_same(&own.digest)?;
        let (completer, answer) = pending(None);
        others.push(completer);
        Ok(Some(answer))
    }

    /// The decision is durable, or came to nothing; who is to be told, too.
    fn land(&mut self, number: u64, appended: Option<&Appended>) -> Vec<Completer<Appended>> {
        let place = self.under_way.iter().position(|flight| flight.number == number);
        let place = place.expect("it lands once");
        match appended {
            Some(appended) => {
                let flight = &mut self.under_way[place];
                let end = appended.first_offset.value() + appended.count;
                flight.landed = Some((appended.stream, end));
                std::mem::take(&mut flight.others)
            }
            None => self.under_way.remove(place).others,
        }
    }

    /// What is under way and not contained in a fold of `as_of`: how much, and how many.
    fn settle(&mut self, own: &StreamId, as_of: &OffsetMap) -> (u64, usize) {
        self.under_way.retain(|flight| match &flight.landed {
            // What another stream held cannot be spent from this one.
            Some((stream, count)) => stream == own && as_of.count(stream) < *count,
            None => true,
        });
        let flying = || self.under_way.iter().filter(|flight| !flight.is_contained);
        (flying().map(|flight| flight.spends).fold(0, u64::saturating_add), flying().count())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

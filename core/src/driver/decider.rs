//! Decisions that rest on a fold of the log: one after the other, and none on rights that another
//! one has spent already.
//!
//! A decision looks at all that is durable and at what is on its way to the disk; it is queued
//! before the next one looks. So many callers share one sync of the disk. Rule: what was queued
//! counts as spent until the fold contains it, or until it is known to have failed. What is done
//! once is looked for before anything is decided: among what is under way, then in the log.

use crate::driver::key_fold::{Folded, KeyFold};
use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::Value;
use crate::event::{AppId, NewEvent, OffsetMap, Payload, StreamId, Tag, TagSet};
use crate::log::{Appended, Log, Once, not_yet_visible};
use crate::pending::{Completer, Pending, pending};
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

    /// What is done once because `key` was given: `deed`, with what is `said` of it.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there can be no such key, or nothing like that.
    pub(crate) fn once<const N: usize>(
        &self,
        app_id: &AppId,
        key: Option<&[u8]>,
        deed: &str,
        said: impl FnOnce() -> [Option<Value>; N],
    ) -> Result<Option<Once>> {
        let Some(key) = key else { return Ok(None) };
        let mut asked = vec![deed.as_bytes().to_vec()];
        for said in said() {
            // No value has an encoding of no bytes.
            asked.push(said.map_or(Ok(Vec::new()), |said| said.encode())?);
        }
        Once::decision(key, app_id, &self.tag, asked.iter().map(Vec::as_slice)).map(Some)
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

    /// Publishes what `decision` makes of what is durable now, which spends so much. What is done
    /// `once` and was done before is not decided again: it gets the first answer.
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
        decision: impl FnOnce(&Ground<'_, F>) -> Result<(Payload, u64)>,
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
            decision(ground).map(|(payload, spends)| (payload, spends, ground.own))
        });
        let (payload, spends, own) = match decided.and_then(|decided| decided) {
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

//! What a fold shows, for any number of observers, and who waits for what.
//!
//! It is a value, not a queue: a slow observer sees the newest state when it looks, and costs
//! nothing. Rule: nothing is answered and nobody is called under its lock.

use crate::driver::pond::turn::EffectTurn;
use crate::error::{Error, Result};
use crate::event::OffsetMap;
use crate::log::{Log, Signal};
use crate::pending::{Completer, Pending, pending};
use crate::pond::{Definition, Emission, FoldCounts};
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One fish of one node.
pub(crate) struct Watched {
    pub(super) fish: Arc<Definition>,
    pub(super) log: Log,
    held: Mutex<Held>,
    /// Rings when there is something to see.
    pub(super) shown: Signal,
    /// Rings when there is something to do for the fold.
    pub(super) work: Signal,
    effects: Arc<Effects>,
}

/// What effects on each fish of a node have published and is not on disk yet, by the fish's id. It
/// outlives their folds: who observes a fish next may fold before that is.
#[derive(Default)]
pub(super) struct Effects(Mutex<BTreeMap<String, OffsetMap>>);

impl Effects {
    fn note(&self, fish: &Definition, token: &OffsetMap, log: &Log) {
        let mut published = self.lock();
        published.entry(fish.id().to_owned()).or_default().join(token);
        // A log that cannot say fails the fold's next look at it.
        let Ok(durable) = log.durable_map() else { return };
        published.retain(|_, token| {
            drop(log.translate(token));
            !durable.covers(token)
        });
    }

    /// All of it of this fish, under the names that streams have now.
    fn so_far(&self, fish: &Definition, log: &Log) -> OffsetMap {
        let mut published = self.lock().get(fish.id()).cloned().unwrap_or_default();
        drop(log.translate(&mut published));
        published
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, OffsetMap>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Held {
    emission: Option<Emission>,
    /// What `emission` is the state of, by now.
    covered: OffsetMap,
    error: Option<Error>,
    observers: usize,
    counts: FoldCounts,
    /// Who waits for a state of at least this.
    reads: Vec<(OffsetMap, Completer<Emission>)>,
    /// Who waits for a turn, the first comes first.
    turns: VecDeque<Completer<EffectTurn>>,
    /// Somebody has the turn, of this fold or of the one before it.
    is_taken: bool,
    /// The fold after this one, which has no turn before that of this one has ended.
    next: Option<Arc<Watched>>,
    /// What the effects before have published.
    effects: OffsetMap,
}

/// An answer that is given when the lock is not held.
type Answer = Box<dyn FnOnce()>;

impl Watched {
    pub(super) fn new(fish: Arc<Definition>, log: Log, effects: Arc<Effects>) -> Watched {
        let (shown, work) = (Signal::default(), Signal::default());
        Watched { fish, log, held: Mutex::default(), shown, work, effects }
    }

    /// A turn is only on a state of what effects published before there was this fold. To be called
    /// before that shows any.
    pub(super) fn begin_after_effects(&self) {
        let published = self.effects.so_far(&self.fish, &self.log);
        self.lock().effects.join(&published);
    }

    /// It takes the place of another fold of the fish, which shows nothing more: turns are on what
    /// turns of that one published, and the first is behind the last one of that. To be called
    /// before it shows any state.
    pub(super) fn follow(self: &Arc<Watched>, former: &Arc<Watched>) {
        let mut ended = former.lock();
        let mut held = self.lock();
        held.effects.join(&ended.effects);
        // Whoever asks it for a turn from now on has none beside ours.
        if mem::replace(&mut ended.is_taken, true) {
            ended.next = Some(self.clone());
            held.is_taken = true;
            held.observers += 1;
        }
    }

    /// Answers who waits for what is there already.
    pub(super) fn answer(self: &Arc<Watched>) {
        self.tell(self.lock());
    }

    pub(super) fn show(self: &Arc<Watched>, emission: Emission, counts: FoldCounts) {
        let mut held = self.lock();
        held.covered.clone_from(&emission.offsets);
        (held.emission, held.counts) = (Some(emission), counts);
        self.tell(held);
        self.shown.raise();
    }

    pub(super) fn cover(self: &Arc<Watched>, offsets: OffsetMap) {
        let mut held = self.lock();
        held.covered = offsets;
        self.tell(held);
    }

    /// The fold has ended; the first reason stays.
    pub(super) fn fail(self: &Arc<Watched>, error: Error) {
        let mut held = self.lock();
        held.error.get_or_insert(error);
        self.tell(held);
        self.shown.raise();
    }

    pub(super) fn has_failed(&self) -> bool {
        self.lock().error.is_some()
    }

    pub(super) fn add_observer(&self) {
        self.lock().observers += 1;
    }

    pub(super) fn drop_observer(&self) {
        let mut held = self.lock();
        held.observers -= 1;
        let is_last = held.observers == 0;
        drop(held);
        if is_last {
            self.work.raise();
        }
    }

    pub(super) fn is_observed(&self) -> bool {
        self.lock().observers > 0
    }

    pub(super) fn counts(&self) -> FoldCounts {
        self.lock().counts
    }

    /// A state that was not seen yet, or why there will be none.
    pub(super) fn newer(&self, seen: u64) -> Result<Option<Emission>> {
        let held = self.lock();
        let newer = held.emission.as_ref().filter(|emission| emission.number > seen);
        match (newer, &held.error) {
            (None, Some(error)) => Err(error.clone()),
            (newer, _) => Ok(newer.map(|emission| Emission {
                // What it is the state of may have grown since.
                offsets: held.covered.clone(),
                ..emission.clone()
            })),
        }
    }

    pub(super) fn has_newer(&self, seen: u64) -> bool {
        let held = self.lock();
        let number = held.emission.as_ref().map_or(0, |emission| emission.number);
        number > seen || held.error.is_some()
    }

    /// The state once it is that of at least these events.
    pub(super) fn read(self: &Arc<Watched>, after: OffsetMap) -> Pending<Emission> {
        let answer = self.queue(after);
        self.answer();
        self.hurry(&answer);
        answer
    }

    /// As `read`, answered on the thread that does the fold's work, or the one that ends it.
    pub(super) fn read_later(self: &Arc<Watched>, after: OffsetMap) -> Pending<Emission> {
        let answer = self.queue(after);
        self.hurry(&answer);
        answer
    }

    fn queue(&self, after: OffsetMap) -> Pending<Emission> {
        let (completer, answer) = pending(None);
        self.lock().reads.push((after, completer));
        answer
    }

    /// Has the fold look: what came and does not match has not woken it.
    fn hurry<T>(&self, answer: &Pending<T>) {
        if !answer.is_done() {
            self.work.raise();
        }
    }

    /// Brings what is waited for under the names that streams have now.
    pub(super) fn translate(&self, translate: impl Fn(&mut OffsetMap)) {
        let mut held = self.lock();
        held.reads.iter_mut().for_each(|(after, _)| translate(after));
        translate(&mut held.effects);
    }

    /// A turn once it is free, with a state that has what all turns before have published.
    pub(super) fn turn(self: &Arc<Watched>) -> Pending<EffectTurn> {
        let (completer, answer) = pending(None);
        let mut held = self.lock();
        held.turns.push_back(completer);
        self.tell(held);
        self.hurry(&answer);
        answer
    }

    /// Whoever had the turn has published this.
    pub(super) fn note_effect(&self, token: &OffsetMap) {
        self.lock().effects.join(token);
        self.effects.note(&self.fish, token, &self.log);
    }

    /// Gives the turn to who is next. Until now it counted as an observer, so that whoever observes
    /// the fish meanwhile has this fold, and with it no turn beside it.
    pub(super) fn end_turn(self: &Arc<Watched>) {
        if self.log.is_forked() {
            return;
        }
        let mut own = self.clone();
        while let Some((next, published)) = own.free_turn() {
            next.lock().effects.join(&published);
            own = next;
        }
    }

    /// The turn is free; the fold that waits for that, if one does, and what effects published.
    fn free_turn(self: &Arc<Watched>) -> Option<(Arc<Watched>, OffsetMap)> {
        self.drop_observer();
        let mut held = self.lock();
        let next = held.next.take().map(|next| (next, held.effects.clone()));
        // Where another fold has taken its place, that one gives the turns.
        held.is_taken = next.is_some();
        let is_wanted = !held.turns.is_empty();
        self.tell(held);
        if is_wanted {
            self.work.raise();
        }
        next
    }

    fn tell(self: &Arc<Watched>, mut held: MutexGuard<'_, Held>) {
        let answers = held.answers(self);
        drop(held);
        answers.into_iter().for_each(|answer| answer());
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn answers(&mut self, own: &Arc<Watched>) -> Vec<Answer> {
        if let Some(error) = &self.error {
            let reads = self.reads.drain(..).map(|(_, completer)| refused(completer, error));
            let mut answers: Vec<Answer> = reads.collect();
            answers.extend(self.turns.drain(..).map(|completer| refused(completer, error)));
            return answers;
        }
        let Some(emission) = &self.emission else { return Vec::new() };
        if self.reads.is_empty() && self.turns.is_empty() {
            return Vec::new();
        }
        let emission = Emission { offsets: self.covered.clone(), ..emission.clone() };
        let mut answers: Vec<Answer> = Vec::new();
        let is_covered = |(after, completer): &mut (OffsetMap, Completer<Emission>)| {
            self.covered.covers(after) || !completer.is_awaited()
        };
        for (_, completer) in self.reads.extract_if(.., is_covered) {
            let emission = emission.clone();
            answers.push(Box::new(move || completer.complete(Ok(emission))));
        }
        if self.is_taken || !self.covered.covers(&self.effects) {
            return answers;
        }
        while let Some(completer) = self.turns.pop_front() {
            if completer.is_awaited() {
                self.is_taken = true;
                self.observers += 1;
                let turn = EffectTurn::new(own.clone(), emission);
                answers.push(Box::new(move || completer.complete(Ok(turn))));
                break;
            }
        }
        answers
    }
}

fn refused<T: 'static>(completer: Completer<T>, error: &Error) -> Answer {
    let error = error.clone();
    Box::new(move || completer.complete(Err(error)))
}

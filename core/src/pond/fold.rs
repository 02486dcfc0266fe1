//! The fold of one fish, as a state machine without I/O, without code and without a clock.
//!
//! Rule: `poll` says what to do; what that brings comes in by `found`, `answer` or `wake`, and then
//! `poll` says what is next. An act that was given out and not answered is given out again.
//! Invariant: the state that the owner of the code holds is the fold of all matching events of
//! `position.offsets` up to `position.last`, between a `Loaded` and the next `Resume` or failure.

use crate::error::{Error, ErrorKind};
use crate::event::{EventBatch, EventKey, KeyPosition, OffsetMap};
use crate::planted;
use crate::pond::definition::Definition;
use crate::pond::emission::Emission;
use crate::pond::job::{Answer, Failure, Job, STATE_BYTES_MAX};
use crate::pond::patience::Patience;
use crate::pond::points::{Point, Points, position_bytes};
use crate::pond::snapshot::{Snapshot, SnapshotChange};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// How a fold works.
#[derive(Clone, Debug)]
pub struct FoldOptions {
    /// Most events of one job; at least 1.
    pub batch_events_max: usize,
    /// How many events lie between two snapshots at least; more between large ones.
    pub snapshot_events_min: u64,
    /// Most snapshots.
    pub snapshot_count_max: usize,
    /// Most bytes of snapshots: of their states, and of the offset maps that say of what.
    pub snapshot_bytes_max: usize,
}

impl Default for FoldOptions {
    fn default() -> FoldOptions {
        FoldOptions {
            batch_events_max: 1024,
            snapshot_events_min: 2048,
            snapshot_count_max: 24,
            snapshot_bytes_max: 16 << 20,
        }
    }
}

/// While a fold comes nowhere near the end of the log, the disk is told of snapshots this often.
const KEEP_EVENTS: u64 = 1 << 18;
/// An event more lies between two snapshots for each so many bytes of one: so saving costs about as
/// much as folding at most.
const BYTES_PER_EVENT: u64 = 16;
/// So often a fold goes back at once when something late arrives while it is on its way forward.
/// Then it finishes first: else late events that come often enough would keep it from ever showing
/// a state.
const HASTY_REWINDS_MAX: u32 = 1;

/// What is to be done next.
#[derive(Clone, Debug)]
pub enum Act {
    /// Read the fish's events in key order from there on, with a new reader. It looks at all that
    /// the position does not count, and says so if something of that belongs before its last key.
    Open(KeyPosition),
    /// Let the reader go on right after this key, or from the beginning, with all that is held now.
    /// It may be before and after where it stands.
    Resume(Option<EventKey>),
    /// Ask the reader for up to this many events, and give what it says to [`Fold::found`].
    Pull {
        /// At least 1.
        count_max: usize,
        /// Events before this key do not matter: they are neither delivered nor late.
        ignored_before: Option<EventKey>,
        /// What arrives while much is delivered is looked at behind that: so the end comes, however
        /// much arrives.
        finishes: bool,
    },
    /// Have this done by the owner of the fish's code, and give what it says to [`Fold::answer`].
    Run(Job),
    /// Keep and drop snapshots.
    Keep(SnapshotChange),
    /// Show this state to observers.
    Emit(Emission),
    /// The state that was shown last is also that of this offset map.
    Cover(OffsetMap),
    /// Nothing, until the reader may have more (then [`Fold::wake`]), or until then.
    Wait(Option<Instant>),
}

/// What the reader says.
#[derive(Clone, Debug)]
pub enum Found {
    /// These events come next, at least one.
    Events {
        /// By rising key, all after the last one.
        events: EventBatch,
        /// How far that is.
        position: KeyPosition,
        /// With these, all that was held at some moment has been delivered.
        is_whole: bool,
    },
    /// There are events that belong right after `to`, or before everything: what was delivered
    /// after it is to be forgotten, and comes again.
    Rewind {
        /// The last event that stays.
        to: Option<EventKey>,
        /// A stream turned out to have two histories, so events that were delivered have other keys
        /// now.
        has_moved: bool,
    },
    /// There is nothing more now.
    Nothing {
        /// How far the reader is.
        position: KeyPosition,
    },
}

/// What is known of what will come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prospect {
    /// Number of events that are known to exist, are not held, and are arriving just now.
    pub coming: u64,
    /// Number of events that are held and were not looked at yet.
    pub pending: u64,
}

/// What a fold has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoldCounts {
    /// Events that were folded, again and again if need be.
    pub applied: u64,
    /// How often it went back.
    pub rewinds: u64,
    /// States that were shown.
    pub emissions: u64,
}

/// The fold of one fish.
pub struct Fold {
    fish: Arc<Definition>,
    options: FoldOptions,
    points: Points,
    position: KeyPosition,
    /// The last reset in the state, or the one that comes next and begins it.
    reset: Option<EventKey>,
    /// The state is right only if this event comes next.
    expected: Option<EventKey>,
    /// Events that the state is the fold of.
    event_count: u64,
    /// Bytes of the state when it was saved last.
    state_bytes: usize,
    /// How often it went back since it has shown a state.
    rewinds_unshown: u32,
    /// Events that were folded when the disk was told last.
    kept_at: u64,
    /// The state may be another one than was shown last.
    is_changed: bool,
    covered: OffsetMap,
    patience: Patience,
    stage: Stage,
    outbox: VecDeque<Act>,
    counts: FoldCounts,
}

enum Stage {
    Open(Point),
    Load(Point),
    Rewind(Point),
    Pull,
    Apply { events: Arc<EventBatch>, position: KeyPosition, is_whole: bool },
    Save { is_whole: bool },
    Idle,
    Stopped(Error),
}

impl Found {
    /// Whether what was there before the event of this key is still there, as far as this says.
    fn begins_with(&self, key: &EventKey) -> bool {
        match self {
            Found::Events { events, .. } => events.get(0).is_some_and(|event| event.key() == *key),
            // It says itself what stays.
            Found::Rewind { .. } => true,
            Found::Nothing { .. } => false,
        }
    }
}

impl Fold {
    /// A fold that goes on from the newest of these snapshots of the fish.
    pub fn new(fish: Arc<Definition>, snapshots: Vec<Snapshot>, options: FoldOptions) -> Fold {
        let mut points = Points::restore(snapshots);
        let newest = points.newest();
        let step = options.snapshot_events_min;
        points.thin(newest.event_count, step, options.snapshot_count_max, usize::MAX);
        Fold {
            fish,
            options,
            points,
            position: KeyPosition::default(),
            reset: None,
            expected: None,
            event_count: 0,
            state_bytes: 0,
            rewinds_unshown: 0,
            kept_at: 0,
            is_changed: false,
            covered: OffsetMap::new(),
            patience: Patience::default(),
            stage: Stage::Open(newest),
            outbox: VecDeque::new(),
            counts: FoldCounts::default(),
        }
    }

    /// What is to be done next. `prospect` is asked where it matters.
    pub fn poll(&mut self, now: Instant, prospect: impl FnOnce() -> Prospect) -> Act {
        if let Some(act) = self.outbox.pop_front() {
            return act;
        }
        match &self.stage {
            Stage::Open(point) => {
                let point = point.clone();
                let act = Act::Open(point.position());
                self.stage = Stage::Load(point);
                act
            }
            Stage::Load(point) => Act::Run(Job::Load(point.state.clone())),
            Stage::Rewind(point) => {
                let again = self.event_count.saturating_sub(point.event_count);
                let Prospect { coming, pending } = prospect();
                if let Some(until) = self.patience.wait(now, coming, pending, again) {
                    return Act::Wait(Some(until));
                }
                let point = point.clone();
                // Whatever came since a state was saved, the log says whether it is still right.
                let act = match point.state {
                    Some(_) => Act::Open(point.position()),
                    None => Act::Resume(point.last),
                };
                self.counts.rewinds += 1;
                self.rewinds_unshown = self.rewinds_unshown.saturating_add(1);
                self.stage = Stage::Load(point);
                act
            }
            Stage::Pull => Act::Pull {
                count_max: self.options.batch_events_max.max(1),
                ignored_before: self.reset,
                finishes: self.rewinds_unshown > HASTY_REWINDS_MAX,
            },
            Stage::Apply { events, .. } => Act::Run(Job::Apply(events.clone())),
            Stage::Save { .. } => Act::Run(Job::Save),
            Stage::Idle => {
                self.patience.caught_up(now);
                if prospect().coming == 0 {
                    self.patience.settle();
                }
                Act::Wait(None)
            }
            Stage::Stopped(_) => Act::Wait(None),
        }
    }

    /// What the reader said to an [`Act::Pull`]; nothing otherwise is listened to.
    pub fn found(&mut self, found: Found) {
        if !matches!(self.stage, Stage::Pull) {
            return;
        }
        if let Some(reset) = self.expected.filter(|reset| !found.begins_with(reset)) {
            // Its event is elsewhere now.
            self.expected = None;
            self.stage = Stage::Rewind(self.points.forget_reset(&reset));
            return;
        }
        self.stage = match found {
            Found::Rewind { .. } if planted!("fold_does_not_go_back") => Stage::Pull,
            Found::Rewind { to, has_moved } => Stage::Rewind(self.points.rewind(to, has_moved)),
            Found::Events { events, position, is_whole } if !events.is_empty() => {
                self.expected = None;
                Stage::Apply { events: Arc::new(events), position, is_whole }
            }
            Found::Events { position, .. } | Found::Nothing { position } => {
                self.position = position;
                if self.is_changed {
                    Stage::Save { is_whole: true }
                } else {
                    self.cover();
                    Stage::Idle
                }
            }
        };
    }

    /// What the owner of the code said to an [`Act::Run`].
    pub fn answer(&mut self, answer: Answer) {
        let stage = std::mem::replace(&mut self.stage, Stage::Pull);
        match (stage, answer) {
            (stage, Answer::Failed(failure)) => self.fail(stage, &failure),
            (Stage::Stopped(error), _) | (_, Answer::Stopped(error)) => self.stop(error),
            (Stage::Load(point), Answer::Loaded) => {
                self.state_bytes = point.state.as_ref().map_or(0, Bytes::len);
                self.position = point.position();
                self.event_count = point.event_count;
                self.reset = point.reset;
                self.expected = point.reset.filter(|_| point.state.is_none());
                self.is_changed = true;
            }
            (Stage::Apply { events, position, is_whole }, Answer::Applied { last_reset }) => {
                self.applied(&events, position, is_whole, last_reset)
            }
            (Stage::Save { is_whole }, Answer::Saved(state)) => self.saved(state, is_whole),
            _ => {
                let message = format!("{} was given the answer to another job", self.fish);
                self.stop(Error::new(ErrorKind::Internal, message));
            }
        }
    }

    /// The reader may have more.
    pub fn wake(&mut self) {
        if matches!(self.stage, Stage::Idle) {
            self.stage = Stage::Pull;
        }
    }

    /// The fold cannot go on, because of the log. The first error stays.
    pub fn stop(&mut self, error: Error) {
        if !matches!(self.stage, Stage::Stopped(_)) {
            self.stage = Stage::Stopped(error);
        }
    }

    /// Whether there is something to be done that no code of the fish is needed for and that
    /// belongs together: a state that is to be shown, and the snapshots of it.
    pub fn has_acts(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Why it stopped.
    pub fn error(&self) -> Option<&Error> {
        match &self.stage {
            Stage::Stopped(error) => Some(error),
            _ => None,
        }
    }

    /// What it has done.
    pub fn counts(&self) -> FoldCounts {
        self.counts
    }

    /// From now on its snapshots have at most so many bytes.
    pub fn set_snapshot_bytes_max(&mut self, bytes_max: usize) {
        self.options.snapshot_bytes_max = bytes_max;
        self.thin();
    }

    fn applied(
        &mut self,
        events: &EventBatch,
        position: KeyPosition,
        is_whole: bool,
        last_reset: Option<usize>,
    ) {
        if let Some(event) = last_reset.and_then(|index| events.get(index)) {
            let count = self.event_count.saturating_add(last_reset.unwrap_or(0) as u64);
            self.points.note_reset(event.key(), count, self.step());
            self.reset = Some(event.key());
        }
        self.event_count = self.event_count.saturating_add(events.len() as u64);
        self.counts.applied += events.len() as u64;
        (self.position, self.is_changed) = (position, true);
        if is_whole || self.is_snapshot_due() {
            self.stage = Stage::Save { is_whole };
        }
    }

    fn saved(&mut self, state: Bytes, is_whole: bool) {
        if state.len() > STATE_BYTES_MAX {
            let message = format!(
                "{}: a state has {} bytes; the limit is {STATE_BYTES_MAX}",
                self.fish,
                state.len()
            );
            return self.stop(Error::new(ErrorKind::LimitExceeded, message).with_reason("state"));
        }
        self.state_bytes = state.len();
        if self.is_snapshot_due()
            && let Some(key) = self.position.last
        {
            let point = Point {
                last: Some(key),
                offsets: Arc::new(self.position.offsets.clone()),
                reset: self.reset,
                event_count: self.event_count,
                state: Some(state.clone()),
                is_old: false,
            };
            self.points.save(key, point);
            self.thin();
        }
        if is_whole {
            (self.is_changed, self.rewinds_unshown) = (false, 0);
            self.covered.clone_from(&self.position.offsets);
            self.counts.emissions += 1;
            let (offsets, last) = (self.position.offsets.clone(), self.position.last);
            let number = self.counts.emissions;
            self.outbox.push_back(Act::Emit(Emission { state, offsets, last, number }));
        }
        if is_whole || self.counts.applied >= self.kept_at + KEEP_EVENTS {
            self.kept_at = self.counts.applied;
            let change = self.points.take_change();
            if !change.is_empty() {
                self.outbox.push_back(Act::Keep(change));
            }
        }
    }

    fn fail(&mut self, stage: Stage, failure: &Failure) {
        let error = match stage {
            // What an earlier opening wrote only saves time.
            Stage::Load(Point { state: Some(_), is_old: true, last, .. }) => {
                self.points.discard(last);
                self.stage = Stage::Open(self.points.newest());
                return;
            }
            Stage::Apply { events, .. } => failure.error(&self.fish, Some(&events)),
            Stage::Stopped(error) => error,
            _ => failure.error(&self.fish, None),
        };
        self.stop(error);
    }

    fn cover(&mut self) {
        if self.covered != self.position.offsets {
            self.covered.clone_from(&self.position.offsets);
            self.outbox.push_back(Act::Cover(self.covered.clone()));
        }
    }

    fn thin(&mut self) {
        let FoldOptions { snapshot_count_max, snapshot_bytes_max, .. } = self.options;
        let step = self.step();
        self.points.thin(self.event_count, step, snapshot_count_max, snapshot_bytes_max);
    }

    fn step(&self) -> u64 {
        let bytes = self.state_bytes + position_bytes(&self.position.offsets);
        self.options.snapshot_events_min.max(bytes as u64 / BYTES_PER_EVENT).max(1)
    }

    fn is_snapshot_due(&self) -> bool {
        self.event_count >= self.points.newest_count().saturating_add(self.step())
    }
}

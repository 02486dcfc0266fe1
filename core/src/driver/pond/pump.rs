//! A fold at work: reader, snapshots and clock joined with the state machine. Pulled by whoever
//! owns the fish's code, so that the code runs where its owner is.

use crate::driver::clock;
use crate::driver::node::closed_node;
use crate::driver::pond::arrivals::Arrivals;
use crate::driver::pond::table::Keeping;
use crate::driver::pond::watched::Watched;
use crate::driver::registry::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::{Reader, put_varint};
use crate::event::limits::LAMPORT_MAX;
use crate::event::{EventKey, KeyPosition, OffsetMap};
use crate::log::{self, Interest, KeyFollower, KeyStep, Log, Snapshots, Watch};
use crate::pond::{
    Act, Answer, Definition, Fold, FoldOptions, Found, Job, Prospect, Snapshot, SnapshotChange,
};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// While a fold waits for more late events, it looks this often whether more is known to come.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A fold at work. Ask it for jobs until it ends; dropped before, its observers get `user_code`,
/// reason `fold_closed`, unless the node is closed.
pub struct Pump {
    fold: Fold,
    /// It has its snapshots.
    is_loaded: bool,
    watched: Arc<Watched>,
    log: Log,
    /// Not the node: it closes while a fold works.
    node: Weak<Shared>,
    follower: Option<KeyFollower>,
    /// None before they are loaded, and once they cannot be kept.
    snapshots: Option<Snapshots>,
    snapshot_bytes_max: u64,
    /// Snapshots on disk that were not loaded, to be dropped with the next change.
    unloaded: Vec<EventKey>,
    arrivals: Arrivals,
    /// Made before the last look at whether there is work.
    watch: Watch,
    /// Names the callback.
    number: u64,
    until: Option<Instant>,
    /// A state is shown, and its snapshots are not kept yet.
    keeping: Option<Keeping>,
    has_ended: bool,
}

/// What whoever pulls a fold is to do.
#[derive(Clone, Debug)]
pub enum PumpStep {
    /// Do this and give the answer with the next call.
    Run(Job),
    /// Nothing until [`Pump::wait`] returns or [`Pump::on_ready`] calls, and not longer than this.
    Wait(Option<Duration>),
    /// The fold is over: nobody observes it, or it stopped. Its observers know.
    Ended,
}

impl Pump {
    /// Reads nothing: who joins a fish does not wait for the disk.
    pub(super) fn new(watched: Arc<Watched>, shared: &Arc<Shared>) -> Pump {
        let log = shared.log.clone();
        let snapshot_bytes_max = log.snapshot_bytes_max();
        let fold = Fold::new(watched.fish.clone(), Vec::new(), FoldOptions::default());
        let (watch, number) = (Watch::new(watched.work.clone()), watched.work.number());
        Pump {
            fold,
            is_loaded: false,
            watched,
            log,
            node: Arc::downgrade(shared),
            follower: None,
            snapshots: None,
            snapshot_bytes_max,
            unloaded: Vec::new(),
            arrivals: Arrivals::default(),
            watch,
            number,
            until: None,
            keeping: None,
            has_ended: false,
        }
    }

    /// Lets the fold go on from the snapshots that there are.
    fn load(&mut self) -> Result<()> {
        let fish = self.watched.fish.clone();
        let shares = self.node.upgrade().map_or(1, |shared| shared.ponds.shares());
        let options = FoldOptions {
            snapshot_bytes_max: share(self.snapshot_bytes_max, shares),
            ..FoldOptions::default()
        };
        let snapshots = self.log.snapshots(fish.id(), *fish.hash())?;
        let (kept, unloaded) = load(&snapshots, &options, &fish);
        self.fold = Fold::new(fish, kept, options);
        (self.snapshots, self.unloaded) = (Some(snapshots), unloaded);
        Ok(())
    }

    /// A way to end it that does not need it.
    pub fn ending(&self) -> PumpEnding {
        PumpEnding { watched: self.watched.clone(), node: self.node.clone() }
    }

    /// The fish.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.watched.fish
    }

    /// Takes the answer to the last job, if that was one, and says what is next. Reads the log, and
    /// now and then writes a snapshot; never waits for events.
    pub fn next_step(&mut self, answer: Option<Answer>) -> PumpStep {
        if self.log.is_forked() {
            // Whatever is locked here is locked for ever.
            self.has_ended = true;
        }
        if self.has_ended {
            return PumpStep::Ended;
        }
        self.watch = Watch::new(self.watched.work.clone());
        self.until = None;
        self.watched.answer();
        if !std::mem::replace(&mut self.is_loaded, true)
            && let Err(error) = self.load()
        {
            self.fold.stop(error);
        }
        match answer {
            Some(answer) => self.fold.answer(answer),
            None => self.fold.wake(),
        }
        if let Some(shared) = self.node.upgrade() {
            self.fold.set_snapshot_bytes_max(share(self.snapshot_bytes_max, shared.ponds.shares()));
        }
        loop {
            // Who was shown a state finds what was remembered of it at the next opening.
            if !self.fold.has_acts() {
                self.keeping = None;
                // A fold that waits for late events does not read.
                if let Err(error) = self.log.durable_map() {
                    self.fold.stop(error);
                }
                if self.ends() {
                    return PumpStep::Ended;
                }
            }
            let (log, arrivals) = (&self.log, &mut self.arrivals);
            let follower = self.follower.as_ref();
            match self.fold.poll(clock::now(), || prospect(log, follower, arrivals)) {
                Act::Run(job) => return PumpStep::Run(job),
                Act::Wait(until) if self.fold.error().is_none() => {
                    self.until = until.map(|until| until.min(clock::now() + LOOK_INTERVAL));
                    let left = |until: Instant| until.saturating_duration_since(clock::now());
                    return PumpStep::Wait(self.until.map(left));
                }
                Act::Wait(_) => {}
                act => {
                    if let Err(error) = self.perform(act) {
                        self.fold.stop(error);
                    }
                }
            }
        }
    }

    /// Blocks until there may be something to do.
    pub fn wait(&mut self) {
        let until = self.until.unwrap_or_else(|| clock::now() + Duration::from_secs(3600));
        self.watch.wait_until(until);
    }

    /// Calls `callback` whenever there may be something to do before the time is over that a step
    /// says, from a thread of millpond's; it must not block. Replaces an earlier one.
    pub fn on_ready(&self, callback: Arc<dyn Fn() + Send + Sync>) {
        if self.log.is_forked() {
            return;
        }
        self.watched.work.set_callback(self.number, Some((callback.clone(), Interest::All)));
        callback();
    }

    fn perform(&mut self, act: Act) -> Result<()> {
        match act {
            Act::Open(position) => self.open(position),
            Act::Resume(key) => self.follower()?.resume_at(key),
            Act::Pull { count_max, ignored_before, finishes } => {
                let found = self.pull(count_max, ignored_before, finishes)?;
                self.fold.found(found);
                Ok(())
            }
            Act::Keep(change) => {
                self.keep(&change);
                Ok(())
            }
            Act::Emit(emission) => {
                self.translate();
                if self.fold.has_acts() {
                    self.keeping = self.node.upgrade().map(|shared| shared.ponds.keeping());
                }
                self.watched.show(emission, self.fold.counts());
                Ok(())
            }
            Act::Cover(offsets) => {
                self.translate();
                self.watched.cover(offsets);
                Ok(())
            }
            Act::Run(_) | Act::Wait(_) => unreachable!("performed by the caller"),
        }
    }

    /// What somebody waits for may be of a stream that turned out to have two histories.
    fn translate(&self) {
        // A log that has closed ends the fold with the next call.
        self.watched.translate(|map| drop(self.log.translate(map)));
    }

    fn open(&mut self, position: KeyPosition) -> Result<()> {
        let follower = self.log.subscribe_by_key(self.watched.fish.query(), position)?;
        let work = self.watched.work.clone();
        follower.on_match(Arc::new(move || work.raise()));
        self.follower = Some(follower);
        Ok(())
    }

    fn pull(
        &mut self,
        count_max: usize,
        ignored_before: Option<EventKey>,
        finishes: bool,
    ) -> Result<Found> {
        let follower = self.follower()?;
        follower.ignore_before(ignored_before);
        let step = match finishes {
            true => follower.finish(count_max)?,
            false => follower.next(count_max)?,
        };
        Ok(match step {
            KeyStep::Rewind { to } => Found::Rewind { to, has_moved: follower.has_moved() },
            KeyStep::Events(batch) => Found::Events {
                events: batch.events,
                position: batch.position,
                is_whole: batch.caught_up,
            },
            KeyStep::Nothing => Found::Nothing { position: follower.position() },
        })
    }

    fn follower(&mut self) -> Result<&mut KeyFollower> {
        let none = || Error::new(ErrorKind::Internal, "a fold reads before it has opened a reader");
        self.follower.as_mut().ok_or_else(none)
    }

    fn keep(&mut self, change: &SnapshotChange) {
        let Some(snapshots) = &self.snapshots else { return };
        let saved: Vec<log::Snapshot> = change.saved.iter().map(to_stored).collect();
        let mut dropped = std::mem::take(&mut self.unloaded);
        dropped.extend(&change.dropped);
        let changed = match change.dropped_behind {
            // Whoever put it there.
            Some(behind) => snapshots.list().map(|listed| {
                let listed = listed.iter().map(|entry| entry.key);
                dropped.extend(listed.filter(|key| Some(*key) > behind));
            }),
            None => Ok(()),
        };
        if let Err(error) = changed.and_then(|()| snapshots.change(&saved, &dropped)) {
            // A later change must not take effect without this one. Those kept cost time only.
            if error.kind() != ErrorKind::Closed {
                tracing::warn!(%error, fish = self.watched.fish.id(), "snapshots are not kept");
            }
            self.snapshots = None;
        }
    }

    /// Whether the fold is over.
    fn ends(&mut self) -> bool {
        let shared = self.node.upgrade();
        let unobserved = match &shared {
            Some(shared) => shared.ponds.leave_unobserved(&self.watched),
            None => !self.watched.is_observed(),
        };
        let error = self.fold.error().cloned();
        self.has_ended = unobserved || error.is_some() || self.watched.has_failed();
        if let Some(error) = error {
            self.watched.fail(error);
        }
        if let (Some(shared), true) = (shared, self.has_ended) {
            shared.ponds.leave(&self.watched);
        }
        self.has_ended
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        if self.log.is_forked() {
            // Else it would wait for a lock that a thread of the parent may have.
            std::mem::forget(self.keeping.take());
            return;
        }
        self.watched.work.set_callback(self.number, None);
        if self.has_ended {
            return;
        }
        let shared = self.node.upgrade();
        let is_open = shared.as_ref().is_some_and(|shared| !shared.ponds.is_closed());
        let error = if is_open { fold_closed(&self.watched.fish) } else { closed_node() };
        // First out of the table: who observes the fish anew, because of the error, gets its fold.
        if let Some(shared) = shared {
            shared.ponds.leave(&self.watched);
        }
        self.watched.fail(error);
    }
}

/// Ends the fold of a [`Pump`], wherever that is.
pub struct PumpEnding {
    watched: Arc<Watched>,
    node: Weak<Shared>,
}

impl PumpEnding {
    /// Ends the fold if nobody observes the fish: no job is given out any more, and who observes
    /// the fish from now on gets another fold. False when somebody does.
    pub fn end_unobserved(&self) -> bool {
        match self.node.upgrade() {
            Some(shared) => shared.ponds.leave_unobserved(&self.watched),
            None => !self.watched.is_observed(),
        }
    }
}

fn fold_closed(fish: &Definition) -> Error {
    let message = format!(
        "{fish} is folded no more: whoever had its code run has let go of it; observe it again"
    );
    Error::new(ErrorKind::UserCode, message).with_reason("fold_closed")
}

/// What each of so many fish may keep.
fn share(bytes_max: u64, fish: usize) -> usize {
    usize::try_from(bytes_max / fish.max(1) as u64).unwrap_or(usize::MAX)
}

/// What is on its way here, and what a fold has before it.
fn prospect(log: &Log, follower: Option<&KeyFollower>, arrivals: &mut Arrivals) -> Prospect {
    // A log that has closed stops the fold.
    let durable = log.durable_map().unwrap_or_default();
    let coming = arrivals.coming(&log.outlook(), &durable, clock::now());
    let pending = match follower.filter(|_| coming > 0) {
        Some(follower) => count_beyond(&durable, follower.offsets()),
        None => 0,
    };
    Prospect { coming, pending }
}

/// The snapshots that are readable, newest first, as far as memory goes; and the keys of the rest.
fn load(
    snapshots: &Snapshots,
    options: &FoldOptions,
    fish: &Definition,
) -> (Vec<Snapshot>, Vec<EventKey>) {
    let listed = snapshots.list().unwrap_or_else(|error| {
        tracing::warn!(%error, fish = fish.id(), "snapshots are not readable");
        Vec::new()
    });
    let (mut loaded, mut unloaded, mut bytes) = (Vec::new(), Vec::new(), 0u64);
    for entry in listed {
        bytes = bytes.saturating_add(entry.bytes);
        let is_within = bytes <= options.snapshot_bytes_max as u64;
        let has_room = loaded.is_empty() || is_within && loaded.len() < options.snapshot_count_max;
        let stored = || snapshots.load(entry.key).ok().flatten().and_then(of_stored);
        match has_room.then(stored).flatten() {
            Some(snapshot) => loaded.push(snapshot),
            None => unloaded.push(entry.key),
        }
    }
    (loaded, unloaded)
}

/// How many events were folded stands before the state.
fn to_stored(snapshot: &Snapshot) -> log::Snapshot {
    let mut state = Vec::with_capacity(snapshot.state.len() + 10);
    put_varint(&mut state, snapshot.event_count);
    state.extend_from_slice(&snapshot.state);
    let (position, reset) = (snapshot.position.clone(), snapshot.reset);
    log::Snapshot { position, reset, state: state.into() }
}

fn of_stored(stored: log::Snapshot) -> Option<Snapshot> {
    let mut reader = Reader::new(&stored.state);
    let event_count = reader.varint_max(LAMPORT_MAX, "the number of events in a state").ok()?;
    let state = stored.state.slice(stored.state.len() - reader.rest().len()..);
    let (position, reset) = (stored.position, stored.reset);
    Some(Snapshot { position, reset, event_count, state })
}

fn count_beyond(map: &OffsetMap, other: &OffsetMap) -> u64 {
    let beyond = map.beyond(other).map(|(_, range)| range.end - range.start);
    beyond.fold(0, u64::saturating_add)
}

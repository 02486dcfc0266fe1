//! A fold at work: reader, snapshots and clock joined with the state machine. Pulled by whoever
//! owns the fish's code, so that the code runs where its owner is.

use crate::driver::clock;
use crate::driver::pond::watched::Watched;
use crate::driver::registry::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::{Reader, put_varint};
use crate::event::{KeyPosition, OffsetMap};
use crate::log::{self, KeyFollower, KeyStep, Log, Snapshots, Watch};
use crate::pond::{
    Act, Answer, Definition, Fold, FoldOptions, Found, Job, Prospect, Snapshot, SnapshotChange,
};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// While a fold waits for more late events, it looks this often whether more is known to come.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A fold at work. Ask it for jobs until it ends; dropped before, its observers get `closed`.
pub struct Pump {
    fold: Fold,
    watched: Arc<Watched>,
    log: Log,
    /// Not the node: it closes while a fold works.
    node: Weak<Shared>,
    follower: Option<KeyFollower>,
    /// None once they cannot be kept.
    snapshots: Option<Snapshots>,
    snapshot_bytes_max: u64,
    /// Made before the last look at whether there is work.
    watch: Watch,
    /// Names the callback.
    number: u64,
    until: Option<Instant>,
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
    /// # Errors
    /// `closed`, `forked_process`.
    pub(super) fn new(watched: Arc<Watched>, shared: &Arc<Shared>) -> Result<Pump> {
        let fish = watched.fish.clone();
        let log = shared.log.clone();
        let snapshot_bytes_max = log.snapshot_bytes_max();
        let options = FoldOptions {
            snapshot_bytes_max: share(snapshot_bytes_max, shared.ponds.count()),
            ..FoldOptions::default()
        };
        let snapshots = Some(log.snapshots(fish.id(), *fish.hash())?);
        let kept = snapshots.as_ref().map_or_else(Vec::new, |own| load(own, &options, &fish));
        let fold = Fold::new(fish, kept, options);
        let (watch, number) = (Watch::new(watched.work.clone()), watched.work.number());
        Ok(Pump {
            fold,
            watched,
            log,
            node: Arc::downgrade(shared),
            follower: None,
            snapshots,
            snapshot_bytes_max,
            watch,
            number,
            until: None,
            has_ended: false,
        })
    }

    /// The fish.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.watched.fish
    }

    /// Takes the answer to the last job, if that was one, and says what is next. Reads the log, and
    /// now and then writes a snapshot; never waits for events.
    pub fn next_step(&mut self, answer: Option<Answer>) -> PumpStep {
        self.watch = Watch::new(self.watched.work.clone());
        self.until = None;
        match answer {
            Some(answer) => self.fold.answer(answer),
            None => self.fold.wake(),
        }
        loop {
            if self.has_ended || self.ends() {
                return PumpStep::Ended;
            }
            match self.fold.poll(clock::now(), self.prospect()) {
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
        self.watched.work.set_callback(self.number, Some(callback.clone()));
        callback();
    }

    fn perform(&mut self, act: Act) -> Result<()> {
        match act {
            Act::Open(position) => self.open(position),
            Act::Resume(key) => self.follower()?.resume_at(key),
            Act::Pull { count_max } => {
                let found = self.pull(count_max)?;
                self.fold.found(found);
                Ok(())
            }
            Act::Keep(change) => {
                self.keep(&change);
                Ok(())
            }
            Act::Emit(emission) => {
                self.translate();
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
        follower.on_ready(Arc::new(move || work.raise()));
        self.follower = Some(follower);
        Ok(())
    }

    fn pull(&mut self, count_max: usize) -> Result<Found> {
        let follower = self.follower()?;
        Ok(match follower.next(count_max)? {
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

    fn prospect(&self) -> Prospect {
        let outlook = self.log.outlook();
        if outlook.known.is_empty() || outlook.reachable.is_empty() {
            return Prospect::default();
        }
        let durable = self.log.durable_map().unwrap_or_default();
        let beginning = KeyPosition::default();
        let position = self.follower.as_ref().map_or(beginning, KeyFollower::position);
        let behind = outlook.behind(&durable);
        let coming = behind.iter().fold(0u64, |sum, own| sum.saturating_add(own.missing));
        Prospect { coming, pending: count_beyond(&durable, &position.offsets) }
    }

    fn keep(&mut self, change: &SnapshotChange) {
        let Some(snapshots) = &self.snapshots else { return };
        let saved: Vec<log::Snapshot> = change.saved.iter().map(to_stored).collect();
        if let Err(error) = snapshots.change(&saved, &change.dropped) {
            // A later change must not take effect without this one. Those kept cost time only.
            tracing::warn!(%error, fish = self.watched.fish.id(), "snapshots are not kept");
            self.snapshots = None;
        }
        let running = self.node.upgrade().map_or(1, |shared| shared.ponds.count());
        self.fold.set_snapshot_bytes_max(share(self.snapshot_bytes_max, running));
    }

    /// Whether the fold is over.
    fn ends(&mut self) -> bool {
        let shared = self.node.upgrade();
        let unobserved = match &shared {
            Some(shared) => shared.ponds.leave_unobserved(&self.watched),
            None => !self.watched.is_observed(),
        };
        let error = self.fold.error().cloned();
        self.has_ended = unobserved || error.is_some();
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
            return;
        }
        self.watched.work.set_callback(self.number, None);
        if !self.has_ended {
            let message = format!("{} is over: nobody does its work any more", self.watched.fish);
            self.watched.fail(Error::new(ErrorKind::Closed, message));
            if let Some(shared) = self.node.upgrade() {
                shared.ponds.leave(&self.watched);
            }
        }
    }
}

/// What each of so many fish may keep.
fn share(bytes_max: u64, fish: usize) -> usize {
    usize::try_from(bytes_max / fish.max(1) as u64).unwrap_or(usize::MAX)
}

/// The snapshots that are readable, newest first, as far as memory goes; the rest costs time.
fn load(snapshots: &Snapshots, options: &FoldOptions, fish: &Definition) -> Vec<Snapshot> {
    let listed = snapshots.list().unwrap_or_else(|error| {
        tracing::warn!(%error, fish = fish.id(), "snapshots are not readable");
        Vec::new()
    });
    let (mut loaded, mut bytes) = (Vec::new(), 0);
    for entry in listed.into_iter().take(options.snapshot_count_max) {
        bytes += entry.bytes;
        if bytes > options.snapshot_bytes_max as u64 && !loaded.is_empty() {
            break;
        }
        let stored = snapshots.load(entry.key).ok().flatten();
        loaded.extend(stored.and_then(of_stored));
    }
    loaded
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
    let event_count = reader.varint().ok()?;
    let state = stored.state.slice(stored.state.len() - reader.rest().len()..);
    let (position, reset) = (stored.position, stored.reset);
    Some(Snapshot { position, reset, event_count, state })
}

fn count_beyond(map: &OffsetMap, other: &OffsetMap) -> u64 {
    let beyond = map.beyond(other).map(|(_, range)| range.end - range.start);
    beyond.fold(0, u64::saturating_add)
}

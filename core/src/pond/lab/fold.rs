//! A fold at work on a node of a lab.

use crate::error::Error;
use crate::pond::definition::Definition;
use crate::pond::emission::Emission;
use crate::pond::fold::{Act, Fold, FoldOptions, Prospect};
use crate::pond::job::{Answer, Job};
use crate::pond::lab::chance::Chance;
use crate::pond::lab::disk::Disk;
use crate::pond::lab::reader::{Pull, Reader, View};
use crate::pond::snapshot::Snapshot;
use std::sync::Arc;
use std::time::Instant;

/// A fold with its reader, and what it shows.
pub(super) struct LabFold {
    fish: Arc<Definition>,
    fold: Fold,
    reader: Reader,
    is_eager: bool,
    shown: Option<Emission>,
}

/// How far a fold came.
pub(super) enum Progress {
    /// Have this done, and come back with the answer.
    Job(Job),
    /// It has nothing to do now.
    Waits,
    /// It has stopped.
    Failed(Error),
}

impl LabFold {
    /// Small batches and few snapshots, as chance has it: so small histories show what large ones
    /// would.
    pub(super) fn new(
        fish: Arc<Definition>,
        snapshots: Vec<Snapshot>,
        chance: &mut Chance,
    ) -> LabFold {
        let options = FoldOptions {
            batch_events_max: chance.between(1, 8) as usize,
            snapshot_events_min: chance.between(1, 8),
            snapshot_count_max: chance.index(6),
            snapshot_bytes_max: 1 << 20,
        };
        LabFold {
            fold: Fold::new(fish.clone(), snapshots, options),
            fish,
            reader: Reader::default(),
            is_eager: chance.one_in(2),
            shown: None,
        }
    }

    pub(super) fn fish(&self) -> &Arc<Definition> {
        &self.fish
    }

    /// What it has shown last.
    pub(super) fn shown(&self) -> Option<&Emission> {
        self.shown.as_ref()
    }

    /// Number of events that it has looked at.
    pub(super) fn looked_at(&self) -> u64 {
        self.reader.total()
    }

    /// There may be more in the log.
    pub(super) fn wake(&mut self) {
        self.fold.wake();
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        self.fold.answer(answer);
    }

    /// Goes on until code of the fish is needed, or there is nothing to do.
    pub(super) fn go_on(
        &mut self,
        view: &View<'_>,
        disk: &mut Disk,
        now: Instant,
        prospect: Prospect,
    ) -> Progress {
        loop {
            match self.fold.poll(now, || prospect) {
                Act::Open(position) => self.reader = Reader::open(position),
                Act::Resume(key) => self.reader.resume(key),
                Act::Pull { count_max, ignored_before, finishes } => {
                    let is_eager = self.is_eager && !finishes;
                    let found =
                        self.reader.next(view, Pull { count_max, is_eager, ignored_before });
                    self.fold.found(found);
                }
                Act::Run(job) => return Progress::Job(job),
                Act::Keep(change) => disk.change(*self.fish.hash(), change),
                Act::Emit(emission) => self.shown = Some(emission),
                Act::Cover(offsets) => {
                    if let Some(shown) = &mut self.shown {
                        shown.offsets = offsets;
                    }
                }
                Act::Wait(_) => {
                    return match self.fold.error() {
                        Some(error) => Progress::Failed(error.clone()),
                        None => Progress::Waits,
                    };
                }
            }
        }
    }
}

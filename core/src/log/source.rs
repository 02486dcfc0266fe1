//! One stream in a walk: its next matching event, forwards or backwards.
//!
//! Holds a run only while a batch is made, so that an idle cursor costs nothing but itself.

use super::batch::BatchBuilder;
use super::disk::{Filter, Shared, Step};
use crate::error::Result;
use crate::event::{EventKey, Lamport, StreamId};

/// What is left of one stream.
pub(super) struct Source {
    pub(super) stream: StreamId,
    /// Offsets not looked at yet, half-open.
    next: u64,
    end: u64,
    /// The next match: found, not delivered.
    peeked: Option<(Lamport, u64)>,
    step: Option<Step>,
}

impl Source {
    pub(super) fn new(stream: StreamId, next: u64, end: u64) -> Source {
        Source { stream, next, end, peeked: None, step: None }
    }

    /// The key of the next match, or `None` at the end.
    pub(super) fn peek(
        &mut self,
        shared: &Shared,
        filter: &Filter,
        backwards: bool,
    ) -> Result<Option<EventKey>> {
        if self.peeked.is_none() {
            self.peeked = self.find(shared, filter, backwards)?;
        }
        let key = |(lamport, _)| EventKey { lamport, stream: self.stream };
        Ok(self.peeked.map(key))
    }

    /// Whether the next match is known; an error may have come between.
    pub(super) fn is_peeked(&self) -> bool {
        self.peeked.is_some()
    }

    /// Puts the match that `peek` found into `batch`.
    pub(super) fn take(&mut self, shared: &Shared, batch: &mut BatchBuilder) -> Result<()> {
        let (_, offset) = self.peeked.expect("peek goes before take");
        let held = self.step.as_ref().filter(|step| step.first <= offset && offset < step.end);
        let run = match held.and_then(|step| step.run.clone()) {
            Some(run) => run,
            None => shared.run_at(&self.stream, offset)?,
        };
        self.peeked = None;
        batch.push_record(&self.stream, offset, run.record(offset));
        Ok(())
    }

    /// Everything before this offset was delivered or does not match; for a walk forwards.
    pub(super) fn position(&self) -> u64 {
        self.peeked.map_or(self.next, |(_, offset)| offset)
    }

    /// Lets go of what is held in memory.
    pub(super) fn rest(&mut self) {
        self.step = None;
    }

    fn find(
        &mut self,
        shared: &Shared,
        filter: &Filter,
        backwards: bool,
    ) -> Result<Option<(Lamport, u64)>> {
        while self.next < self.end {
            let at = if backwards { self.end - 1 } else { self.next };
            let inside = self.step.as_ref().is_some_and(|step| step.first <= at && at < step.end);
            if !inside {
                self.step = Some(shared.step_at(&self.stream, at, filter)?);
            }
            let step = self.step.as_ref().expect("set above");
            let (low, high) = (self.next.max(step.first), self.end.min(step.end));
            let found =
                match_in(step, low, high, backwards, |record| filter.judge(&self.stream, record));
            match (found, backwards) {
                (Some((_, offset)), false) => self.next = offset + 1,
                (Some((_, offset)), true) => self.end = offset,
                (None, false) => self.next = high,
                (None, true) => self.end = low,
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// The first match in `low..high`, from the side the walk comes from.
fn match_in(
    step: &Step,
    low: u64,
    high: u64,
    backwards: bool,
    judge: impl Fn(&crate::event::Record) -> bool,
) -> Option<(Lamport, u64)> {
    let run = step.run.as_ref()?;
    let meets = |offset: u64| {
        let record = run.record(offset);
        judge(record).then(|| (record.lamport(), offset))
    };
    let Some(positions) = &step.positions else {
        return match backwards {
            false => (low..high).find_map(meets),
            true => (low..high).rev().find_map(meets),
        };
    };
    let start = positions.partition_point(|position| step.first + u64::from(*position) < low);
    let stop = positions.partition_point(|position| step.first + u64::from(*position) < high);
    let offsets = positions[start..stop].iter().map(|position| step.first + u64::from(*position));
    match backwards {
        false => offsets.into_iter().find_map(meets),
        true => offsets.rev().find_map(meets),
    }
}

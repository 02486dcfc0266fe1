//! When blobs were last asked for, and whether that is long ago.
//!
//! Rule: reading writes nothing: what is asked for is noted in memory, and now and then many such
//! notes become one commit. A clock that was not set, or jumps, makes nothing old.

use super::rows::{BlobRow, blob_key};
use super::store::Store;
use crate::blob::BlobId;
use crate::error::Result;
use crate::event::WallTime;
use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// The first moment of 2026, in µs since 1970: a clock that says less was never set.
const CLOCK_SET_MICROS: i64 = 1_767_225_600_000_000;
/// Notes are written after so long at most, while blobs are read; and a collection that found
/// nothing is not tried again for so long when room is wanted.
const PAUSE: Duration = Duration::from_secs(60);
/// So many notes are written sooner, and in one commit …
const NOTES_AT_ONCE: usize = 1024;
/// … but no sooner than this.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Most notes that are kept.
const NOTES_MAX: usize = 65_536;

/// What is known about times and not written.
#[derive(Default)]
pub(crate) struct Ages {
    /// Blobs that were asked for, and when.
    asked: BTreeMap<BlobId, WallTime>,
    /// When notes were last written, or tried to be.
    written: Duration,
    /// Both clocks when they were last looked at.
    seen: Option<(WallTime, Duration)>,
    /// Nothing is old before this.
    calm_from: Duration,
    /// When a collection last ended, and when the first of what it left gets old.
    collected: Option<(Duration, Option<WallTime>)>,
}

impl Store {
    /// The time by the clock of the wall.
    pub(crate) fn now(&self) -> WallTime {
        self.look_at_clocks().0
    }

    /// Both clocks. A wall clock that went on by more than time did has been set: what was noted
    /// before that is younger than it looks, so nothing is old until the grace is over again.
    fn look_at_clocks(&self) -> (WallTime, Duration) {
        let (wall, elapsed) = ((self.parts.clock)(), (self.parts.elapsed)());
        let grace = self.parts.options.collect_grace;
        let mut ages = self.ages();
        if let Some((wall_before, before)) = ages.seen {
            let by_wall = wall.micros().saturating_sub(wall_before.micros());
            let really = elapsed.saturating_sub(before).as_micros();
            let jumped = u128::try_from(by_wall).unwrap_or(0).saturating_sub(really);
            if jumped > grace.as_micros() / 4 {
                ages.calm_from = elapsed.saturating_add(grace);
            }
        }
        ages.seen = Some((wall, elapsed));
        (wall, elapsed)
    }

    /// When a blob gets old; none when it is.
    pub(crate) fn old_at(&self, id: &BlobId, row: &BlobRow) -> Option<WallTime> {
        let (now, elapsed) = self.look_at_clocks();
        let grace = micros(self.parts.options.collect_grace);
        let mut ages = self.ages();
        let asked = ages.asked.get(id).copied();
        let asked = asked.map_or(row.touched, |asked| asked.max(row.touched));
        if now.micros() < CLOCK_SET_MICROS || asked.micros() < CLOCK_SET_MICROS {
            // How old it is nobody knows. From now on it is known.
            if now.micros() >= CLOCK_SET_MICROS {
                ages.note(*id, now);
            }
            return Some(after(now, grace.max(1)));
        }
        let calm_in = micros(ages.calm_from.saturating_sub(elapsed));
        if calm_in > 0 {
            return Some(after(now, calm_in));
        }
        // A clock that went back says nothing.
        let age = now.micros().saturating_sub(asked.micros());
        (age < grace).then(|| after(asked, grace))
    }

    /// Notes that somebody asked for a blob, now and then.
    pub(crate) fn touch(&self, id: &BlobId, row: &BlobRow) {
        let now = self.now();
        let mut ages = self.ages();
        let asked = ages.asked.get(id).copied().unwrap_or(row.touched);
        let age = now.micros().saturating_sub(asked.micros());
        if age >= (micros(self.parts.options.collect_grace) / 4).max(1) {
            ages.note(*id, now);
        }
    }

    /// Whether notes are to be written now. Who is told so is to do it: nobody else is for a while.
    pub(crate) fn takes_notes(&self) -> bool {
        let elapsed = (self.parts.elapsed)();
        let mut ages = self.ages();
        let pause = if ages.asked.len() < NOTES_AT_ONCE { PAUSE } else { PAUSE_MIN };
        let is_due = !ages.asked.is_empty() && elapsed.saturating_sub(ages.written) >= pause;
        if is_due {
            ages.written = elapsed;
        }
        is_due
    }

    /// Writes what was noted; while somebody else writes, later.
    ///
    /// # Errors
    /// Those of a commit: then it stays noted.
    pub(crate) fn write_notes(&self) -> Result<()> {
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        let ages = self.ages();
        let noted = ages.asked.iter().take(NOTES_AT_ONCE).map(|(id, asked)| (*id, *asked));
        let noted: Vec<(BlobId, WallTime)> = noted.collect();
        drop(ages);
        let mut changes = Vec::new();
        for (id, asked) in &noted {
            // Of one that is damaged or gone nothing is to be known.
            if let Ok(Some(row)) = self.look(id) {
                let row = BlobRow { touched: row.touched.max(*asked), ..row };
                changes.push((blob_key(id), Some(row.encode())));
            }
        }
        if !changes.is_empty() {
            let counters = writer.counters;
            self.commit(&mut writer, counters, changes)?;
        }
        let mut ages = self.ages();
        for (id, asked) in noted {
            if ages.asked.get(&id) == Some(&asked) {
                ages.asked.remove(&id);
            }
        }
        Ok(())
    }

    /// A collection has ended, and this is when the first of what it left gets old.
    pub(crate) fn note_collection(&self, next: Option<WallTime>) {
        let elapsed = (self.parts.elapsed)();
        self.ages().collected = Some((elapsed, next));
    }

    /// A blob is here since `now`, of which the last collection knew nothing.
    pub(crate) fn note_added(&self, now: WallTime) {
        let old_at = after(now, micros(self.parts.options.collect_grace));
        if let Some((_, next)) = &mut self.ages().collected {
            *next = Some(next.map_or(old_at, |next| next.min(old_at)));
        }
    }

    /// Whether a collection may find something, as far as is known.
    pub(crate) fn may_collect(&self) -> bool {
        let (now, elapsed) = self.look_at_clocks();
        self.ages().collected.is_none_or(|(at, next)| {
            elapsed.saturating_sub(at) >= PAUSE || next.is_some_and(|next| next <= now)
        })
    }

    fn ages(&self) -> MutexGuard<'_, Ages> {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ages {
    fn note(&mut self, id: BlobId, asked: WallTime) {
        if self.asked.len() < NOTES_MAX || self.asked.contains_key(&id) {
            self.asked.insert(id, asked);
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn after(time: WallTime, micros: i64) -> WallTime {
    WallTime::from_micros(time.micros().saturating_add(micros))
}

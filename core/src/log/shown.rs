//! What one live subscriber has seen of events that are not durable yet.
//!
//! It keeps their hashes, within a bound, until they are durable, and compares: so each event is
//! delivered once, and what took the place of one that was lost is delivered, too, with all behind
//! it. At the bound it forgets what is shown no more: that comes again should it become durable.
//! Rule: a subscriber that has not seen all that is durable is shown nothing else.
//! Begin with [`Shown::settle`] and [`Shown::take`].

use super::disk::{Filter, Shared, Windows};
use super::live::{Ahead, Live};
use crate::error::Result;
use crate::event::{BatchBuilder, EventBatch, Leaf, OffsetMap, Record, StreamId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Most events that are kept for comparing: 4 MiB of hashes, and far more than a disk is behind.
pub(crate) const SHOWN_EVENTS_MAX: usize = 1 << 17;

/// Events that were shown and are not durable, as far as is known.
#[derive(Default)]
pub(crate) struct Shown {
    streams: BTreeMap<StreamId, Seen>,
    /// All of them together.
    count: usize,
}

/// Of one stream.
struct Seen {
    /// Offset of the first.
    first: u64,
    leaves: VecDeque<Leaf>,
    /// Of what was last compared with it.
    revision: u64,
}

/// How far each stream was looked at, and in which revision.
#[derive(Clone, Default)]
pub(crate) struct Mark {
    streams: BTreeMap<StreamId, (u64, u64)>,
    is_full: bool,
}

impl Seen {
    fn end(&self) -> u64 {
        self.first + self.leaves.len() as u64
    }

    /// Forgets what is behind the first `count`; how many that were.
    fn truncate(&mut self, count: usize) -> usize {
        let gone = self.leaves.len().saturating_sub(count);
        self.leaves.truncate(count);
        gone
    }
}

impl Shown {
    /// Moves `position` over what was shown and is durable by now; what is durable.
    ///
    /// # Errors
    /// As `Shared::run_at`: what is durable cannot be read for comparing.
    pub(crate) fn settle(
        &mut self,
        shared: &Shared,
        position: &mut OffsetMap,
    ) -> Result<(Arc<OffsetMap>, Arc<Windows>)> {
        // Before what is durable is looked at: what is gone from here by then is durable.
        let standing = self.is_full().then(|| shared.live.held().ends());
        let (durable, windows) = shared.state().visible();
        for (stream, seen) in &mut self.streams {
            while seen.first < durable.count(stream) && !seen.leaves.is_empty() {
                let run = shared.run_at(stream, seen.first)?;
                let stored = run.record(seen.first).leaf();
                if seen.leaves.front() != Some(&stored) {
                    self.count -= seen.truncate(0);
                    break;
                }
                self.count -= usize::from(seen.leaves.pop_front().is_some());
                seen.first += 1;
                position.raise(*stream, seen.first);
            }
        }
        if let Some(standing) = standing {
            self.forget_gone(&standing);
        }
        Ok((durable, windows))
    }

    /// Makes room: what nobody shows any more was perhaps lost. Should it become durable after all,
    /// it is delivered again.
    fn forget_gone(&mut self, standing: &OffsetMap) {
        for (stream, seen) in &mut self.streams {
            let count = standing.count(stream).saturating_sub(seen.first);
            self.count -= seen.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        }
    }

    fn is_full(&self) -> bool {
        self.count >= SHOWN_EVENTS_MAX
    }

    /// What is sealed is delivered under other names.
    pub(crate) fn meet_forks(&mut self, windows: &Windows) {
        for (stream, seen) in &mut self.streams {
            if windows.is_sealed(stream) || windows.is_hidden(stream) {
                self.count -= seen.truncate(0);
            }
        }
    }

    /// Shows up to `count_max` further matching events. `position` is where durable ones are
    /// delivered up to.
    pub(crate) fn take(
        &mut self,
        live: &Live,
        filter: &Filter,
        position: &OffsetMap,
        count_max: usize,
    ) -> EventBatch {
        let mut builder = BatchBuilder::default();
        let held = live.held();
        self.streams
            .retain(|stream, seen| !seen.leaves.is_empty() || held.streams.contains_key(stream));
        for (stream, ahead) in &held.streams {
            let base = position.count(stream);
            if ahead.first > base {
                continue;
            }
            let begun = || Seen { first: base, leaves: VecDeque::new(), revision: 0 };
            let seen = self.streams.entry(*stream).or_insert_with(begun);
            if seen.leaves.is_empty() {
                seen.first = base;
            }
            if seen.revision != ahead.revision {
                let same = same_count(seen, ahead);
                if seen.first + (same as u64) < ahead.end() {
                    self.count -= seen.truncate(same);
                }
                seen.revision = ahead.revision;
            }
            while seen.end() < ahead.end() && self.count < SHOWN_EVENTS_MAX {
                if builder.is_full(count_max) {
                    return builder.finish();
                }
                let record = &ahead.records[(seen.end() - ahead.first) as usize];
                if filter.judge(stream, record) {
                    builder.push_record(stream, seen.end(), record);
                }
                self.count += 1;
                seen.leaves.push_back(record.leaf());
            }
        }
        builder.finish()
    }

    /// How far it has looked.
    pub(crate) fn mark(&self) -> Mark {
        let marked = |(stream, seen): (&StreamId, &Seen)| (*stream, (seen.end(), seen.revision));
        Mark { streams: self.streams.iter().map(marked).collect(), is_full: self.is_full() }
    }
}

impl Mark {
    /// Whether `take` would look at something new.
    pub(crate) fn is_behind(&self, live: &Live, position: &OffsetMap) -> bool {
        let is_news = |(stream, ahead): (&StreamId, &Ahead)| {
            let base = position.count(stream);
            let seen = self.streams.get(stream);
            let is_unseen = seen.map_or(ahead.end() > base, |(end, revision)| {
                *revision != ahead.revision || *end < ahead.end()
            });
            ahead.first <= base && is_unseen
        };
        !self.is_full && live.held().streams.iter().any(is_news)
    }
}

/// How many events that were shown are still what is known.
fn same_count(seen: &Seen, ahead: &Ahead) -> usize {
    let known = ahead.records.iter().skip((seen.first - ahead.first) as usize);
    let is_same = |(own, other): &(&Leaf, &Record)| **own == other.leaf();
    seen.leaves.iter().zip(known).take_while(is_same).count()
}

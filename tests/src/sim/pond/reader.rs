//! A reader in key order, which says when what comes belongs before what was delivered: stands for
//! `log::KeyFollower`, and keeps its promises in a slower way.

use crate::sim::log::ModelLog;
use crate::sim::pond::shown::Shown;
use millpond::event::{EventKey, KeyPosition, OffsetMap};
use millpond::planted;
use std::collections::VecDeque;
use std::ops::Bound;
use std::rc::Rc;

#[derive(Default)]
pub(super) struct Reader {
    last: Option<EventKey>,
    /// The greatest key that was delivered before the last way back.
    before_rewind: Option<EventKey>,
    ignored_before: Option<EventKey>,
    /// What its position counts, until the first look.
    opened: Option<OffsetMap>,
    offsets: Rc<OffsetMap>,
    /// What comes next of what was looked at.
    window: Option<VecDeque<EventKey>>,
    /// Changes that it has looked at.
    seen: usize,
}

/// How a reader is pulled.
pub(super) struct Pull {
    pub(super) count_max: usize,
    pub(super) ignored_before: Option<EventKey>,
    pub(super) finishes: bool,
}

pub(super) enum Step {
    /// All behind `to` is to be forgotten.
    Rewind {
        to: Option<EventKey>,
        has_moved: bool,
    },
    Events {
        keys: Vec<EventKey>,
        is_whole: bool,
    },
    Nothing,
}

impl Reader {
    pub(super) fn open(position: KeyPosition) -> Reader {
        let KeyPosition { offsets, last } = position;
        let opened = if last.is_some() { offsets } else { OffsetMap::new() };
        Reader { last, opened: Some(opened), ..Reader::default() }
    }

    pub(super) fn position(&self) -> KeyPosition {
        KeyPosition { offsets: (*self.offsets).clone(), last: self.last }
    }

    /// Goes on right after this key, which was delivered.
    pub(super) fn resume(&mut self, key: Option<EventKey>) {
        assert!(key <= self.last.max(self.before_rewind), "{key:?} was not delivered");
        (self.last, self.window) = (key, None);
    }

    pub(super) fn next(&mut self, shown: &Shown, log: &ModelLog, pull: &Pull) -> Step {
        self.ignored_before = pull.ignored_before;
        if let Some(position) = self.opened.take()
            && let Some((late, has_moved)) = self.meet(&position, shown, log)
        {
            return self.rewind(late, has_moved, shown);
        }
        let news = &shown.changes[self.seen..];
        let has_moved = news.iter().any(|change| change.has_moved);
        let looks = !pull.finishes || self.window.is_none() || has_moved;
        if looks && !news.is_empty() {
            if let Some(late) = self.late(shown) {
                if planted!("late_event_delivered_without_a_way_back") {
                    self.seen = shown.changes.len();
                    return Step::Events { keys: vec![late], is_whole: false };
                }
                return self.rewind(Some(late), has_moved, shown);
            }
            self.window = None;
        }
        let window = self.window.get_or_insert_with(|| {
            self.offsets = shown.offsets.clone();
            self.seen = shown.changes.len();
            let lower = match (self.last, self.ignored_before) {
                (Some(last), Some(least)) if least > last => Bound::Included(least),
                (Some(last), _) => Bound::Excluded(last),
                (None, Some(least)) => Bound::Included(least),
                (None, None) => Bound::Unbounded,
            };
            shown.keys.range((lower, Bound::Unbounded)).map(|(key, _)| *key).collect()
        });
        let keys: Vec<EventKey> = window.drain(..pull.count_max.min(window.len())).collect();
        let is_whole = window.is_empty();
        if is_whole {
            self.window = None;
        }
        let Some(last) = keys.last() else { return Step::Nothing };
        (self.last, self.before_rewind) = (Some(*last), None);
        Step::Events { keys, is_whole }
    }

    /// The least key that was passed already, of those that matter.
    fn late(&self, shown: &Shown) -> Option<EventKey> {
        let news = shown.changes[self.seen..].iter();
        let first = news.filter_map(|change| {
            change.keys.iter().copied().find(|key| Some(*key) >= self.ignored_before)
        });
        first.min().filter(|first| Some(*first) <= self.last)
    }

    /// A position from before: what came since belongs before it (that key), or all of it is from
    /// elsewhere (none).
    fn meet(
        &mut self,
        position: &OffsetMap,
        shown: &Shown,
        log: &ModelLog,
    ) -> Option<(Option<EventKey>, bool)> {
        self.last?;
        if position.iter().any(|(stream, count)| count > log.count(stream)) {
            return Some((None, true));
        }
        let matters = |key: &EventKey| Some(*key) >= self.ignored_before && Some(*key) <= self.last;
        let (mut moved, mut looked_at) = (Vec::new(), position.clone());
        for (stream, count) in position.iter() {
            let end = log.visible_end(stream);
            if end < count {
                looked_at.set(*stream, end);
                let picks = log.picks(stream, end, count).iter();
                moved.extend(picks.map(|pick| EventKey { lamport: pick.lamport, stream: *stream }));
            }
        }
        let new =
            shown.keys.iter().filter(|(key, pick)| pick.offset >= looked_at.count(&key.stream));
        let new = new.map(|(key, _)| *key).filter(matters).min();
        let moved = moved.into_iter().filter(matters).min();
        let late = moved.into_iter().chain(new).min()?;
        Some((Some(late), moved.is_some()))
    }

    fn rewind(&mut self, late: Option<EventKey>, has_moved: bool, shown: &Shown) -> Step {
        let before = late.and_then(|late| shown.keys.range(..late).next_back());
        let to = before.map(|(key, _)| *key).filter(|key| Some(*key) >= self.ignored_before);
        self.before_rewind = if late.is_none() { None } else { self.before_rewind.max(self.last) };
        (self.last, self.window) = (to, None);
        (self.offsets, self.seen) = (shown.offsets.clone(), shown.changes.len());
        Step::Rewind { to, has_moved }
    }
}

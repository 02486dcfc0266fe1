//! A fish on each node: the real fold, with the real owner of its code, over a reader of the model
//! log. Its state depends on the order of all it has folded.

use crate::sim::log::{MARK, ModelLog, Pick, account_name};
use crate::sim::oracle::EventName;
use crate::sim::pond::reader::{Pull, Reader, Step};
use crate::sim::pond::shown::Shown;
use crate::sim::random::Random;
use millpond::event::{EventBatch, EventKey, Offset};
use millpond::pond::escrow::account_tag;
use millpond::pond::{
    Act, Definition, Fish, Fold, FoldOptions, Found, Owner, Prospect, SnapshotChange,
};
use millpond::query::Query;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Instant;

/// One publish in so many is a reset.
const RESET_EVERY: u64 = 64;

static FISH: LazyLock<Fish<Sum>> = LazyLock::new(|| {
    let query = format!("FROM '{MARK}' | '{}'", account_tag(account_name()).as_str());
    let query = Query::parse(&query).expect("a query");
    let definition = Definition::new("sim", 0, query, "sum").expect("a short id");
    let fish = Fish::with_codec(
        definition,
        Sum::default,
        |sum, event| {
            sum.add(event.key(), event.offset().value());
            Ok(())
        },
        |sum| Ok(sum.0.to_le_bytes().to_vec()),
        |bytes| Ok(Sum(u64::from_le_bytes(bytes.try_into()?))),
    );
    fish.with_reset(|event| {
        let name = EventName::in_event(event.payload_bytes(), event.tags());
        name.is_some_and(|name| is_reset(name.key))
    })
    .expect("it does not only grow")
});

/// The state: a hash of all keys and offsets in their order.
#[derive(Clone, Copy, Default)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, key: EventKey, offset: u64) {
        let node = u64::from_le_bytes(*key.stream.node.as_bytes().first_chunk().expect("32 bytes"));
        for word in [key.lamport.value(), node, key.stream.number, offset] {
            self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
    }
}

fn is_reset(key: u64) -> bool {
    key % RESET_EVERY == 13
}

/// The state that a fold of all this must have, made in one go.
pub(super) fn judged<'a>(keys: impl Iterator<Item = (&'a EventKey, &'a Pick)>) -> [u8; 8] {
    let mut sum = Sum::default();
    for (key, pick) in keys {
        if is_reset(pick.key) {
            sum = Sum::default();
        }
        sum.add(*key, pick.offset);
    }
    sum.0.to_le_bytes()
}

/// The fold, its reader and the owner of its code.
pub(super) struct FishAtWork {
    fold: Fold,
    owner: Owner<Sum>,
    reader: Reader,
    emitted: u64,
    state: Option<Vec<u8>>,
}

/// What came of its work.
#[derive(Default)]
pub(super) struct Worked {
    /// It wants to go on then.
    pub(super) until: Option<Instant>,
    /// What it showed last.
    pub(super) state: Option<Vec<u8>>,
}

impl FishAtWork {
    pub(super) fn new(log: &ModelLog, random: &mut Random) -> FishAtWork {
        let options = FoldOptions {
            batch_events_max: random.between(1, 16) as usize,
            snapshot_events_min: random.between(1, 16),
            snapshot_count_max: random.below(6) as usize,
            snapshot_bytes_max: 1 << 20,
        };
        let snapshots = log.snapshots.values().cloned().collect();
        FishAtWork {
            fold: Fold::new(FISH.definition().clone(), snapshots, options),
            owner: Owner::new(FISH.clone()),
            reader: Reader::default(),
            emitted: 0,
            state: None,
        }
    }

    /// What it showed last.
    pub(super) fn state(&self) -> Option<&[u8]> {
        self.state.as_deref()
    }

    /// Goes on until there is nothing to do. With chance it is told that more is on its way.
    ///
    /// # Errors
    /// A sentence: it showed a wrong state, or stopped.
    pub(super) fn work(
        &mut self,
        shown: &Shown,
        log: &mut ModelLog,
        now: Instant,
        mut random: Option<&mut Random>,
    ) -> Result<Worked, String> {
        let mut worked = Worked::default();
        self.fold.wake();
        loop {
            let prospect = || {
                let random = random.as_deref_mut();
                let drawn = random.map(|random| (random.chance(0.1), random.below(20)));
                let coming = drawn.filter(|(is_more, _)| *is_more).map_or(0, |(_, count)| count);
                Prospect { coming, pending: 0 }
            };
            match self.fold.poll(now, prospect) {
                Act::Open(position) => self.reader = Reader::open(position),
                Act::Resume(key) => self.reader.resume(key),
                Act::Pull { count_max, ignored_before, finishes } => {
                    let pull = Pull { count_max, ignored_before, finishes };
                    let step = self.reader.next(shown, log, &pull);
                    self.fold.found(found(step, &self.reader, shown, log));
                }
                Act::Run(job) => {
                    let answer = self.owner.work(job);
                    self.fold.answer(answer);
                }
                Act::Keep(change) => keep(log, change),
                Act::Emit(emission) => {
                    self.emitted += 1;
                    let is_whole = emission.offsets == *shown.offsets;
                    let is_looked_at =
                        is_whole && (random.is_none() || self.emitted.is_multiple_of(8));
                    if is_looked_at && emission.state[..] != judged(shown.keys.iter()) {
                        return Err("its fish shows a state that no fold gives".to_owned());
                    }
                    worked.state = Some(emission.state.to_vec());
                    self.state.clone_from(&worked.state);
                }
                Act::Cover(_) => {}
                Act::Wait(until) => match self.fold.error() {
                    Some(error) => return Err(format!("its fish stops: {error}")),
                    None => return Ok(Worked { until, ..worked }),
                },
            }
        }
    }
}

fn found(step: Step, reader: &Reader, shown: &Shown, log: &ModelLog) -> Found {
    match step {
        Step::Rewind { to, has_moved } => Found::Rewind { to, has_moved },
        Step::Nothing => Found::Nothing { position: reader.position() },
        Step::Events { keys, is_whole } => {
            let event = |key: &EventKey| {
                let offset = shown.keys[key].offset;
                log.record(&key.stream, offset).to_event(key.stream, Offset::new(offset))
            };
            let events: Vec<_> = keys.iter().map(event).collect();
            let events: EventBatch = events.iter().collect();
            Found::Events { events, position: reader.position(), is_whole }
        }
    }
}

fn keep(log: &mut ModelLog, change: SnapshotChange) {
    let kept: &mut BTreeMap<EventKey, _> = &mut log.snapshots;
    for key in change.dropped {
        kept.remove(&key);
    }
    if let Some(behind) = change.dropped_behind {
        kept.retain(|key, _| Some(*key) <= behind);
    }
    for snapshot in change.saved {
        kept.insert(snapshot.position.last.expect("it names the snapshot"), snapshot);
    }
}

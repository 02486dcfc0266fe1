//! Any history, order of arrival, batching, restart, and policy of snapshots: the state is the fold
//! of the sorted log, and so is each state that was shown of its offset map.
//!
//! Four streams with lamports of the same range, so that many are equal; one event in twelve is a
//! reset, and those come late, too, also before others; and a disk that may keep what nobody knows.
//! In a third of all cases streams turn out to have two histories while they are folded: what of
//! them was delivered comes again then, in branches and under other keys.

use super::source::{TestLog, TestPull, TestReader, stream};
use crate::event::cbor::{Integer, Value};
use crate::event::{Event, EventKey, OffsetMap, StreamId};
use crate::pond::{
    Act, Answer, Definition, Emission, Failure, Fold, FoldOptions, Function, Job, Prospect,
    Snapshot,
};
use crate::query::Query;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The numbers of the events since the last reset.
type State = Vec<u64>;

/// Numbers from here on are resets.
pub(super) const RESETS: u64 = 1 << 32;

fn judge(events: &[&Event]) -> State {
    events.iter().fold(State::new(), |state, event| step(state, event.payload.as_bytes()))
}

fn step(mut state: State, payload: &[u8]) -> State {
    let number = numbers(&Value::decode(payload).unwrap())[0];
    if number >= RESETS {
        state.clear();
    }
    state.push(number);
    state
}

fn is_reset(payload: &[u8]) -> bool {
    numbers(&Value::decode(payload).unwrap())[0] >= RESETS
}

fn numbers(value: &Value) -> State {
    let number = |value: &Value| match value {
        Value::Integer(number) => u64::try_from(number.value()).unwrap(),
        other => panic!("{other:?} is no number"),
    };
    match value {
        Value::Array(values) => values.iter().map(number).collect(),
        other => vec![number(other)],
    }
}

fn encoded(state: &[u64]) -> Vec<u8> {
    let number = |number: &u64| Value::Integer(Integer::from(*number));
    Value::Array(state.iter().map(number).collect()).encode().unwrap()
}

pub(super) type Trickle = Box<dyn FnMut(&mut TestLog, u64)>;

/// A fold with its code, its reader and its disk, and the judge beside it.
pub(super) struct Pond {
    pub(super) log: TestLog,
    reader: TestReader,
    pub(super) fold: Fold,
    state: State,
    disk: BTreeMap<EventKey, Snapshot>,
    shown: Option<Emission>,
    is_eager: bool,
    /// The code cannot read states of earlier openings.
    is_forgetful: bool,
    /// The disk does as it is told; else it only drops what is named.
    pub(super) drops_behind: bool,
    /// What arrives with each pull, which are counted.
    pub(super) trickle: Option<Trickle>,
    pulls: u64,
    now: Instant,
    pub(super) prospect: Prospect,
    options: FoldOptions,
    /// Waiting takes no longer than until then.
    limit: Option<Instant>,
}

impl Pond {
    pub(super) fn new(log: TestLog, options: FoldOptions, is_eager: bool) -> Pond {
        let fold = fold(Vec::new(), &options);
        #[allow(clippy::disallowed_methods, reason = "some instant to begin with")]
        let now = Instant::now();
        Pond {
            log,
            reader: TestReader::default(),
            fold,
            state: State::new(),
            disk: BTreeMap::new(),
            shown: None,
            is_eager,
            is_forgetful: false,
            drops_behind: true,
            trickle: None,
            pulls: 0,
            now,
            prospect: Prospect::default(),
            options,
            limit: None,
        }
    }

    /// Opens the fish again, with so many of the newest snapshots: the disk keeps the others.
    pub(super) fn restart(&mut self, is_forgetful: bool, loaded_max: usize) {
        let newest = self.disk.values().rev().take(loaded_max).cloned().collect();
        self.fold = fold(newest, &self.options);
        (self.state, self.shown, self.is_forgetful) = (State::new(), None, is_forgetful);
    }

    /// Performs one act; false when there is nothing to do.
    pub(super) fn act(&mut self) -> bool {
        match self.fold.poll(self.now, || self.prospect) {
            Act::Open(position) => self.reader = TestReader::open(position),
            Act::Resume(key) => self.reader.resume(key),
            Act::Pull { count_max, ignored_before, finishes } => {
                let is_eager = self.is_eager && !finishes;
                let pull = TestPull { count_max, is_eager, ignored_before };
                self.pulls += 1;
                if let Some(trickle) = &mut self.trickle {
                    trickle(&mut self.log, self.pulls);
                }
                let found = self.reader.next(&self.log, pull);
                self.fold.found(found);
            }
            Act::Run(job) => {
                let answer = self.work(job);
                self.fold.answer(answer);
            }
            Act::Keep(change) => {
                change.dropped.iter().for_each(|key| drop(self.disk.remove(key)));
                if let Some(behind) = change.dropped_behind.filter(|_| self.drops_behind) {
                    self.disk.retain(|key, _| Some(*key) <= behind);
                }
                let kept = change.saved.into_iter().map(|own| (own.position.last.unwrap(), own));
                self.disk.extend(kept);
            }
            Act::Emit(emission) => self.look_at(emission),
            Act::Cover(offsets) => {
                let shown = self.shown.as_mut().expect("the first moment emits");
                assert_eq!(judge(&self.log.between(&OffsetMap::new(), &offsets)), self.state);
                shown.offsets = offsets;
            }
            Act::Wait(Some(until)) => {
                assert!(until > self.now);
                self.now = self.limit.map_or(until, |limit| limit.min(until));
            }
            Act::Wait(None) => return false,
        }
        assert_eq!(self.fold.error(), None);
        true
    }

    fn work(&mut self, job: Job) -> Answer {
        match job {
            Job::Load(Some(_)) if self.is_forgetful => {
                let message = "cannot read this".to_owned();
                Answer::Failed(Failure { function: Function::Decode, index: None, message })
            }
            Job::Load(bytes) => {
                // Only states of earlier openings cannot be read, and none of them is left.
                self.is_forgetful = false;
                let state = |bytes: bytes::Bytes| numbers(&Value::decode(&bytes).unwrap());
                self.state = bytes.map_or(State::new(), state);
                Answer::Loaded
            }
            Job::Apply(events) => {
                let mut last_reset = None;
                for (index, event) in events.iter().enumerate() {
                    if is_reset(event.payload_bytes()) {
                        last_reset = Some(index);
                    }
                    self.state = step(std::mem::take(&mut self.state), event.payload_bytes());
                }
                Answer::Applied { last_reset }
            }
            Job::Save => Answer::Saved(encoded(&self.state).into()),
        }
    }

    fn look_at(&mut self, emission: Emission) {
        let expected = judge(&self.log.between(&OffsetMap::new(), &emission.offsets));
        assert_eq!(emission.state, encoded(&expected), "{:?}", emission.offsets);
        let now = self.log.renamed(&emission.offsets);
        assert!(self.log.held.covers(&now));
        if let Some(shown) = &self.shown {
            assert!(now.covers(&self.log.renamed(&shown.offsets)));
            assert_eq!(emission.number, shown.number + 1);
        }
        self.shown = Some(emission);
    }

    /// Goes on for so long, or until there is nothing to do.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.limit = Some(until);
        self.fold.wake();
        while self.now < until && self.act() {}
        (self.now, self.limit) = (until, None);
    }

    /// Number of events that the reader has looked at.
    pub(super) fn reader_total(&self) -> u64 {
        self.reader.total()
    }

    /// Goes on until there is nothing to do, and looks at what is shown then.
    pub(super) fn settle(&mut self) {
        self.fold.wake();
        while self.act() {}
        let shown = self.shown.as_ref().expect("a caught-up moment emits, whatever matches");
        assert_eq!(shown.offsets, self.log.held);
        let expected = judge(&self.log.between(&OffsetMap::new(), &self.log.held));
        assert_eq!(shown.state, encoded(&expected));
    }
}

/// Writes so many matching events, with lamports from `first` on.
pub(super) fn events_of(log: &mut TestLog, own: StreamId, first: u64, count: u64) {
    for lamport in first..first + count {
        log.write(own, lamport, true, Value::from(lamport).encode().unwrap());
    }
}

fn fold(snapshots: Vec<Snapshot>, options: &FoldOptions) -> Fold {
    let fish = Definition::new("numbers", 0, Query::all(), "cbor").unwrap();
    Fold::new(Arc::new(fish), snapshots, options.clone())
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u8, u64),
    Act(usize),
    Settle,
    Restart { is_forgetful: bool, loaded_max: usize },
    Expect(u64, u64),
    Fork(Split),
}

/// A stream turns out to have another history.
#[derive(Clone, Debug)]
struct Split {
    place: Index,
    is_first: bool,
    /// How much later than the one before, and of which kind.
    other: Vec<(u64, u8)>,
}

impl Split {
    /// Splits a history where one is held; false when none is.
    fn happen(&self, log: &mut TestLog, next_number: &mut u64) -> bool {
        let places = log.forkable();
        if places.is_empty() {
            return false;
        }
        let event = |(later, kind): &(u64, u8)| {
            *next_number += 1;
            (*later, *kind >= 3, payload(*next_number, *kind))
        };
        let other = self.other.iter().map(event).collect();
        log.fork(*self.place.get(&places), self.is_first, other);
        true
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..12, 1u64..6).prop_map(|(own, count)| Step::Arrive(own, count)),
        4 => (1usize..12).prop_map(Step::Act),
        2 => Just(Step::Settle),
        1 => (any::<bool>(), 0usize..5).prop_map(|(is_forgetful, loaded_max)| {
            Step::Restart { is_forgetful, loaded_max }
        }),
        1 => (0u64..3, 0u64..9).prop_map(|(coming, pending)| Step::Expect(coming, pending)),
    ]
}

/// The payload of an event with this number; one kind in twelve is a reset.
fn payload(number: u64, kind: u8) -> Vec<u8> {
    let number = if kind == 11 { number + RESETS } else { number };
    Value::from(number).encode().unwrap()
}

fn any_split() -> impl Strategy<Value = Split> {
    let other = prop::collection::vec((1u64..4, 0u8..12), 1..8);
    (any::<Index>(), any::<bool>(), other).prop_map(|(place, is_first, other)| Split {
        place,
        is_first,
        other,
    })
}

/// Steps with forks among them.
fn any_step_or_fork() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any_step(),
        1 => any_split().prop_map(Step::Fork),
    ]
}

/// Events as (stream, how much later than the one before in its stream, kind).
fn any_log() -> impl Strategy<Value = TestLog> {
    prop::collection::vec((0u8..4, 1u64..4, 0u8..12), 0..40).prop_map(|events| {
        let (mut log, mut lamports) = (TestLog::default(), [0; 4]);
        for (number, (own, later, kind)) in (1u64..).zip(events) {
            let lamport = &mut lamports[usize::from(own)];
            *lamport += later;
            log.write(stream(own), *lamport, kind >= 3, payload(number, kind));
        }
        log
    })
}

fn any_options() -> impl Strategy<Value = FoldOptions> {
    (1usize..6, 1u64..8, 0usize..5, prop_oneof![Just(60usize), Just(1 << 20)]).prop_map(
        |(batch_events_max, snapshot_events_min, snapshot_count_max, snapshot_bytes_max)| {
            FoldOptions {
                batch_events_max,
                snapshot_events_min,
                snapshot_count_max,
                snapshot_bytes_max,
            }
        },
    )
}

/// Plays a case, and then lets everything arrive.
fn play(pond: &mut Pond, steps: Vec<Step>) {
    let mut number = 1000;
    for step in steps {
        match step {
            Step::Arrive(own, count) => {
                let open = pond.log.open();
                if let Some(own) = open.get(usize::from(own) % open.len().max(1)) {
                    pond.log.arrive(*own, count);
                }
            }
            Step::Act(count) => {
                pond.fold.wake();
                let _ = (0..count).take_while(|_| pond.act()).count();
            }
            Step::Settle => pond.settle(),
            Step::Restart { is_forgetful, loaded_max } => pond.restart(is_forgetful, loaded_max),
            Step::Expect(coming, pending) => pond.prospect = Prospect { coming, pending },
            Step::Fork(split) => {
                split.happen(&mut pond.log, &mut number);
            }
        }
    }
    pond.log.arrive_all();
    pond.settle();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12_000))]

    #[test]
    fn however_events_arrive_the_state_is_the_fold_of_the_sorted_log(
        log in any_log(),
        options in any_options(),
        is_eager in any::<bool>(),
        drops_behind in any::<bool>(),
        steps in prop::collection::vec(any_step(), 0..24),
    ) {
        let mut pond = Pond::new(log, options, is_eager);
        pond.drops_behind = drops_behind;
        play(&mut pond, steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    #[test]
    fn wherever_streams_fork_in_the_midst_the_state_is_the_fold_of_the_sorted_log(
        log in any_log(),
        options in any_options(),
        is_eager in any::<bool>(),
        drops_behind in any::<bool>(),
        steps in prop::collection::vec(any_step_or_fork(), 0..24),
        last in any_split(),
    ) {
        let mut pond = Pond::new(log, options, is_eager);
        pond.drops_behind = drops_behind;
        play(&mut pond, steps);
        // Each case that has an event has a fork, and one with snapshots of all before.
        let happened = last.happen(&mut pond.log, &mut 2000);
        prop_assert!(happened || pond.log.held.is_empty());
        pond.log.arrive_all();
        pond.settle();
    }
}

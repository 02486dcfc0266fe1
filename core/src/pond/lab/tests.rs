//! Claims about labs.

use crate::error::{ErrorKind, Result};
use crate::event::cbor::Value;
use crate::event::{EventView, NewEvent, Payload, TagSet};
use crate::pond::builtin::BuiltIn;
use crate::pond::definition::Definition;
use crate::pond::fish::Fish;
use crate::pond::lab::{Lab, LabOptions, LabPublished, LawCheck, LawQuestion};
use crate::query::Query;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(super) fn lab(nodes: usize, seed: u64) -> Lab {
    #[allow(clippy::disallowed_methods, reason = "some instant to begin with")]
    let start = Instant::now();
    Lab::at(&LabOptions::new(nodes, seed), start).unwrap()
}

impl Lab {
    pub(super) fn publish(&mut self, node: usize, events: Vec<NewEvent>) -> Result<LabPublished> {
        self.append(node, events, true)
    }

    fn publish_unsynced(&mut self, node: usize, events: Vec<NewEvent>) -> Result<LabPublished> {
        self.append(node, events, false)
    }
}

pub(super) fn event(tag: &str, number: u64) -> NewEvent {
    let payload = Payload::from_value(&Value::from(number)).unwrap();
    NewEvent { tags: TagSet::new([tag]).unwrap(), payload }
}

fn number(event: EventView<'_>) -> u64 {
    match Value::decode(event.payload_bytes()).unwrap() {
        Value::Integer(number) => u64::try_from(number.value()).unwrap(),
        other => panic!("{other:?} is no number"),
    }
}

/// The numbers in their order.
pub(super) fn numbers() -> Fish<Vec<u64>> {
    let step = |state: &mut Vec<u64>, event: EventView<'_>| {
        state.push(number(event));
        Ok(())
    };
    Fish::new("numbers", 1, Query::parse("FROM 'number'").unwrap(), Vec::new, step).unwrap()
}

/// Nodes publish, and look at `fish`, while everything goes wrong; then all is well.
fn storm<S: Send + 'static>(lab: &mut Lab, fish: &Fish<S>) -> Result<()> {
    for round in 0..12 {
        lab.chaos(2)?;
        for node in 0..lab.node_count() {
            if !lab.is_up(node)? {
                continue;
            }
            for _ in 0..lab.below(3) {
                match lab.below(4) {
                    0 => drop(lab.publish_unsynced(node, vec![event("number", round)])?),
                    _ => drop(lab.publish(node, vec![event("number", round), event("x", 1)])?),
                }
            }
            if lab.below(2) == 0 {
                lab.state(node, fish)?;
            }
        }
    }
    lab.calm()?;
    lab.check(fish)
}

/// The seeds, out of so many, with which a fish is found wrong, and the reason that is given.
fn found<S: Send + 'static>(seeds: u64, make: impl Fn() -> Fish<S>) -> Vec<&'static str> {
    let failed = |seed| storm(&mut lab(3, seed), &make()).err();
    (1..=seeds)
        .filter_map(failed)
        .map(|error| {
            assert_eq!(error.kind(), ErrorKind::UserCode, "{error}");
            assert!(error.message().contains("seed "), "{error}");
            error.reason().expect("it says what is wrong")
        })
        .collect()
}

/// Found with each of 20 seeds. What depends on chance may look like something else now and then,
/// where there are only a few events.
fn assert_blamed(found: &[&str], reason: &str) {
    assert_eq!(found.len(), 20);
    let right = found.iter().filter(|own| **own == reason).count();
    assert!(right >= 15, "{found:?}");
}

#[test]
pub(super) fn what_is_a_fold_of_its_events_is_right_with_every_seed() {
    for seed in 1..=60 {
        let mut lab = lab(4, seed);
        storm(&mut lab, &numbers()).unwrap_or_else(|error| panic!("{error}"));
        let first = lab.state(0, &numbers()).unwrap();
        assert!((1..4).all(|node| lab.state(node, &numbers()).unwrap() == first));
        assert!((1..4).all(|node| lab.offsets(node).unwrap() == lab.offsets(0).unwrap()));
        let held = lab.query(0, &Query::parse("FROM 'number'").unwrap()).unwrap();
        assert_eq!(held.iter().map(number).collect::<Vec<u64>>(), first);
    }
}

#[test]
fn equal_seeds_give_equal_traces_states_and_blame_and_others_do_not() {
    let came_to = |seed| {
        let mut lab = lab(5, seed);
        storm(&mut lab, &numbers()).unwrap();
        let states: Vec<Vec<u64>> =
            (0..5).map(|node| lab.state(node, &numbers()).unwrap()).collect();
        let times: Vec<i64> = (0..5).map(|node| lab.time(node).unwrap().micros()).collect();
        let trace: Vec<String> = lab.trace().map(str::to_owned).collect();
        (trace, states, times, lab.offsets(0).unwrap(), lab.befell().to_vec())
    };
    let one = came_to(7);
    assert!(one.0.len() > 50 && one.4.len() > 5, "{one:?}");
    assert_eq!(one, came_to(7));
    let other = came_to(8);
    assert!(one.0 != other.0 && one.2 != other.2 && one.3 != other.3 && one.4 != other.4);
    let blamed = |seed| {
        let forgets = |state: &Vec<u64>| Ok(state.iter().skip(1).map(|own| *own as u8).collect());
        let decode = |bytes: &[u8]| Ok(bytes.iter().map(|byte| u64::from(*byte)).collect());
        let step = |state: &mut Vec<u64>, event: EventView<'_>| {
            state.push(number(event));
            Ok(())
        };
        let query = Query::parse("FROM 'number'").unwrap();
        let fish = Definition::new("forgets", 1, query, "bytes").unwrap();
        let fish = Fish::with_codec(fish, Vec::new, step, forgets, decode);
        let mut lab = lab(3, seed);
        let error = storm(&mut lab, &fish).unwrap_err();
        (error.message().to_owned(), error.reason(), lab.trace().len())
    };
    assert_eq!(blamed(7), blamed(7));
    assert_ne!(blamed(7).0, blamed(8).0);
}

#[test]
fn a_step_that_depends_on_something_else_is_found_with_every_seed() {
    let make = || {
        let asked = AtomicU64::new(0);
        let step = move |state: &mut Vec<u64>, event: EventView<'_>| {
            let turn = asked.fetch_add(1, Ordering::Relaxed);
            state.push(number(event) + u64::from(turn.count_ones() % 3 == 1));
            Ok(())
        };
        Fish::new("odd", 1, Query::parse("FROM 'number'").unwrap(), Vec::new, step).unwrap()
    };
    assert_blamed(&found(20, make), "step");
}

#[test]
pub(super) fn a_codec_that_loses_something_is_found_with_every_seed() {
    // A state counts what it has seen, and its codec forgets the half of an odd count.
    let make = || {
        let query = Query::parse("FROM 'number'").unwrap();
        let step = |state: &mut (u64, u64), _: EventView<'_>| {
            *state = (state.0 + state.1 % 2, state.1 + 1);
            Ok(())
        };
        let encode = |state: &(u64, u64)| Ok(state.0.to_be_bytes().to_vec());
        let decode = |bytes: &[u8]| {
            let count = bytes.try_into().map(u64::from_be_bytes);
            count.map(|count| (count, 0)).map_err(|_| "eight bytes are needed".into())
        };
        let fish = Definition::new("halves", 1, query, "halves").unwrap();
        Fish::with_codec(fish, || (0, 0), step, encode, decode)
    };
    assert_eq!(found(20, make), ["codec"; 20]);
}

#[test]
fn a_codec_that_writes_a_set_in_any_order_is_found_as_that() {
    // Each set has its own order, as those of the standard library that hash.
    let make = || {
        let query = Query::parse("FROM 'number'").unwrap();
        let step = |state: &mut BTreeSet<u64>, event: EventView<'_>| {
            state.insert(event.key().lamport.value());
            Ok(())
        };
        let turn = AtomicU64::new(0);
        let encode = move |state: &BTreeSet<u64>| {
            let mut all: Vec<u64> = state.iter().copied().collect();
            let first = turn.fetch_add(1, Ordering::Relaxed) as usize;
            all.rotate_left(first % state.len().max(1));
            Ok(all.iter().flat_map(|number| number.to_be_bytes()).collect())
        };
        let decode = |bytes: &[u8]| {
            let each = bytes.chunks(8).map(|own| u64::from_be_bytes(own.try_into().unwrap()));
            Ok(each.collect())
        };
        let fish = Definition::new("set", 1, query, "set").unwrap();
        Fish::with_codec(fish, BTreeSet::new, step, encode, decode)
    };
    assert_eq!(found(20, make), ["encode"; 20]);
}

#[test]
fn a_reset_that_is_one_only_sometimes_is_found_with_every_seed() {
    let make = || {
        let asked = AtomicU64::new(0);
        let odd =
            move |_: EventView<'_>| asked.fetch_add(1, Ordering::Relaxed).count_ones() % 3 == 1;
        numbers().with_reset(odd).unwrap()
    };
    assert_blamed(&found(20, make), "is_reset");
}

#[test]
fn resets_that_are_resets_are_right_with_every_seed() {
    let make = || numbers().with_reset(|event| number(event) % 5 == 4).unwrap();
    assert_eq!(found(20, make), [""; 0]);
}

#[test]
fn code_that_fails_says_where_and_how_to_see_it_again() {
    let mut lab = lab(2, 3);
    let step = |_: &mut u64, _: EventView<'_>| Err("no steel".into());
    let fish = Fish::new("steel", 1, Query::all(), || 0, step).unwrap();
    lab.state(0, &fish).unwrap();
    lab.publish(0, vec![event("a", 1)]).unwrap();
    let error = lab.state(0, &fish).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::UserCode, Some("step")));
    assert!(error.message().contains("no steel") && error.message().contains("seed 3"));
    assert!(lab.state(1, &fish).is_ok(), "the other node goes on");
}

#[test]
fn nodes_of_one_group_reach_each_other_and_no_others() {
    let mut lab = lab(4, 1);
    lab.cut(&[vec![0, 1], vec![2]]).unwrap();
    (0..4).for_each(|node| drop(lab.publish(node, vec![event("number", node as u64)])));
    lab.settle().unwrap();
    let held = |lab: &Lab, node| lab.offsets(node).unwrap().total();
    assert_eq!([0, 1, 2, 3].map(|node| held(&lab, node)), [2, 2, 1, 1]);
    let seen = lab.state(1, &numbers()).unwrap();
    assert_eq!(seen.iter().copied().max(), Some(1));
    lab.heal();
    lab.settle().unwrap();
    assert_eq!([0, 1, 2, 3].map(|node| held(&lab, node)), [4; 4]);
    let mut all = lab.state(3, &numbers()).unwrap();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
    for groups in [vec![vec![4]], vec![vec![0], vec![0]]] {
        assert_eq!(lab.cut(&groups).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
pub(super) fn a_power_cut_takes_only_the_last_of_what_was_not_durable() {
    let mut kept = Vec::new();
    for seed in 1..=40 {
        let mut lab = lab(2, seed);
        lab.publish(0, vec![event("number", 0)]).unwrap();
        for number in 1..=3 {
            lab.publish_unsynced(0, vec![event("number", number), event("x", number)]).unwrap();
        }
        assert_eq!(lab.offsets(0).unwrap().total(), 1, "nobody sees it yet");
        // A process that ended first changes nothing of that.
        if seed % 2 == 0 {
            lab.crash(0).unwrap();
        }
        lab.cut_power(0).unwrap();
        let error = lab.publish(0, vec![event("number", 3)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        lab.start(0).unwrap();
        lab.settle().unwrap();
        let state = lab.state(1, &numbers()).unwrap();
        assert_eq!(state, (0..state.len() as u64).collect::<Vec<u64>>());
        assert_eq!(lab.offsets(1).unwrap().total() % 2, 1, "a batch is kept or lost as one");
        kept.push(state.len());
    }
    assert!((1..=4).all(|count| kept.contains(&count)), "{kept:?}");
}

#[test]
fn what_was_acknowledged_outlives_its_process_and_is_durable_within_50_ms() {
    for seed in 1..=20 {
        let mut lab = lab(2, seed);
        lab.publish_unsynced(0, vec![event("number", 1)]).unwrap();
        lab.crash(0).unwrap();
        lab.start(0).unwrap();
        lab.publish_unsynced(0, vec![event("number", 2)]).unwrap();
        lab.publish_unsynced(0, vec![event("number", 3)]).unwrap();
        lab.advance(Duration::from_millis(50)).unwrap();
        lab.cut_power(0).unwrap();
        lab.start(0).unwrap();
        assert_eq!(lab.state(0, &numbers()).unwrap(), [1, 2, 3]);
        lab.settle().unwrap();
        assert_eq!(lab.state(1, &numbers()).unwrap(), [1, 2, 3]);
    }
}

#[test]
fn who_dies_in_a_publish_has_stored_it_or_not_and_hears_nothing_of_that() {
    let (mut stored, mut lost) = (0, 0);
    for seed in 1..=40 {
        let options = LabOptions { faults: 2, ..LabOptions::new(1, seed) };
        #[allow(clippy::disallowed_methods, reason = "some instant to begin with")]
        let mut lab = Lab::at(&options, Instant::now()).unwrap();
        let before = lab.offsets(0).unwrap().total();
        match lab.publish_as(0, vec![event("number", 1)], true, None) {
            Ok(_) => assert_eq!(lab.offsets(0).unwrap().total(), before + 1),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Closed);
                assert!(!lab.is_up(0).unwrap());
                assert!(lab.trace().any(|line| line.contains("dies before")));
                match lab.offsets(0).unwrap().total() {
                    0 => lost += 1,
                    _ => stored += 1,
                }
            }
        }
    }
    assert!(stored > 3 && lost > 3, "{stored} stored, {lost} lost");
}

#[test]
fn a_look_changes_nothing_that_befalls() {
    let traced = |seed, looks: bool| {
        let mut lab = lab(4, seed);
        for round in 0..15 {
            lab.chaos(2).unwrap();
            for node in 0..4 {
                if lab.is_up(node).unwrap() {
                    lab.publish(node, vec![event("number", round)]).unwrap();
                    if looks {
                        lab.state(node, &numbers()).unwrap();
                    }
                }
            }
        }
        lab.calm().unwrap();
        lab.trace().map(str::to_owned).collect::<Vec<String>>()
    };
    for seed in 1..=10 {
        assert_eq!(traced(seed, true), traced(seed, false), "seed {seed}");
    }
}

#[test]
fn wall_clocks_are_set_also_back_so_times_fall_along_a_stream() {
    let falls = |seed| {
        let mut lab = lab(1, seed);
        for round in 0..40 {
            lab.chaos(1).unwrap();
            lab.publish(0, vec![event("number", round)]).unwrap();
        }
        let all = lab.query(0, &Query::all()).unwrap();
        let times: Vec<i64> = all.iter().map(|event| event.time().micros()).collect();
        assert!(times.iter().all(|time| (time - times[0]).abs() < 3_600_000_000));
        times.windows(2).any(|pair| pair[1] < pair[0])
    };
    assert!((1..=10).filter(|seed| falls(*seed)).count() > 5);
}

#[test]
fn a_lab_of_the_most_nodes_settles() {
    let mut lab = lab(crate::pond::lab::LAB_NODES_MAX, 1);
    (0..lab.node_count()).for_each(|node| drop(lab.publish(node, vec![event("number", 1)])));
    lab.settle().unwrap();
    assert!((0..lab.node_count()).all(|node| lab.offsets(node).unwrap().total() == 64));
}

#[test]
fn folds_without_code_and_folds_of_a_node_alone_are_judged_too() {
    let mut lab = lab(3, 9);
    for node in 0..3 {
        lab.publish(node, (0..4).map(|number| event("number", number)).collect()).unwrap();
    }
    lab.settle().unwrap();
    let sum =
        BuiltIn::from_value(&Value::map([("fold", Value::from("sum")), ("of", Value::from(""))]))
            .unwrap();
    let state = lab.state_of_builtin(1, &Query::all(), &sum).unwrap();
    assert_eq!(state, Value::map([("skipped", Value::from(0u64)), ("value", Value::from(18u64))]));
    let query = Query::parse("FROM isLocal").unwrap();
    let own = Fish::new(
        "own",
        1,
        query,
        || 0u64,
        |count, _| {
            *count += 1;
            Ok(())
        },
    )
    .unwrap();
    lab.check(&own).unwrap();
    assert_eq!(lab.state(2, &own).unwrap(), 4);
}

#[test]
fn another_definition_of_a_fish_is_refused_until_the_node_has_forgotten_the_first() {
    let mut lab = lab(1, 1);
    let other =
        |version| Fish::new("numbers", version, Query::all(), || 0u64, |_, _| Ok(())).unwrap();
    lab.state(0, &numbers()).unwrap();
    assert_eq!(lab.state(0, &other(2)).unwrap_err().kind(), ErrorKind::Conflict);
    lab.crash(0).unwrap();
    lab.start(0).unwrap();
    lab.state(0, &other(2)).unwrap();
}

/// What the check of the law finds for states that are numbers, eight bytes each.
fn law(
    step: impl Fn(u64, u64) -> u64,
    merge: impl Fn(u64, u64) -> u64,
) -> std::result::Result<Option<usize>, String> {
    let mut lab = lab(1, 1);
    lab.publish(0, [5, 1, 5, 9].map(|number| event("a", number)).into()).unwrap();
    let events = lab.query(0, &Query::all()).unwrap();
    let state = |bytes: &Bytes| u64::from_be_bytes(bytes[..].try_into().unwrap());
    let (mut check, mut answers) = (LawCheck::new(events.len()), Vec::new());
    loop {
        let questions = check.next_questions(answers).unwrap();
        if questions.is_empty() {
            return check.found(&"it").map_err(|error| error.message().to_owned());
        }
        let answer = |question: &LawQuestion| match question {
            LawQuestion::Initial => 0,
            LawQuestion::Step(from, index) => {
                step(state(from), number(events.get(*index).unwrap()))
            }
            LawQuestion::Merge(one, other) => merge(state(one), state(other)),
        };
        let bytes = |question| Bytes::copy_from_slice(&answer(question).to_be_bytes());
        answers = questions.iter().map(bytes).collect();
    }
}

#[test]
fn the_law_of_folds_that_only_grow_is_checked_in_rounds_as_it_is_at_once() {
    assert_eq!(law(u64::max, u64::max), Ok(Some(4)));
    assert_eq!(law(|state, event| state | 1 << event, |one, other| one | other), Ok(Some(4)));
    let counted = law(|state, _| state + 1, u64::max).unwrap_err();
    assert!(counted.contains("an event counts once"), "{counted}");
    let nothing = law(|_, _| 0, u64::max).unwrap_err();
    assert!(nothing.contains("nothing is shown"), "{nothing}");
    assert!(law(|_, event| event, |_, other| other).is_err());
    let mut check = LawCheck::new(1);
    check.next_questions(Vec::new()).unwrap();
    let large = check.next_questions(vec![vec![0; (64 << 20) + 1].into()]).unwrap_err();
    assert_eq!(large.kind(), ErrorKind::LimitExceeded);
    let mut check = LawCheck::new(3);
    assert!(check.next_questions(vec![Bytes::new()]).is_err(), "nothing was asked");
    assert_eq!(check.next_questions(Vec::new()).unwrap(), [LawQuestion::Initial]);
}

#[test]
fn more_time_than_a_century_is_refused_and_the_lab_goes_on() {
    let mut lab = lab(1, 1);
    for duration in [Duration::MAX, Duration::from_secs(1 << 40)] {
        let error = lab.advance(duration).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        let options = LabOptions { skew_max: duration, ..LabOptions::new(1, 1) };
        #[allow(clippy::disallowed_methods, reason = "some instant to begin with")]
        let refused = Lab::at(&options, Instant::now()).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::LimitExceeded);
    }
    let years = Duration::from_secs(60 * 366 * 86_400);
    lab.advance(years).unwrap();
    assert_eq!(lab.advance(years).unwrap_err().kind(), ErrorKind::LimitExceeded);
    lab.publish(0, vec![event("number", 1)]).unwrap();
    assert_eq!(lab.state(0, &numbers()).unwrap(), [1]);
}

#[test]
fn a_check_that_no_node_can_answer_is_refused() {
    let mut lab = lab(2, 1);
    (0..2).for_each(|node| lab.crash(node).unwrap());
    assert_eq!(lab.check(&numbers()).unwrap_err().kind(), ErrorKind::Closed);
    lab.start(1).unwrap();
    lab.check(&numbers()).unwrap();
}

#[test]
fn a_fish_declared_twice_is_one_fish() {
    let mut lab = lab(1, 1);
    let grows = numbers().grow_only(|one, _| one.clone()).unwrap();
    assert_eq!(lab.declare(numbers().definition()), lab.declare(grows.definition()));
}

//! Fish of real nodes: states, late events, snapshots, code that fails.

mod effects;
mod forks;
mod group;
mod reconnect;
mod robust;
mod session;

use crate::nodes::{PATIENCE, converge, event, everything, link, open, publish, secret};
use crate::support::Scratch;
use futures_lite::{StreamExt, future};
use millpond::event::Event;
use millpond::event::cbor::Value;
use millpond::pond::builtin::BuiltIn;
use millpond::pond::{CodeError, Definition};
use millpond::query::Query;
use millpond::{
    After, ErrorKind, EventView, Fish, Node, Observed, Observer, PublishOptions, PumpStep,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn query(text: &str) -> Query {
    Query::parse(text).unwrap()
}

/// The number in an event's payload.
fn number(payload: &[u8]) -> Result<u64, CodeError> {
    match Value::decode(payload)? {
        Value::Map(fields) => match &fields["n"] {
            Value::Integer(number) => Ok(u64::try_from(number.value())?),
            other => Err(format!("{other:?} is no number").into()),
        },
        other => Err(format!("{other:?} is no map").into()),
    }
}

/// All numbers in key order.
fn numbers(id: &str, text: &str) -> Fish<Vec<u64>> {
    let step = |state: &mut Vec<u64>, event: EventView<'_>| {
        state.push(number(event.payload_bytes())?);
        Ok(())
    };
    Fish::new(id, 1, query(text), Vec::new, step).unwrap()
}

fn counting(id: &str) -> Fish<u64> {
    let step = |state: &mut u64, _: EventView<'_>| {
        *state += 1;
        Ok(())
    };
    Fish::new(id, 1, Query::all(), || 0, step).unwrap()
}

/// The next states until one is as wanted.
fn wait_until<S: std::fmt::Debug>(
    observer: &mut Observer<S>,
    is_wanted: impl Fn(&Observed<S>) -> bool,
) -> Observed<S> {
    loop {
        let next = observer.wait_for_state(Some(PATIENCE)).unwrap().expect("a state comes");
        if is_wanted(&next) {
            return next;
        }
    }
}

fn sorted_numbers(node: &Node) -> Vec<u64> {
    let of = |event: &Event| number(event.payload.as_bytes()).unwrap();
    everything(node).iter().map(of).collect()
}

#[test]
fn events_of_a_partition_lead_back_to_the_state_of_the_sorted_log_everywhere() {
    let scratch = Scratch::new("fish-partition");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    publish(&a, "grain", 100, 10);
    converge(&[&a, &b], 100);
    let fish = numbers("numbers", "FROM 'grain'");
    let mut observers = [&a, &b].map(|node| node.observe(&fish).unwrap());
    observers.iter_mut().for_each(|own| drop(wait_until(own, |shown| shown.state.len() == 100)));
    b.set_network(false).wait().unwrap();
    publish(&a, "grain", 60, 7);
    publish(&b, "grain", 50, 9);
    wait_until(&mut observers[0], |shown| shown.state.len() == 160);
    wait_until(&mut observers[1], |shown| shown.state.len() == 150);
    b.set_network(true).wait().unwrap();
    converge(&[&a, &b], 210);
    let sorted = sorted_numbers(&a);
    for observer in &mut observers {
        let shown = wait_until(observer, |shown| shown.state.len() == 210);
        assert_eq!(shown.state, sorted);
    }
    assert!(observers.iter().any(|own| own.counts().rewinds > 0), "both wrote the same lamports");
}

#[test]
fn a_fish_goes_on_from_a_snapshot_when_its_node_is_opened_again() {
    let scratch = Scratch::new("fish-reopen");
    let fish = counting("count");
    let node = open(&scratch, "a", &secret(1));
    publish(&node, "grain", 20_000, 1_000);
    let mut observer = node.observe(&fish).unwrap();
    wait_until(&mut observer, |shown| shown.state == 20_000);
    drop(observer);
    node.close(PATIENCE).unwrap();
    let node = open(&scratch, "a", &secret(1));
    publish(&node, "grain", 5, 5);
    let mut observer = node.observe(&fish).unwrap();
    let shown = wait_until(&mut observer, |_| true);
    assert_eq!(shown.state, 20_005, "the first state is a whole one");
    let applied = observer.counts().applied;
    assert!(applied <= 5 + 3 * 1024, "{applied} events were folded again");
    // Another version does not look at it.
    drop(observer);
    let step = |state: &mut u64, _: EventView<'_>| {
        *state += 2;
        Ok(())
    };
    let next = Fish::new("count", 2, Query::all(), || 0, step).unwrap();
    let shown = node
        .state(&next, &After::default())
        .wait_timeout(PATIENCE)
        .expect("a state comes")
        .unwrap();
    assert_eq!(shown.state, 40_010);
}

#[test]
fn code_that_fails_stops_its_fish_behind_the_last_good_state_and_nothing_else() {
    let scratch = Scratch::new("fish-failing");
    let node = open(&scratch, "a", &secret(1));
    publish(&node, "grain", 10, 10);
    let failing = |id: &str, panics: bool| {
        let step = move |state: &mut u64, event: EventView<'_>| {
            *state += 1;
            if number(event.payload_bytes())? == 99 {
                assert!(!panics, "cannot take 99");
                return Err("cannot take 99".into());
            }
            Ok(())
        };
        Fish::new(id, 1, Query::all(), || 0u64, step).unwrap()
    };
    let fish = [failing("refusing", false), failing("panicking", true)];
    let mut observers = fish.each_ref().map(|fish| node.observe(fish).unwrap());
    let mut good = node.observe(&counting("good")).unwrap();
    observers.iter_mut().for_each(|own| drop(wait_until(own, |shown| shown.state == 10)));
    node.publish(vec![event("grain", 99)], PublishOptions::default()).wait().unwrap();
    for (observer, fish) in observers.iter_mut().zip(&fish) {
        let error = observer.wait_for_state(Some(PATIENCE)).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::UserCode, Some("step")));
        let said = error.message();
        let names = [fish.definition().id(), "offset 10", "cannot take 99"];
        assert!(names.iter().all(|name| said.contains(name)), "{said}");
        assert!(observer.next_state().is_err(), "it stays so");
    }
    wait_until(&mut good, |shown| shown.state == 11);
    // Observing it again tries again; who is late gets the error, too.
    let error = node
        .state(&fish[0], &After::default())
        .wait_timeout(PATIENCE)
        .expect("an answer comes")
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserCode);
    publish(&node, "grain", 1, 1);
    wait_until(&mut good, |shown| shown.state == 12);
}

#[test]
fn a_late_observer_gets_the_last_state_at_once_and_all_share_one_fold() {
    let scratch = Scratch::new("fish-late");
    let node = open(&scratch, "a", &secret(1));
    publish(&node, "grain", 100, 100);
    let folded = Arc::new(AtomicU64::new(0));
    let counter = folded.clone();
    let step = move |state: &mut u64, _: EventView<'_>| {
        *state += 1;
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    let fish = Fish::new("shared", 1, Query::all(), || 0u64, step).unwrap();
    let mut first = node.observe(&fish).unwrap();
    let shown = wait_until(&mut first, |shown| shown.state == 100);
    for _ in 0..5 {
        let mut late = node.observe(&fish).unwrap();
        assert_eq!(late.next_state().unwrap(), Some(shown.clone()));
        assert_eq!(late.next_state().unwrap(), None, "each state comes once");
    }
    assert_eq!(folded.load(Ordering::Relaxed), 100);
}

#[test]
fn another_fish_of_the_same_id_is_refused_while_one_is_observed() {
    let scratch = Scratch::new("fish-conflict");
    let node = open(&scratch, "a", &secret(1));
    let mut observer = node.observe(&numbers("own", "FROM 'a'")).unwrap();
    wait_until(&mut observer, |shown| shown.state.is_empty());
    let refused = |fish: &Fish<Vec<u64>>| node.observe(fish).map(drop).unwrap_err();
    let error = refused(&numbers("own", "FROM 'b'"));
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, Some("other_definition")));
    node.observe(&numbers("own", "FROM 'a'")).unwrap();
    drop(observer);
    let mut other = node.observe(&numbers("own", "FROM 'b'")).unwrap();
    wait_until(&mut other, |shown| shown.state.is_empty());
}

#[test]
fn a_fish_that_nothing_matches_shows_its_initial_state_and_asking_once_sees_all_that_is_durable() {
    let scratch = Scratch::new("fish-nothing");
    let node = open(&scratch, "a", &secret(1));
    let fish = numbers("nothing", "FROM 'nobody'");
    let shown = node
        .state(&fish, &After::default())
        .wait_timeout(PATIENCE)
        .expect("a state comes")
        .unwrap();
    assert_eq!((shown.state, shown.last, shown.number), (Vec::new(), None, 1));
    let _observer = node.observe(&fish).unwrap();
    for count in 1..20 {
        publish(&node, "grain", 1, 1);
        let shown = node
            .state(&fish, &After::default())
            .wait_timeout(PATIENCE)
            .expect("a state comes")
            .unwrap();
        assert_eq!(shown.offsets.total(), count);
        let counted = node
            .state(&counting("all"), &After::default())
            .wait_timeout(PATIENCE)
            .expect("it comes");
        assert_eq!(u128::from(counted.unwrap().state), count);
    }
}

#[test]
fn built_in_folds_follow_the_log_without_any_code() {
    let scratch = Scratch::new("fish-builtin");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    let text = |text: &str| Value::from(text);
    let sum = Value::map([("fold", text("sum")), ("of", text("/n"))]);
    let group = [("fold", text("group")), ("by", text("/mill")), ("each", sum)];
    let fold = BuiltIn::from_value(&Value::map(group)).unwrap();
    let mut observer = b.observe_builtin(&query("FROM 'grain'"), &fold).unwrap();
    publish(&a, "grain", 1_000, 50);
    let sums = Value::map([("M-017", Value::from(499_500u64))]);
    let expected = Value::map([("value", sums), ("skipped", Value::from(0u64))]);
    let shown = wait_until(&mut observer, |shown| shown.state == expected);
    assert_eq!(shown.offsets, b.offsets().unwrap());
    assert_eq!(
        b.state_of_builtin(&query("FROM 'grain'"), &fold, &After::default()).wait().unwrap().state,
        expected
    );
}

#[test]
fn observers_end_in_order_when_their_node_closes() {
    let scratch = Scratch::new("fish-closing");
    let node = open(&scratch, "a", &secret(1));
    publish(&node, "grain", 3, 3);
    let mut observer = node.observe(&counting("count")).unwrap();
    let closing = node.clone();
    let states = future::block_on(async {
        let first = observer.next().await.expect("a state comes").unwrap();
        closing.close(PATIENCE).unwrap();
        (first.state, observer.next().await.is_none(), observer.next().await.is_none())
    });
    assert_eq!(states, (3, true, true));
    assert_eq!(node.observe(&counting("count")).map(drop).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_fold_whose_owner_goes_away_says_so_and_can_be_had_again() {
    let scratch = Scratch::new("fish-pump");
    let node = open(&scratch, "a", &secret(1));
    let own = Arc::new(Definition::new("own", 1, Query::all(), "bytes").unwrap());
    let (mut first, pump) = node.join_fish(&own).unwrap();
    let mut pump = pump.expect("the first one gets the fold");
    assert!(matches!(pump.next_step(None), PumpStep::Run(_)));
    let (_second, none) = node.join_fish(&own).unwrap();
    assert!(none.is_none(), "there is one fold");
    drop(pump);
    assert!(first.wait(Some(PATIENCE)).unwrap());
    let error = first.next_state().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::UserCode, Some("fold_closed")));
    let (third, pump) = node.join_fish(&own).unwrap();
    let mut pump = pump.expect("it begins anew");
    let ending = pump.ending();
    assert!(!ending.end_unobserved(), "it is observed");
    drop(third);
    assert!(ending.end_unobserved());
    let (_fourth, other) = node.join_fish(&own).unwrap();
    assert!(other.is_some(), "one that has ended takes nobody in");
    assert!(matches!(pump.next_step(None), PumpStep::Ended), "nobody observes it");
}

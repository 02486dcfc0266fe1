//! Whatever code, callers and traffic do: only who is concerned notices.

use super::{counting, numbers, query, wait_until};
use crate::nodes::{PATIENCE, event, link, open, publish, secret};
use crate::support::Scratch;
use futures_lite::{StreamExt, future};
use millpond::pond::Definition;
use millpond::{
    After, ErrorKind, EventView, Fish, Node, PublishOptions, Pump, PumpStep, StateSubscription,
};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// Counts, and panics where a state is decoded.
fn undecodable(id: &str) -> Fish<u64> {
    let definition = Definition::new(id, 1, query("FROM 'grain'"), "broken").unwrap();
    let step = |state: &mut u64, _: EventView<'_>| {
        *state += 1;
        Ok(())
    };
    let encode = |state: &u64| Ok(state.to_le_bytes().to_vec());
    Fish::with_codec(definition, || 0, step, encode, |_| panic!("cannot read"))
}

#[test]
fn a_codec_that_panics_is_told_to_who_asked_and_to_nobody_else() {
    let (scratch, secret) = (Scratch::new("fish-undecodable"), secret(1));
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret));
    publish(&b, "grain", 10, 10);
    let mut good = b.observe(&counting("good")).unwrap();
    let fish = undecodable("broken");
    let is_told = |error: millpond::Error| {
        assert_eq!((error.kind(), error.reason()), (ErrorKind::UserCode, Some("decode")));
        assert!(error.message().contains("cannot read"), "{error}");
    };
    let mut observer = b.observe(&fish).unwrap();
    is_told(observer.wait_for_state(Some(PATIENCE)).unwrap_err());
    is_told(b.state(&fish, &After::default()).wait().unwrap_err());
    // The same where the answer comes from the thread that waits for all.
    let appended = a.publish(vec![event("grain", 1)], PublishOptions::default()).wait().unwrap();
    let after = After { token: appended.token(), timeout: None };
    let waiting = b.state(&fish, &after);
    let other = b.wait_for(&after, None);
    assert!(!waiting.is_done() && !other.is_done());
    link(&b, &a).unwrap();
    is_told(waiting.wait().unwrap_err());
    other.wait().unwrap();
    wait_until(&mut good, |shown| shown.state == 11);
    // Its fold goes on: states that were saved cost time only.
    let mut again = b.observe(&fish).unwrap();
    is_told(again.wait_for_state(Some(PATIENCE)).unwrap_err());
}

#[test]
fn who_drops_the_answer_lets_go_of_the_fish() {
    let (scratch, secret) = (Scratch::new("fish-dropped"), secret(1));
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret));
    let appended = a.publish(vec![event("grain", 1)], PublishOptions::default()).wait().unwrap();
    let never = After { token: appended.token(), timeout: None };
    let refused = |fish: &Fish<Vec<u64>>| b.observe(fish).map(drop).unwrap_err().kind();
    let (own, other) = (numbers("own", "FROM 'a'"), numbers("own", "FROM 'b'"));
    let waiting = b.state(&own, &never);
    assert_eq!(refused(&other), ErrorKind::Conflict, "the fish is held");
    drop(waiting);
    drop(b.observe(&other).unwrap());
    let waiting = b.observe(&own).unwrap().after(&b, &never);
    assert_eq!(refused(&other), ErrorKind::Conflict);
    drop(waiting);
    drop(b.observe(&other).unwrap());
}

/// A fish without code, worked until it has nothing to do; and how often it was woken since.
fn idle(node: &Node, id: &str, text: &str) -> (StateSubscription, Pump, Arc<AtomicU64>) {
    let definition = Arc::new(Definition::new(id, 1, query(text), "none").unwrap());
    let (subscription, pump) = node.join_fish(&definition).unwrap();
    let mut pump = pump.expect("it is new");
    work(&mut pump);
    let woken = Arc::new(AtomicU64::new(0));
    let counter = woken.clone();
    pump.on_ready(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    (subscription, pump, woken)
}

fn work(pump: &mut Pump) {
    use millpond::pond::{Answer, Job};
    let mut answer = None;
    while let PumpStep::Run(job) = pump.next_step(answer.take()) {
        answer = Some(match job {
            Job::Load(_) => Answer::Loaded,
            Job::Apply(_) => Answer::Applied { last_reset: None },
            Job::Save => Answer::Saved(Vec::new().into()),
        });
    }
}

#[test]
fn a_commit_wakes_the_fish_that_it_may_matter_to_and_no_others() {
    let scratch = Scratch::new("fish-woken");
    let node = open(&scratch, "a", &secret(1));
    let mut fish: Vec<_> = (0..100)
        .map(|number| {
            idle(&node, &format!("fish {number}"), &format!("FROM 'own:{number}' & 'grain'"))
        })
        .collect();
    let (_all, _pump, all) = idle(&node, "all", "FROM allEvents");
    // Each that came made the shares of the others smaller, now and then.
    let counters = fish.iter().map(|(_, _, woken)| woken).chain([&all]);
    counters.for_each(|woken| woken.store(0, Ordering::Relaxed));
    let tagged = |tags: &[&str]| {
        let mut one = event("grain", 1);
        one.tags = millpond::event::TagSet::new(tags).unwrap();
        node.publish(vec![one], PublishOptions::default()).wait().unwrap();
    };
    for _ in 0..10 {
        tagged(&["grain"]);
        tagged(&["own:7"]);
    }
    tagged(&["grain", "own:7", "other"]);
    let woken = |own: &(_, _, Arc<AtomicU64>)| own.2.load(Ordering::Relaxed);
    let counts: Vec<u64> = fish.iter().map(woken).collect();
    assert_eq!(all.load(Ordering::Relaxed), 21);
    assert!(counts[7] >= 1, "it is woken for what it waits for");
    // Two of four thousand places may be one: a few may be woken in vain.
    assert!(counts.iter().filter(|count| **count > 0).count() <= 10, "{counts:?}");
    // Who asks for a state of all that is held gets it all the same.
    let (subscription, pump, _) = &mut fish[3];
    let state = subscription.state_after(node.offsets().unwrap());
    assert!(!state.is_done());
    work(pump);
    assert_eq!(state.wait().unwrap().offsets, node.offsets().unwrap());
}

/// What so many idle fish cost: printed, since no machine is quiet.
#[test]
fn a_thousand_idle_fish_see_what_comes_and_cost_little() {
    const FISH: u64 = 1_000;
    let scratch = Scratch::new("fish-thousand");
    let node = open(&scratch, "a", &secret(1));
    let took = |what: &str| {
        let began = Instant::now();
        for number in 0..200 {
            node.publish(vec![event("grain", number)], PublishOptions::default()).wait().unwrap();
        }
        println!("idle fish: 200 publishes took {:?} {what}", began.elapsed());
    };
    took("without any");
    let mut observers: Vec<_> = (0..FISH)
        .map(|number| {
            let fish = numbers(&format!("fish {number}"), &format!("FROM 'own:{number}'"));
            node.observe(&fish).unwrap()
        })
        .collect();
    for observer in &mut observers {
        wait_until(observer, |shown| shown.state.is_empty());
    }
    took("beside 1,000");
    node.publish(vec![event("own:500", 7)], PublishOptions::default()).wait().unwrap();
    wait_until(&mut observers[500], |shown| shown.state == [7]);
}

fn blocking(id: &str, released: Receiver<()>) -> Fish<u64> {
    let released = Mutex::new(released);
    let step = move |state: &mut u64, _: EventView<'_>| {
        *state += 1;
        let _ = released.lock().unwrap().recv();
        Ok(())
    };
    Fish::new(id, 1, query("FROM 'grain'"), || 0, step).unwrap()
}

#[test]
fn a_node_closes_and_observers_end_whatever_the_code_of_a_fish_is_doing() {
    let scratch = Scratch::new("fish-blocking");
    let node = open(&scratch, "a", &secret(1));
    let (release, released) = channel();
    let fish = blocking("blocking", released);
    let mut observer = node.observe(&fish).unwrap();
    wait_until(&mut observer, |shown| shown.state == 0);
    let (subscription, none) = node.join_fish(fish.definition()).unwrap();
    assert!(none.is_none());
    publish(&node, "grain", 1, 1);
    let turns = [subscription.effect_turn(), subscription.effect_turn()];
    let state = node.state(&fish, &After::default());
    node.close(PATIENCE).unwrap();
    assert!(future::block_on(observer.next()).is_none());
    assert_eq!(state.wait().unwrap_err().kind(), ErrorKind::Closed);
    let ended = turns.map(|turn| turn.wait().map(drop));
    assert!(
        ended.iter().any(|turn| turn.as_ref().is_err_and(|own| own.kind() == ErrorKind::Closed))
    );
    drop(release);
}

//! Effects: one at a time, each on what those before it published, and never for ever.

use super::{number, numbers, query, sorted_numbers, wait_until};
use crate::nodes::{PATIENCE, converge, event, held, link, open, secret};
use crate::support::Scratch;
use millpond::event::{NewEvent, OffsetMap};
use millpond::{After, Durability, ErrorKind, EventView, Fish, Node, PublishOptions, RunOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// The same fish each time, whose code holds `is_used`.
fn tickets_with(is_used: Arc<()>) -> Fish<Vec<u64>> {
    let step = move |state: &mut Vec<u64>, event: EventView<'_>| {
        let _held = &is_used;
        state.push(number(event.payload_bytes())?);
        Ok(())
    };
    Fish::new("tickets", 1, query("FROM 'ticket'"), Vec::new, step).unwrap()
}

fn numbered(n: u64) -> Vec<NewEvent> {
    vec![event("ticket", n)]
}

#[test]
fn each_effect_sees_what_those_before_it_published() {
    const EACH: u64 = 25;
    let scratch = Scratch::new("fish-effects");
    let node = open(&scratch, "a", &secret(1));
    let fish = numbers("tickets", "FROM 'ticket'");
    let draw = |node: &Node| {
        let taken = node.run(&fish, |state| Ok(numbered(state.len() as u64 + 1))).unwrap();
        assert!(taken.is_some());
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            let node = node.clone();
            scope.spawn(move || (0..EACH).for_each(|_| draw(&node)));
        }
    });
    assert_eq!(sorted_numbers(&node), (1..=4 * EACH).collect::<Vec<_>>());
    assert_eq!(node.run(&fish, |_| Ok(Vec::new())).unwrap(), None);
}

#[test]
fn an_effect_sees_what_the_one_before_published_that_is_on_no_disk_yet() {
    let scratch = Scratch::new("fish-effects-process");
    let node = open(&scratch, "a", &secret(1));
    let publish = PublishOptions { durability: Durability::Process, ..PublishOptions::default() };
    let mut seen = OffsetMap::new();
    for _ in 0..20 {
        let is_used = Arc::new(());
        let options = RunOptions { publish: publish.clone(), ..RunOptions::default() };
        let fish = tickets_with(is_used.clone());
        let drawn = node.run_with(&fish, options, |state| Ok(numbered(state.len() as u64 + 1)));
        seen.join(&drawn.unwrap().expect("it publishes").token());
        drop(fish);
        // Nobody observes it, so its fold is let go of; the next run begins with another.
        let until = Instant::now() + PATIENCE;
        while Arc::strong_count(&is_used) > 1 {
            assert!(Instant::now() < until, "the fold is kept");
            thread::yield_now();
        }
    }
    node.wait_for(&After { token: seen, timeout: Some(PATIENCE) }, None).wait().unwrap();
    assert_eq!(sorted_numbers(&node), (1..=20).collect::<Vec<_>>());
}

#[test]
fn an_effect_waits_for_nothing_that_effects_on_another_fish_have_published() {
    let scratch = Scratch::new("fish-effects-others");
    let node = open(&scratch, "a", &secret(1));
    let publish = PublishOptions { durability: Durability::Process, ..PublishOptions::default() };
    let fish = numbers("tickets", "FROM 'ticket'");
    let is_early = |round: u64| {
        let options = RunOptions { publish: publish.clone(), ..RunOptions::default() };
        let drawn = node.run_with(&fish, options, |_| Ok(numbered(round))).unwrap();
        let token = drawn.expect("it publishes").token();
        let other = numbers(&format!("other {round}"), "FROM 'other'");
        let mut is_early = false;
        let look = |_: &Vec<u64>| {
            is_early = !node.offsets().unwrap().covers(&token);
            Ok(Vec::new())
        };
        node.run(&other, look).unwrap();
        is_early
    };
    // On a busy machine they may be on disk by then, but not each time.
    assert!((0..200).any(is_early), "its turn always came after they were on disk");
}

#[test]
fn whoever_observes_a_fish_while_an_effect_has_its_turn_gets_no_turn_beside_it() {
    let scratch = Scratch::new("fish-effects-left");
    let node = open(&scratch, "a", &secret(1));
    let fish = numbers("tickets", "FROM 'ticket'");
    let first = node.observe(&fish).unwrap();
    let (own, _worked) = node.join_fish(fish.definition()).unwrap();
    let turn = own.effect_turn().wait().unwrap();
    drop((own, first));
    let mut other = node.observe(&fish).unwrap();
    let (own, _worked) = node.join_fish(fish.definition()).unwrap();
    let next = own.effect_turn();
    wait_until(&mut other, |_| true);
    assert!(!next.is_done(), "two have the turn");
    let published = turn.publish(&node, numbered(1), PublishOptions::default());
    let next = next.wait().unwrap();
    published.wait().unwrap();
    assert_eq!(next.emission().offsets.total(), 1);
}

#[test]
fn whoever_observes_a_fish_anew_after_its_code_failed_gets_no_turn_beside_the_one_before() {
    let scratch = Scratch::new("fish-effects-failed");
    let node = open(&scratch, "a", &secret(1));
    let fails = Arc::new(AtomicBool::new(true));
    let has_failed = fails.clone();
    let step = move |state: &mut Vec<u64>, event: EventView<'_>| {
        state.push(number(event.payload_bytes())?);
        if fails.load(Ordering::Acquire) { Err("as asked".into()) } else { Ok(()) }
    };
    let fish = Fish::new("tickets", 1, query("FROM 'ticket'"), Vec::new, step).unwrap();
    let mut first = node.observe(&fish).unwrap();
    let (own, _worked) = node.join_fish(fish.definition()).unwrap();
    let turn = own.effect_turn().wait().unwrap();
    wait_until(&mut first, |_| true);
    node.publish(numbered(1), PublishOptions::default()).wait().unwrap();
    first.wait_for_state(Some(PATIENCE)).unwrap_err();
    drop((own, first));
    // The second one fails, too, while the turn of the first one goes on.
    let second = node.observe(&fish).unwrap().wait_for_state(Some(PATIENCE));
    second.unwrap_err();
    has_failed.store(false, Ordering::Release);
    let mut third = node.observe(&fish).unwrap();
    let (own, _worked) = node.join_fish(fish.definition()).unwrap();
    let next = own.effect_turn();
    wait_until(&mut third, |shown| shown.state == [1]);
    assert!(!next.is_done(), "two have the turn");
    turn.publish(&node, numbered(2), PublishOptions::default()).wait().unwrap();
    let next = next.wait().unwrap();
    assert_eq!(next.emission().offsets.total(), 2);
    drop((next, own, third));
    // Nothing of that is kept.
    node.run(&fish, |state| Ok(numbered(state.len() as u64 + 1))).unwrap();
    assert_eq!(sorted_numbers(&node), [1, 2, 3]);
}

#[test]
fn an_effect_that_fails_says_so_publishes_nothing_and_holds_up_nobody() {
    let scratch = Scratch::new("fish-effect-fails");
    let node = open(&scratch, "a", &secret(1));
    let fish = numbers("tickets", "FROM 'ticket'");
    let error = node.run(&fish, |_| Err("no paper".into())).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::UserCode, Some("effect")));
    assert!(error.message().contains("no paper"), "{error}");
    let error = node.run(&fish, |_| panic!("no ink")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserCode);
    assert_eq!(held(&node), 0);
    node.run(&fish, |_| Ok(numbered(1))).unwrap().expect("it publishes");
    assert_eq!(sorted_numbers(&node), [1]);
}

#[test]
fn what_is_kept_running_acts_on_each_change_until_its_state_says_enough() {
    let scratch = Scratch::new("fish-running");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    let orders = numbers("orders", "FROM 'order' | 'done'");
    // Answers each order once.
    let answer = |state: &Vec<u64>| {
        let is_open = |number: &&u64| **number < 100 && !state.contains(&(**number + 100));
        let open = state.iter().filter(is_open);
        Ok(open.map(|number| event("done", number + 100)).collect())
    };
    let mut running = b.keep_running(&orders, answer, |state| state.len() == 20).unwrap();
    for number in 0..10 {
        let order = vec![event("order", number)];
        a.publish(order, PublishOptions::default()).wait().unwrap();
    }
    running.wait(Some(PATIENCE)).expect("it ends").unwrap();
    converge(&[&a, &b], 20);
    let mut idle = b.keep_running(&orders, |_| Ok(Vec::new()), |_| false).unwrap();
    assert!(idle.wait(Some(Duration::from_millis(1))).is_none());
    idle.stop();
    idle.wait(Some(PATIENCE)).expect("it ends").unwrap();
}

#[test]
fn an_effect_that_would_wait_for_itself_is_told_so() {
    let scratch = Scratch::new("fish-effect-nested");
    let node = open(&scratch, "a", &secret(1));
    let tickets = numbers("tickets", "FROM 'ticket'");
    let others = numbers("others", "FROM 'other'");
    for inner in [&tickets, &others] {
        let ran = node.run(&tickets, |_| {
            let error = node.run(inner, |_| Ok(Vec::new())).unwrap_err();
            assert_eq!((error.kind(), error.reason()), nested());
            let error = node.keep_running(inner, |_| Ok(Vec::new()), |_| true).err().unwrap();
            assert_eq!((error.kind(), error.reason()), nested());
            // A look at a state waits for nobody's turn.
            assert!(node.state(inner, &After::default()).wait()?.state.is_empty());
            Ok(Vec::new())
        });
        assert_eq!(ran.unwrap(), None);
    }
    let error = node.run(&tickets, |_| {
        node.run(&others, |_| Ok(Vec::new())).map(|_| Vec::new()).map_err(Into::into)
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::UserCode, "the outer one says why");
    node.run(&tickets, |_| Ok(numbered(1))).unwrap().expect("it publishes");
}

fn nested() -> (ErrorKind, Option<&'static str>) {
    (ErrorKind::InvalidArgument, Some("nested_effect"))
}

#[test]
fn who_waits_for_its_turn_may_give_up_and_the_next_one_comes() {
    let scratch = Scratch::new("fish-effect-timeout");
    let node = open(&scratch, "a", &secret(1));
    let fish = numbers("tickets", "FROM 'ticket'");
    let (begun, has_begun) = channel();
    let (release, released) = channel::<()>();
    thread::scope(|scope| {
        let (own, fish) = (&node, &fish);
        let slow = scope.spawn(move || {
            own.run(fish, |_| {
                begun.send(()).unwrap();
                released.recv().unwrap();
                Ok(numbered(1))
            })
        });
        has_begun.recv_timeout(PATIENCE).unwrap();
        let soon = RunOptions { timeout: Some(Duration::from_millis(20)), ..RunOptions::default() };
        let error = node.run_with(fish, soon, |_| Ok(numbered(9))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        // One that is dropped stands in nobody's way.
        let pump_of = numbers("tickets", "FROM 'ticket'");
        let (subscription, _none) = node.join_fish(pump_of.definition()).unwrap();
        drop(subscription.effect_turn());
        let next = scope.spawn(move || own.run(fish, |state| Ok(numbered(state.len() as u64 + 1))));
        release.send(()).unwrap();
        slow.join().unwrap().unwrap().expect("it published");
        next.join().unwrap().unwrap().expect("it published");
    });
    assert_eq!(sorted_numbers(&node), [1, 2]);
}

#[test]
fn an_effect_whose_events_are_refused_ends_its_turn_and_says_why() {
    let scratch = Scratch::new("fish-effect-refused");
    let node = open(&scratch, "a", &secret(1));
    let fish = numbers("tickets", "FROM 'ticket'");
    for _ in 0..2 {
        let refused = node.run(&fish, |_| Ok(vec![event("millpond:claim:x", 1)])).unwrap_err();
        assert_eq!(refused.reason(), Some("reserved_tag"));
    }
    let publish = PublishOptions { expected: Some(7), ..PublishOptions::default() };
    let options = RunOptions { publish, ..RunOptions::default() };
    let refused = node.run_with(&fish, options, |_| Ok(numbered(1))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    node.run(&fish, |_| Ok(numbered(1))).unwrap().expect("it publishes");
    assert_eq!(sorted_numbers(&node), [1]);
    let reserved = |_: &Vec<u64>| Ok(vec![event("millpond:claim:x", 1)]);
    let mut running = node.keep_running(&fish, reserved, |_| false).unwrap();
    let ended = running.wait(Some(PATIENCE)).expect("it ends");
    assert_eq!(ended.unwrap_err().reason(), Some("reserved_tag"));
    let panicking = |_: &Vec<u64>| panic!("no ink");
    let mut running = node.keep_running(&fish, panicking, |_| false).unwrap();
    let ended = running.wait(Some(PATIENCE)).expect("it ends").unwrap_err();
    assert_eq!((ended.kind(), ended.reason()), (ErrorKind::UserCode, Some("effect")));
    assert!(ended.message().contains("no ink"), "{ended}");
}

#[test]
fn an_effect_acts_on_no_less_than_it_is_to_see() {
    let (scratch, secret) = (Scratch::new("fish-effect-after"), secret(1));
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret));
    let fish = numbers("tickets", "FROM 'ticket'");
    let token: OffsetMap =
        a.publish(numbered(1), PublishOptions::default()).wait().unwrap().token();
    let after = |timeout| RunOptions {
        after: After { token: token.clone(), timeout: Some(timeout) },
        ..RunOptions::default()
    };
    let error = b.run_with(&fish, after(Duration::ZERO), |_| Ok(numbered(9))).unwrap_err();
    assert_eq!((error.kind(), held(&b)), (ErrorKind::NotYetVisible, 0));
    link(&b, &a).unwrap();
    b.run_with(&fish, after(PATIENCE), |state| Ok(numbered(state.len() as u64 + 1))).unwrap();
    assert_eq!(sorted_numbers(&b), [1, 2]);
}

#[test]
fn what_is_kept_running_ends_with_its_node() {
    let scratch = Scratch::new("fish-running-close");
    let node = open(&scratch, "a", &secret(1));
    let fish = numbers("tickets", "FROM 'ticket'");
    let mut running = node.keep_running(&fish, |_| Ok(Vec::new()), |_| false).unwrap();
    node.close(PATIENCE).unwrap();
    running.wait(Some(PATIENCE)).expect("it ends").unwrap();
}

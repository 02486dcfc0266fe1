//! What ends when: folds that nobody took, code that was given along, waits, and nodes.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use millpond_facade::{
    CancelHandle, Closed, Draft, Effect, FishFunction, FishJob, FishSpec, FishWork, GroupAnswer,
    GroupStep, JobAnswer, Limit, NodeHandle, ObserverHandle, Offsets, PublishOptions, ReadOptions,
    SessionHandle, StateView, SubscribeOptions, TurnKind, Wait, fault, json,
};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use support::{Mill, SOON, receiver, soon};

/// Set when what is given along with code is dropped, which takes its time.
#[derive(Clone, Default)]
struct Dropped(Arc<AtomicBool>);

/// Is dropped with the code that it is in.
struct Load(Dropped);

impl Dropped {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        (0..10_000).for_each(|_| thread::yield_now());
        self.0.0.store(true, Ordering::Release);
    }
}

fn count(id: &str) -> FishSpec {
    FishSpec::code(id, 1, "FROM 'grain'")
}

/// Counts events; `load` is dropped with it.
fn counting(load: Option<Load>) -> FishWork {
    let mut state = 0u64;
    Box::new(move |job| {
        let _ = &load;
        match job {
            FishJob::Load(None) => {
                state = 0;
                JobAnswer::Loaded
            }
            FishJob::Load(Some(bytes)) => {
                state = json::from_cbor(&bytes).unwrap().parse().unwrap();
                JobAnswer::Loaded
            }
            FishJob::Apply(events) => {
                state += events.len() as u64;
                JobAnswer::Applied { last_reset: None }
            }
            _ => JobAnswer::Saved(json::to_cbor(&state.to_string()).unwrap().into()),
        }
    })
}

fn observe_with(node: NodeHandle, id: &str) -> ObserverHandle {
    let work = counting(None);
    node.observe_worked(count(id), ReadOptions::default(), work, &soon()).unwrap()
}

fn until(observer: ObserverHandle, wanted: &str) {
    while observer.next_state(&soon()).unwrap().json().unwrap() != wanted {}
}

fn draft(payload: &str) -> Draft {
    Draft::from_json(["grain"], payload).unwrap()
}

/// A session that has seen what only another node has.
fn session_of_elsewhere() -> SessionHandle {
    let (session, other) = (SessionHandle::new().unwrap(), Mill::open());
    let options = PublishOptions { session: Some(session), ..PublishOptions::default() };
    other.node.publish(vec![draft("0")], options, &soon()).unwrap();
    other.close();
    session
}

#[test]
fn a_group_that_ends_half_way_leaves_its_fish_to_others() {
    let mill = Mill::open();
    mill.publish_json(&["1", "2"]);
    let none = ReadOptions::default();
    let group = mill.node.observe_group("FROM 'grain'", false, none, &soon()).unwrap();
    assert!(matches!(group.next_step(None, &soon()), Ok(GroupStep::Seeds(_))));
    let other = FishSpec::code("one", 2, "FROM 'grain'");
    let made = GroupAnswer::Made(vec![Some(count("one")), Some(other)]);
    let error = group.next_step(Some(made), &soon()).unwrap_err();
    assert_eq!((error.name, error.reason), ("conflict", Some("other_definition")));
    // Whose fold nobody was given.
    until(observe_with(mill.node, "one"), "2");
    assert_eq!(group.close(), Ok(Closed::Now));
    mill.close();
}

#[test]
fn a_group_that_closes_before_its_folds_were_given_out_leaves_its_fish_to_others() {
    const FISH: usize = 200;
    let mill = Mill::open();
    mill.publish_json(&vec!["1"; FISH]);
    for round in 0..20 {
        let none = ReadOptions::default();
        let group = mill.node.observe_group("FROM 'grain'", false, none, &soon()).unwrap();
        let GroupStep::Seeds(seeds) = group.next_step(None, &soon()).unwrap() else {
            panic!("first there are seeds");
        };
        let id = |index: usize| format!("fish-{round}-{index}");
        let made = (0..seeds.len()).map(|index| Some(count(&id(index))));
        let cancel = CancelHandle::new().unwrap();
        let (done, step) = receiver();
        let limit = Limit { timeout: None, cancel: Some(cancel) };
        group.next_step_start(Some(GroupAnswer::Made(made.collect())), limit, done);
        (0..round * 4).for_each(|_| thread::yield_now());
        cancel.cancel().unwrap();
        if let GroupStep::Folds(folds) =
            step.recv_timeout(SOON).unwrap().unwrap_or(GroupStep::Ended)
        {
            folds.iter().for_each(|(_, fold)| drop(fold.close()));
        }
        assert_eq!(group.close(), Ok(Closed::Now));
        for index in 0..seeds.len() {
            let fold = loop {
                let reading = ReadOptions::default();
                let observed = mill.node.observe(count(&id(index)), reading, &soon()).unwrap();
                if let Some(fold) = observed.fold {
                    observed.observer.close().unwrap();
                    break fold;
                }
                // Its last step was under way, and is let go of just now: that is told.
                let told = observed.observer.next_state(&soon()).unwrap_err();
                assert_eq!(told.reason, Some("fold_closed"), "{told}");
                observed.observer.close().unwrap();
            };
            fold.close().unwrap();
        }
    }
    mill.close();
}

/// Which case a process of the next test is to try.
const TRIED: &str = "MILLPOND_TRIED_THREAD";
const CASES: [&str; 5] = ["observe", "work", "call_back", "keep_running", "subscribe"];

/// The environment says that a thread is refused, so each case is tried in a process of its own.
#[test]
fn a_thread_that_the_system_refuses_costs_one_call_and_nothing_else() {
    if !fault::is_compiled_in() {
        return;
    }
    if let Ok(case) = std::env::var(TRIED) {
        return without_a_thread(&case);
    }
    for case in CASES {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["a_thread_that_the_system_refuses_costs_one_call_and_nothing_else", "--exact"]);
        child.env(TRIED, case).env("MILLPOND_FAIL_AT", "thread");
        let done = child.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "no thread for {case}: {said}");
    }
}

fn without_a_thread(case: &str) {
    let mill = Mill::open();
    mill.publish_json(&["1"]);
    let none = ReadOptions::default;
    let dropped = Dropped::default();
    let load = Load(dropped.clone());
    let built_in = || {
        let fish = FishSpec::built_in("FROM 'grain'", r#"{"fold":"count"}"#);
        mill.node.observe(fish, none(), &soon()).unwrap().observer
    };
    let (send, called) = mpsc::channel();
    let error = match case {
        "observe" => {
            let work = counting(Some(load));
            let observed = mill.node.observe_worked(count("one"), none(), work, &soon());
            observed.map(drop).unwrap_err()
        }
        "work" => {
            let observed = mill.node.observe(count("one"), none(), &soon()).unwrap();
            let fold = observed.fold.unwrap();
            let error = fold.work_on_thread(counting(Some(load))).unwrap_err();
            fold.work_on_thread(counting(None)).unwrap();
            until(observed.observer, "1");
            error
        }
        "call_back" => {
            let observer = built_in();
            let first = observer.call_back(Box::new(move |_| assert!(!load.0.is_set())));
            observer
                .call_back(Box::new(move |_| {
                    let _ = send.send(());
                }))
                .unwrap();
            called.recv_timeout(SOON).unwrap();
            first.unwrap_err()
        }
        "keep_running" => {
            let (observer, options) = (built_in(), PublishOptions::default());
            let first = move |_: millpond_facade::Result<Option<&StateView>>| {
                let _ = &load;
                Ok(Effect::default())
            };
            let first = observer.keep_running(options.clone(), Box::new(first));
            let second = move |_: millpond_facade::Result<Option<&StateView>>| {
                let _ = send.send(());
                Ok(Effect::default())
            };
            observer.keep_running(options, Box::new(second)).unwrap();
            called.recv_timeout(SOON).unwrap();
            first.unwrap_err()
        }
        _ => {
            let callback = Box::new(move |_| assert!(!load.0.is_set()));
            let options = SubscribeOptions::default();
            let first = mill.node.subscribe_callback("FROM 'grain'", options, None, callback);
            first.map(drop).unwrap_err()
        }
    };
    assert_eq!(error.name, "internal", "{error}");
    assert!(dropped.is_set(), "what was given to a call that failed is dropped");
    until(observe_with(mill.node, "one"), "1");
    mill.close();
}

#[test]
fn an_effect_that_waits_for_its_session_keeps_no_turn_and_holds_up_no_close() {
    let mill = Mill::open();
    let (one, other) = (observe_with(mill.node, "one"), observe_with(mill.node, "one"));
    let session = session_of_elsewhere();
    let options = PublishOptions { session: Some(session), ..PublishOptions::default() };
    let keep = |observer: ObserverHandle| {
        let (send, said) = mpsc::channel();
        let effect = move |state: millpond_facade::Result<Option<&StateView>>| {
            drop(send.send(state.map(|state| state.is_some())));
            Ok(Effect { drafts: vec![draft("1")], is_last: false })
        };
        observer.keep_running(options.clone(), Box::new(effect)).unwrap();
        said
    };
    let said = keep(one);
    other.turn(TurnKind::Any, None, &soon()).unwrap().close().unwrap();
    assert_eq!(one.close(), Ok(Closed::Now));
    assert_eq!(said.iter().collect::<Vec<_>>(), [Ok(false)], "it ended before it began");

    let said = keep(other);
    let brief = Wait::timeout(Duration::from_millis(20));
    let mut nothing = |_: &StateView| panic!("what its session has seen is not here");
    let third = observe_with(mill.node, "one");
    let error = third.run(TurnKind::Any, options.clone(), &mut nothing, &brief).unwrap_err();
    assert_eq!(error.name, "not_yet_visible");
    let turn = third.turn(TurnKind::Any, None, &soon()).unwrap();
    let error = turn.publish(vec![draft("2")], options.clone(), &Wait::forever()).unwrap_err();
    assert_eq!(error.name, "not_yet_visible", "a turn is not kept for it");
    mill.close();
    assert_eq!(said.iter().collect::<Vec<_>>(), [Ok(false)]);
}

#[test]
fn a_callback_that_waits_holds_up_no_close() {
    let mill = Mill::open();
    mill.publish_json(&["1"]);
    let stranger = format!("{}-0", "ab".repeat(32));
    let token = Offsets::from_entries([(stranger.as_str(), 3)]).unwrap();
    let node = mill.node;
    let (begin, begun) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let callback = move |_| {
        let _ = begin.send(());
        drop(end.send(node.wait_for(&token, None, &Wait::forever())));
    };
    let options = SubscribeOptions::default();
    node.subscribe_callback("FROM 'grain'", options, None, Box::new(callback)).unwrap();
    begun.recv_timeout(SOON).unwrap();
    mill.close();
    assert_eq!(ended.recv_timeout(SOON).unwrap().unwrap_err().name, "closed");
}

#[test]
fn who_observes_beside_a_fold_that_is_given_up_is_told_so_and_not_of_an_end() {
    let mill = Mill::open();
    mill.publish_json(&["1"]);
    let second = mill.another();
    let own = observe_with(mill.node, "one");
    until(own, "1");
    let (done, no_more) = receiver();
    own.next_state_start(Limit::default(), done);

    let beside = observe_with(second, "one");
    until(beside, "1");
    let (send, said) = mpsc::channel();
    let effect = move |state: millpond_facade::Result<Option<&StateView>>| {
        drop(send.send(state.map(|state| state.is_some())));
        Ok(Effect::default())
    };
    let acting = observe_with(second, "one");
    acting.keep_running(PublishOptions::default(), Box::new(effect)).unwrap();
    assert_eq!(said.recv_timeout(SOON).unwrap(), Ok(true));
    let group =
        second.observe_group("FROM 'grain'", true, ReadOptions::default(), &soon()).unwrap();
    assert!(matches!(group.next_step(None, &soon()), Ok(GroupStep::Seeds(_))));
    let made = GroupAnswer::Made(vec![Some(count("one"))]);
    assert!(matches!(group.next_step(Some(made), &soon()), Ok(GroupStep::States(_))));

    mill.close();
    let last = no_more.recv_timeout(SOON).unwrap().unwrap();
    assert!(last.is_end(), "who closes it comes to a normal end");
    let told = beside.next_state(&soon()).unwrap_err();
    assert_eq!((told.name, told.reason), ("user_code", Some("fold_closed")), "{told}");
    let kept = said.iter().last().unwrap().unwrap_err();
    let grouped = group.next_step(None, &soon()).unwrap_err();
    assert_eq!((kept.reason, grouped.reason), (told.reason, told.reason));
    // Observing it again folds it here.
    until(observe_with(second, "one"), "1");
    assert_eq!(second.close(&Wait::forever()), Ok(Closed::Now));
}

#[test]
fn an_observe_that_is_called_off_takes_nothing_from_who_observes_beside_it() {
    let mill = Mill::open();
    mill.publish_json(&["1"]);
    for round in 0..300 {
        let id = format!("fish-{round}");
        let cancel = CancelHandle::new().unwrap();
        let limit = Limit { timeout: None, cancel: Some(cancel) };
        let (done, first) = receiver();
        mill.node.observe_start(count(&id), ReadOptions::default(), limit, done);
        let (done, second) = receiver();
        mill.node.observe_start(count(&id), ReadOptions::default(), Limit::default(), done);
        (0..round % 16).for_each(|_| thread::yield_now());
        cancel.cancel().unwrap();
        let first = first.recv_timeout(SOON).unwrap();
        let second = second.recv_timeout(SOON).unwrap().unwrap();
        let folds = [first.as_ref().ok().and_then(|first| first.fold), second.fold];
        folds.into_iter().flatten().for_each(|fold| fold.work_on_thread(counting(None)).unwrap());
        until(second.observer, "1");
        assert_eq!(folds.iter().flatten().count(), 1, "one of them has the fold");
        second.observer.close().unwrap();
        first.into_iter().for_each(|first| drop(first.observer.close()));
    }
    mill.close();
}

#[test]
fn the_code_of_a_state_once_is_dropped_before_that_returns() {
    let mill = Mill::open();
    mill.publish_json(&["1"]);
    let none = ReadOptions::default;
    let dropped = Dropped::default();
    let work = counting(Some(Load(dropped.clone())));
    let state = mill.node.state_worked(count("one"), none(), work, &soon()).unwrap();
    assert_eq!(state.json().unwrap(), "1");
    assert!(dropped.is_set());

    let dropped = Dropped::default();
    let load = Load(dropped.clone());
    let fails = move |_| {
        let (_, message) = (&load, "no".to_owned());
        JobAnswer::Failed { function: FishFunction::Step, index: None, message }
    };
    let failed = mill.node.state_worked(count("two"), none(), Box::new(fails), &soon());
    assert_eq!(failed.unwrap_err().name, "user_code");
    assert!(dropped.is_set());

    // Called off while its code runs.
    let dropped = Dropped::default();
    let (load, cancel) = (Load(dropped.clone()), CancelHandle::new().unwrap());
    let (begin, begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let blocks = move |_| {
        let _ = &load;
        let _ = begin.send(());
        let _ = released.recv_timeout(SOON);
        JobAnswer::Loaded
    };
    let caller = thread::spawn(move || {
        begun.recv_timeout(SOON).unwrap();
        cancel.cancel().unwrap();
        drop(release);
    });
    let wait = Wait { limit: Limit { timeout: None, cancel: Some(cancel) }, interrupted: None };
    let called_off = mill.node.state_worked(count("three"), none(), Box::new(blocks), &wait);
    assert_eq!(called_off.unwrap_err().name, "cancelled");
    assert!(dropped.is_set());
    caller.join().unwrap();

    // Where it is observed already, the code is not needed.
    let observer = observe_with(mill.node, "four");
    let dropped = Dropped::default();
    let work = counting(Some(Load(dropped.clone())));
    mill.node.state_worked(count("four"), none(), work, &soon()).unwrap();
    assert!(dropped.is_set());
    mill.publish_json(&["2"]);
    until(observer, "2");
    mill.close();
}

#[test]
fn a_node_has_closed_when_the_code_that_it_was_given_is_dropped() {
    for _ in 0..5 {
        let mill = Mill::open();
        let dropped = Dropped::default();
        let work = counting(Some(Load(dropped.clone())));
        let reading = ReadOptions::default();
        let observer = mill.node.observe_worked(count("one"), reading, work, &soon()).unwrap();
        until(observer, "0");
        observer.close().unwrap();
        mill.close();
        assert!(dropped.is_set());
    }
}

#[test]
fn a_node_waits_for_a_callback_whose_observer_somebody_else_is_closing() {
    let mill = Mill::open();
    let observer = observe_with(mill.node, "one");
    let dropped = Dropped::default();
    let load = Load(dropped.clone());
    let (begin, begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let callback = move |_| {
        let _ = &load;
        let _ = begin.send(());
        let _ = released.recv_timeout(SOON);
    };
    observer.call_back(Box::new(callback)).unwrap();
    begun.recv_timeout(SOON).unwrap();
    let closing = thread::spawn(move || observer.close());
    while observer.fd().is_ok() {
        thread::yield_now();
    }
    let (node, own) = (mill.node, dropped.clone());
    let (send, closed) = mpsc::channel();
    thread::spawn(move || {
        let done = node.close(&Wait::forever());
        drop(send.send((done, own.is_set())));
    });
    // What does not wait for the callback is done by then.
    let early = closed.recv_timeout(Duration::from_millis(200));
    assert!(early.is_err(), "it closed while a callback runs");
    drop(release);
    assert_eq!(closed.recv_timeout(SOON).unwrap(), (Ok(Closed::Now), true));
    closing.join().unwrap().unwrap();
}

#[test]
fn a_session_that_was_closed_ends_an_effect_with_an_error() {
    let mill = Mill::open();
    let observer = observe_with(mill.node, "one");
    let session = SessionHandle::new().unwrap();
    let options = PublishOptions { session: Some(session), ..PublishOptions::default() };
    let (send, said) = mpsc::channel();
    let effect = move |state: millpond_facade::Result<Option<&StateView>>| {
        if state.is_ok() {
            session.close().unwrap();
        }
        drop(send.send(state.map(|state| state.is_some())));
        Ok(Effect { drafts: vec![draft("1")], is_last: false })
    };
    observer.keep_running(options, Box::new(effect)).unwrap();
    assert_eq!(said.recv_timeout(SOON).unwrap(), Ok(true));
    assert_eq!(said.recv_timeout(SOON).unwrap().unwrap_err().name, "closed");
    assert!(said.recv_timeout(SOON).is_err(), "that was the last call");
    mill.close();
}

#[test]
fn nothing_is_called_for_a_node_that_is_closed() {
    let mill = Mill::open();
    let reading = ReadOptions::default();
    let observed = mill.node.observe(count("one"), reading, &soon()).unwrap();
    let acting = observe_with(mill.node, "two");
    mill.close();
    let dropped = Dropped::default();
    let load = Load(dropped.clone());
    let called = observed.observer.call_back(Box::new(move |_| panic!("{}", load.0.is_set())));
    assert_eq!(called.unwrap_err().name, "closed");
    assert!(dropped.is_set());
    let effect = |_: millpond_facade::Result<Option<&StateView>>| panic!("it runs");
    let kept = acting.keep_running(PublishOptions::default(), Box::new(effect));
    assert_eq!(kept.unwrap_err().name, "closed");
    let worked = observed.fold.unwrap().work_on_thread(Box::new(|_| panic!("it works")));
    assert_eq!(worked.unwrap_err().name, "closed");
}

//! Turns in a session: had once what that has seen by then is here.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use millpond_facade::{
    Draft, Effect, FishJob, FishSpec, JobAnswer, Limit, NodeHandle, ObserverHandle, Offsets,
    PublishOptions, ReadOptions, SessionHandle, StateView, TurnKind, Wait, json,
};
use std::sync::mpsc;
use std::time::Duration;
use support::{Mill, SOON, networked, receiver, soon};

fn observe(node: NodeHandle) -> ObserverHandle {
    let fish = FishSpec::built_in("FROM 'grain'", r#"{"fold": "count"}"#);
    node.observe(fish, ReadOptions::default(), &soon()).unwrap().observer
}

fn publish(node: NodeHandle, payload: &str) -> Offsets {
    node.publish(vec![draft(payload)], PublishOptions::default(), &soon()).unwrap().token
}

fn draft(payload: &str) -> Draft {
    Draft::from_json(["grain"], payload).unwrap()
}

fn counted(state: &StateView) -> String {
    state.json().unwrap()
}

fn count(value: u64) -> String {
    format!(r#"{{"value":{value},"skipped":0}}"#)
}

#[test]
fn an_effect_that_is_kept_running_goes_on_when_what_its_session_came_to_see_is_here() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| networked(&folder, name));
    let session = SessionHandle::new().unwrap();
    let (send, said) = mpsc::channel();
    let effect = move |state: millpond_facade::Result<Option<&StateView>>| {
        let said = state.map(|state| state.map(counted));
        let drafts = match &said {
            Ok(Some(shown)) if *shown == count(0) => Vec::new(),
            _ => vec![draft("3")],
        };
        let is_last = said == Ok(Some(count(2)));
        drop(send.send(said));
        Ok(Effect { drafts, is_last })
    };
    let options = PublishOptions { session: Some(session), ..PublishOptions::default() };
    let observer = observe(here);
    observer.keep_running(options, Box::new(effect)).unwrap();
    assert_eq!(said.recv_timeout(SOON).unwrap().unwrap(), Some(count(0)));
    session.sees(&publish(there, "1")).unwrap();
    publish(here, "2");
    assert_eq!(counted(&observer.state(&soon()).unwrap()), count(1));
    // Whoever needs nothing of it has a turn meanwhile.
    let turn = observe(here).turn(TurnKind::Any, None, &soon()).unwrap();
    turn.close().unwrap();
    here.connect(&there.ticket(&soon()).unwrap(), &soon()).unwrap();
    let rest: Vec<_> = said.iter().map(Result::unwrap).collect();
    assert_eq!(rest, [Some(count(2)), None], "on no state without what the session had seen");
    assert_eq!(here.offsets().unwrap().total(), 3);
    for node in [here, there] {
        node.close(&Wait::forever()).unwrap();
    }
}

#[test]
fn a_turn_that_was_asked_for_before_its_session_saw_more_waits_for_that_too() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| networked(&folder, name));
    let (session, own) = (SessionHandle::new().unwrap(), observe(here));
    let held = observe(here).turn(TurnKind::Any, None, &soon()).unwrap();
    let (done, asked) = receiver();
    own.turn_start(TurnKind::Any, Some(session), Limit::default(), done);
    session.sees(&publish(there, "1")).unwrap();
    held.close().unwrap();
    let other = observe(here).turn(TurnKind::Any, None, &soon()).unwrap();
    other.close().unwrap();
    assert!(asked.try_recv().is_err(), "it is not here");
    here.connect(&there.ticket(&soon()).unwrap(), &soon()).unwrap();
    let turn = asked.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(counted(&turn.state().unwrap()), count(1));
    for node in [here, there] {
        node.close(&Wait::forever()).unwrap();
    }
}

/// Counts the events of a fish, each when it is let through.
fn counting(passes: mpsc::Receiver<()>) -> Box<dyn FnMut(FishJob) -> JobAnswer + Send> {
    let mut count = 0;
    Box::new(move |job| match job {
        FishJob::Apply(events) => {
            events.iter().for_each(|_| passes.recv().unwrap());
            count += events.len();
            JobAnswer::Applied { last_reset: None }
        }
        FishJob::Save => JobAnswer::Saved(json::to_cbor(&count.to_string()).unwrap().into()),
        _ => JobAnswer::Loaded,
    })
}

#[test]
fn a_turn_in_a_session_is_had_on_no_state_that_lacks_what_that_published_meanwhile() {
    let mill = Mill::open();
    let observe = || {
        let fish = FishSpec::code("slow", 1, "FROM 'grain'");
        mill.node.observe(fish, ReadOptions::default(), &soon()).unwrap()
    };
    let (own, session) = (observe(), SessionHandle::new().unwrap());
    let (pass, passes) = mpsc::channel();
    own.fold.unwrap().work_on_thread(counting(passes)).unwrap();
    let held = observe().observer.turn(TurnKind::Any, None, &soon()).unwrap();
    let (done, asked) = receiver();
    own.observer.turn_start(TurnKind::Any, Some(session), Limit::default(), done);
    let options = PublishOptions { session: Some(session), ..PublishOptions::default() };
    mill.node.publish(vec![draft("1")], options, &soon()).unwrap();
    held.close().unwrap();
    assert!(asked.try_recv().is_err(), "the fold has not come so far");
    pass.send(()).unwrap();
    let turn = asked.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(counted(&turn.state().unwrap()), "1");
    mill.close();
}

#[test]
fn a_session_that_ever_sees_more_gets_its_turn_all_the_same() {
    let mill = Mill::open();
    let fish = FishSpec::code("slow", 1, "FROM 'grain'");
    let own = mill.node.observe(fish, ReadOptions::default(), &soon()).unwrap();
    let session = SessionHandle::new().unwrap();
    let (at, works) = mpsc::channel();
    let (pass, passes) = mpsc::channel();
    let mut count = 0;
    let working = move |job| match job {
        FishJob::Apply(events) => {
            at.send(()).unwrap();
            count += events.len();
            let _ = passes.recv();
            JobAnswer::Applied { last_reset: None }
        }
        FishJob::Save => JobAnswer::Saved(json::to_cbor(&count.to_string()).unwrap().into()),
        _ => JobAnswer::Loaded,
    };
    own.fold.unwrap().work_on_thread(Box::new(working)).unwrap();
    let more = || {
        let options = PublishOptions { session: Some(session), ..PublishOptions::default() };
        mill.node.publish(vec![draft("1")], options, &soon()).unwrap();
    };
    more();
    let (done, asked) = receiver();
    own.observer.turn_start(TurnKind::Any, Some(session), Limit::default(), done);
    // Each time that the fish comes so far the session has seen one more already.
    let mut worked = 0;
    let turn = loop {
        match asked.try_recv() {
            Ok(turn) => break turn.unwrap(),
            Err(_) if works.recv_timeout(Duration::from_millis(1)).is_err() => {}
            Err(_) => {
                worked += 1;
                assert!(worked < 20, "no turn after {worked} states");
                more();
                pass.send(()).unwrap();
            }
        }
    };
    assert_ne!(counted(&turn.state().unwrap()), "0");
    drop(pass);
    mill.close();
}

#[test]
fn a_turn_that_waits_for_its_session_ends_in_time_and_with_its_observer() {
    let mill = Mill::open();
    let session = SessionHandle::new().unwrap();
    let stranger = format!("{}-0", "ab".repeat(32));
    session.sees(&Offsets::from_entries([(stranger.as_str(), 3)]).unwrap()).unwrap();
    let own = observe(mill.node);
    let brief = Limit { timeout: Some(Duration::from_millis(20)), cancel: None };
    let (done, late) = receiver();
    own.turn_start(TurnKind::New, Some(session), brief, done);
    let error = late.recv_timeout(SOON).unwrap().unwrap_err();
    assert_eq!((error.name, error.missing), ("not_yet_visible", vec![(stranger, 3)]));
    let (done, ended) = receiver();
    own.turn_start(TurnKind::Any, Some(session), Limit::default(), done);
    own.close().unwrap();
    assert_eq!(ended.recv_timeout(SOON).unwrap().unwrap_err().name, "closed");
    session.close().unwrap();
    let refused = observe(mill.node).turn(TurnKind::Any, Some(session), &soon());
    assert_eq!(refused.unwrap_err().name, "closed");
    mill.close();
}

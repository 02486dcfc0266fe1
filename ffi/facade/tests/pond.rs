//! Fish through the facade: folds worked by the caller, states, turns, tokens and sessions.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use millpond_facade::{
    Closed, Draft, Effect, FishFunction, FishJob, FishSpec, FoldHandle, JobAnswer, Limit,
    ObserverHandle, Offsets, PublishOptions, QueryOptions, ReadOptions, SessionHandle, StateView,
    SubscribeOptions, TurnKind, Wait, json, user_code_error,
};
use std::sync::mpsc;
use std::time::Duration;
use support::{Mill, SOON, receiver, soon};

/// Works a fold whose state is the array of all payloads as JSON; `reset` is one, `boom` fails.
fn worker() -> Box<dyn FnMut(FishJob) -> JobAnswer + Send> {
    let mut state: Vec<String> = Vec::new();
    Box::new(move |job| match job {
        FishJob::Load(None) => {
            state.clear();
            JobAnswer::Loaded
        }
        FishJob::Load(Some(bytes)) => {
            let text = json::from_cbor(&bytes).unwrap();
            let values: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
            state = values.iter().map(ToString::to_string).collect();
            JobAnswer::Loaded
        }
        FishJob::Apply(events) => {
            let mut last_reset = None;
            for (index, event) in events.iter().enumerate() {
                let payload = json::from_cbor(event.payload().unwrap()).unwrap();
                if payload == "\"reset\"" {
                    state.clear();
                    last_reset = Some(index);
                }
                if payload == "\"boom\"" {
                    let (function, message) = (FishFunction::Step, "boom".to_owned());
                    return JobAnswer::Failed { function, index: Some(index), message };
                }
                state.push(payload);
            }
            JobAnswer::Applied { last_reset }
        }
        FishJob::Save => {
            let text = format!("[{}]", state.join(","));
            JobAnswer::Saved(json::to_cbor(&text).unwrap().into())
        }
        FishJob::Ended => unreachable!("the end is not given to a worker"),
    })
}

fn list(id: &str) -> FishSpec {
    FishSpec::code(id, 1, "FROM 'grain'")
}

fn observe(mill: &Mill, fish: FishSpec) -> (ObserverHandle, Option<FoldHandle>) {
    let observed = mill.node.observe(fish, ReadOptions::default(), &soon()).unwrap();
    (observed.observer, observed.fold)
}

/// Observes, with the fold worked on a thread of its own.
fn follow(mill: &Mill, fish: FishSpec) -> ObserverHandle {
    let (observer, fold) = observe(mill, fish);
    if let Some(fold) = fold {
        fold.work_on_thread(worker()).unwrap();
    }
    observer
}

/// The states until one is `wanted`.
fn until(observer: ObserverHandle, wanted: &str) -> StateView {
    loop {
        let state = observer.next_state(&soon()).unwrap();
        assert!(!state.is_end(), "no state {wanted}");
        if state.json().unwrap() == wanted {
            return state;
        }
    }
}

fn draft(payload: &str) -> Draft {
    Draft::from_json(["grain"], payload).unwrap()
}

#[test]
fn a_fold_is_worked_job_by_job_and_shared_by_its_observers() {
    let mill = Mill::open();
    mill.publish_json(&["1", "2"]);
    let (observer, fold) = observe(&mill, list("orders"));
    let fold = fold.unwrap();
    let mut work = worker();
    let mut answer = None;
    // Blocking and started calls take turns.
    for round in 0.. {
        let job = if round % 2 == 0 {
            fold.next_job(answer.take(), &soon()).unwrap()
        } else {
            let (done, result) = receiver();
            fold.next_job_start(answer.take(), Limit::default(), done);
            result.recv_timeout(SOON).unwrap().unwrap()
        };
        let is_last = matches!(job, FishJob::Save);
        answer = Some(work(job));
        if is_last {
            break;
        }
    }
    let error = fold.next_job(None, &Wait::none_at_all()).unwrap_err();
    assert_eq!(error.name, "invalid_argument", "the last job is not answered");
    let error = fold.next_job(Some(JobAnswer::Loaded), &soon()).unwrap_err();
    assert_eq!(error.name, "invalid_argument", "that is the answer to another job");
    let error = fold.next_job(answer, &Wait::timeout(Duration::from_millis(5))).unwrap_err();
    assert_eq!(error.name, "timeout");
    let error = fold.next_job(Some(JobAnswer::Loaded), &soon()).unwrap_err();
    assert_eq!(error.name, "invalid_argument", "the answer was taken");
    let state = observer.next_state(&soon()).unwrap();
    assert_eq!((state.json().unwrap().as_str(), state.number()), ("[1,2]", 1));
    assert_eq!(state.token(), mill.node.offsets().unwrap().token());
    assert!(state.last().is_some() && !state.is_end());

    // A second observer shares the fold, and gets the last state at once.
    let (second, none) = observe(&mill, list("orders"));
    assert!(none.is_none());
    assert_eq!(second.next_state(&soon()).unwrap(), state);
    let other = FishSpec::code("orders", 2, "FROM 'grain'");
    let error = mill.node.observe(other, ReadOptions::default(), &soon()).unwrap_err();
    assert_eq!((error.name, error.reason), ("conflict", Some("other_definition")));

    // It lives as long as anybody observes, whoever was first.
    observer.close().unwrap();
    fold.work_on_thread(worker()).unwrap();
    mill.publish_json(&["3"]);
    // The worker has another state of its own than the one that was loaded: it goes on from there.
    until_some(second);
    second.close().unwrap();
    let error = second.next_state(&soon()).unwrap_err();
    assert_eq!(error.name, "closed");
    mill.close();
}

fn until_some(observer: ObserverHandle) {
    let state = observer.next_state(&soon()).unwrap();
    assert!(state.number() > 1);
}

#[test]
fn a_fold_ends_when_nobody_observes_and_with_its_node() {
    let mill = Mill::open();
    let (observer, fold) = observe(&mill, list("orders"));
    observer.close().unwrap();
    assert!(matches!(fold.unwrap().next_job(None, &soon()).unwrap(), FishJob::Ended));
    assert!(matches!(fold.unwrap().next_job(None, &soon()).unwrap(), FishJob::Ended));
    assert_eq!(fold.unwrap().close(), Ok(Closed::Now));

    let (observer, fold) = observe(&mill, list("orders"));
    let fold = fold.unwrap();
    assert!(matches!(fold.next_job(None, &soon()).unwrap(), FishJob::Load(None)));
    let (done, ended) = receiver();
    fold.next_job_start(Some(JobAnswer::Loaded), Limit::default(), done);
    ended.recv_timeout(SOON).unwrap().unwrap();
    let (done, no_state) = receiver();
    observer.next_state_start(Limit::default(), done);
    let (done, no_turn) = receiver();
    observer.turn_start(TurnKind::New, None, Limit::default(), done);
    mill.close();
    assert!(no_state.recv_timeout(SOON).unwrap().unwrap().is_end());
    assert_eq!(no_turn.recv_timeout(SOON).unwrap().unwrap_err().name, "closed");
    assert!(observer.next_state(&soon()).unwrap().is_end());
    assert!(matches!(fold.next_job(None, &soon()), Ok(FishJob::Ended) | Err(_)));
    assert_eq!(observer.close(), Ok(Closed::Now));
    assert_eq!(fold.close(), Ok(Closed::Now));
}

#[test]
fn who_closes_a_fold_before_its_end_ends_its_observers() {
    let mill = Mill::open();
    let (observer, fold) = observe(&mill, list("orders"));
    fold.unwrap().close().unwrap();
    let error = observer.next_state(&soon()).unwrap_err();
    assert_eq!((error.name, error.reason), ("user_code", Some("fold_closed")));
    // Observing it anew tries again.
    let again = follow(&mill, list("orders"));
    until(again, "[]");
    mill.close();
}

#[test]
fn code_that_fails_stops_its_fish_and_says_where() {
    let mill = Mill::open();
    let observer = follow(&mill, list("orders"));
    until(observer, "[]");
    mill.publish_json(&["1"]);
    until(observer, "[1]");
    mill.publish_json(&["\"boom\""]);
    let error = observer.next_state(&soon()).unwrap_err();
    assert_eq!((error.name, error.reason), ("user_code", Some("step")));
    assert!(error.message.contains("boom") && error.message.contains("offset 1"), "{error}");
    let again = observer.next_state(&soon()).unwrap_err();
    assert_eq!(again, error);
    assert_eq!(observer.turn(TurnKind::Any, None, &soon()).unwrap_err().reason, Some("step"));
    let count = FishSpec::built_in("FROM 'grain'", r#"{"fold":"count"}"#);
    let state = mill.node.state(count, ReadOptions::default(), &soon()).unwrap();
    assert_eq!(state.json().unwrap(), r#"{"value":2,"skipped":0}"#);

    // What it saves is one CBOR value.
    let (observer, fold) = observe(&mill, list("others"));
    let saves_no_cbor = |job| match job {
        FishJob::Load(_) => JobAnswer::Loaded,
        FishJob::Apply(_) => JobAnswer::Applied { last_reset: None },
        _ => JobAnswer::Saved(vec![0xff].into()),
    };
    fold.unwrap().work_on_thread(Box::new(saves_no_cbor)).unwrap();
    assert_eq!(observer.next_state(&soon()).unwrap_err().reason, Some("encode"));
    // A panic is a failure of the fish, and of nothing else.
    let (observer, fold) = observe(&mill, list("panics"));
    fold.unwrap().work_on_thread(Box::new(|_| panic!("oh"))).unwrap();
    assert_eq!(observer.next_state(&soon()).unwrap_err().reason, Some("initial"));
    mill.close();
}

#[test]
fn states_come_to_a_callback_until_the_observer_is_closed() {
    let mill = Mill::open();
    mill.publish_json(&["1"]);
    let observer = follow(&mill, list("orders"));
    let (send, states) = mpsc::channel();
    observer.call_back(Box::new(move |state| drop(send.send(state)))).unwrap();
    let first = states.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(first.json().unwrap(), "[1]");
    mill.publish_json(&["\"reset\""]);
    let second = states.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(second.json().unwrap(), r#"["reset"]"#);
    observer.close().unwrap();
    let last = states.recv().unwrap().unwrap();
    assert!(last.is_end() && last.offsets() == second.offsets());
    assert!(states.recv().is_err(), "the callback is dropped after the end");
    mill.close();
}

#[test]
fn a_state_once_is_of_all_that_is_durable() {
    let mill = Mill::open();
    let observer = follow(&mill, list("orders"));
    for number in 0..20 {
        mill.publish_json(&[&number.to_string()]);
        let state = observer.state(&soon()).unwrap();
        assert!(state.offsets().covers(&mill.node.offsets().unwrap()));
        let (done, given) = receiver();
        observer.state_start(Limit::default(), done);
        assert_eq!(given.recv_timeout(SOON).unwrap().unwrap(), state);
    }
    let fish = list("unobserved");
    let error = mill.node.state(fish, ReadOptions::default(), &soon()).unwrap_err();
    assert_eq!(error.name, "invalid_argument");
    let count = || FishSpec::built_in("FROM 'grain'", r#"{"fold":"count"}"#);
    let (done, given) = receiver();
    mill.node.state_start(count(), ReadOptions::default(), Limit::default(), done);
    let state: StateView = given.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(state.json().unwrap(), r#"{"value":20,"skipped":0}"#);
    mill.close();
}

#[test]
fn a_turn_is_had_by_one_at_a_time_and_sees_what_was_published_before() {
    let mill = Mill::open();
    let (one, other) = (follow(&mill, list("orders")), follow(&mill, list("orders")));
    let turn = one.turn(TurnKind::Any, None, &soon()).unwrap();
    assert_eq!(turn.state().unwrap().json().unwrap(), "[]");
    let (done, second) = receiver();
    other.turn_start(TurnKind::Any, None, Limit::default(), done);
    assert!(second.try_recv().is_err(), "somebody else has the turn");
    let options = PublishOptions::default();
    let published = turn.publish(vec![draft("1")], options.clone(), &soon()).unwrap();
    assert_eq!(published.count, 1);
    assert_eq!(turn.state().unwrap_err().name, "closed");
    let second = second.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(second.state().unwrap().json().unwrap(), "[1]");
    second.close().unwrap();

    // A new turn is one on another state.
    let turn = one.turn(TurnKind::New, None, &soon()).unwrap();
    assert_eq!(turn.state().unwrap().json().unwrap(), "[1]");
    turn.close().unwrap();
    let wait = Wait::timeout(Duration::from_millis(20));
    assert_eq!(one.turn(TurnKind::New, None, &wait).unwrap_err().name, "timeout");
    let (done, next) = receiver();
    one.turn_start(TurnKind::New, None, Limit::default(), done);
    assert_eq!(
        one.turn(TurnKind::Any, None, &wait).unwrap_err().name,
        "invalid_argument",
        "one call at a time"
    );
    mill.publish_json(&["2"]);
    let turn = next.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(turn.state().unwrap().json().unwrap(), "[1,2]");
    let (done, result) = receiver();
    turn.publish_start(vec![draft("3")], options, Limit::default(), done);
    result.recv_timeout(SOON).unwrap().unwrap();
    until(one, "[1,2,3]");
    mill.close();
}

#[test]
fn an_effect_runs_on_the_callers_thread_and_never_in_itself() {
    let mill = Mill::open();
    let observer = follow(&mill, list("orders"));
    let options = PublishOptions::default();
    let mut nothing = |_: &StateView| Ok(Vec::new());
    let ran = observer.run(TurnKind::Any, options.clone(), &mut nothing, &soon()).unwrap();
    assert!(ran.is_none());
    let mut nested = |_: &StateView| {
        let error = observer.turn(TurnKind::Any, None, &Wait::none_at_all()).unwrap_err();
        assert_eq!(error.reason, Some("nested_effect"));
        // Code in Rust, on the same thread, is told the same.
        let error = millpond::Acting::check_none().unwrap_err();
        assert_eq!(error.reason(), Some("nested_effect"));
        Ok(vec![draft("1")])
    };
    let ran = observer.run(TurnKind::Any, options.clone(), &mut nested, &soon()).unwrap();
    assert_eq!(ran.unwrap().count, 1);
    millpond::Acting::check_none().unwrap();
    let mut fails = |_: &StateView| Err(user_code_error("effect", "no"));
    let error = observer.run(TurnKind::Any, options.clone(), &mut fails, &soon()).unwrap_err();
    assert_eq!((error.name, error.reason), ("user_code", Some("effect")));
    let mut panics = |_: &StateView| panic!("oh");
    let error = observer.run(TurnKind::Any, options.clone(), &mut panics, &soon()).unwrap_err();
    assert_eq!((error.name, error.reason), ("user_code", Some("effect")));

    // Kept running, until it says that it is done.
    let (send, told) = mpsc::channel();
    let effect = move |state: millpond_facade::Result<Option<&StateView>>| {
        let said = state.map(|state| state.map(|state| state.json().unwrap()));
        let is_last = said == Ok(Some("[1,\"more\"]".into()));
        let drafts = match said.as_ref().unwrap() {
            Some(text) if text == "[1]" => vec![draft("\"more\"")],
            _ => Vec::new(),
        };
        drop(send.send(said));
        Ok(Effect { drafts, is_last })
    };
    observer.keep_running(options, Box::new(effect)).unwrap();
    let said: Vec<_> = told.iter().map(Result::unwrap).collect();
    assert_eq!(said, [Some("[1]".into()), Some("[1,\"more\"]".into()), None]);
    mill.close();
}

#[test]
fn an_effect_whose_session_sees_what_is_not_here_publishes_nothing() {
    let mill = Mill::open();
    let session = SessionHandle::new().unwrap();
    let options = PublishOptions { session: Some(session), ..PublishOptions::default() };
    let observed = mill.node.observe(list("orders"), ReadOptions::default(), &soon()).unwrap();
    observed.fold.unwrap().work_on_thread(worker()).unwrap();
    let stranger = format!("{}-0", "ab".repeat(32));
    let mut effect = |_: &StateView| {
        session.sees(&Offsets::from_entries([(stranger.as_str(), 3)]).unwrap())?;
        Ok(vec![draft("1")])
    };
    let ran = observed.observer.run(TurnKind::Any, options, &mut effect, &soon());
    assert_eq!(ran.unwrap_err().name, "not_yet_visible");
    assert_eq!(mill.node.offsets().unwrap().total(), 0);
    observed.observer.turn(TurnKind::Any, None, &soon()).expect("its turn has ended");
    mill.close();
}

#[test]
fn a_token_of_another_node_is_waited_for_and_what_is_missing_is_named() {
    let mill = Mill::open();
    mill.publish_json(&["1"]);
    let stranger = format!("{}-0", "ab".repeat(32));
    let token = Offsets::from_entries([(stranger.as_str(), 3)]).unwrap();
    let brief = Wait::timeout(Duration::from_millis(20));
    let check = |error: millpond_facade::FacadeError| {
        assert_eq!(error.name, "not_yet_visible");
        assert_eq!(error.missing, [(stranger.clone(), 3)]);
        assert_eq!(error.missing_json(), format!("{{\"{stranger}\":3}}"));
    };
    let after = || Some(token.clone());
    check(mill.node.wait_for(&token, None, &brief).unwrap_err());
    let (done, result) = receiver();
    mill.node.wait_for_start(&token, None, brief.limit, done);
    check(result.recv_timeout(SOON).unwrap().unwrap_err());
    let options = QueryOptions { after: after(), ..QueryOptions::default() };
    check(mill.node.query("FROM 'grain'", options.clone(), &brief).unwrap_err());
    let (done, result) = receiver();
    mill.node.query_start("FROM 'grain'", options.clone(), brief.limit, done);
    check(result.recv_timeout(SOON).unwrap().unwrap_err());
    // What can only be of this node is not waited for.
    mill.node.query("FROM isLocal", options, &brief).unwrap().close().unwrap();
    mill.node.wait_for(&token, Some("FROM isLocal"), &Wait::none_at_all()).unwrap();
    for order in ["arrival", "key"] {
        let order = Some(order.to_owned());
        let options = SubscribeOptions { after: after(), order, ..SubscribeOptions::default() };
        check(mill.node.subscribe("FROM 'grain'", options, &brief).unwrap_err());
    }
    let reading = ReadOptions { after: after(), session: None };
    check(mill.node.observe(list("orders"), reading.clone(), &brief).unwrap_err());
    let count = FishSpec::built_in("FROM 'grain'", r#"{"fold":"count"}"#);
    check(mill.node.state(count, reading, &brief).unwrap_err());
    // A wait that is called off ends with that.
    let cancel = millpond_facade::CancelHandle::new().unwrap();
    let (done, result) = receiver();
    let limit = Limit { timeout: None, cancel: Some(cancel) };
    mill.node.wait_for_start(&token, None, limit, done);
    cancel.cancel().unwrap();
    assert_eq!(result.try_recv().unwrap().unwrap_err().name, "cancelled");
    let (done, result) = receiver();
    mill.node.wait_for_start(&token, None, Limit::default(), done);
    mill.close();
    assert_eq!(result.recv_timeout(SOON).unwrap().unwrap_err().name, "closed");
}

#[test]
fn a_session_sees_what_it_wrote_and_read_and_takes_it_along() {
    let mill = Mill::open();
    let session = SessionHandle::new().unwrap();
    assert_eq!(session.token().unwrap().total(), 0);
    let publishing = || PublishOptions { session: Some(session), ..PublishOptions::default() };
    mill.node.publish(vec![draft("1")], publishing(), &soon()).unwrap();
    assert_eq!(session.token().unwrap().total(), 1);
    mill.publish_json(&["2"]);
    let options = QueryOptions { session: Some(session), ..QueryOptions::default() };
    mill.node.query("FROM 'grain'", options, &soon()).unwrap().close().unwrap();
    assert_eq!(session.token().unwrap().total(), 2);
    mill.publish_json(&["3"]);
    let options = SubscribeOptions { session: Some(session), ..SubscribeOptions::default() };
    let grain = mill.node.subscribe("FROM 'grain'", options, &soon()).unwrap();
    assert_eq!(session.token().unwrap().total(), 2, "nothing was delivered yet");
    assert_eq!(grain.next_batch(None, &soon()).unwrap().len(), 3);
    assert_eq!(session.token().unwrap().total(), 3);
    mill.publish_json(&["4"]);
    let reading = ReadOptions { after: None, session: Some(session) };
    let observed = mill.node.observe(list("orders"), reading, &soon()).unwrap();
    observed.fold.unwrap().work_on_thread(worker()).unwrap();
    let turn = observed.observer.turn(TurnKind::Any, None, &soon()).unwrap();
    assert_eq!(turn.state().unwrap().json().unwrap(), "[1,2,3,4]");
    assert_eq!(session.token().unwrap().total(), 4);
    turn.publish(vec![draft("5")], PublishOptions::default(), &soon()).unwrap();
    assert_eq!(session.token().unwrap().total(), 5);
    until(observed.observer, "[1,2,3,4,5]");

    // Elsewhere it has to wait for that.
    let other = Mill::open();
    let error = other.node.publish(vec![draft("6")], publishing(), &Wait::none_at_all());
    assert_eq!(error.unwrap_err().name, "not_yet_visible");
    let merged = Offsets::merge([session.token().unwrap().token(), "m1".to_owned()]);
    assert!(merged.is_err());
    let both = [session.token().unwrap().token(), other.node.offsets().unwrap().token()];
    assert_eq!(Offsets::merge(both).unwrap().total(), 5);
    assert_eq!(session.close(), Ok(Closed::Now));
    assert_eq!(session.token().unwrap_err().name, "closed");
    let refused = mill.node.publish(vec![draft("6")], publishing(), &soon());
    assert_eq!(refused.unwrap_err().name, "closed");
    other.close();
    mill.close();
}

#[test]
fn a_subscription_in_key_order_goes_on_where_another_one_stood() {
    let mill = Mill::open();
    mill.publish_json(&["1", "2", "3"]);
    let options = |from: Option<&str>| SubscribeOptions {
        from: from.map(|text| millpond_facade::StartAt::parse(text).unwrap()),
        order: Some("key".into()),
        ..SubscribeOptions::default()
    };
    let subscribe = |from| mill.node.subscribe("FROM 'grain'", options(from), &soon());
    let grain = subscribe(None).unwrap();
    assert!(grain.position_text().unwrap().starts_with("-@"));
    let batch = grain.next_batch(Some(2), &soon()).unwrap();
    assert_eq!((batch.len(), batch.caught_up(), batch.is_rewind()), (2, false, false));
    assert_eq!(batch.rewind_to(), None);
    let here = batch.position_text();
    assert_eq!(grain.position_text().unwrap(), here);
    assert_eq!(here.split_once('@').unwrap().0, batch.get(1).unwrap().key());
    let on = subscribe(Some(&here)).unwrap();
    let mut rest = on.next_batch(None, &soon()).unwrap();
    assert_eq!(rest.len(), 1);
    if !rest.caught_up() {
        rest = on.next_batch(None, &soon()).unwrap();
    }
    assert!(rest.caught_up());
    // An empty log is caught up with, too.
    let none = mill.node.subscribe("FROM 'nothing'", options(None), &soon()).unwrap();
    let first = none.next_batch(None, &soon()).unwrap();
    assert!(first.is_empty() && first.caught_up());
    let error = none.next_batch(None, &Wait::none_at_all()).unwrap_err();
    assert_eq!(error.name, "timeout");
    for (from, delivery, reason) in [
        (Some("now"), None, Some("key_position")),
        (Some(mill.node.offsets().unwrap().token().as_str()), None, Some("key_position")),
        (None, Some("live"), None),
    ] {
        let wrong = SubscribeOptions { delivery: delivery.map(str::to_owned), ..options(from) };
        let error = mill.node.subscribe("FROM 'grain'", wrong, &soon()).unwrap_err();
        assert_eq!((error.name, error.reason), ("invalid_argument", reason));
    }
    let arrival = SubscribeOptions { order: None, ..options(Some(&here)) };
    let error = mill.node.subscribe("FROM 'grain'", arrival, &soon()).unwrap_err();
    assert_eq!(error.reason, Some("key_position"));
    mill.close();
    assert!(on.next_batch(None, &soon()).unwrap().is_end());
}

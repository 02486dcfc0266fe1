//! Reads that wait for what was seen elsewhere.

use crate::nodes::{PATIENCE, event, link, open, secret};
use crate::support::Scratch;
use millpond::event::cbor::Value;
use millpond::event::{KeyPosition, NewEvent, OffsetMap};
use millpond::pond::builtin::BuiltIn;
use millpond::query::Query;
use millpond::{
    After, CausalSession, Cursor, ErrorKind, KeyStep, Node, PublishOptions, QueryOptions,
};
use std::time::Duration;

fn events(count: u64) -> Vec<NewEvent> {
    (0..count).map(|number| event("grain", number)).collect()
}

fn publish(node: &Node, count: u64) -> OffsetMap {
    node.publish(events(count), PublishOptions::default()).wait().unwrap().token()
}

fn after(token: &OffsetMap, timeout: Duration) -> After {
    After { token: token.clone(), timeout: Some(timeout) }
}

fn count(mut cursor: Cursor) -> usize {
    let mut count = 0;
    loop {
        let batch = cursor.next_batch(100).unwrap();
        if batch.is_empty() {
            return count;
        }
        count += batch.len();
    }
}

#[test]
fn a_token_of_one_node_is_waited_for_on_another() {
    let (scratch, secret) = (Scratch::new("causal-wait"), secret(61));
    let [here, there] = ["here", "there"].map(|name| open(&scratch, name, &secret));
    let text = publish(&there, 5).to_string();
    assert!(text.len() <= 200, "{text}");
    let token: OffsetMap = text.parse().unwrap();
    let needed = QueryOptions {
        after: Some(after(&token, Duration::from_millis(30))),
        ..QueryOptions::default()
    };
    for timeout in [Duration::ZERO, Duration::from_millis(30)] {
        let error = here.wait_for(&after(&token, timeout), None).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotYetVisible);
        assert_eq!(error.missing(), [(there.own_stream().to_string(), 5)]);
    }
    let error = here.query(&Query::all(), needed.clone()).err().unwrap();
    assert_eq!(error.missing(), [(there.own_stream().to_string(), 5)]);
    // What cannot match is not waited for.
    let local = Query::parse("FROM isLocal").unwrap();
    assert_eq!(count(here.query(&local, needed.clone()).unwrap()), 0);
    let mut waiting = here.wait_for(&after(&token, PATIENCE), None);
    assert!(!waiting.is_done());
    link(&here, &there).unwrap();
    waiting.wait_timeout(PATIENCE).expect("it comes").unwrap();
    assert_eq!(count(here.query(&Query::all(), needed).unwrap()), 5);
    assert!(here.wait_for(&after(&token, Duration::ZERO), None).is_done());
}

#[test]
fn a_wait_ends_with_its_node_and_one_that_is_dropped_is_forgotten() {
    let (scratch, secret) = (Scratch::new("causal-close"), secret(62));
    let [here, there] = ["here", "there"].map(|name| open(&scratch, name, &secret));
    let token = publish(&there, 1);
    let forever = After { token, timeout: None };
    drop(here.wait_for(&forever, None));
    let second = open(&scratch, "here", &secret);
    let of_second = second.wait_for(&forever, None);
    let of_first = here.wait_for(&forever, None);
    second.close(PATIENCE).unwrap();
    assert_eq!(of_second.wait().unwrap_err().kind(), ErrorKind::Closed);
    assert!(!of_first.is_done(), "the node is open");
    here.close(PATIENCE).unwrap();
    assert_eq!(of_first.wait().unwrap_err().kind(), ErrorKind::Closed);
    let error = here.wait_for(&forever, None).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[test]
fn a_session_reads_its_writes_never_goes_back_and_writes_after_what_it_read() {
    let (scratch, secret) = (Scratch::new("causal-session"), secret(63));
    let [here, there] = ["here", "there"].map(|name| open(&scratch, name, &secret));
    let session = CausalSession::new(Some(Duration::from_millis(30)));
    let ask = |node: &Node| session.query(node, &Query::all(), QueryOptions::default());
    session.publish(&there, events(3), PublishOptions::default()).wait().unwrap();
    assert_eq!(count(ask(&there).unwrap()), 3);
    assert_eq!(ask(&here).err().unwrap().kind(), ErrorKind::NotYetVisible);
    let refused = session.publish(&here, events(1), PublishOptions::default()).wait();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotYetVisible);
    // What somebody else published is seen by reading it.
    publish(&there, 4);
    assert_eq!(count(ask(&there).unwrap()), 7);
    assert_eq!(session.token().count(&there.own_stream()), 7);
    link(&here, &there).unwrap();
    let patient = CausalSession::new(Some(PATIENCE));
    patient.sees(&session.token().to_string().parse().unwrap());
    patient.wait(&here, None).wait().unwrap();
    let cursor = patient.query(&here, &Query::all(), QueryOptions::default()).unwrap();
    assert_eq!(count(cursor), 7);
    let written = patient.publish(&here, events(1), PublishOptions::default()).wait().unwrap();
    assert!(written.first_lamport.value() > 7, "it sorts after what was read");
    assert!(patient.token().covers(&written.token()));
    let mut live = patient.subscribe(&there, &Query::all(), OffsetMap::new()).unwrap();
    assert_eq!(live.next_batch(100).unwrap().events.len(), 8);
    let mut ordered = patient.subscribe_by_key(&there, &Query::all(), Default::default()).unwrap();
    let KeyStep::Events(batch) = ordered.next_step(100).unwrap() else { panic!("no events") };
    assert_eq!((batch.events.len(), batch.caught_up), (8, true));
    patient.sees(&batch.position.offsets);
}

#[test]
fn observers_and_subscriptions_begin_once_what_was_seen_elsewhere_is_here() {
    let (scratch, secret) = (Scratch::new("causal-after"), secret(64));
    let [here, there] = ["here", "there"].map(|name| open(&scratch, name, &secret));
    publish(&here, 2);
    let token = publish(&there, 5);
    let fold = Value::map([("fold", Value::from("count"))]);
    let fold = BuiltIn::from_value(&fold).unwrap();
    let observer = || here.observe_builtin(&Query::all(), &fold).unwrap();
    let soon = after(&token, Duration::from_millis(30));
    let refused = [
        observer().after(&here, &soon).wait().map(drop),
        here.subscribe_after(&Query::all(), OffsetMap::new(), &soon).wait().map(drop),
        here.subscribe_by_key_after(&Query::all(), KeyPosition::default(), &soon).wait().map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotYetVisible);
        assert_eq!(error.missing(), [(there.own_stream().to_string(), 5)]);
    }
    let patient = after(&token, PATIENCE);
    let observer = observer().after(&here, &patient);
    let arrival = here.subscribe_after(&Query::all(), OffsetMap::new(), &patient);
    let key = here.subscribe_by_key_after(&Query::all(), KeyPosition::default(), &patient);
    assert!(!observer.is_done() && !arrival.is_done() && !key.is_done());
    link(&here, &there).unwrap();
    let first = observer.wait().unwrap().wait_for_state(Some(PATIENCE)).unwrap().expect("it comes");
    assert!(first.offsets.covers(&token), "no earlier state is given");
    assert_eq!(arrival.wait().unwrap().next_batch(100).unwrap().events.len(), 7);
    let KeyStep::Events(batch) = key.wait().unwrap().next_step(100).unwrap() else {
        panic!("none")
    };
    assert_eq!((batch.events.len(), batch.caught_up), (7, true));
}

//! Exclusive and optimistic claims on real nodes.

use crate::nodes::{PATIENCE, event, link, open, publish, secret, until};
use crate::support::Scratch;
use millpond::event::cbor::Value;
use millpond::pond::claim::{Gate, Standing};
use millpond::{Claim, ErrorKind, Node, PublishOptions};
use std::sync::mpsc;
use std::time::Duration;

fn press(node: &Node) -> Claim {
    node.claim("press 7").expect("a short name")
}

fn fence(node: &Node) -> Option<u64> {
    press(node).report().expect("the log can be read").own_fence.map(|fence| fence.number)
}

#[test]
fn a_claim_moves_between_nodes_and_its_fence_rises_and_who_is_cut_off_cannot_take_it() {
    let (scratch, secret) = (Scratch::new("claim"), secret(11));
    let [day, night] = ["day", "night"].map(|name| open(&scratch, name, &secret));
    assert_eq!(
        press(&day).transfer(night.node_id()).wait().unwrap_err().kind(),
        ErrorKind::NotFound
    );
    press(&day).create(None).wait().unwrap();
    let again = press(&day).create(None).wait().unwrap_err();
    assert_eq!((again.kind(), again.reason()), (ErrorKind::Conflict, Some("exists")));
    link(&night, &day).unwrap();
    until(&night, "the claim", |night| press(night).report().unwrap().holders.len() == 1);
    assert_eq!((fence(&day), fence(&night)), (Some(1), None));
    let error = press(&night).transfer(day.node_id()).wait().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, Some("not_held")));

    press(&day).transfer(night.node_id()).wait().unwrap();
    assert_eq!(fence(&day), None);
    until(&night, "its turn", |night| fence(night) == Some(2));

    // Who asks waits until the other one does not need it any more.
    press(&day).request(true).wait().unwrap();
    until(&night, "the request", |night| press(night).report().unwrap().requests.len() == 1);
    assert_eq!(fence(&night), Some(2));
    press(&night).hand_over_when_asked(true).unwrap();
    until(&day, "its turn", |day| fence(day) == Some(3));
    assert_eq!(fence(&night), None);

    // Cut off, the night shift can only ask.
    night.set_network(false).wait().unwrap();
    press(&night).request(true).wait().unwrap();
    let report = press(&night).report().unwrap();
    assert_eq!(report.holders[0].stream, day.own_stream());
    assert_eq!(report.own_fence, None);
    let answer = night.who_does("press 7").unwrap();
    assert_eq!(answer.holder, Some(report.holders[0]));
    assert_eq!(answer.as_of.count(&day.own_stream()), 3, "create, transfer and request");
    assert!(report.violations.is_empty());
}

#[test]
fn of_two_claims_to_the_same_the_younger_one_is_void_and_no_machine_obeys_it() {
    let (scratch, secret) = (Scratch::new("claim"), secret(13));
    let [day, night] = ["day", "night"].map(|name| open(&scratch, name, &secret));
    let mut gate = Gate::default();
    for node in [&day, &night] {
        press(node).create(None).wait().unwrap();
    }
    let shown = [&day, &night].map(|node| press(node).report().unwrap().own_fence.unwrap());
    link(&night, &day).unwrap();
    for node in [&day, &night] {
        until(node, "the rival", |node| press(node).report().unwrap().rivals.len() == 1);
    }
    let left = [&day, &night].map(|node| press(node).report().unwrap().own_fence);
    let holder = left.iter().position(Option::is_some).expect("one of them holds it");
    assert_eq!((left[holder], left[1 - holder]), (Some(shown[holder]), None));
    gate.admit(&shown[1 - holder]).unwrap();
    gate.admit(&shown[holder]).unwrap();
    let refused = gate.admit(&shown[1 - holder]).unwrap_err();
    assert_eq!(refused.reason(), Some("fenced"));
}

#[test]
fn of_two_that_began_the_same_while_cut_off_the_later_one_learns_that_it_lost() {
    let (scratch, secret) = (Scratch::new("doing"), secret(12));
    let [mill, paint] = ["mill", "paint"].map(|name| open(&scratch, name, &secret));
    let first = mill.do_optimistically("order 4711", Some(Value::from("line 1"))).wait().unwrap();
    // So its claim has a greater lamport.
    publish(&paint, "grain", 1, 1);
    let second = paint.do_optimistically("order 4711", None).wait().unwrap();
    assert_eq!(first.standing().unwrap().0, Standing::Won);
    assert_eq!(second.standing().unwrap().0, Standing::Won, "as far as is known there");
    link(&mill, &paint).unwrap();
    until(&paint, "the other claim", |paint| {
        paint.who_does("order 4711").unwrap().doers.len() == 2
    });
    let (standing, as_of) = second.standing().unwrap();
    let Standing::Lost(winner) = standing else { panic!("{standing:?}") };
    assert_eq!((winner.key, winner.note), (first.key(), Some(Value::from("line 1"))));
    assert_eq!(as_of.count(&mill.own_stream()), 1);

    // What it undoes is undone once, with the winner at hand; and a claim said twice is one.
    let (lost, losses) = mpsc::channel();
    second.on_loss(move |winner| lost.send(winner.key).unwrap()).unwrap();
    assert_eq!(losses.recv_timeout(PATIENCE).unwrap(), first.key());
    assert!(losses.recv().is_err(), "it is called once");
    let again = mill.do_optimistically("order 4711", None).wait().unwrap();
    assert_eq!(again.standing().unwrap().0, Standing::Won);
    assert_eq!(again.token().count(&mill.own_stream()), 2);
    let told = again.watch().unwrap().next(None).unwrap().unwrap();
    assert_eq!(told.winner.unwrap().key, first.key(), "as it was first said");
    let own = paint.own_doing("order 4711").unwrap().unwrap();
    assert_eq!(own.key(), second.key());
    assert!(paint.own_doing("order 4712").unwrap().is_none());

    // It is out of it for good, also when the winner is done first.
    let mut watch = second.watch().unwrap();
    assert!(matches!(watch.next(None).unwrap().unwrap().standing, Standing::Lost(_)));
    assert_eq!(watch.next(Some(Duration::ZERO)).unwrap(), None);
    first.release().wait().unwrap();
    until(&paint, "the release", |paint| paint.who_does("order 4711").unwrap().winner.is_none());
    assert!(matches!(second.standing().unwrap().0, Standing::Lost(_)));
    second.release().wait().unwrap();
    assert_eq!(watch.next(None).unwrap().unwrap().standing, Standing::Released);
    for node in [&mill, &paint] {
        until(node, "nobody", |node| node.who_does("order 4711").unwrap().doers.is_empty());
    }
    paint.close(PATIENCE).unwrap();
    assert_eq!(watch.next(None).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn who_has_won_hears_of_an_older_claim_when_it_arrives() {
    let (scratch, secret) = (Scratch::new("doing"), secret(14));
    let [mill, paint] = ["mill", "paint"].map(|name| open(&scratch, name, &secret));
    let older = mill.do_optimistically("order 1", None).wait().unwrap();
    paint.publish(vec![event("other", 1)], PublishOptions::default()).wait().unwrap();
    let younger = paint.do_optimistically("order 1", None).wait().unwrap();
    let mut watch = younger.watch().unwrap();
    assert_eq!(watch.next(None).unwrap().unwrap().standing, Standing::Won);
    link(&mill, &paint).unwrap();
    let told = watch.next(Some(PATIENCE)).unwrap().expect("it comes");
    let Standing::Lost(winner) = told.standing else { panic!("{told:?}") };
    assert_eq!(winner.key, older.key());
    assert_eq!(told.as_of.count(&mill.own_stream()), 1);
}

//! Exclusive and optimistic claims on real nodes.

use crate::nodes::{link, open, secret, until};
use crate::support::Scratch;
use millpond::event::cbor::Value;
use millpond::pond::claim::Standing;
use millpond::{Claim, ErrorKind, Node};

fn press(node: &Node) -> Claim {
    node.claim("press 7").expect("a short name")
}

fn fence(node: &Node) -> Option<u64> {
    press(node).report().expect("the log can be read").own_fence
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
fn of_two_that_began_the_same_while_cut_off_the_later_one_learns_that_it_lost() {
    let (scratch, secret) = (Scratch::new("doing"), secret(12));
    let [mill, paint] = ["mill", "paint"].map(|name| open(&scratch, name, &secret));
    let first = mill.do_optimistically("order 4711", Some(Value::from("line 1"))).wait().unwrap();
    let mut second = paint.do_optimistically("order 4711", None).wait().unwrap();
    // Equal lamports: the node id decides, and all agree.
    if first.key() > second.key() {
        second.release().wait().unwrap();
        second = paint.do_optimistically("order 4711", None).wait().unwrap();
    }
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

    // It undoes what it began, and is out of it for good.
    second.release().wait().unwrap();
    assert_eq!(second.standing().unwrap().0, Standing::Released);
    first.release().wait().unwrap();
    for node in [&mill, &paint] {
        until(node, "nobody", |node| node.who_does("order 4711").unwrap().doers.is_empty());
    }
}

//! Previews: who sends and gets them, what they go on from, and that nothing else follows.

use super::log::MemoryLog;
use super::puppet::{Author, Puppet};
use super::world::SECRET;
use crate::event::{Chain, NodeKey, Preview, StreamId};
use crate::sync::message::Message;
use crate::sync::{Input, LogRead, RefusalReason};

/// A puppet whose peer is the author of streams, and that wants previews.
fn beside(author: &Author) -> Puppet {
    let mut puppet = Puppet::with_log(MemoryLog::new(SECRET.swarm_id()), None);
    puppet.peer = author.key.node_id();
    puppet.connect(2);
    puppet.admit();
    puppet.give(Input::Live(true));
    assert!(puppet.messages().contains(&Message::Live(true)));
    puppet
}

pub(super) fn preview(author: &Author, from: u64) -> Preview {
    let stream = author.stream();
    let before = author.log.chain_at(&stream, from).unwrap().unwrap();
    let records = author.log.read_range(&stream, from).unwrap().unwrap().into_records();
    Preview { stream, first: from, before, records }
}

#[test]
fn a_preview_that_goes_on_from_what_is_held_or_shown_is_passed_on() {
    let mut author = Author::new(7);
    let mut puppet = beside(&author);
    author.write(&["one", "two"]);
    let first = preview(&author, 0);
    author.write(&["three"]);
    let second = preview(&author, 2);
    puppet.say(&Message::Preview(second.clone()));
    assert!(puppet.shown.is_empty(), "nobody knows what it goes on from");
    puppet.say(&Message::Preview(first.clone()));
    puppet.say(&Message::Preview(second.clone()));
    assert_eq!(puppet.shown, [first, second]);
    assert!(puppet.stored.is_empty() && puppet.wants().is_empty());
    puppet.say(&author.range(0));
    assert_eq!(puppet.stored.len(), 1, "the same events come as a range");
    author.write(&["four"]);
    puppet.say(&Message::Preview(preview(&author, 3)));
    assert_eq!(puppet.shown.len(), 3);
    assert_eq!(puppet.closed, None);
}

#[test]
fn a_preview_of_another_past_or_that_nobody_wants_is_passed_over() {
    let mut author = Author::new(7);
    let mut puppet = beside(&author);
    author.write(&["one"]);
    let good = preview(&author, 0);
    let before = Chain::from_bytes([3; 32]);
    puppet.say(&Message::Preview(Preview { before, ..good.clone() }));
    let branch = StreamId { number: 1 << 20, ..good.stream };
    puppet.say(&Message::Preview(Preview { stream: branch, ..good.clone() }));
    puppet.give(Input::Live(false));
    puppet.say(&Message::Preview(good));
    assert!(puppet.shown.is_empty());
    assert_eq!(puppet.closed, None);
}

#[test]
fn a_preview_with_falling_lamports_is_forged() {
    let mut author = Author::new(7);
    let mut puppet = beside(&author);
    author.write(&["one", "two"]);
    let mut bad = preview(&author, 0);
    bad.records.reverse();
    puppet.say(&Message::Preview(bad));
    assert_eq!(puppet.goodbye(), Some(RefusalReason::Forged));
    assert!(puppet.shown.is_empty());
}

#[test]
fn only_who_wants_previews_is_sent_them_and_only_within_its_credit() {
    let mut us = Author::new(1);
    us.write(&["one"]);
    let stream = us.stream();
    let log = us.log.clone();
    us.write(&["two"]);
    let next = preview(&us, 1);
    let mut puppet = Puppet::with_log(log, None);
    assert_eq!(puppet.key.node_id(), us.key.node_id());
    puppet.admit();
    assert!(puppet.swarm.preview(&next).is_empty());
    puppet.say(&Message::Live(true));
    assert!(puppet.swarm.wants_previews());
    assert!(puppet.swarm.preview(&next).is_empty(), "it lacks what comes before");
    puppet.say(&Message::Progress { credit: 0, held: vec![(stream, 1)] });
    let frames = puppet.swarm.preview(&next);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].1, Message::Preview(next.clone()).encode());
    let other = StreamId { node: NodeKey::from_seed(&[9; 32]).node_id(), number: 0 };
    assert!(puppet.swarm.preview(&Preview { stream: other, ..next.clone() }).is_empty());
    let mut sent = 0;
    while !puppet.swarm.preview(&next).is_empty() {
        sent += 1;
        assert!(sent < 100_000, "credit ends");
    }
    puppet.say(&Message::Live(false));
    puppet.say(&Message::Progress { credit: 1 << 20, held: Vec::new() });
    assert!(puppet.swarm.preview(&next).is_empty());
}

//! Damaged blocks of a log are asked for from peers.

use super::puppet::{Author, Puppet};
use crate::error::{Error, ErrorKind};
use crate::event::StreamId;
use crate::sync::Input;
use crate::sync::message::Message;
use std::time::Duration;

/// A node that holds what a peer does, of which a block from `first` on is damaged.
fn damaged(first: u64) -> (Author, Puppet) {
    let mut author = Author::new(7);
    let texts: Vec<String> = (0..2500).map(|number| format!("grain {number}")).collect();
    author.log.append(&author.key, 0, &texts);
    let mut puppet = Puppet::admitted_to(author.log.clone());
    puppet.say(&Message::Summary { is_last: true, heads: author.log.heads() });
    puppet.give(Input::Damaged(vec![(author.stream(), first, first + 1024)]));
    (author, puppet)
}

fn failed() -> Error {
    Error::new(ErrorKind::PeerMisbehaved, "these are not the events").with_reason("forged")
}

#[test]
fn a_damaged_block_is_asked_for_and_given_to_the_log_as_it_came() {
    let (author, mut puppet) = damaged(1024);
    let stream = author.stream();
    assert_eq!(puppet.wants(), [(stream, 1024, 2048)]);
    puppet.heard.clear();
    // What was not asked for is no answer.
    puppet.say(&author.range(0));
    assert!(puppet.repairs.is_empty());
    puppet.say(&author.range(1024));
    let given: Vec<(StreamId, u64)> =
        puppet.repairs.iter().map(|range| (range.stream(), range.first)).collect();
    assert_eq!((given, puppet.stored.len()), (vec![(stream, 1024)], 0));
    puppet.say(&author.range(1024));
    assert_eq!(puppet.repairs.len(), 1, "once");
    // The peer may have taken the question for what we hold.
    puppet.pass(Duration::from_millis(60));
    let told = puppet.messages().into_iter().any(|message| match message {
        Message::Progress { held, .. } => held.contains(&(stream, 2500)),
        _ => false,
    });
    assert!(told);
    puppet.give(Input::Repaired { stream, first: 1024, result: Ok(()) });
    puppet.heard.clear();
    puppet.pass_alive(200);
    assert!(puppet.wants().is_empty(), "it is good again");
    assert_eq!(puppet.closed, None);
}

#[test]
fn where_a_damaged_block_ends_may_be_known_later() {
    let (author, mut puppet) = damaged(0);
    let stream = author.stream();
    puppet.give(Input::Damaged(vec![(stream, 1024, 1025)]));
    puppet.give(Input::Damaged(vec![(stream, 1024, 2048)]));
    puppet.give(Input::Repaired { stream, first: 1024, result: Err(failed()) });
    puppet.heard.clear();
    puppet.pass_alive(5);
    assert_eq!(puppet.wants(), [(stream, 1024, 2048)]);
}

#[test]
fn a_block_that_nobody_can_give_is_asked_for_ever_more_rarely_and_nobody_is_blamed() {
    let (author, mut puppet) = damaged(0);
    let stream = author.stream();
    let mut asked = 0;
    for _ in 0..600 {
        asked += puppet.wants().len();
        if !puppet.wants().is_empty() {
            puppet.say(&author.range(0));
            puppet.give(Input::Repaired { stream, first: 0, result: Err(failed()) });
        }
        puppet.heard.clear();
        puppet.pass_alive(1);
    }
    assert!((10..30).contains(&asked), "asked {asked} times in ten minutes");
    assert_eq!(puppet.closed, None);
    puppet.give(Input::Damaged(Vec::new()));
    puppet.heard.clear();
    puppet.pass_alive(200);
    assert!(puppet.wants().is_empty(), "somebody else has put it back");
}

#[test]
fn a_peer_that_says_nothing_is_not_waited_for_for_ever() {
    let (_, mut puppet) = damaged(1024);
    puppet.heard.clear();
    puppet.pass_alive(13);
    assert_eq!(puppet.wants().len(), 1, "it is asked again");
}

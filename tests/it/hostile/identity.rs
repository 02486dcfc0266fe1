//! Who pretends to be somebody: with what was said before, or with a key that somebody else has.

use super::puppet::{Puppet, fresh_key};
use super::siege::{Siege, the_secret};
use crate::nodes::{PATIENCE, address, held, publish, secret};
use bytes::Bytes;
use millpond::sync::{Message, RefusalReason};
use std::net::Ipv4Addr;
use std::time::Duration;

#[test]
fn a_hello_is_worth_nothing_on_another_connection_or_sent_back_or_passed_on() {
    let siege = Siege::begin();
    let (puppet, member) = siege.member();
    let replayed = member.hello(&the_secret());
    drop(member);
    let outsider = Puppet::start();
    // Sent back: the node's own, on the connection for which it was made.
    let mut line = outsider.dial(&siege.target);
    let reflected = line.hear(PATIENCE).expect("the node greets first");
    line.say(&reflected);
    assert_eq!(line.refused(), Ok(RefusalReason::WrongSecret), "sent back");
    // Passed on: what one node says to us, to another.
    let mut line = outsider.dial(&address(&siege.friend));
    line.say(&reflected);
    assert_eq!(line.refused(), Ok(RefusalReason::WrongSecret), "passed on");
    // Said again by the one who said it, on another connection.
    let mut line = puppet.dial(&siege.target);
    line.say(&replayed);
    assert_eq!(line.refused(), Ok(RefusalReason::WrongSecret), "said again");
    siege.until_refused(puppet.node(), RefusalReason::WrongSecret);
    siege.lift();
}

#[test]
fn the_frames_of_an_old_session_do_nothing_when_they_are_said_again() {
    let siege = Siege::begin();
    publish(&siege.friend, "grain", 50, 5);
    let (puppet, mut line) = siege.member();
    line.tell(&Message::Progress { credit: 1 << 40, held: Vec::new() });
    let stream = siege.friend.own_stream();
    line.tell(&Message::Want { stream, from: 0, to: 50 });
    let mut old: Vec<Bytes> = Vec::new();
    while let Some(frame) = line.hear(Duration::from_millis(500)).filter(|_| old.len() < 400) {
        if frame[0] > 0x02 {
            old.push(frame);
        }
    }
    assert!(old.iter().any(|frame| frame[0] == 0x08), "events came");
    drop(line);
    let mut line = puppet.dial(&siege.target);
    line.greet(&the_secret());
    let streams = siege.node.offsets().unwrap().stream_count();
    for _ in 0..20 {
        for frame in &old {
            line.say(frame);
        }
    }
    assert!(line.breathe() && line.is_open(), "what is old is no offence");
    assert_eq!(siege.node.offsets().unwrap().stream_count(), streams);
    let calm = siege.lift();
    assert!(held(&calm.node) >= 50);
}

#[test]
fn of_two_with_one_key_the_latest_is_heard_and_nobody_else_notices() {
    let siege = Siege::begin();
    let key = fresh_key();
    let twins = [(); 2].map(|()| Puppet::with(key.clone(), Ipv4Addr::LOCALHOST));
    let mut former = twins[0].dial(&siege.target);
    former.greet(&the_secret());
    for round in 0..20 {
        let mut latter = twins[(round + 1) % 2].dial(&siege.target);
        latter.greet(&the_secret());
        assert_eq!(former.refused(), Ok(RefusalReason::DuplicateConnection), "round {round}");
        former = latter;
    }
    // Who has the key and not the secret takes nobody's place.
    let mut thief = twins[1].dial(&siege.target);
    let hello = thief.hello(&secret(2));
    thief.say(&hello);
    assert_eq!(thief.refused(), Ok(RefusalReason::WrongSecret));
    assert!(former.breathe() && former.is_open());
    siege.lift();
}

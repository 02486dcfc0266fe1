//! Nodes of different versions, and events whose causes nobody can give: the rest goes on.

use super::hostile::poisoned;
use super::puppet::{Author, Puppet};
use crate::event::NodeKey;
use crate::event::limits::LAMPORT_SLACK;
use crate::sync::message::Message;
use crate::sync::{Input, RefusalReason, SwarmEvent};

#[test]
fn a_stream_that_only_a_later_millpond_understands_waits_and_all_else_goes_on() {
    for (version, kind) in [(0, 2), (0, 0x7f), (1, 0), (255, 1)] {
        let mut later = Author::new(7);
        later.write(&["one"]);
        let mut puppet = Puppet::admitted();
        puppet.say(&later.range(0));
        later.log.append_later(&later.key, version, kind);
        puppet.say(&later.range(1));
        let told = |event: &&SwarmEvent| matches!(event, SwarmEvent::TooNew(_));
        assert_eq!(puppet.told.iter().filter(told).count(), 1);
        later.write(&["three"]);
        puppet.say(&later.range(2));
        puppet.pass_alive(60);
        assert_eq!(puppet.told.iter().filter(told).count(), 1);
        assert_eq!(puppet.swarm.status().too_new, [later.stream()]);
        assert!(puppet.wants().is_empty(), "it is not asked for again");

        let mut honest = Author::new(8);
        honest.write(&["bread"]);
        puppet.say(&honest.range(0));
        assert_eq!((puppet.closed, puppet.stored.len()), (None, 2));
    }
}

#[test]
fn nobody_can_make_a_stream_wait_whose_author_wrote_nothing_new() {
    let mut author = Author::new(7);
    author.write(&["one"]);
    let mut liar = Author::new(7);
    liar.log.append_later(&liar.key, 9, 0);
    let Message::Range { before, mut range } = liar.range(0) else { unreachable!() };
    let Message::Range { range: genuine, .. } = author.range(0) else { unreachable!() };
    range.head = genuine.head;
    let mut puppet = Puppet::admitted();
    puppet.say(&Message::Range { before, range });
    assert_eq!(puppet.closed, Some(RefusalReason::Forged));
    assert!(puppet.swarm.status().too_new.is_empty());
}

#[test]
fn what_need_not_be_understood_is_stored_and_passed_on() {
    for version in [0, 1, 255] {
        let mut later = Author::new(7);
        later.write(&["one"]);
        later.log.append_later(&later.key, version, 0x80);
        later.log.append_later(&later.key, version, 0xff);
        later.write(&["four"]);
        let mut puppet = Puppet::admitted();
        puppet.say(&later.range(0));
        assert_eq!((puppet.closed, puppet.stored.len()), (None, 1));
        assert_eq!(puppet.log.count(&later.stream()), 4);

        puppet.peer = NodeKey::from_seed(&[3; 32]).node_id();
        puppet.connect(2);
        puppet.admit();
        puppet.say(&Message::Want { stream: later.stream(), from: 0, to: 4 });
        let is_it = |message: &Message| *message == later.range(0);
        assert!(puppet.messages().iter().any(is_it));
    }
}

#[test]
fn streams_that_nobody_holds_any_more_are_forgotten_also_when_they_waited() {
    let mut later = Author::new(7);
    later.log.append_later(&later.key, 9, 0);
    let mut puppet = Puppet::admitted();
    puppet.say(&later.range(0));
    assert_eq!(puppet.swarm.status().too_new, [later.stream()]);
    let connection = puppet.connection;
    puppet.give(Input::Disconnected { connection, code: None });
    assert!(puppet.swarm.status().too_new.is_empty());
    assert_eq!(puppet.swarm.shared.streams.iter().count(), 0);
}

#[test]
fn how_much_is_missing_of_a_stream_that_waits_is_known() {
    let mut later = Author::new(7);
    later.log.append_later(&later.key, 9, 0);
    let mut puppet = Puppet::admitted();
    puppet.say(&later.range(0));
    later.write(&["two"]);
    puppet.say(&later.range(1));
    assert_eq!(puppet.swarm.status().missing, [(later.stream(), 2)]);
}

#[test]
fn a_lost_cause_is_waited_for_once_by_all_streams_together() {
    let mut puppet = Puppet::admitted();
    let first = LAMPORT_SLACK + 500_000;
    puppet.say(&poisoned(7, first).0);
    puppet.pass_alive(6);
    puppet.say(&poisoned(7, first).0);
    assert_eq!(puppet.stored.len(), 1);
    // Others that go on from there need not wait again.
    puppet.say(&poisoned(8, first + 1).0);
    puppet.say(&poisoned(9, first + 2).0);
    assert_eq!(puppet.stored.len(), 3);
}

#[test]
fn streams_that_wait_side_by_side_gain_no_more_than_one() {
    let mut puppet = Puppet::admitted();
    let seeds = 7..17u8;
    let lamport = |seed: u8| LAMPORT_SLACK + 400_000 * u64::from(seed - 6);
    for second in 1..=20 {
        seeds.clone().for_each(|seed| puppet.say(&poisoned(seed, lamport(seed)).0));
        puppet.pass_alive(1);
        let reached = puppet.log.lamport.saturating_sub(LAMPORT_SLACK);
        assert!(reached <= 110_000 * second + 110_000, "{reached} after {second} s");
    }
    assert!(puppet.stored.len() >= 3, "{}", puppet.stored.len());
}

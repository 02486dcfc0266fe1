//! How far lamports may go: what was accepted once holds nobody back, and no member moves a clock
//! fast for long.

use super::hostile::poisoned;
use super::log::MemoryLog;
use super::puppet::{Author, Puppet};
use super::world::SECRET;
use crate::event::limits::{BLOCK_EVENTS_MAX, LAMPORT_SLACK};
use crate::event::{Chain, Lamport, NodeKey, SignedHead, StreamId};
use crate::sync::Input;
use crate::sync::message::Message;
use std::time::Duration;

/// Heads of so many streams of which nobody will ever see an event.
const CLAIMED_STREAMS: u64 = 200;
const CLAIMED_EVENTS: u64 = CLAIMED_STREAMS * BLOCK_EVENTS_MAX;

fn claims(round: u64) -> Message {
    let head = |index: u64| {
        let seed = *blake3::hash(&(round << 32 | index).to_le_bytes()).as_bytes();
        let lamport = Lamport::new(2 * BLOCK_EVENTS_MAX).unwrap();
        let chain = Chain::from_bytes(seed);
        NodeKey::from_seed(&seed).sign_head(
            &SECRET.swarm_id(),
            0,
            2 * BLOCK_EVENTS_MAX,
            lamport,
            chain,
        )
    };
    let heads: Vec<SignedHead> = (0..CLAIMED_STREAMS).map(head).collect();
    Message::Summary { is_last: true, heads }
}

/// Claims, uses the claims, and goes.
fn poison_on_claims(puppet: &mut Puppet, round: u64) -> u64 {
    puppet.connect(100 + round);
    puppet.admit();
    puppet.say(&claims(round));
    let stranger = StreamId { node: NodeKey::from_seed(&[99; 32]).node_id(), number: 0 };
    let limit = puppet.swarm.shared.streams.bound.limit(&stranger, puppet.now);
    let before = puppet.stored.len();
    puppet.say(&poisoned(100 + u8::try_from(round).unwrap(), limit).0);
    assert_eq!(puppet.stored.len(), before + 1, "the bound allows it");
    let connection = puppet.connection;
    puppet.give(Input::Disconnected { connection, code: None });
    limit
}

fn honest_after(lamport: u64) -> Author {
    let mut honest = Author::new(8);
    honest.log.lamport = lamport;
    honest.write(&["bread"]);
    honest
}

#[test]
fn what_was_accepted_before_a_restart_holds_nobody_back_after_it() {
    let mut log = MemoryLog::new(SECRET.swarm_id());
    let Message::Range { range, .. } = poisoned(7, 10_000_000).0 else { unreachable!() };
    log.append_range(&range).unwrap();
    let mut puppet = Puppet::admitted_to(log);
    puppet.say(&honest_after(10_000_000).range(0));
    assert_eq!(puppet.stored.len(), 1);
    // And what is behind by much comes by its claims, as ever.
    puppet.say(&claims(0));
    puppet.say(&poisoned(9, 10_000_000 + CLAIMED_EVENTS).0);
    assert_eq!(puppet.stored.len(), 2);
}

#[test]
fn claims_that_go_with_their_session_hold_nobody_back_that_goes_on_from_what_they_let_in() {
    let mut puppet = Puppet::admitted();
    let reached = poison_on_claims(&mut puppet, 1);
    assert!(reached >= LAMPORT_SLACK + CLAIMED_EVENTS);
    puppet.connect(2);
    puppet.admit();
    puppet.pass_alive(1);
    puppet.say(&honest_after(reached).range(0));
    assert_eq!((puppet.stored.len(), puppet.log.lamport), (2, reached + 1));
    assert!(puppet.swarm.status().quarantined.is_empty());
}

#[test]
fn who_comes_and_goes_with_claims_moves_the_clock_no_faster_than_the_pace() {
    let mut puppet = Puppet::admitted();
    let first = poison_on_claims(&mut puppet, 0);
    for round in 1..40 {
        puppet.pass(Duration::from_millis(500));
        let reached = poison_on_claims(&mut puppet, round);
        let paced = 100_000 * round + 2 * LAMPORT_SLACK;
        assert!(reached <= first + paced, "{} in {} ms", reached - first, 500 * round);
    }
}

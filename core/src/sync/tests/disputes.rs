//! What a peer can do to a node that examines its past, and what it cannot.

use super::log::MemoryLog;
use super::puppet::{Author, Puppet};
use super::world::SECRET;
use crate::event::limits::{BRANCHES_PER_TRUNK_MAX, LAMPORT_SLACK};
use crate::event::{Chain, NodeKey, StreamId};
use crate::sync::message::Message;
use crate::sync::streams::Streams;
use crate::sync::{Input, LogRead, RefusalReason, SwarmEvent};

/// Two histories of one stream: `shared` events, then `ours` in one and `theirs` in the other.
fn histories(shared: usize, ours: usize, theirs: usize) -> (Author, Author) {
    let texts = |word: &str, count: usize| -> Vec<String> {
        (0..count).map(|number| format!("{word} {number}")).collect()
    };
    let (mut one, mut two) = (Author::new(7), Author::new(7));
    for author in [&mut one, &mut two] {
        if shared > 0 {
            author.log.append(&author.key, 0, &texts("shared", shared));
        }
    }
    one.log.append(&one.key, 0, &texts("left", ours));
    if theirs > 0 {
        two.log.append(&two.key, 0, &texts("right", theirs));
    }
    (one, two)
}

/// A node that holds the one history, and a peer that has told of the other.
fn disputed(one: &Author, two: &Author) -> Puppet {
    let mut puppet = Puppet::admitted_to(one.log.clone());
    puppet.say(&Message::Summary { is_last: true, heads: two.log.heads() });
    puppet
}

/// Answers what is asked of `author`'s stream, for `seconds`.
fn answer(puppet: &mut Puppet, author: &Author, seconds: u64) {
    for _ in 0..seconds * 10 {
        let asked: Vec<_> = puppet.wants();
        puppet.heard.clear();
        for (stream, from, _) in asked {
            if stream == author.stream() && from < author.log.count(&stream) {
                puppet.say(&author.range(from));
            }
        }
        puppet.pass(std::time::Duration::from_millis(100));
        puppet.say(&Message::Pong(u64::MAX));
    }
}

#[test]
fn a_peer_that_knows_of_no_branches_is_followed_to_the_end_of_its_history() {
    for (shared, ours, theirs) in
        [(5, 5, 5), (0, 3, 8), (5, 9, 2), (2000, 1, 3000), (5, 3000, 3000), (1024, 40, 1)]
    {
        let (one, two) = histories(shared, ours, theirs);
        let mut puppet = disputed(&one, &two);
        answer(&mut puppet, &two, 20);
        assert_eq!(puppet.closed, None);
        assert_eq!(puppet.forked.len(), 1, "{shared} {ours} {theirs}");
        assert_eq!(puppet.log.event_count(), shared + ours + theirs);
        let forks = puppet.swarm.status().forks;
        assert_eq!((forks.len(), forks[0].of, forks[0].at), (1, one.stream(), shared as u64));
        let shown = |events: usize| forks[0].branches.iter().any(|it| it.1 == events as u64);
        assert!(shown(ours) && shown(theirs));
        for head in &forks[0].proof {
            assert!(head.verify(&SECRET.swarm_id()).is_ok() && head.count > shared as u64);
        }
        assert!(puppet.told.iter().any(|event| matches!(event, SwarmEvent::Forked(_))));
        assert!(puppet.swarm.status().missing.is_empty());
        // All is known: nothing more is asked.
        puppet.heard.clear();
        puppet.pass_alive(120);
        assert!(puppet.wants().is_empty());
    }
}

#[test]
fn where_histories_part_long_ago_few_questions_are_asked() {
    let (one, two) = histories(10, 30_000, 20_000);
    let mut puppet = disputed(&one, &two);
    let mut asked = 0;
    for _ in 0..200 {
        let wants = puppet.wants();
        puppet.heard.clear();
        asked += wants.len();
        wants.iter().for_each(|(_, from, _)| puppet.say(&two.range(*from)));
        if !puppet.forked.is_empty() {
            break;
        }
        puppet.pass(std::time::Duration::from_millis(100));
        puppet.say(&Message::Pong(u64::MAX));
    }
    assert_eq!(puppet.forked.len(), 1);
    assert!(asked <= 20, "{asked} questions");
}

#[test]
fn a_relay_that_lies_about_the_past_is_blamed() {
    let (one, two) = histories(5, 5, 5);
    for bit in [8 * 40, 8 * 100, 8 * 250] {
        let mut puppet = disputed(&one, &two);
        puppet.pass(std::time::Duration::from_millis(500));
        let wants = puppet.wants();
        assert_eq!(wants, [(two.stream(), 0, 1)]);
        let mut frame = two.range(0).encode().to_vec();
        frame[bit / 8] ^= 1;
        puppet.say_bytes(frame.into());
        assert!(puppet.closed.is_some_and(RefusalReason::is_misbehaviour), "bit {bit}");
        assert!(puppet.forked.is_empty());
    }
}

#[test]
fn a_duplicate_that_is_not_what_we_hold_is_noticed_and_must_be_signed() {
    let (one, two) = histories(5, 9, 2);
    let mut puppet = Puppet::admitted_to(one.log.clone());
    puppet.say(&two.range(5));
    answer(&mut puppet, &two, 5);
    assert_eq!((puppet.closed, puppet.forked.len()), (None, 1));

    let mut puppet = Puppet::admitted_to(one.log.clone());
    let Message::Range { before, mut range } = two.range(5) else { unreachable!() };
    range.head.signature[5] ^= 1;
    puppet.say(&Message::Range { before, range });
    assert_eq!(puppet.closed, Some(RefusalReason::Forged));
}

#[test]
fn a_question_that_is_not_answered_is_asked_ever_more_rarely_and_not_forgotten() {
    let (one, two) = histories(5, 5, 5);
    let mut puppet = disputed(&one, &two);
    puppet.pass_alive(600);
    let asked = puppet.wants().len();
    assert!((8..=20).contains(&asked), "{asked}");
    assert_eq!(puppet.closed, None);
    puppet.heard.clear();
    answer(&mut puppet, &two, 75);
    assert_eq!(puppet.forked.len(), 1);
}

#[test]
fn a_piece_of_honest_history_under_the_name_of_a_branch_is_never_taken() {
    let (one, _) = histories(5, 5, 5);
    let logs = [MemoryLog::new(SECRET.swarm_id()), histories(5, 1, 0).0.log, one.log.clone()];
    for log in logs {
        let mut puppet = Puppet::admitted_to(log);
        let branch = one.stream().branch(&one.log.chain_at(&one.stream(), 6).unwrap().unwrap());
        let head = one.log.head(&one.stream()).unwrap().on(branch);
        puppet.say(&Message::Summary { is_last: true, heads: vec![head] });
        assert_eq!(puppet.wants(), [(branch, 0, 1)], "it is looked at");
        puppet.heard.clear();
        let Message::Range { before, mut range } = one.range(0) else { unreachable!() };
        range.head = range.head.on(branch);
        for _ in 0..3 {
            puppet.say(&Message::Range { before, range: range.clone() });
        }
        puppet.pass_alive(100);
        assert_eq!((puppet.closed, puppet.stored.len(), puppet.forked.len()), (None, 0, 0));
        assert!(puppet.wants().is_empty(), "and not again and again");
    }
}

#[test]
fn an_offered_branch_waits_until_its_trunk_shows_that_it_is_one() {
    let (one, two) = histories(5, 5, 8);
    let branch = two.stream().branch(&two.log.chain_at(&two.stream(), 6).unwrap().unwrap());
    let mut puppet = Puppet::admitted();
    let head = two.log.head(&two.stream()).unwrap().on(branch);
    puppet.say(&Message::Summary { is_last: true, heads: vec![head] });
    let offer = |puppet: &mut Puppet| {
        assert_eq!(puppet.wants(), [(branch, 0, 1)]);
        puppet.heard.clear();
        let Message::Range { before, mut range } = two.range(0) else { unreachable!() };
        range.head = range.head.on(branch);
        puppet.say(&Message::Range { before, range });
    };
    offer(&mut puppet);
    puppet.pass_alive(10);
    assert!(puppet.forked.is_empty() && puppet.wants().is_empty());
    puppet.say(&one.range(0));
    puppet.pass_alive(1);
    offer(&mut puppet);
    assert_eq!((puppet.forked.len(), puppet.log.event_count()), (1, 18));
}

#[test]
fn shared_events_count_once_for_the_bound() {
    let (one, two) = histories(700, 50, 60);
    let mut puppet = disputed(&one, &two);
    answer(&mut puppet, &two, 10);
    assert_eq!(puppet.log.event_count(), 810);
    let stranger = StreamId { node: NodeKey::from_seed(&[99; 32]).node_id(), number: 0 };
    let limit = puppet.swarm.shared.streams.bound.limit(&stranger, puppet.now);
    assert_eq!(limit, 810 + LAMPORT_SLACK);
    // After a restart it is the same.
    let again = Puppet::admitted_to(puppet.log.clone());
    assert_eq!(again.swarm.shared.streams.bound.limit(&stranger, again.now), limit);
    assert_eq!(again.swarm.status().forks, puppet.swarm.status().forks);
}

#[test]
fn one_peer_can_offer_sixteen_branches_of_a_trunk_and_no_more() {
    let (one, _) = histories(5, 5, 5);
    let mut puppet = Puppet::admitted_to(one.log.clone());
    let head = one.log.head(&one.stream()).unwrap();
    let named = |number: u8| head.on(one.stream().branch(&Chain::from_bytes([number; 32])));
    puppet.say(&Message::Summary { is_last: true, heads: (1..=100).map(named).collect() });
    assert_eq!(puppet.wants().len(), BRANCHES_PER_TRUNK_MAX);
}

#[test]
fn offers_beyond_the_lamport_bound_cost_sixteen_names_and_only_while_their_peer_is_there() {
    let (one, _) = histories(0, 1, 0);
    let mut puppet = Puppet::admitted_to(one.log.clone());
    let label = one.stream().branch(&Chain::from_bytes([9; 32]));
    let told = one.log.head(&one.stream()).unwrap().on(label);
    puppet.say(&Message::Summary { is_last: true, heads: vec![told] });
    for number in 0..100 {
        let mut other = Author::new(7);
        other.log.lamport = (1 << 50) + number;
        other.write(&["poison"]);
        let Message::Range { before, mut range } = other.range(0) else { unreachable!() };
        range.head = range.head.on(label);
        puppet.say(&Message::Range { before, range });
    }
    let names = puppet.swarm.status().quarantined.len();
    assert!((1..=BRANCHES_PER_TRUNK_MAX).contains(&names), "{names}");
    let connection = puppet.connection;
    puppet.give(Input::Disconnected { connection, code: None });
    assert!(puppet.swarm.status().quarantined.is_empty());
}

#[test]
fn a_branch_keeps_its_window_when_who_offered_it_goes_before_it_is_durable() {
    let (one, two) = histories(700, 50, 60);
    let mut puppet = disputed(&one, &two);
    answer(&mut puppet, &two, 10);
    let fork = puppet.log.forks().remove(0);
    let theirs = fork.branches[1].clone();
    let own = StreamId { node: NodeKey::from_seed(&[1; 32]).node_id(), number: 0 };
    let (heads, swarm) = (one.log.heads(), SECRET.swarm_id());
    let mut streams = Streams::new(swarm, own, heads, Vec::new(), puppet.now);
    let offered = two.log.head(&two.stream()).unwrap().on(theirs.stream);
    streams.learn(&offered, &puppet.peer).unwrap();
    streams.forked(&fork);
    streams.forget_claims(&puppet.peer, |_| false);
    let window = streams.get(&theirs.stream).expect("it is held").window;
    assert_eq!((window.base, window.floor), (theirs.base.count, 700));
}

#[test]
fn a_history_that_only_a_later_version_understands_does_not_stop_the_other() {
    let (mut one, mut two) = histories(5, 5, 0);
    two.log.append_later(&two.key, 0, 0x41);
    let mut puppet = disputed(&one, &two);
    puppet.say(&two.range(5));
    answer(&mut puppet, &two, 10);
    one.write(&["goes on"]);
    puppet.say(&one.range(10));
    assert_eq!(puppet.log.count(&one.stream()), 11);
}

#[test]
fn a_head_under_the_name_of_another_branch_holds_nothing_up() {
    let (mut one, two) = histories(5, 5, 300);
    let mut puppet = disputed(&one, &two);
    answer(&mut puppet, &two, 10);
    let ours = puppet.log.forks()[0].branches[0].stream;
    // What the author signed in the longer history, as if it were the shorter one.
    let longer = two.log.head(&two.stream()).unwrap();
    puppet.say(&Message::Summary { is_last: false, heads: vec![longer.on(ours)] });
    puppet.pass_alive(30);
    let missing = puppet.swarm.status().missing;
    assert_eq!(missing, [(ours, 295)], "it seems longer than it is");
    one.write(&["goes on"]);
    let Message::Range { before, mut range } = one.range(10) else { unreachable!() };
    range.head = range.head.on(ours);
    puppet.say(&Message::Range { before, range });
    puppet.pass_alive(1);
    assert_eq!((puppet.closed, puppet.log.event_count()), (None, 5 + 5 + 300 + 1));
    assert_eq!(puppet.log.forks().len(), 1);
}

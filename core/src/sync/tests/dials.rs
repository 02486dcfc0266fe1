//! Whom nobody answers for yet: who moves while it is dialled, and who waits beside made-up nodes
//! whose dials nobody answers.

use super::puppet::Puppet;
use crate::event::NodeId;
use crate::sync::Input;
use crate::sync::constants::{DIAL_ELSEWHERE, DIAL_TIMEOUT};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(100);
/// As the transport gives a dial up that nobody answers.
const UNANSWERED: Duration = Duration::from_secs(5);

fn node(number: usize) -> NodeId {
    NodeId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], port))
}

fn discover(puppet: &mut Puppet, peer: NodeId, port: u16) {
    puppet.give(Input::Discovered { peer, addresses: vec![at(port)] });
}

/// A swarm whose only peer was just lost, at port 4101.
fn without_its_peer() -> (Puppet, NodeId) {
    let mut puppet = Puppet::admitted();
    let (member, connection) = (puppet.peer, puppet.connection);
    discover(&mut puppet, member, 4101);
    puppet.give(Input::Disconnected { connection, code: None });
    (puppet, member)
}

/// Whom the swarm has dialled when `time` has passed, while nobody answers.
fn dialed_within(puppet: &mut Puppet, time: Duration) -> Vec<NodeId> {
    puppet.pass(time);
    std::mem::take(&mut puppet.dialed)
}

#[test]
fn who_moves_while_it_is_dialled_is_dialled_there_within_2_seconds() {
    let (mut puppet, member) = without_its_peer();
    assert_eq!(dialed_within(&mut puppet, Duration::from_secs(1)), [member]);
    discover(&mut puppet, member, 4102);
    assert_eq!(dialed_within(&mut puppet, Duration::from_secs(2)), [member]);
    assert_eq!(puppet.dialed_where, [at(4102)]);
    // The same said again is nothing new.
    discover(&mut puppet, member, 4102);
    assert!(dialed_within(&mut puppet, Duration::from_secs(2)).is_empty());
    // So is what a person says.
    puppet.give(Input::AddPeer { peer: member, addresses: vec![at(4103)] });
    assert_eq!(dialed_within(&mut puppet, DIAL_ELSEWHERE), [member]);
    assert_eq!(puppet.dialed_where, [at(4103), at(4102)]);
}

#[test]
fn who_moves_ever_again_while_it_is_dialled_gains_a_dial_a_second() {
    let (mut puppet, member) = without_its_peer();
    let mut count = 0;
    for port in 5000..5100 {
        discover(&mut puppet, member, port);
        count += dialed_within(&mut puppet, STEP).len();
        assert!(puppet.swarm.book.dialing().count() <= 1);
    }
    assert!((5..=11).contains(&count), "{count} dials");
}

#[test]
fn who_moves_while_its_connection_comes_to_nothing_is_dialled_there_after_it() {
    let (mut puppet, member) = without_its_peer();
    // It is away for so long that it is dialled every 15 seconds.
    for _ in 0..8 {
        while dialed_within(&mut puppet, STEP).is_empty() {}
        puppet.give(Input::DialFailed { peer: member });
    }
    while dialed_within(&mut puppet, STEP).is_empty() {}
    puppet.connect(2);
    discover(&mut puppet, member, 4102);
    assert!(dialed_within(&mut puppet, Duration::from_secs(2)).is_empty());
    let connection = puppet.connection;
    puppet.give(Input::Disconnected { connection, code: None });
    assert_eq!(dialed_within(&mut puppet, Duration::from_secs(2)), [member]);
    assert_eq!(puppet.dialed_where, [at(4102)]);
}

#[test]
fn whom_nobody_met_and_who_moves_while_it_is_dialled_is_dialled_there_after_that_once() {
    let mut puppet = Puppet::stranger();
    discover(&mut puppet, node(1), 4101);
    assert_eq!(dialed_within(&mut puppet, Duration::from_secs(1)), [node(1)]);
    discover(&mut puppet, node(1), 4102);
    assert!(dialed_within(&mut puppet, Duration::from_secs(4)).is_empty());
    puppet.give(Input::DialFailed { peer: node(1) });
    assert_eq!(dialed_within(&mut puppet, STEP * 3), [node(1)]);
    assert_eq!(puppet.dialed_where, [at(4102)]);
    // Whoever makes it up does not keep us dialling.
    discover(&mut puppet, node(1), 4103);
    puppet.give(Input::DialFailed { peer: node(1) });
    assert!(dialed_within(&mut puppet, STEP * 3).is_empty());
}

/// Somebody announces nodes that are nowhere, and withdraws the oldest again.
struct Storm {
    /// How many are announced at a time.
    live_max: usize,
    /// How many are new in each step.
    fresh: usize,
    live: VecDeque<usize>,
    made_up: usize,
    /// Whether somebody else answers their dials at once; else nobody does.
    answers: bool,
    unanswered: VecDeque<(std::time::Instant, NodeId)>,
    steps: u16,
}

impl Storm {
    fn new(live_max: usize, fresh: usize, answers: bool) -> Storm {
        Storm {
            live_max,
            fresh,
            live: VecDeque::new(),
            made_up: 0,
            answers,
            unanswered: VecDeque::new(),
            steps: 0,
        }
    }

    fn announce(&mut self, puppet: &mut Puppet, count: usize) {
        for _ in 0..count {
            self.made_up += 1;
            self.live.push_back(self.made_up);
            discover(puppet, node(self.made_up), 4100);
        }
        while self.live.len() > self.live_max {
            let oldest = self.live.pop_front().expect("there are some");
            puppet.give(Input::Discovered { peer: node(oldest), addresses: Vec::new() });
        }
    }

    /// Dials of `honest` are counted and come to nothing, at once.
    fn answer(&mut self, puppet: &mut Puppet, honest: NodeId) -> usize {
        let mut count = 0;
        while !puppet.dialed.is_empty() {
            for peer in std::mem::take(&mut puppet.dialed) {
                count += usize::from(peer == honest);
                if peer == honest || self.answers {
                    puppet.give(Input::DialFailed { peer });
                } else {
                    self.unanswered.push_back((puppet.now + UNANSWERED, peer));
                }
            }
        }
        while let Some((_, peer)) = self.unanswered.front().filter(|(at, _)| *at <= puppet.now) {
            let peer = *peer;
            self.unanswered.pop_front();
            puppet.give(Input::DialFailed { peer });
        }
        count
    }

    /// How often `honest` is dialled in a step.
    fn step(&mut self, puppet: &mut Puppet, honest: NodeId) -> usize {
        self.steps += 1;
        self.announce(puppet, self.fresh);
        // Some are elsewhere each time.
        let moved: Range<usize> = 0..self.live.len().min(50);
        for number in moved {
            discover(puppet, node(self.live[number]), 4100 + self.steps % 2);
        }
        let before = self.answer(puppet, honest);
        puppet.pass(STEP);
        before + self.answer(puppet, honest)
    }

    /// How often `honest` is dialled in `time`.
    fn go_on(&mut self, puppet: &mut Puppet, honest: NodeId, time: Duration) -> usize {
        let end = puppet.now + time;
        let mut count = 0;
        while puppet.now < end {
            count += self.step(puppet, honest);
        }
        count
    }

    /// How long it takes until `honest` is dialled, at most `most`.
    fn until_dialed(&mut self, puppet: &mut Puppet, honest: NodeId, most: Duration) -> Duration {
        let begin = puppet.now;
        while self.step(puppet, honest) == 0 {
            assert!(puppet.now < begin + most, "not dialled within {most:?}");
        }
        puppet.now - begin
    }
}

#[test]
fn dials_that_nobody_answers_hold_no_member_up() {
    // A crowd, and one that is just no crowd.
    for live in [200, 8] {
        let (mut puppet, member) = without_its_peer();
        let mut storm = Storm::new(live, 1, false);
        storm.announce(&mut puppet, live);
        assert!(storm.go_on(&mut puppet, member, Duration::from_secs(60)) > 3);
        storm.until_dialed(&mut puppet, member, Duration::from_secs(20));
        assert_eq!(storm.go_on(&mut puppet, member, Duration::from_secs(2)), 0, "it is not due");
        discover(&mut puppet, member, 4102);
        let dials = storm.go_on(&mut puppet, member, Duration::from_secs(2));
        assert_eq!(dials, 1, "it is elsewhere now, beside {live}");
    }
}

/// Who is found late, beside `storm`, is dialled within `first`, and after that came to nothing
/// within `next` each time.
fn assert_dialed_soon(mut storm: Storm, first: Duration, next: Duration) {
    let (mut puppet, member) = without_its_peer();
    puppet.give(Input::RemovePeer { peer: member });
    let crowd = storm.live_max;
    storm.announce(&mut puppet, crowd);
    let late = node(1_000_000);
    storm.go_on(&mut puppet, late, Duration::from_secs(60));
    discover(&mut puppet, late, 4100);
    let mut took = vec![storm.until_dialed(&mut puppet, late, first)];
    for _ in 0..3 {
        took.push(storm.until_dialed(&mut puppet, late, next));
    }
    println!("{crowd} at a time, {} new a step, answered {}: {took:?}", storm.fresh, storm.answers);
}

#[test]
fn who_is_found_amid_made_up_nodes_waits_for_those_before_it_and_no_others() {
    let seconds = Duration::from_secs;
    // None is new when it comes: it has been dialled least, once all were dialled.
    assert_dialed_soon(Storm::new(500, 0, true), seconds(10), seconds(120));
    assert_dialed_soon(Storm::new(500, 0, false), seconds(270), seconds(270));
    // New ones come without end, and the oldest go.
    assert_dialed_soon(Storm::new(300, 20, true), seconds(80), seconds(80));
    assert_dialed_soon(Storm::new(300, 20, false), seconds(200), seconds(200));
    assert_dialed_soon(Storm::new(900, 10, true), seconds(210), seconds(210));
    assert_dialed_soon(Storm::new(900, 10, false), seconds(520), seconds(520));
}

#[test]
fn who_was_announced_and_withdrawn_leaves_room_for_who_is_found_later() {
    let mut puppet = Puppet::stranger();
    let mut storm = Storm::new(100, 100, true);
    for _ in 0..30 {
        storm.step(&mut puppet, node(0));
    }
    storm.live_max = 0;
    storm.announce(&mut puppet, 0);
    storm.go_on(&mut puppet, node(0), DIAL_TIMEOUT);
    discover(&mut puppet, node(1_000_000), 4100);
    assert_eq!(dialed_within(&mut puppet, Duration::from_secs(1)), [node(1_000_000)]);
}

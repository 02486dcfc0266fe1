//! A real node under attack, and an honest peer that must notice nothing of it.

use super::puppet::{Line, Puppet};
use crate::nodes::{PATIENCE, address, everything, link, open, publish, secret, until};
use crate::support::Scratch;
use millpond::event::{Event, NodeId, OffsetMap, SwarmSecret};
use millpond::query::Query;
use millpond::sync::RefusalReason;
use millpond::{Node, PeerAddress, PeerStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Half of the honest events arrive within this. The machine may be busy with other tests.
const USUAL_DELAY_MAX: Duration = Duration::from_millis(500);
/// And 95 of 100.
const MOST_DELAYS_MAX: Duration = Duration::from_secs(2);
/// And each. A member can have one wait for a time: docs/guarantees.md, "Losses".
const DELAY_MAX: Duration = Duration::from_secs(12);
/// So many tell what is usual.
const HONEST_MIN: usize = 100;
/// What the honest events are tagged with.
const HONEST: &str = "honest";
/// Pause between two honest events.
const PAUSE: Duration = Duration::from_millis(5);

/// Two honest nodes that exchange events all the time; `node` is the one to attack.
pub(super) struct Siege {
    pub(super) node: Node,
    pub(super) friend: Node,
    /// Where the node is.
    pub(super) target: PeerAddress,
    linked: Instant,
    /// Dropped at the end.
    goes_on: Sender<()>,
    traffic: JoinHandle<Vec<Duration>>,
    pub(super) scratch: Scratch,
}

impl Siege {
    /// Opens the two, and lets them talk.
    pub(super) fn begin() -> Siege {
        let scratch = Scratch::new("siege");
        let [node, friend] = ["node", "friend"].map(|name| open(&scratch, name, &the_secret()));
        link(&friend, &node).expect("honest nodes are let in");
        let (goes_on, end) = channel();
        let pair = [node.clone(), friend.clone()];
        let traffic = std::thread::spawn(move || exchange(&pair, &end));
        let target = address(&node);
        let linked = Instant::now();
        Siege { node, friend, target, linked, goes_on, traffic, scratch }
    }

    /// A puppet that the node has admitted.
    pub(super) fn member(&self) -> (Puppet, Line) {
        let puppet = Puppet::start();
        let mut line = puppet.dial(&self.target);
        line.greet(&the_secret());
        (puppet, line)
    }

    /// Waits until the node shows that it refused `peer` for this reason.
    pub(super) fn until_refused(&self, peer: NodeId, reason: RefusalReason) {
        until(&self.node, &format!("the refusal as {reason}"), |node| {
            let refusals = node.status().wait().expect("the node is open").refusals;
            let named = |one: &millpond::Refusal| one.peer == peer && one.reason == reason.name();
            refusals.iter().any(|one| one.by_us && named(one))
        });
    }

    /// What the node says of `peer`.
    pub(super) fn peer(&self, peer: NodeId) -> Option<PeerStatus> {
        let peers = self.node.status().wait().expect("the node is open").peers;
        peers.into_iter().find(|known| known.node == peer)
    }

    /// Ends the siege: all honest events arrived, nearly all of them soon, in one order, and by the
    /// session that stood when it began.
    pub(super) fn lift(self) -> Calm {
        let friend = self.peer(self.friend.node_id());
        let stands = friend.and_then(|friend| friend.connected_for).expect("there is a session");
        assert!(stands + Duration::from_secs(1) >= self.linked.elapsed(), "it broke: {stands:?}");
        drop(self.goes_on);
        let mut delays = self.traffic.join().expect("the honest nodes go on");
        delays.sort_unstable();
        let count = delays.len();
        let [usual, most, longest] = [count / 2, count * 95 / 100, count - 1].map(|at| delays[at]);
        println!("{count} honest events, usual {usual:.1?}, p95 {most:.1?}, longest {longest:.1?}");
        assert!(usual <= USUAL_DELAY_MAX, "half of the honest events took {usual:?}");
        assert!(most <= MOST_DELAYS_MAX, "5 of 100 honest events took {most:?} or longer");
        assert!(longest <= DELAY_MAX, "an honest event took {longest:?}");
        let pair = [&self.node, &self.friend];
        let honest = pair.map(Node::node_id);
        let of_both = pair.map(|node| -> Vec<Event> {
            let is_honest = |event: &Event| {
                let tagged = event.tags.iter().any(|tag| tag.as_str() == HONEST);
                tagged && honest.contains(&event.key.stream.node)
            };
            everything(node).into_iter().filter(is_honest).collect()
        });
        assert_eq!(of_both[0].len(), delays.len());
        assert!(of_both[0] == of_both[1], "the honest nodes differ");
        pair.iter().for_each(|node| node.check().expect("the log verifies"));
        Calm { node: self.node, friend: self.friend, scratch: self.scratch }
    }
}

/// What is left of a siege.
pub(super) struct Calm {
    pub(super) node: Node,
    pub(super) friend: Node,
    pub(super) scratch: Scratch,
}

/// The secret of the swarm that is attacked.
pub(super) fn the_secret() -> SwarmSecret {
    secret(1)
}

/// Publishes at one node and the other in turn, each event when the last has arrived at the other,
/// until `end`, and `HONEST_MIN` at least; how long each took from its acknowledgement on.
fn exchange(pair: &[Node; 2], end: &Receiver<()>) -> Vec<Duration> {
    let (mut delays, mut is_over) = (Vec::new(), false);
    while !is_over || delays.len() < HONEST_MIN {
        delays.push(deliver(&pair[0], &pair[1]));
        delays.push(deliver(&pair[1], &pair[0]));
        is_over = is_over || end.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout);
    }
    delays
}

/// How long an event takes from one to the other.
fn deliver(author: &Node, reader: &Node) -> Duration {
    let nothing = Query::parse("FROM to(0)").expect("a query");
    let mut growth = reader.subscribe(&nothing, OffsetMap::new()).expect("the node is open");
    publish(author, HONEST, 1, 1);
    let (begun, stream) = (Instant::now(), author.own_stream());
    let count = author.offsets().expect("the node is open").count(&stream);
    while reader.offsets().expect("the node is open").count(&stream) < count {
        assert!(begun.elapsed() < PATIENCE, "an honest event did not arrive");
        growth.wait(Some(Duration::from_millis(10))).expect("the node is open");
        growth.next_batch(1).expect("the log can be read");
    }
    begun.elapsed()
}

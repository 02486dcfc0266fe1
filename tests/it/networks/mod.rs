//! Real nodes in real networks: namespaces of one machine, joined by cables that can be pulled.
//!
//! Each test builds a lab of its own, and prints what it measured. They need root; elsewhere they
//! are skipped, loudly. Bounds are those of the link, not of this machine.

mod links;
mod profiles;
mod reach;
mod slow;
mod traffic;

use crate::nodes::PATIENCE;
use crate::support::{Scratch, skip};
use millpond_tests::netlab::{Host, Lab};
use std::path::Path;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// How often a condition is looked at that nothing tells of: it is another process's.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Within this a cut is noticed: 8 s between two questions, 3 s without an answer
/// (docs/protocol.md), and a second for the machine.
const NOTICED: Duration = Duration::from_secs(12);
/// The same where five round trips take longer than those 3 s: up to 12 s without an answer.
const NOTICED_FAR: Duration = Duration::from_secs(21);
/// Longest pause between two dials, with its timeout.
pub(crate) const DIALLED: Duration = Duration::from_secs(25);

/// A lab with stores in `scratch`; none, said loudly, where it cannot be built.
pub(crate) fn lab(scratch: &Scratch) -> Option<Lab> {
    let program = Path::new(env!("CARGO_BIN_EXE_lab_node"));
    match Lab::new(program, scratch.path()) {
        Ok(lab) => Some(lab),
        Err(why) => {
            skip(&format!("no networks can be built: {why}"));
            None
        }
    }
}

/// Hosts in network 0, with running nodes that are not connected.
fn started<const N: usize>(lab: &mut Lab) -> [Host; N] {
    std::array::from_fn(|_| {
        let mut host = lab.host(&[0]);
        host.start();
        host
    })
}

/// Waits until `condition` holds; gives the time it took.
pub(crate) fn until(what: &str, condition: impl FnMut() -> bool) -> Duration {
    until_within(PATIENCE, what, condition)
}

pub(crate) fn until_within(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> bool,
) -> Duration {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < limit, "waited in vain for {limit:?}: {what}");
        park_timeout(LOOK_EVERY);
    }
    begun.elapsed()
}

/// Waits until all hold the same, and everything that each has published; gives the time it took.
/// The digests of what they hold in the one order must be the same, too.
fn converge(hosts: &mut [Host], limit: Duration) -> Duration {
    let took = until_within(limit, "all nodes hold the same", || {
        let held: Vec<_> = hosts.iter_mut().map(Host::held).collect();
        let published: u64 = held.iter().map(|held| held.own).sum();
        let first = &held[0].map;
        held.iter().all(|held| held.total == published && held.map == *first)
    });
    let digests: Vec<String> = hosts.iter_mut().map(Host::digest).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "two orders: {digests:?}");
    took
}

/// Each dials the one after it.
fn link_all(hosts: &mut [Host]) {
    for index in 1..hosts.len() {
        let (before, after) = hosts.split_at_mut(index);
        before[index - 1].connect(&after[0]);
    }
}

fn publish_all(hosts: &mut [Host], count: u64, bytes: u64) {
    for host in hosts {
        host.publish(count, bytes);
    }
}

/// True when no two of them have a session.
fn are_apart(hosts: &mut [Host]) -> bool {
    hosts.iter_mut().all(|host| host.peers().iter().all(|peer| peer.state != "connected"))
}

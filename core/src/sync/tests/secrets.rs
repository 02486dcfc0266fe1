//! The secret of a swarm is replaced while the swarm goes on.

use super::puppet::Puppet;
use super::world::{SECRET, World};
use crate::event::{SwarmSecret, SwarmSecrets};
use crate::sync::admission::Proved;
use crate::sync::message::{Decoded, Message};
use crate::sync::{Input, RefusalReason, SwarmEvent};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn later() -> SwarmSecret {
    SECRET.next([77; 32])
}

/// The new secret, while the old one still admits.
fn both() -> SwarmSecrets {
    SwarmSecrets::new(later(), [SECRET]).unwrap()
}

fn set(world: &mut World, node: usize, secrets: impl Into<SwarmSecrets>) {
    world.give(node, Input::Secrets(secrets.into()));
}

fn downs(world: &World) -> usize {
    let down = |event: &&SwarmEvent| matches!(event, SwarmEvent::PeerDown { .. });
    world.nodes.iter().map(|node| node.told.iter().filter(down).count()).sum()
}

/// What `node` says of each of its peers, by rising node id.
fn proved(world: &World, node: usize) -> Vec<Option<Proved>> {
    world.nodes[node].swarm.status().peers.iter().map(|peer| peer.proved).collect()
}

#[test]
fn nodes_take_another_secret_one_after_the_other_and_no_session_ends() {
    let mut world = World::with_nodes(11, 3);
    world.mesh();
    world.pass(SECOND);
    for node in 0..3 {
        set(&mut world, node, both());
        world.publish(node, 5);
        world.pass(SECOND);
    }
    for node in 0..3 {
        assert_eq!(proved(&world, node), [Some(Proved::Current); 2], "node {node}");
        world.publish(node, 5);
    }
    for node in 0..3 {
        set(&mut world, node, later());
        world.publish(node, 5);
        world.pass(SECOND);
    }
    world.assert_converges(SECOND);
    assert_eq!((world.nodes[0].log.event_count(), downs(&world)), (45, 0));
    assert!(world.nodes.iter().all(|node| node.swarm.refusals.is_empty()));
}

#[test]
fn nodes_of_both_generations_find_each_other_anew_during_the_overlap() {
    let mut world = World::new(12);
    (0..3).for_each(|_| assert!(world.add(&SECRET) < 3));
    set(&mut world, 0, both());
    set(&mut world, 1, SwarmSecrets::new(SECRET, [later()]).unwrap());
    world.mesh();
    for node in 0..3 {
        world.publish(node, 4);
    }
    world.pass(SECOND);
    world.assert_converges(SECOND);
    assert_eq!(proved(&world, 0), [Some(Proved::Current), Some(Proved::Former)]);
    assert_eq!(proved(&world, 2), [Some(Proved::Current); 2]);
}

#[test]
fn who_has_only_the_old_secret_is_refused_after_the_overlap_and_both_sides_know_why() {
    let mut world = World::with_nodes(13, 3);
    world.mesh();
    world.pass(SECOND);
    (0..2).for_each(|node| set(&mut world, node, both()));
    world.pass(SECOND);
    assert_eq!(proved(&world, 0), [Some(Proved::Current), Some(Proved::Former)]);
    (0..2).for_each(|node| set(&mut world, node, later()));
    world.pass(SECOND);
    assert!(world.are_connected(0, 1) && !world.are_connected(0, 2) && !world.are_connected(1, 2));
    for node in &world.nodes {
        let refusals = &node.swarm.refusals;
        assert!(!refusals.is_empty());
        assert!(refusals.iter().all(|refused| refused.reason == RefusalReason::WrongSecret));
    }
    world.publish(0, 3);
    world.pass(SECOND);
    let counts = world.nodes.iter().map(|node| node.log.event_count());
    assert_eq!(counts.collect::<Vec<_>>(), [3, 3, 0]);
    // It is given the new one and comes back at once, though it was to wait a minute.
    set(&mut world, 2, later());
    world.assert_converges(SECOND * 2);
}

#[test]
fn a_secret_that_changes_while_two_greet_keeps_them_apart_for_a_moment_only() {
    let mut world = World::with_nodes(14, 2);
    world.latency = Duration::from_millis(100);
    world.link(0, 1);
    let greeting = |world: &World| world.nodes.iter().all(|node| !node.swarm.sessions.is_empty());
    assert!(world.drive(SECOND, greeting), "the hellos are on their way");
    assert!(!world.are_connected(0, 1) && !world.are_connected(1, 0));
    (0..2).for_each(|node| set(&mut world, node, later()));
    world.publish(0, 3);
    world.assert_converges(SECOND * 5);
    assert!(world.are_connected(0, 1));
}

#[test]
fn proofs_that_hold_no_longer_end_the_session() {
    let mut puppet = Puppet::admitted();
    let both = both().admission_keys();
    puppet.say(&Message::Proofs(puppet.side().proofs(&both)));
    assert_eq!(puppet.closed, None);
    puppet.give(Input::Secrets(later().into()));
    assert_eq!(puppet.closed, None, "it has told that it has the new one");
    let told = |frame| match Message::decode(frame) {
        Ok(Decoded::Message(message)) => matches!(*message, Message::Proofs(_)),
        _ => false,
    };
    assert!(puppet.heard.iter().any(told), "and it was told that we have it");
    puppet.say(&Message::Proofs(puppet.side().proofs(&both[1..])));
    assert_eq!(puppet.closed, Some(RefusalReason::WrongSecret));
    assert_eq!(puppet.goodbye(), Some(RefusalReason::WrongSecret));
}

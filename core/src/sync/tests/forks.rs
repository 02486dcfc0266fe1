//! Stores that were restored or copied, and went on: all that was acknowledged is everywhere once.

use super::log::MemoryLog;
use super::world::{SECRET, World};
use crate::event::limits::BRANCHES_PER_TRUNK_MAX;
use crate::sync::{ForkStatus, SwarmEvent};
use std::collections::BTreeSet;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// A world in which no two events are alike.
pub(super) struct Floor {
    pub(super) world: World,
    published: u64,
}

impl Floor {
    pub(super) fn new(seed: u64, nodes: usize) -> Floor {
        Floor { world: World::with_nodes(seed, nodes), published: 0 }
    }

    /// Nodes that hold `counts` events of the first one, which is its only author, in a mesh.
    fn grown(seed: u64, nodes: usize, counts: &[usize]) -> (Floor, Vec<MemoryLog>) {
        let mut floor = Floor::new(seed, nodes);
        floor.world.mesh();
        let mut backups = Vec::new();
        for count in counts {
            floor.publish(0, *count);
            floor.heal();
            backups.push(floor.world.nodes[0].log.clone());
        }
        (floor, backups)
    }

    pub(super) fn publish(&mut self, node: usize, count: usize) {
        let numbers = self.published..self.published + count as u64;
        self.published += count as u64;
        let texts: Vec<String> = numbers.map(|number| format!("grain {number}")).collect();
        self.world.publish_texts(node, &texts);
    }

    /// A copy of the store of `node`, as `log`, that runs as a node of its own.
    pub(super) fn copy(&mut self, node: usize, log: MemoryLog) -> usize {
        let (key, number) = (self.world.nodes[node].key.clone(), self.world.nodes[node].number);
        self.world.add_with(&SECRET, key, log, number)
    }

    /// Lets time pass until all nodes hold all events in one order, each once.
    pub(super) fn heal(&mut self) {
        let nodes: Vec<usize> = (0..self.world.nodes.len()).collect();
        self.heal_among(&nodes);
    }

    /// Lets time pass until these hold what any of them holds, in one order, each event once.
    fn heal_among(&mut self, nodes: &[usize]) {
        let orders = nodes.iter().flat_map(|node| self.world.nodes[*node].log.total_order());
        let all: BTreeSet<Vec<u8>> = orders.map(|(_, _, record)| record).collect();
        let is_healed = |world: &World| {
            let log = |node: &usize| &world.nodes[*node].log;
            nodes.iter().all(|node| log(node).event_count() == all.len())
                && nodes.iter().all(|node| log(node).total_order() == log(&nodes[0]).total_order())
        };
        if !self.world.drive(SOON, is_healed) {
            let at = |node: &usize| &self.world.nodes[*node];
            let counts: Vec<_> = nodes.iter().map(|node| at(node).log.event_count()).collect();
            let shape = |fork: ForkStatus| (fork.of, fork.at, fork.branches);
            let forks = |node| at(node).swarm.status().forks.into_iter().map(shape);
            let forks: Vec<Vec<_>> = nodes.iter().map(|node| forks(node).collect()).collect();
            panic!("{counts:?} of {} events\n{forks:#?}", all.len());
        }
        let order = self.world.nodes[nodes[0]].log.total_order();
        let once: BTreeSet<Vec<u8>> = order.into_iter().map(|(_, _, record)| record).collect();
        assert!(once == all, "each event is there once");
        self.assert_sound();
    }

    /// Nobody was blamed, and what is not asked for is not missing.
    fn assert_sound(&self) {
        for node in &self.world.nodes {
            let blamed = |event: &SwarmEvent| matches!(event, SwarmEvent::Misbehaved { .. });
            assert!(!node.told.iter().any(blamed), "{:?}", node.told);
        }
    }

    pub(super) fn restore(&mut self, node: usize, log: &MemoryLog) {
        self.world.restart(node, log.clone());
    }

    /// Node 0 goes back to `log`, publishes `count` events to nobody, and meets all others.
    fn go_back(&mut self, log: &MemoryLog, count: usize) {
        self.cut_off(0);
        self.restore(0, log);
        self.publish(0, count);
        self.world.heal();
        self.world.mesh();
    }

    fn cut_off(&mut self, node: usize) {
        (0..self.world.nodes.len()).filter(|other| *other != node).for_each(|other| {
            self.world.cut(node, other);
        });
    }

    fn fork_count(&self, node: usize) -> usize {
        self.world.nodes[node].swarm.status().forks.len()
    }
}

#[test]
fn a_restored_backup_that_published_before_it_was_noticed_heals() {
    // Forks in the first block, at its end, just after, and blocks before the end.
    for (before, after) in [(10, 20), (1024, 5), (1025, 3000), (1023, 1), (1, 1)] {
        let (mut floor, backups) = Floor::grown(1, 3, &[before, after]);
        floor.go_back(&backups[0], 7);
        floor.heal();
        assert_eq!(floor.world.nodes[0].log.event_count(), before + after + 7);
        (0..3).for_each(|node| assert_eq!(floor.fork_count(node), 1));
        // It goes on under another number.
        assert!(floor.world.nodes[0].number > 0);
        floor.publish(0, 3);
        floor.publish(2, 3);
        floor.heal();
        assert_eq!(floor.fork_count(0), 1);
    }
}

#[test]
fn a_restored_backup_that_published_nothing_is_no_fork() {
    let (mut floor, backups) = Floor::grown(2, 3, &[10, 2000]);
    floor.restore(0, &backups[0]);
    floor.world.mesh();
    floor.heal();
    floor.publish(0, 3);
    floor.heal();
    assert_eq!(floor.world.nodes[0].log.event_count(), 2013);
    (0..3).for_each(|node| assert_eq!(floor.fork_count(node), 0));
}

#[test]
fn an_empty_store_with_an_old_key_forks_at_the_first_event() {
    let (mut floor, _) = Floor::grown(3, 3, &[10]);
    floor.go_back(&MemoryLog::new(SECRET.swarm_id()), 3);
    floor.heal();
    assert_eq!(floor.world.nodes[1].log.event_count(), 13);
}

/// Two stores of one key, each with a friend, in two partitions.
fn partitioned_copies(seed: u64) -> Floor {
    let mut floor = Floor::new(seed, 3);
    floor.world.link(0, 1);
    floor.publish(0, 5);
    floor.publish(1, 5);
    floor.world.link(2, 1);
    floor.heal();
    let log = floor.world.nodes[0].log.clone();
    let copy = floor.copy(0, log);
    floor.world.cut(0, 2);
    floor.world.cut(1, 2);
    floor.world.link(copy, 2);
    floor
}

#[test]
fn two_live_copies_in_two_partitions_heal_and_go_on_apart() {
    for seed in 0..10 {
        let mut floor = partitioned_copies(seed);
        for _ in 0..3 {
            floor.publish(0, 4);
            floor.publish(3, 6);
            floor.world.pass(Duration::from_secs(1));
        }
        floor.world.heal();
        floor.heal();
        for _ in 0..20 {
            floor.publish(0, 1);
            floor.publish(3, 1);
            floor.world.pass(Duration::from_millis(700));
        }
        floor.heal();
        let numbers = [floor.world.nodes[0].number, floor.world.nodes[3].number];
        assert_ne!(numbers[0], numbers[1]);
        // Each has moved once or, when both drew the same number, a few times; not for ever.
        assert!(numbers.iter().all(|number| (1..40).contains(number)), "{numbers:?}");
        floor.world.pass(Duration::from_secs(60));
        assert_eq!(numbers, [floor.world.nodes[0].number, floor.world.nodes[3].number]);
    }
}

#[test]
fn a_third_history_that_forks_earlier_splits_what_was_shared() {
    let (mut floor, backups) = Floor::grown(4, 3, &[5, 5, 10]);
    for backup in [&backups[1], &backups[0]] {
        floor.world.nodes[0].number = 0;
        floor.go_back(backup, 4);
        floor.heal();
    }
    assert_eq!(floor.world.nodes[1].log.event_count(), 28);
    assert_eq!(floor.fork_count(1), 2);
    assert_eq!(
        floor.world.nodes[1].swarm.status().forks,
        floor.world.nodes[2].swarm.status().forks
    );
}

#[test]
fn a_history_that_forks_inside_a_branch_splits_the_branch() {
    let (mut floor, backups) = Floor::grown(5, 3, &[5, 5, 10]);
    for backup in [&backups[0], &backups[1]] {
        floor.world.nodes[0].number = 0;
        floor.go_back(backup, 4);
        floor.heal();
    }
    assert_eq!(floor.world.nodes[1].log.event_count(), 28);
    assert_eq!(floor.fork_count(1), 2);
}

#[test]
fn forks_that_were_found_apart_and_in_another_order_are_the_same() {
    // Two nodes know of one fork, two of another; then all meet, and one more comes.
    for seed in 0..10 {
        let (mut floor, backups) = Floor::grown(seed, 5, &[5, 5, 10]);
        floor.world.cut(1, 2);
        floor.cut_off(0);
        floor.world.cut(1, 3);
        floor.world.cut(1, 4);
        floor.world.cut(2, 3);
        floor.world.cut(2, 4);
        floor.world.cut(3, 4);
        let copies = [floor.copy(0, backups[0].clone()), floor.copy(0, backups[1].clone())];
        for (copy, friend) in copies.into_iter().zip([1, 2]) {
            floor.publish(copy, 4);
            floor.world.link(copy, friend);
        }
        floor.world.pass(Duration::from_secs(20));
        assert_eq!((floor.fork_count(1), floor.fork_count(2)), (1, 1));
        floor.world.heal();
        floor.heal();
        assert_eq!(floor.world.nodes[4].log.event_count(), 28);
        let forks = |node: usize| floor.world.nodes[node].swarm.status().forks;
        let shape = |node: usize| -> Vec<_> {
            forks(node).into_iter().map(|fork| (fork.of, fork.at)).collect()
        };
        (0..5).for_each(|node| assert_eq!(shape(node), shape(4), "node {node}"));
    }
}

#[test]
fn a_fork_whose_author_is_gone_heals_among_the_others() {
    let (mut floor, backups) = Floor::grown(6, 3, &[5, 2000]);
    // One node hears of nothing but the copy.
    let (friend, copy) = (floor.world.add(&SECRET), floor.copy(0, backups[0].clone()));
    floor.publish(copy, 9);
    floor.world.heal();
    floor.cut_off(0);
    floor.world.cut(friend, 1);
    floor.world.cut(friend, 2);
    floor.world.cut(copy, 1);
    floor.world.cut(copy, 2);
    floor.world.link(friend, copy);
    floor.world.pass(Duration::from_secs(5));
    assert_eq!(floor.world.nodes[friend].log.event_count(), 14);
    // Then neither of the two stores is seen again.
    floor.world.heal();
    floor.cut_off(0);
    floor.cut_off(copy);
    floor.world.link(friend, 2);
    floor.heal_among(&[1, 2, friend]);
    assert_eq!(floor.world.nodes[1].log.event_count(), 2014);
    assert_eq!(floor.fork_count(1), 1);
}

#[test]
fn a_node_that_joins_later_gets_trunk_and_branches() {
    let (mut floor, backups) = Floor::grown(8, 3, &[2000, 3000]);
    floor.go_back(&backups[0], 2500);
    floor.heal();
    for from in 0..3 {
        let joined = floor.world.add(&SECRET);
        floor.world.link(joined, from);
        floor.heal();
        assert_eq!(floor.fork_count(joined), 1);
    }
}

#[test]
fn healing_goes_on_after_a_restart_at_any_time() {
    for seed in 0..30 {
        let (mut floor, backups) = Floor::grown(seed, 3, &[1500, 2500]);
        floor.go_back(&backups[0], 2100);
        for _ in 0..4 {
            let pause = Duration::from_millis(floor.world.draw(300));
            floor.world.pass(pause);
            let node = floor.world.draw(3) as usize;
            let log = floor.world.nodes[node].log.clone();
            floor.restore(node, &log);
            floor.world.mesh();
        }
        floor.heal();
        assert_eq!(floor.fork_count(1), 1);
    }
}

#[test]
fn disks_that_fail_only_delay_a_healing() {
    let (mut floor, backups) = Floor::grown(9, 3, &[100, 100]);
    floor.cut_off(0);
    floor.restore(0, &backups[0]);
    floor.publish(0, 50);
    floor.world.store_failure_one_in = 2;
    floor.world.heal();
    floor.world.mesh();
    floor.world.pass(Duration::from_secs(20));
    floor.world.store_failure_one_in = 0;
    floor.heal();
}

#[test]
fn more_histories_than_are_kept_stop_their_own_stream_only() {
    let (mut floor, backups) = Floor::grown(10, 2, &[3]);
    floor.cut_off(0);
    for _ in 0..BRANCHES_PER_TRUNK_MAX + 4 {
        let copy = floor.copy(0, backups[0].clone());
        floor.publish(copy, 2);
        floor.world.link(copy, 1);
        floor.world.pass(Duration::from_secs(8));
        floor.world.cut(1, copy);
    }
    let status = floor.world.nodes[1].swarm.status();
    assert_eq!(status.forks.len(), 1);
    assert_eq!(status.forks[0].branches.len(), BRANCHES_PER_TRUNK_MAX);
    assert_eq!(status.crowded, [crate::event::StreamId { number: 0, node: floor.world.id(0) }]);
    let joined = floor.world.add(&SECRET);
    floor.world.link(joined, 1);
    floor.publish(1, 5);
    floor.heal_among(&[1, joined]);
}

//! Fish over a stream that turns out to have two histories: what was folded has other keys then.

use super::{number, sorted_numbers, wait_until};
use crate::nodes::{PATIENCE, converge, everything, link, open, publish, secret, until};
use crate::support::Scratch;
use millpond::{EventView, Fish, Node};
use std::path::Path;

/// Numbers of the events since the last reset, which is one of these.
const RESET_EVERY: u64 = 50;

fn since_reset(id: &str) -> Fish<Vec<u64>> {
    let step = |state: &mut Vec<u64>, event: EventView<'_>| {
        state.push(number(event.payload_bytes())?);
        Ok(())
    };
    let is_reset = |event: EventView<'_>| {
        number(event.payload_bytes()).is_ok_and(|number| number % RESET_EVERY == 49)
    };
    Fish::new(id, 1, super::query("FROM allEvents"), Vec::new, step)
        .unwrap()
        .with_reset(is_reset)
        .unwrap()
}

/// What the fish is to show: of the sorted log, from its last reset on.
fn judged(node: &Node) -> Vec<u64> {
    let all = sorted_numbers(node);
    let last = all.iter().rposition(|number| number % RESET_EVERY == 49);
    all[last.unwrap_or(0)..].to_vec()
}

fn write_back(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::write(to.join(entry.file_name()), std::fs::read(entry.path()).unwrap()).unwrap();
    }
}

/// A store is written on, a backup is written back into it and written on as well: what the first
/// one wrote in between is moved to a branch, with a reset in it.
#[test]
fn a_fish_over_a_stream_that_forks_shows_the_fold_of_the_sorted_log_on_all_nodes() {
    let (scratch, secret) = (Scratch::new("fish-forks"), secret(1));
    let own = scratch.path().join("mill");
    let [backup, first] = ["backup", "first"].map(|name| scratch.path().join(name));
    let mill = open(&scratch, "mill", &secret);
    publish(&mill, "grain", 3_000, 100);
    let stream = mill.own_stream();
    mill.close(PATIENCE).unwrap();
    write_back(&own, &backup);
    // The first history: its fish has the resets in it.
    let mill = open(&scratch, "mill", &secret);
    publish(&mill, "grain", 60, 20);
    let fish = [since_reset("since reset"), super::numbers("all", "FROM allEvents")];
    for fish in &fish {
        let mut observer = mill.observe(fish).unwrap();
        wait_until(&mut observer, |shown| shown.offsets.total() == 3_060);
    }
    mill.close(PATIENCE).unwrap();
    write_back(&own, &first);
    // The other one, which a second node learns of.
    write_back(&backup, &own);
    let mill = open(&scratch, "mill", &secret);
    assert_eq!(mill.own_stream(), stream, "the store was not noticed to be older");
    publish(&mill, "grain", 40, 10);
    let press = open(&scratch, "press", &secret);
    link(&press, &mill).unwrap();
    converge(&[&press, &mill], 3_040);
    let mut observers = fish.each_ref().map(|fish| press.observe(fish).unwrap());
    observers.iter_mut().for_each(|own| drop(wait_until(own, |_| true)));
    mill.close(PATIENCE).unwrap();
    // Both meet, each with snapshots and states of its own history.
    write_back(&first, &own);
    let mill = open(&scratch, "mill", &secret);
    let mut others = fish.each_ref().map(|fish| mill.observe(fish).unwrap());
    others.iter_mut().for_each(|own| drop(wait_until(own, |_| true)));
    link(&press, &mill).unwrap();
    for node in [&press, &mill] {
        until(node, "both histories", |node| everything(node).len() == 3_100);
    }
    for node in [&press, &mill] {
        publish(node, "grain", 3, 1);
    }
    for node in [&press, &mill] {
        until(node, "all events", |node| everything(node).len() == 3_106);
    }
    assert_eq!(everything(&press), everything(&mill));
    let moved = |node: &Node| node.status().wait().unwrap().forks.len();
    assert!(moved(&press) > 0 && moved(&mill) > 0, "there is a fork");
    for (observers, node) in [(observers, &press), (others, &mill)] {
        let [mut since_reset, mut all] = observers;
        wait_until(&mut since_reset, |shown| shown.state == judged(node));
        wait_until(&mut all, |shown| shown.state == sorted_numbers(node));
        assert!(all.counts().rewinds > 0);
    }
}

//! A process that publishes until it is killed, for the crash campaigns.
//!
//! `crash_child PATH SEED COMMITS power|process|compacting`: opens the store at PATH, verifies
//! what is there, waits for a line or the end of standard input, so that a tracer can look at all
//! threads, publishes COMMITS batches, with `compacting` beside compactions, and closes.
//! `crash_child PATH SEED COMMITS converting`: opens a store of format 0 and closes it.
//! `crash_child PATH SEED COMMITS merging`: opens a store of small events, publishes COMMITS
//! batches of them, waits until a group of segments is made, publishes one more, and closes.
//! `crash_child PATH SEED COMMITS forking`: opens a store whose key is used twice, publishes
//! COMMITS batches and meets other histories of its streams, and closes.
//! `crash_child PATH SEED COMMITS saving`: opens a store, publishes COMMITS batches and saves a
//! state after each, and closes.
//! `crash_child PATH SEED COMMITS adding`: opens a store, checks its blobs, adds COMMITS more, and
//! closes; what is counted is blobs.
//! `crash_child PATH SEED COMMITS collecting`: opens a store, checks its blobs, publishes COMMITS
//! events with a blob each while others are collected, and closes.
//! `crash_child PATH SEED END fetching`: opens a store with the peer whose ticket is in the
//! environment, fetches its blobs up to place END, and closes.
//! Says on standard output, each line in one write: `O <count>` after opening (events held),
//! `A <count>` after each acknowledgement, `C` after close. Rule: a line is written only after what
//! it says is true, so the last line is a lower bound.

use millpond::Node;
use millpond_tests::crash::{self, Acknowledged};
use millpond_tests::{blobs, forks, snapshots};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);
const COMMITS_PER_COMPACTION: u64 = 30;
const SMALL_BATCH: u64 = 500;

fn main() {
    #[cfg(millpond_planted)]
    millpond::planted::choose_everywhere("acknowledged_before_sync");
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, seed, commits, durability] = &arguments[..] else {
        eprintln!(
            "usage: crash_child PATH SEED COMMITS \
             power|process|compacting|converting|merging|forking|saving|adding|collecting|\
             fetching"
        );
        std::process::exit(2);
    };
    let seed: u64 = seed.parse().expect("SEED is a number");
    let commits: u64 = commits.parse().expect("COMMITS is a number");
    let path = PathBuf::from(path);
    if durability == "converting" {
        let node = crash::open_former(&path).expect("the store opens");
        return node.close(DEADLINE).expect("the node closes");
    }
    if durability == "forking" {
        let log = forks::open(&path).expect("the store opens");
        forks::run(&log, commits, forks::FILL_BYTES, |count| say(&format!("A {count}\n")))
            .expect("all is kept");
        return log.close(DEADLINE).expect("the log closes");
    }
    if durability == "saving" {
        let log = snapshots::open(&path).expect("the store opens");
        snapshots::run(&log, commits, |count| say(&format!("A {count}\n"))).expect("all is kept");
        return log.close(DEADLINE).expect("the log closes");
    }
    if durability == "collecting" {
        return collect(&path, seed, commits);
    }
    #[cfg(feature = "net")]
    if durability == "fetching" {
        return fetch(&path, seed, commits);
    }
    let node = crash::open(&path).expect("the store opens");
    if durability == "merging" {
        return merge(&node, commits);
    }
    if durability == "adding" {
        return add(&node, seed, commits);
    }
    let mut held = crash::verify(&node, seed).expect("what is there is right");
    say(&format!("O {held}\n"));
    std::io::stdin().read_line(&mut String::new()).expect("standard input can be read");
    let mut compaction = None;
    for commit in 0..commits {
        if durability == "compacting" && commit % COMMITS_PER_COMPACTION == 5 {
            compaction = Some(node.compact(|| true));
        }
        let batch = crash::batch(seed, held, commit);
        held += batch.len() as u64;
        match crash::publish(&node, batch, commit, durability != "process") {
            Acknowledged::Yes => say(&format!("A {held}\n")),
            Acknowledged::No(error) => {
                eprintln!("not acknowledged: {error}");
                std::process::exit(3);
            }
        }
        let is_last = commit % COMMITS_PER_COMPACTION == COMMITS_PER_COMPACTION - 1;
        if let Some(compaction) = compaction.take_if(|_| is_last) {
            compaction.wait().expect("the tables are compacted");
        }
    }
    node.close(DEADLINE).expect("the node closes");
    say("C\n");
}

fn add(node: &Node, seed: u64, commits: u64) {
    let held = blobs::verify(node, seed).expect("what is there is right");
    say(&format!("O {held}\n"));
    blobs::run(node, seed, held, commits, |count| say(&format!("A {count}\n")))
        .expect("all is kept");
    node.close(DEADLINE).expect("the node closes");
    say("C\n");
}

fn collect(path: &Path, seed: u64, commits: u64) {
    let node = blobs::open_collecting(path).expect("the store opens");
    let held = blobs::verify_collecting(&node, seed).expect("what is there is right");
    say(&format!("O {held}\n"));
    blobs::run_collecting(&node, seed, held, commits, |count| say(&format!("A {count}\n")))
        .expect("all is kept");
    node.close(DEADLINE).expect("the node closes");
    say("C\n");
}

#[cfg(feature = "net")]
fn fetch(path: &Path, seed: u64, end: u64) {
    let ticket = std::env::var(blobs::TICKET).expect("there is a ticket");
    let ticket: millpond::event::Ticket = ticket.parse().expect("it is a ticket");
    let node = blobs::open_fetching(path, (&ticket).into()).expect("the store opens");
    let held = blobs::verify_fetching(&node, seed).expect("what is there is right");
    say(&format!("O {held}\n"));
    blobs::run_fetching(&node, seed, (held, end), |count| say(&format!("A {count}\n")))
        .expect("all is kept");
    node.close(DEADLINE).expect("the node closes");
    say("C\n");
}

fn merge(node: &Node, commits: u64) {
    let mut held = crash::verify_small(node).expect("what is there is right");
    for commit in 0..=commits {
        if commit == commits {
            crash::await_group(node);
        }
        let end = held + SMALL_BATCH;
        match crash::publish(node, crash::small_events(held..end), 1, true) {
            Acknowledged::Yes => say(&format!("A {end}\n")),
            Acknowledged::No(error) => panic!("not acknowledged: {error}"),
        }
        held = end;
    }
    node.close(DEADLINE).expect("the node closes");
}

/// One write, so that a kill never leaves half a line that says too much.
fn say(line: &str) {
    let mut out = std::io::stdout();
    out.write_all(line.as_bytes()).expect("standard output takes a line");
    out.flush().expect("standard output takes a line");
}

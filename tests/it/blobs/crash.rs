//! SIGKILL at random moments while blobs are added, published and collected, and while their store
//! opens. Every power cut: the unit tests of the store.

use crate::crash::{CHILD, next_count};
use crate::support::Scratch;
use millpond::event::{AppId, SwarmSecret};
use millpond::{NetworkOptions, Node, NodeOptions, StorageOptions};
use millpond_tests::blobs;
use millpond_tests::crash::{self, mix};
use std::io::BufReader;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const KILLS: u64 = 100;
const KILLS_PER_STORE: u64 = 20;
/// Blobs that there are to fetch.
const FETCHED: u64 = 400;
const END: &str = "400";
/// Some of each way to add, and more than one reservation of numbers with those given up.
const ADDED_PER_STORE_MIN: u64 = 50;

#[test]
fn nothing_is_half_there_after_a_kill_while_adding() {
    kill_again_and_again("blob-kill", &["adding"], &|store| {
        let node = crash::open(store).map_err(|error| format!("open: {error}"))?;
        let held = blobs::verify(&node, 7);
        node.close(Duration::from_secs(60)).map_err(|error| format!("close: {error}"))?;
        held
    });
}

#[test]
fn what_events_refer_to_is_there_after_a_kill_while_collecting() {
    kill_again_and_again("blob-collect", &["collecting"], &|store| {
        let node = blobs::open_collecting(store).map_err(|error| format!("open: {error}"))?;
        let held = blobs::verify_collecting(&node, 7);
        node.close(Duration::from_secs(60)).map_err(|error| format!("close: {error}"))?;
        held
    });
}

#[test]
fn nothing_is_half_there_after_a_kill_while_fetching() {
    let scratch = Scratch::new("blob-source");
    let bind = vec!["127.0.0.1:0".parse().unwrap()];
    let source = Node::open(NodeOptions {
        path: scratch.path().join("source"),
        app_id: AppId::parse("com.example.crash").unwrap(),
        swarm: SwarmSecret::from_bytes([0x33; 32]),
        former_secrets: Vec::new(),
        network: Some(NetworkOptions { bind, ..NetworkOptions::default() }),
        storage: StorageOptions::default(),
    })
    .unwrap();
    blobs::run(&source, 7, 0, FETCHED, |_| ()).unwrap();
    let ticket = source.ticket().wait().unwrap().to_string();
    kill_again_and_again("blob-fetch", &["fetching", &ticket], &|store| {
        let node = crash::open(store).map_err(|error| format!("open: {error}"))?;
        let held = blobs::verify_fetching(&node, 7);
        node.close(Duration::from_secs(60)).map_err(|error| format!("close: {error}"))?;
        held
    });
    source.close(Duration::from_secs(60)).unwrap();
}

/// Kills children that work at stores one after the other, and checks each store after each kill.
fn kill_again_and_again(name: &str, mode: &[&str], check: &dyn Fn(&Path) -> Result<u64, String>) {
    let scratch = Scratch::new(name);
    let (mut kills, mut acknowledged) = (0, 0);
    for round in 0..2 * KILLS {
        if kills == KILLS {
            break;
        }
        let store = scratch.path().join(format!("store-{}", kills / KILLS_PER_STORE));
        if !store.exists() {
            acknowledged = 0;
        }
        let (said, killed) = kill_one(&store, mode, round);
        // One that was killed while it opened said nothing.
        assert!(said.is_none_or(|said| said >= acknowledged), "{round}: {said:?}, {acknowledged}");
        acknowledged = said.unwrap_or(acknowledged);
        let held = check(&store).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert!(held >= acknowledged, "round {round}: {held} held, {acknowledged} acknowledged");
        kills += u64::from(killed);
        let last_of_store = killed && kills.is_multiple_of(KILLS_PER_STORE);
        assert!(
            !last_of_store || acknowledged >= ADDED_PER_STORE_MIN,
            "round {round}: only {acknowledged} blobs were added"
        );
        if last_of_store {
            std::fs::remove_dir_all(&store).unwrap();
        }
    }
    assert_eq!(kills, KILLS, "too many children ended by themselves");
}

/// Lets a child work until some moment, at times before it has opened; how many it said are there,
/// and whether it was killed.
fn kill_one(store: &Path, mode: &[&str], round: u64) -> (Option<u64>, bool) {
    let mut child = Command::new(CHILD)
        .arg(store)
        .args(["7", if mode.len() > 1 { END } else { "100000" }, mode[0]])
        .env(blobs::TICKET, mode.get(1).unwrap_or(&""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped"));
    let mut said = None;
    for _ in 0..mix(1, round) % 20 {
        said = said.max(next_count(&mut lines));
    }
    // An opening takes longer than an add.
    let within = if said.is_none() { 40_000 } else { 4_000 };
    let deadline = Instant::now() + Duration::from_micros(mix(2, round) % within);
    while Instant::now() < deadline {
        std::hint::spin_loop();
    }
    child.kill().expect("the child can be killed");
    while let Some(count) = next_count(&mut lines) {
        said = said.max(Some(count));
    }
    let status = child.wait().expect("the child has ended");
    let killed = status.signal() == Some(9);
    assert!(killed || status.success(), "round {round}: the child ended with {status}");
    (said, killed)
}

//! SIGKILL at random moments while blobs are added. Every power cut: the unit tests of the store.

use crate::crash::{CHILD, next_count};
use crate::support::Scratch;
use millpond_tests::blobs;
use millpond_tests::crash::{self, mix};
use std::io::BufReader;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const KILLS: u64 = 100;
const KILLS_PER_STORE: u64 = 20;
/// Some of each way to add, and more than one reservation of numbers with those given up.
const ADDED_PER_STORE_MIN: u64 = 50;

#[test]
fn nothing_is_half_there_after_a_kill_while_adding() {
    let scratch = Scratch::new("blob-kill");
    let (mut kills, mut acknowledged) = (0, 0);
    for round in 0..2 * KILLS {
        if kills == KILLS {
            break;
        }
        let store = scratch.path().join(format!("store-{}", kills / KILLS_PER_STORE));
        if !store.exists() {
            acknowledged = 0;
        }
        let (said, killed) = kill_one(&store, round);
        assert!(said >= acknowledged, "round {round}: {said} after {acknowledged}");
        acknowledged = said;
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

/// Lets a child add until some moment; how many it said are there, and whether it was killed.
fn kill_one(store: &Path, round: u64) -> (u64, bool) {
    let mut child = Command::new(CHILD)
        .arg(store)
        .args(["7", "100000", "adding"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped"));
    let mut said = 0;
    for _ in 0..=mix(1, round) % 20 {
        said = said.max(next_count(&mut lines).unwrap_or(0));
    }
    let deadline = Instant::now() + Duration::from_micros(mix(2, round) % 4_000);
    while Instant::now() < deadline {
        std::hint::spin_loop();
    }
    child.kill().expect("the child can be killed");
    while let Some(count) = next_count(&mut lines) {
        said = said.max(count);
    }
    let status = child.wait().expect("the child has ended");
    let killed = status.signal() == Some(9);
    assert!(killed || status.success(), "round {round}: the child ended with {status}");
    (said, killed)
}

fn check(store: &Path) -> Result<u64, String> {
    let node = crash::open(store).map_err(|error| format!("open: {error}"))?;
    let held = blobs::verify(&node, 7);
    node.close(Duration::from_secs(60)).map_err(|error| format!("close: {error}"))?;
    held
}

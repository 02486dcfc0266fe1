//! Disks that are full or cannot be written: a small file system of the test's own.
//!
//! Needs root, to mount it; elsewhere the tests say that they are skipped.

use crate::nodes::{event, everything, held};
use crate::support::{Scratch, skip};
use millpond::event::{AppId, SwarmSecret};
use millpond::{ErrorKind, Node, NodeOptions, PublishOptions, StorageOptions};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A memory file system of a few MiB, unmounted at the end.
struct SmallDisk {
    scratch: Scratch,
}

impl SmallDisk {
    /// None, and said loudly, where it cannot be mounted.
    fn mount(name: &str) -> Option<SmallDisk> {
        let disk = SmallDisk { scratch: Scratch::new(name) };
        if run("mount", &["-t", "tmpfs", "-o", "size=6m", "tmpfs", disk.path_text()]) {
            return Some(disk);
        }
        skip("a small file system cannot be mounted; run as root");
        None
    }

    fn path(&self) -> &Path {
        self.scratch.path()
    }

    fn path_text(&self) -> &str {
        self.path().to_str().expect("the scratch folder is UTF-8")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["--lazy", self.path_text()]);
    }
}

#[test]
fn a_disk_that_is_really_full_refuses_publishes_and_recovers_when_space_returns() {
    let Some(disk) = SmallDisk::mount("full") else { return };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![7; 3 << 20]).unwrap();
    let node = open(disk.path()).unwrap();
    let mut statuses = node.subscribe_status();
    assert!(!statuses.next_status().wait().unwrap().store.full);
    let mut told = statuses.next_status();
    let mut published = 0;
    let refused = loop {
        let batch = (published..published + 100).map(|number| event("grain", number)).collect();
        match node.publish(batch, PublishOptions::default()).wait() {
            Ok(_) => published += 100,
            Err(error) => break error,
        }
        assert!(published < 1_000_000, "the disk never became full");
    };
    assert_eq!(refused.kind(), ErrorKind::StorageFull, "{refused}");
    assert_eq!(held(&node), u128::from(published), "what was refused is not there");
    let store = node.status().wait().unwrap().store;
    assert!(store.full && store.free_bytes.is_some_and(|free| free < 1 << 20), "{store:?}");
    assert_eq!(everything(&node).len() as u64, published, "reading goes on");
    let next = told.wait_timeout(Duration::from_secs(60)).expect("the trouble is told");
    assert!(next.unwrap().store.full);
    let mut told = statuses.next_status();
    std::fs::remove_file(&ballast).unwrap();
    node.publish(vec![event("flour", 1)], PublishOptions::default()).wait().unwrap();
    let next = told.wait_timeout(Duration::from_secs(60)).expect("the recovery is told");
    assert!(!next.unwrap().store.full);
    let store = node.status().wait().unwrap().store;
    assert!(!store.full && store.trouble.is_none(), "{store:?}");
    node.check().unwrap();
    node.close(Duration::from_secs(10)).unwrap();
    let node = open(disk.path()).unwrap();
    assert_eq!(everything(&node).len() as u64, published + 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_a_clear_error() {
    let Some(disk) = SmallDisk::mount("read-only") else { return };
    let node = open(disk.path()).unwrap();
    node.publish(vec![event("grain", 1)], PublishOptions::default()).wait().unwrap();
    node.close(Duration::from_secs(10)).unwrap();
    drop(node);
    assert!(run("mount", &["-o", "remount,ro", disk.path_text()]));
    let error = open(disk.path()).err().expect("a read-only store does not open");
    assert_eq!(error.kind(), ErrorKind::StorageFailed, "{error}");
    assert!(run("mount", &["-o", "remount,rw", disk.path_text()]));
    assert_eq!(everything(&open(disk.path()).unwrap()).len(), 1);
}

fn open(folder: &Path) -> millpond::Result<Node> {
    Node::open(NodeOptions {
        path: folder.join("store"),
        app_id: AppId::parse("com.example.mill").unwrap(),
        swarm: SwarmSecret::from_bytes([9; 32]),
        former_secrets: Vec::new(),
        network: None,
        storage: StorageOptions { segment_bytes: 256 << 10, ..StorageOptions::default() },
    })
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|out| out.status.success())
}

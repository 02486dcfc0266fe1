//! What a closing node keeps from others, and what it gives back.

use crate::nodes::{PATIENCE, event, everything, held, open, publish, secret};
use crate::support::Scratch;
use millpond::event::OffsetMap;
use millpond::query::Query;
use millpond::{ErrorKind, Node, PublishOptions, QueryOptions};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::current;
use std::time::Duration;

#[test]
fn a_node_that_closes_slowly_keeps_nobody_waiting_but_who_opens_its_folder() {
    let scratch = Arc::new(Scratch::new("slow-close"));
    let slow = open(&scratch, "slow", &secret(1));
    publish(&slow, "grain", 5, 5);
    // A subscriber is told of the end while the node closes, and holds it up.
    let (entered, closing) = mpsc::channel();
    let (release, held_up) = mpsc::channel::<()>();
    let held_up = Mutex::new(held_up);
    let subscription = slow.subscribe(&Query::all(), slow.offsets().unwrap()).unwrap();
    subscription.on_ready(Arc::new(move || {
        entered.send(()).unwrap();
        // Ends with the test at the latest.
        let _ = held_up.lock().unwrap().recv();
    }));
    let closer = std::thread::spawn(move || slow.close(PATIENCE));
    closing.recv_timeout(PATIENCE).expect("the close begins");

    let other = opened(&scratch, "other").recv_timeout(PATIENCE).expect("another folder opens");
    publish(&other, "flour", 3, 3);
    other.close(PATIENCE).unwrap();
    let again = opened(&scratch, "slow");
    drop(release);
    closer.join().unwrap().unwrap();
    let again = again.recv_timeout(PATIENCE).expect("the folder opens once it is closed");
    assert_eq!(held(&again), 5);
}

/// Opens a node on a thread of its own, so that a test can wait with a deadline.
fn opened(scratch: &Arc<Scratch>, name: &'static str) -> mpsc::Receiver<Node> {
    let (done, waiting) = mpsc::channel();
    let scratch = scratch.clone();
    std::thread::spawn(move || done.send(open(&scratch, name, &secret(1))));
    waiting
}

#[test]
fn a_node_that_is_closed_by_a_callback_of_its_own_loop_waits_for_nobody() {
    let scratch = Scratch::new("own-close");
    for _ in 0..10 {
        let node = open(&scratch, "node", &secret(1));
        let (closed, told) = mpsc::channel();
        let inner = node.clone();
        let answer = node.set_network(false);
        drop(node);
        answer.on_done(move |_| closed.send(inner.close(PATIENCE)).unwrap());
        told.recv_timeout(PATIENCE).expect("the close ends").unwrap();
    }
}

#[test]
fn a_close_that_misses_its_deadline_goes_on_by_itself() {
    let scratch = Scratch::new("late-close");
    let node = open(&scratch, "node", &secret(1));
    publish(&node, "grain", 5, 5);
    // Until a callback returns, the thread that commits cannot end.
    let (entered, committing) = mpsc::channel();
    let (release, held_up) = mpsc::channel::<()>();
    let held_up = Arc::new(Mutex::new(held_up));
    let mut published = 5;
    loop {
        let (here, entered, held_up) = (current().id(), entered.clone(), held_up.clone());
        let pending = node.publish(vec![event("grain", 5)], PublishOptions::default());
        pending.on_done(move |_| {
            // An answer that was there already is given here, which holds up nobody but us.
            let is_elsewhere = current().id() != here;
            entered.send(is_elsewhere).unwrap();
            if is_elsewhere {
                let _ = held_up.lock().unwrap().recv();
            }
        });
        published += 1;
        if committing.recv_timeout(PATIENCE).expect("the publish is answered") {
            break;
        }
    }
    let error = node.close(Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    drop(release);
    // The first handle is there still: nobody's drop closes the store.
    let again = open(&scratch, "node", &secret(1));
    assert_eq!(held(&again), published);
    assert_eq!(node.offsets().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_closed_node_has_no_file_of_its_folder_open_whoever_still_refers_to_it() {
    let scratch = Scratch::new("files");
    let node = open(&scratch, "node", &secret(1));
    publish(&node, "grain", 2_000, 100);
    let mut cursor = node.query(&Query::all(), QueryOptions::default()).unwrap();
    assert_eq!(cursor.next_batch(10).unwrap().len(), 10);
    let mut subscription = node.subscribe(&Query::all(), OffsetMap::new()).unwrap();
    assert_eq!(subscription.next_batch(10).unwrap().events.len(), 10);
    let folder = node.path().canonicalize().unwrap();
    assert!(files_open(&folder) >= 4, "the lock, the tables and two segments");
    assert!(files_mapped(&folder) >= 1, "the tables");
    let another = node.clone();
    node.close(PATIENCE).unwrap();
    assert_eq!((files_open(&folder), files_mapped(&folder)), (0, 0));
    assert_eq!(another.offsets().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(cursor.next_batch(10).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(subscription.next_batch(10).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(everything(&open(&scratch, "node", &secret(1))).len(), 2_000);
}

#[test]
fn a_store_opens_again_at_once_while_its_process_starts_children() {
    let scratch = Scratch::new("children");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Each child has a copy of the lock until it runs its own program.
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let child = Command::new("true").status().expect("a child starts");
                    assert!(child.success());
                }
            });
        }
        let opened = std::panic::catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..100 {
                open(&scratch, "node", &secret(1)).close(PATIENCE).unwrap();
            }
        }));
        done.store(true, Ordering::Relaxed);
        opened.expect("it opens every time");
    });
}

/// How many descriptors of this process lead into `folder`.
fn files_open(folder: &Path) -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    // Others come and go meanwhile.
    let targets = descriptors.filter_map(|one| std::fs::read_link(one.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(folder)).count()
}

/// How many parts of files in `folder` lie in the memory of this process.
fn files_mapped(folder: &Path) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let folder = format!("{}/", folder.to_str().unwrap());
    maps.lines().filter(|line| line.contains(&folder)).count()
}

//! The Rust front door under executors: its futures and streams need no particular one.
//!
//! tokio, async-std, smol and a plain `block_on`.

use crate::nodes::{PATIENCE, address, event, everything, held, open, publish, secret, until};
use crate::support::Scratch;
use futures_lite::{StreamExt, future};
use millpond::event::OffsetMap;
use millpond::query::Query;
use millpond::{ErrorKind, Node, PeerAddress, PublishOptions};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

/// Work that an executor may move between threads.
type Task = Pin<Box<dyn Future<Output = u64> + Send>>;

#[test]
fn the_front_door_works_under_tokio() {
    in_time(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let many = builder.worker_threads(2).build().unwrap();
        many.block_on(two_nodes_talk(|task| {
            let joined = tokio::spawn(task);
            Box::pin(async { joined.await.unwrap() })
        }));
    });
    in_time(|| {
        let one = tokio::runtime::Builder::new_current_thread().build().unwrap();
        one.block_on(two_nodes_talk(|task| {
            let joined = tokio::spawn(task);
            Box::pin(async { joined.await.unwrap() })
        }));
    });
}

#[test]
fn the_front_door_works_under_async_std() {
    use async_std::task::{block_on, spawn};
    in_time(|| block_on(two_nodes_talk(|task| Box::pin(spawn(task)))));
}

#[test]
fn the_front_door_works_under_smol() {
    in_time(|| smol::block_on(two_nodes_talk(|task| Box::pin(smol::spawn(task)))));
}

#[test]
fn the_front_door_works_under_a_plain_block_on() {
    in_time(|| future::block_on(two_nodes_talk(|task| task)));
}

/// Opens two nodes, lets them meet, follows one from the other, and closes both: all of it inside
/// the executor, which must not notice our threads and runtime.
async fn two_nodes_talk(spawn: impl Fn(Task) -> Task) {
    let scratch = Scratch::new("executor");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    let early = a.publish(vec![event("grain", 0)], PublishOptions::default()).await.unwrap();
    assert_eq!((early.first_offset.value(), early.count), (0, 1));
    b.connect(address(&a)).await.unwrap();
    let grain = Query::parse("FROM 'grain'").unwrap();
    let mut batches = b.subscribe(&grain, OffsetMap::new()).unwrap().into_batches(10);
    let first = batches.next().await.unwrap().unwrap();
    assert_eq!(first.events.get(0).unwrap().payload(), event("grain", 0).payload);

    // Live: the stream waits, and eight tasks publish at the same time.
    let publishing: Vec<Task> = (1..9).map(|number| spawn(one_publish(&a, number))).collect();
    let mut offsets = Vec::new();
    for published in publishing {
        offsets.push(published.await);
    }
    offsets.sort_unstable();
    assert_eq!(offsets, Vec::from_iter(1..9));
    let mut arrived = 0;
    while arrived < 8 {
        arrived += batches.next().await.unwrap().unwrap().events.len();
    }
    assert_eq!(everything(&a), everything(&b));

    let refused = b.publish(Vec::new(), PublishOptions::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    a.close(PATIENCE).unwrap();
    b.close(PATIENCE).unwrap();
    assert!(batches.next().await.is_none(), "a stream ends with its node");
    assert!(batches.next().await.is_none(), "and stays ended");
    let closed = b.publish(vec![event("grain", 9)], PublishOptions::default()).await.unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::Closed);
}

fn one_publish(node: &Node, number: u64) -> Task {
    let publishing = node.publish(vec![event("grain", number)], PublishOptions::default());
    Box::pin(async { publishing.await.unwrap().first_offset.value() })
}

#[test]
fn a_future_dropped_half_way_loses_nothing_and_lets_its_task_go() {
    let scratch = Scratch::new("dropped");
    let node = open(&scratch, "node", &secret(1));
    let task = Arc::new(Sleeper);
    for number in 0..50 {
        poll_once(&task, node.publish(vec![event("grain", number)], PublishOptions::default()));
    }
    until(&node, "what was published", |node| held(node) == 50);
    released(&task);

    let mut follower = node.subscribe(&Query::all(), node.offsets().unwrap()).unwrap();
    poll_once(&task, follower.ready());
    released(&task);
    publish(&node, "flour", 1, 1);
    future::block_on(follower.ready());
    assert_eq!(follower.next_batch(10).unwrap().events.len(), 1);

    let mut batches = follower.into_batches(10);
    poll_once(&task, batches.next());
    publish(&node, "bread", 3, 1);
    let mut seen = 0;
    while seen < 3 {
        let batch = future::block_on(batches.next()).unwrap().unwrap();
        assert!(batch.events.iter().all(|event| event.has_tag("bread")));
        seen += batch.events.len();
    }
    drop(batches);
    released(&task);
}

#[test]
fn a_connect_dropped_half_way_still_leads_to_a_session() {
    let scratch = Scratch::new("dropped-connect");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    let to_b: PeerAddress = address(&b);
    b.set_network(false).wait().unwrap();
    let task = Arc::new(Sleeper);
    for _ in 0..100 {
        poll_once(&task, a.connect(to_b.clone()));
    }
    released(&task);
    let waiting = a.connect(to_b);
    b.set_network(true).wait().unwrap();
    in_time(|| future::block_on(waiting).unwrap());
    publish(&b, "grain", 10, 10);
    until(&a, "the events", |a| held(a) == 10);
    assert_eq!(a.status().wait().unwrap().peers.len(), 1);
}

#[test]
fn a_future_that_nobody_can_answer_any_more_ends_when_its_node_closes() {
    let scratch = Scratch::new("closing");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    let to_b = address(&b);
    b.close(PATIENCE).unwrap();
    let connecting = a.connect(to_b);
    let ready = a.subscribe(&Query::all(), OffsetMap::new()).unwrap().ready();
    a.close(PATIENCE).unwrap();
    in_time(|| {
        let error = future::block_on(connecting).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        future::block_on(ready);
    });
}

/// A task in the eyes of a future: something to wake, and to let go of.
struct Sleeper;

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future once, as `task`, and drops it.
fn poll_once<F: Future>(task: &Arc<Sleeper>, future: F) {
    let waker = Waker::from(task.clone());
    let future = std::pin::pin!(future);
    if future.poll(&mut Context::from_waker(&waker)).is_pending() {
        assert!(Arc::strong_count(task) >= 2);
    }
}

/// Nothing holds the task. Who was about to wake it when its future was dropped may take a moment.
fn released(task: &Arc<Sleeper>) {
    let deadline = Instant::now() + PATIENCE;
    while Arc::strong_count(task) > 1 {
        assert!(Instant::now() < deadline, "{} wakers are left", Arc::strong_count(task) - 1);
        std::thread::yield_now();
    }
}

/// Runs `work` and fails when it does not end: an executor has no deadline of its own.
fn in_time(work: impl FnOnce() + Send + 'static) {
    let (done, waiting) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        work();
        drop(done);
    });
    let ended = waiting.recv_timeout(PATIENCE + Duration::from_secs(10));
    assert!(ended != Err(mpsc::RecvTimeoutError::Timeout), "it does not end");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

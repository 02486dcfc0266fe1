//! Calls through the facade: waiting, starting, calling off, closing, as shells do them.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

use millpond_facade::{
    CancelHandle, Closed, CompletionQueue, CursorHandle, Draft, EventBatch, EventSizes, Limit,
    NodeHandle, OpenOptions, Outcome, PublishOptions, QueryOptions, Result, StartAt,
    SubscribeOptions, Wait,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// What takes longer hangs, also on a busy machine.
const SOON: Duration = Duration::from_secs(120);

struct Mill {
    node: NodeHandle,
    _folder: tempfile::TempDir,
}

impl Mill {
    fn open() -> Mill {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions {
            path: folder.path().join("store"),
            app_id: "facade-test".into(),
            swarm: Some("07".repeat(32)),
            network: Some(false),
            ..OpenOptions::default()
        };
        let node = NodeHandle::open(options, &Wait::forever()).unwrap();
        Mill { node, _folder: folder }
    }

    fn publish(&self, count: usize) {
        let draft = |number: usize| Draft::from_json(["grain"], &number.to_string()).unwrap();
        let drafts = (0..count).map(draft).collect();
        self.node.publish(drafts, PublishOptions::default(), &Wait::timeout(SOON)).unwrap();
    }

    fn query(&self) -> CursorHandle {
        let options = QueryOptions::default();
        self.node.query("FROM 'grain'", options, &Wait::timeout(SOON)).unwrap()
    }

    fn close(&self) {
        assert_eq!(self.node.close(&Wait::forever()), Ok(Closed::Now));
    }
}

fn receiver<T: Send + 'static>() -> (impl FnOnce(Result<T>) + Send, mpsc::Receiver<Result<T>>) {
    let (send, receive) = mpsc::channel();
    (move |result| drop(send.send(result)), receive)
}

#[test]
fn started_calls_end_like_blocking_ones() {
    let mill = Mill::open();
    let (done, result) = receiver();
    let drafts = vec![Draft::from_json(["grain"], "1").unwrap()];
    mill.node.publish_start(drafts, PublishOptions::default(), Limit::default(), done);
    assert_eq!(result.recv_timeout(SOON).unwrap().unwrap().count, 1);
    let (done, result) = receiver();
    mill.node.query_start("FROM 'grain'", QueryOptions::default(), Limit::default(), done);
    let cursor: CursorHandle = result.recv_timeout(SOON).unwrap().unwrap();
    let (done, result) = receiver::<EventBatch>();
    cursor.next_batch_start(None, Limit::default(), done);
    let batch = result.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(batch.get(0).unwrap().tags().unwrap().collect::<Vec<_>>(), ["grain"]);
    assert_eq!(batch.streams().len(), 1);
    let (done, result) = receiver();
    mill.node.query_start("FROM (", QueryOptions::default(), Limit::default(), done);
    assert_eq!(result.recv_timeout(SOON).unwrap().unwrap_err().name, "query_invalid");
    let (done, result) = receiver();
    mill.node.close_start(Limit::default(), done);
    assert_eq!(result.recv_timeout(SOON).unwrap(), Ok(Closed::Now));
    assert_eq!(mill.node.close(&Wait::forever()), Ok(Closed::Before));
}

#[test]
fn a_started_next_is_served_by_a_later_event_and_by_the_end() {
    let mill = Mill::open();
    let options = SubscribeOptions { from: Some(StartAt::Now), ..SubscribeOptions::default() };
    let grain = mill.node.subscribe("FROM 'grain'", options, &Wait::forever()).unwrap();
    let first = grain.next_batch(None, &Wait::timeout(SOON)).unwrap();
    assert!(first.is_empty() && first.caught_up());
    let (done, result) = receiver::<EventBatch>();
    grain.next_batch_start(None, Limit::default(), done);
    mill.publish(1);
    assert_eq!(result.recv_timeout(SOON).unwrap().unwrap().len(), 1);
    let (done, result) = receiver::<EventBatch>();
    grain.next_batch_start(None, Limit::default(), done);
    let error = grain.next_batch(None, &Wait::none_at_all()).unwrap_err();
    assert_eq!(error.name, "invalid_argument");
    mill.close();
    assert!(result.recv_timeout(SOON).unwrap().unwrap().is_end());
    assert!(grain.next_batch(None, &Wait::forever()).unwrap().is_end());
    assert_eq!(grain.close(), Ok(Closed::Now));
    assert_eq!(grain.close(), Ok(Closed::Before));
}

#[test]
fn after_a_cancel_nothing_happens_any_more_and_no_event_is_lost() {
    let mill = Mill::open();
    let options = SubscribeOptions::default();
    let grain = mill.node.subscribe("FROM 'grain'", options, &Wait::forever()).unwrap();
    let mut seen = 0;
    for round in 0..300 {
        let token = CancelHandle::new().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let (counter, (send, receive)) = (calls.clone(), mpsc::channel());
        let limit = Limit { timeout: None, cancel: Some(token) };
        grain.next_batch_start(None, limit, move |result| {
            counter.fetch_add(1, Ordering::SeqCst);
            drop(send.send(result));
        });
        if round % 3 > 0 {
            mill.publish(1);
        }
        token.cancel().unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 1, "done was called once when cancel returned");
        match receive.recv().unwrap() {
            Ok(batch) => seen += batch.len(),
            Err(error) => assert_eq!(error.name, "cancelled"),
        }
        token.free().unwrap();
    }
    // Not without waiting: a worker of a cancelled call may still be at the source.
    while seen < 200 {
        seen += grain.next_batch(None, &Wait::timeout(SOON)).unwrap().len();
    }
    assert_eq!(seen, 200);
    let error = grain.next_batch(None, &Wait::timeout(Duration::from_millis(5))).unwrap_err();
    assert_eq!(error.name, "timeout");
    grain.close().unwrap();
    mill.close();
}

#[test]
fn a_deadline_ends_a_started_call_and_loses_nothing() {
    let mill = Mill::open();
    let options = SubscribeOptions { from: Some(StartAt::Now), ..SubscribeOptions::default() };
    let grain = mill.node.subscribe("FROM 'grain'", options, &Wait::forever()).unwrap();
    assert!(grain.next_batch(None, &Wait::timeout(SOON)).unwrap().caught_up());
    let (done, result) = receiver::<EventBatch>();
    let limit = Limit { timeout: Some(Duration::from_millis(5)), cancel: None };
    grain.next_batch_start(None, limit, done);
    assert_eq!(result.recv_timeout(SOON).unwrap().unwrap_err().name, "timeout");
    mill.publish(3);
    assert_eq!(grain.next_batch(None, &Wait::timeout(SOON)).unwrap().len(), 3);
    grain.close().unwrap();
    mill.close();
}

#[test]
fn an_interrupted_wait_ends_soon() {
    let mill = Mill::open();
    let options = SubscribeOptions { from: Some(StartAt::Now), ..SubscribeOptions::default() };
    let grain = mill.node.subscribe("FROM 'grain'", options, &Wait::forever()).unwrap();
    grain.next_batch(None, &Wait::timeout(SOON)).unwrap();
    let asked = AtomicUsize::new(0);
    let interrupted = || asked.fetch_add(1, Ordering::SeqCst) == 1;
    let wait = Wait { limit: Limit::default(), interrupted: Some(&interrupted) };
    assert_eq!(grain.next_batch(None, &wait).unwrap_err().name, "cancelled");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    grain.close().unwrap();
    mill.close();
}

#[test]
fn a_cursor_gives_every_event_once_in_bounded_batches() {
    let mill = Mill::open();
    mill.publish(10);
    let cursor = mill.query();
    let mut sizes = Vec::new();
    loop {
        let batch = cursor.next_batch(Some(4), &Wait::timeout(SOON)).unwrap();
        if batch.is_end() {
            break;
        }
        sizes.push(batch.len());
    }
    assert_eq!(sizes, [4, 4, 2]);
    assert_eq!(cursor.upper().unwrap(), mill.node.offsets().unwrap());
    assert_eq!(cursor.next_batch(Some(0), &Wait::forever()).unwrap_err().name, "invalid_argument");
    mill.close();
    assert_eq!(cursor.next_batch(None, &Wait::forever()).unwrap_err().name, "closed");
    assert_eq!(cursor.close(), Ok(Closed::Before));
}

#[test]
fn what_was_read_ahead_is_never_more_than_was_asked_for_and_never_lost() {
    let mill = Mill::open();
    mill.publish(40);
    let cursor = mill.query();
    let mut seen = Vec::new();
    // After two full batches the third is read ahead, with as many events as the second.
    for (count_max, most) in [(4, 4), (4, 4), (3, 3), (1, 1), (9, 9), (9, 9), (100, 100)] {
        let batch = cursor.next_batch(Some(count_max), &Wait::timeout(SOON)).unwrap();
        assert!(!batch.is_empty() && batch.len() <= most);
        seen.extend(batch.iter().map(|event| event.offset()));
    }
    loop {
        let batch = cursor.next_batch(None, &Wait::timeout(SOON)).unwrap();
        if batch.is_end() {
            break;
        }
        seen.extend(batch.iter().map(|event| event.offset()));
    }
    assert_eq!(seen, (0..40).collect::<Vec<u64>>());
    cursor.close().unwrap();
    mill.close();
}

#[test]
fn closures_get_every_batch_in_order_while_others_are_read_ahead() {
    let mill = Mill::open();
    mill.publish(5_000);
    let cursor = mill.query();
    let mut seen = Vec::new();
    // Who keeps a batch keeps its events, whatever memory the next ones take.
    let mut kept = Vec::new();
    loop {
        let (done, result) = receiver();
        cursor.next_batch_start(Some(100), Limit::default(), done);
        let batch = result.recv_timeout(SOON).unwrap().unwrap();
        if batch.is_end() {
            break;
        }
        seen.extend(batch.iter().map(|event| event.offset()));
        let bytes = |batch: &EventBatch| batch.bytes().to_vec();
        if seen.len() % 700 == 0 {
            kept.push((bytes(&batch), batch));
        }
        assert!(kept.iter().all(|(before, batch)| *before == bytes(batch)));
    }
    assert_eq!(seen, (0..5_000).collect::<Vec<u64>>());
    assert_eq!(kept.len(), 7);
    cursor.close().unwrap();
    mill.close();
}

#[test]
fn a_queue_hands_over_results_and_closes_what_nobody_fetches() {
    let mill = Mill::open();
    let queue = CompletionQueue::new().unwrap();
    assert!(queue.drain().is_empty());
    for ticket in 0..50 {
        let drafts = vec![Draft::from_json(["grain"], "1").unwrap()];
        let options = PublishOptions::default();
        mill.node.publish_start(drafts, options, Limit::default(), queue.done(ticket));
    }
    let mut tickets = Vec::new();
    while tickets.len() < 50 {
        wait_readable(queue.fd().unwrap());
        for completion in queue.drain() {
            assert!(matches!(completion.outcome, Ok(Outcome::Published(_))));
            tickets.push(completion.ticket);
        }
    }
    tickets.sort_unstable();
    assert_eq!(tickets, (0..50).collect::<Vec<u64>>());
    let fd = queue.fd().unwrap();
    assert!(!is_readable(fd));
    (50..52).for_each(|ticket| queue.done(ticket)(Ok(())));
    assert_eq!(queue.wait(1, None).len(), 1);
    assert!(is_readable(fd), "one is left");
    assert_eq!(queue.wait(1, None).len(), 1);
    assert!(!is_readable(fd));
    let (done, result) = receiver();
    mill.node.query_start("FROM 'grain'", QueryOptions::default(), Limit::default(), done);
    let cursor: CursorHandle = result.recv_timeout(SOON).unwrap().unwrap();
    queue.close();
    queue.done(7)(Ok(cursor));
    assert_eq!(cursor.close(), Ok(Closed::Before));
    mill.close();
}

#[test]
fn what_was_not_said_and_what_was_said_wrongly_are_told_apart() {
    let open = |change: fn(&mut OpenOptions)| {
        let mut options = OpenOptions {
            path: "/nowhere/at/all".into(),
            app_id: "facade-test".into(),
            swarm: Some("07".repeat(32)),
            ..OpenOptions::default()
        };
        change(&mut options);
        NodeHandle::open(options, &Wait::forever()).unwrap_err()
    };
    let wrong: &[fn(&mut OpenOptions)] = &[
        |options| options.path = "".into(),
        |options| options.app_id = "a b".into(),
        |options| options.swarm = None,
        |options| options.swarm = Some("7".into()),
        |options| options.ticket = Some("x".into()),
        |options| options.bind = Some(vec!["mill:1".into()]),
        |options| options.peers = Some(vec!["mill:1".into()]),
        |options| options.allow = Some(vec!["mill".into()]),
    ];
    for change in wrong {
        assert_eq!(open(*change).name, "invalid_argument");
    }
}

fn is_readable(fd: i32) -> bool {
    poll(fd, 0)
}

fn wait_readable(fd: i32) {
    assert!(poll(fd, SOON.as_millis() as i64), "the descriptor is not readable in time");
}

/// Polls through the file that the system shows for the descriptor, without unsafe code.
fn poll(fd: i32, millis: i64) -> bool {
    use rustix::event::{PollFd, PollFlags};
    use std::os::fd::AsFd;
    let same = rustix::process::pidfd_open(
        rustix::process::getpid(),
        rustix::process::PidfdFlags::empty(),
    );
    let same = same.and_then(|own| {
        rustix::process::pidfd_getfd(own, fd, rustix::process::PidfdGetfdFlags::empty())
    });
    let same = same.expect("a process may look at its own descriptors");
    let borrowed = same.as_fd();
    let mut entries = [PollFd::from_borrowed_fd(borrowed, PollFlags::IN)];
    let timeout = rustix::event::Timespec { tv_sec: millis / 1000, tv_nsec: 0 };
    rustix::event::poll(&mut entries, Some(&timeout)).unwrap() == 1
}

#[test]
fn an_answer_is_explained_before_it_is_read_meanwhile_and_at_its_end() {
    let mill = Mill::open();
    mill.publish(5_000);
    let cursor = mill.query();
    let fresh = cursor.explain(&Wait::forever()).unwrap();
    assert_eq!((fresh.query.as_str(), fresh.order), ("FROM 'grain'", "ascending"));
    assert_eq!(
        (fresh.alternatives.as_slice(), fresh.is_exact),
        (&["FROM 'grain'".into()][..], true)
    );
    assert_eq!((fresh.actual.blocks, fresh.actual.events), (0, 0));
    assert_eq!(fresh.expected.events, 5_000);
    let mut last = cursor.next_batch(Some(1_000), &Wait::forever()).unwrap();
    // A batch that is read ahead, on another thread, is waited for.
    while !last.is_end() {
        let said = cursor.explain(&Wait::timeout(SOON)).unwrap();
        assert!(said.actual.events >= 1_000 && said.actual.events <= 5_000);
        last = cursor.next_batch(Some(1_000), &Wait::timeout(SOON)).unwrap();
    }
    let (done, result) = receiver();
    cursor.explain_start(Limit::default(), done);
    let ended = result.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!((ended.actual.events, ended.actual), (5_000, last.looks()));
    assert!(ended.text.contains("5000 events") && ended.json().contains("\"is_exact\":true"));
    cursor.close().unwrap();
    assert_eq!(cursor.explain(&Wait::forever()).unwrap_err().name, "closed");
    // Whoever kept what it looked at can still have it explained.
    let (done, result) = receiver();
    let options = QueryOptions { order: Some("stream".into()), ..QueryOptions::default() };
    mill.node.explain_start("FROM 'grain'", options, last.looks(), Limit::default(), done);
    let again = result.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(
        (again.order, again.actual, again.expected),
        ("stream", ended.actual, ended.expected)
    );
    mill.close();
}

#[test]
fn a_column_that_was_left_out_is_refused_and_the_refusal_names_the_option() {
    let mill = Mill::open();
    mill.publish(3);
    let ask = |columns: &[&str]| {
        let columns = Some(columns.iter().map(ToString::to_string).collect());
        let options = QueryOptions { columns, ..QueryOptions::default() };
        mill.node.query("FROM 'grain'", options, &Wait::forever())
    };
    let keys = ask(&[]).unwrap().next_batch(None, &Wait::forever()).unwrap();
    let event = keys.get(2).unwrap();
    assert_eq!((keys.len(), event.offset(), event.app_id()), (3, 2, "facade-test"));
    assert!(keys.bytes().is_empty() && event.sizes() == EventSizes::default());
    let refusals = [event.payload().unwrap_err(), event.tags().err().unwrap()];
    for (error, column) in refusals.into_iter().zip(["payload", "tags"]) {
        assert_eq!(error.name, "invalid_argument");
        assert!(error.message.contains("`columns`") && error.message.contains(column));
    }
    let tags = ask(&["tags"]).unwrap().next_batch(None, &Wait::forever()).unwrap();
    assert_eq!(tags.get(0).unwrap().tags().unwrap().collect::<Vec<_>>(), ["grain"]);
    assert_eq!(
        tags.get(0).unwrap().sizes(),
        EventSizes { tags: 1, tags_bytes: 6, payload_bytes: 0 }
    );
    let error = ask(&["tags", "colour"]).unwrap_err();
    assert_eq!(error.name, "invalid_argument");
    assert!(error.message.contains("\"colour\"") && error.message.contains("tags, payload"));
    mill.close();
}

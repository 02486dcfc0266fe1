//! Calls start under tickets and end once.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

use millpond_ffi::{
    Batch, Bridge, Completion, Failure, FishSpec, Lab, LabOptions, OpenOptions, Outcome,
    PublishOptions, QueryOptions, ReadOptions, SubscribeOptions, is_open, own_stream, session_new,
    session_token, swarm_secret_new, version,
};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// One value each, and the number of events before them.
const TWO_DRAFTS: &[u8] = &[
    2, 0, 0, 0, /**/ 1, 0, 0, 0, 1, 0, 0, 0, b'a', 1, 0, 0, 0, 1, /**/ 0, 0, 0, 0, 1, 0,
    0, 0, 2,
];

static TICKETS: AtomicU64 = AtomicU64::new(1);

fn ticket() -> u64 {
    TICKETS.fetch_add(1, Ordering::Relaxed)
}

/// A node in a folder of its own, and how to ask it.
struct Mill {
    bridge: Arc<Bridge>,
    node: u64,
    _folder: tempfile::TempDir,
}

fn options(folder: &tempfile::TempDir) -> OpenOptions {
    OpenOptions {
        path: folder.path().join("store").to_str().unwrap().to_owned(),
        app: "bindings-test".into(),
        swarm: Some("07".repeat(32)),
        former_secrets: None,
        ticket: None,
        network: Some(false),
        bind: None,
        discovery: None,
        peers: None,
        allow: None,
        send_bytes_per_second_max: None,
        send_bytes_per_second_per_peer_max: None,
        priority: None,
        segment_bytes: None,
        tail_bytes_max: None,
        cache_bytes: None,
        snapshot_bytes_max: None,
        allow_network_file_system: None,
    }
}

impl Mill {
    fn open() -> Mill {
        let folder = tempfile::tempdir().unwrap();
        let bridge = Bridge::new().unwrap();
        let asked = ticket();
        let started = bridge.open(asked, options(&folder), None);
        let Outcome::Handle { handle: node, fold: None } = came(&bridge, asked, started) else {
            panic!("no node");
        };
        Mill { bridge, node, _folder: folder }
    }

    fn call(&self, start: impl FnOnce(&Bridge, u64) -> Option<Completion>) -> Outcome {
        let asked = ticket();
        let started = start(&self.bridge, asked);
        came(&self.bridge, asked, started)
    }

    fn publish(&self) -> Outcome {
        self.call(|bridge, ticket| {
            bridge.publish(ticket, self.node, TWO_DRAFTS.to_vec(), nothing_said(), None)
        })
    }

    fn query(&self) -> u64 {
        let options = QueryOptions {
            order: None,
            lower: None,
            upper: None,
            columns: None,
            after: None,
            session: None,
        };
        handle(self.call(|bridge, ticket| {
            bridge.query(ticket, self.node, "FROM allEvents".into(), options, None)
        }))
    }

    fn subscribe(&self) -> u64 {
        let options = SubscribeOptions {
            start: None,
            delivery: None,
            order: None,
            after: None,
            session: None,
        };
        handle(self.call(|bridge, ticket| {
            bridge.subscribe(ticket, self.node, "FROM allEvents".into(), options, None)
        }))
    }
}

fn nothing_said() -> PublishOptions {
    PublishOptions { durability: None, idempotency_key: None, expected: None, session: None }
}

/// What the only call that goes on came to.
fn came(bridge: &Bridge, asked: u64, started: Option<Completion>) -> Outcome {
    let completion = started.unwrap_or_else(|| {
        let mut taken = bridge.take(8, None);
        assert_eq!(taken.len(), 1, "{taken:?}");
        taken.remove(0)
    });
    assert_eq!(completion.ticket, asked);
    completion.outcome
}

fn handle(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Handle { handle, .. } => handle,
        other => panic!("{other:?}"),
    }
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed { failure } => failure,
        other => panic!("{other:?}"),
    }
}

fn events(outcome: Outcome) -> Batch {
    match outcome {
        Outcome::Events { batch } => batch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_published_is_read_again_in_one_batch() {
    let mill = Mill::open();
    let Outcome::Stored { published } = mill.publish() else { panic!("not stored") };
    assert_eq!((published.count, published.first_offset), (2, 0));
    assert_eq!(published.stream, own_stream(mill.node).unwrap());
    let cursor = mill.query();
    let batch =
        events(mill.call(|bridge, ticket| bridge.next_of_cursor(ticket, cursor, None, None)));
    assert_eq!((batch.count, batch.rows.len(), &batch.bytes[..]), (2, 96, &[1, b'a', 1, 2][..]));
    assert_eq!(batch.texts, [published.stream.as_str(), "bindings-test"]);
    assert_eq!(batch.position, published.token);
    let closed = mill.call(|bridge, ticket| bridge.close_node(ticket, mill.node, None));
    assert!(matches!(closed, Outcome::Closed { before: false }), "{closed:?}");
    assert_eq!(failure(mill.publish()).name, "closed");
    assert_eq!(mill.bridge.call_count(), 0);
}

#[test]
fn a_waiting_call_has_ended_when_its_cancel_returns() {
    let mill = Mill::open();
    let subscription = mill.subscribe();
    // The first batch says that it has caught up.
    events(
        mill.call(|bridge, ticket| bridge.next_of_subscription(ticket, subscription, None, None)),
    );
    for round in 0..50 {
        let asked = ticket();
        let started = mill.bridge.next_of_subscription(asked, subscription, None, None);
        assert!(started.is_none(), "{round}: {started:?}");
        let taken = mill.bridge.next_of_subscription(asked, subscription, None, None);
        assert_eq!(failure(taken.unwrap().outcome).name, "invalid_argument", "the ticket is taken");
        mill.bridge.cancel(asked).unwrap();
        let ended = mill.bridge.take(8, Some(0));
        assert_eq!((ended.len(), ended[0].ticket), (1, asked));
        assert_eq!(failure(ended[0].outcome.clone()).name, "cancelled");
        assert_eq!(mill.bridge.call_count(), 0);
        mill.bridge.cancel(asked).unwrap();
    }
    mill.bridge.shut(None);
}

#[test]
fn a_call_that_takes_too_long_ends_with_timeout() {
    let mill = Mill::open();
    let stream = own_stream(mill.node).unwrap();
    let token = millpond_ffi::offsets_of([(stream, 9)].into()).unwrap();
    let missing = failure(
        mill.call(|bridge, ticket| bridge.wait_for(ticket, mill.node, token, None, Some(1))),
    );
    assert_eq!((missing.name.as_str(), missing.retryable), ("not_yet_visible", true));
    assert!(missing.missing_json.contains('9'), "{}", missing.missing_json);
    mill.bridge.shut(None);
}

#[test]
fn starts_answer_at_most_eight_times_in_a_row() {
    let mill = Mill::open();
    // On a thread of its own, which has not been answered yet.
    thread::scope(|threads| {
        let mill = &mill;
        let answers = threads.spawn(move || {
            let mut answers = Vec::new();
            for _ in 0..20 {
                let asked = ticket();
                // There is no such cursor: that is known at once.
                let started = mill.bridge.next_of_cursor(asked, 7, None, None);
                answers.push(started.is_some());
                failure(came(&mill.bridge, asked, started));
            }
            answers
        });
        let answers = answers.join().unwrap();
        let rows: Vec<&[bool]> = answers.split(|answered| !answered).collect();
        assert_eq!(rows.iter().map(|row| row.len()).collect::<Vec<_>>(), [8, 8, 2]);
    });
    mill.bridge.shut(None);
}

#[test]
fn after_a_shut_nodes_are_closed_and_nobody_waits() {
    let mill = Mill::open();
    let other = tempfile::tempdir().unwrap();
    let second = handle(mill.call(|bridge, ticket| bridge.open(ticket, options(&other), None)));
    thread::scope(|threads| {
        let taking = threads.spawn(|| mill.bridge.take(8, None));
        mill.bridge.shut(None);
        assert!(taking.join().unwrap().is_empty());
    });
    assert!(mill.bridge.is_shut());
    for node in [mill.node, second] {
        assert!(!is_open(node).unwrap());
    }
    assert_eq!(failure(mill.publish()).name, "closed");
    assert!(mill.bridge.take(8, None).is_empty(), "at once");
    mill.bridge.shut(None);
}

#[test]
fn a_handle_that_stands_for_nothing_is_an_error_and_can_be_released() {
    let mill = Mill::open();
    mill.bridge.release(0).unwrap();
    mill.bridge.release(u64::MAX).unwrap();
    assert!(session_token(mill.node).is_err(), "a node is no session");
    let session = session_new().unwrap();
    mill.bridge.release(session).unwrap();
    mill.bridge.release(session).unwrap();
    assert!(session_token(session).is_err());
    mill.bridge.release(mill.node).unwrap();
    assert!(!is_open(mill.node).unwrap());
}

/// A wall, and what is told by who runs into it.
type Wall = (&'static str, fn() -> Option<String>);

/// One call of each kind of function, by its wall.
const WALLS: &[Wall] = &[
    ("bridge_new", || Bridge::new().err().map(|error| error.to_string())),
    ("bridge_publish", || Some(failure(Mill::open().publish()).name)),
    ("bridge_query", || {
        let mill = Mill::open();
        let asked = ticket();
        let options = QueryOptions {
            order: None,
            lower: None,
            upper: None,
            columns: None,
            after: None,
            session: None,
        };
        let started = mill.bridge.query(asked, mill.node, "FROM 'a'".into(), options, None);
        Some(failure(came(&mill.bridge, asked, started)).name)
    }),
    ("bridge_next_of_cursor", || {
        let mill = Mill::open();
        let cursor = mill.query();
        Some(
            failure(mill.call(|bridge, ticket| bridge.next_of_cursor(ticket, cursor, None, None)))
                .name,
        )
    }),
    ("bridge_observe", || {
        let mill = Mill::open();
        let fish =
            FishSpec::BuiltIn { query: "FROM 'a'".into(), fold: "{\"fold\":\"count\"}".into() };
        let options = ReadOptions { after: None, session: None };
        let observed =
            mill.call(|bridge, ticket| bridge.observe(ticket, mill.node, fish, options, None));
        Some(failure(observed).name)
    }),
    ("bridge_claim", || {
        let mill = Mill::open();
        let options = ReadOptions { after: None, session: None };
        let told = mill
            .call(|bridge, ticket| bridge.claim(ticket, mill.node, "press".into(), options, None));
        Some(failure(told).name)
    }),
    ("bridge_own_stream", || own_stream(Mill::open().node).err().map(|error| error.to_string())),
    ("bridge_swarm_secret_new", || swarm_secret_new().err().map(|error| error.to_string())),
    ("bridge_lab_seed", || {
        let options = LabOptions {
            nodes: None,
            seed: None,
            app: None,
            skew_ms_max: None,
            faults: None,
            without: Vec::new(),
        };
        Lab::new(options).unwrap().seed().err().map(|error| error.to_string())
    }),
    ("bridge_lab_seeds", || millpond_ffi::lab_seeds(None).err().map(|error| error.to_string())),
    ("bridge_cancel", || Bridge::new().unwrap().cancel(1).err().map(|error| error.to_string())),
    ("bridge_take", || {
        let bridge = Bridge::new().unwrap();
        assert!(bridge.take(1, None).is_empty() && bridge.is_shut());
        Some("internal".into())
    }),
];
/// Which wall a process of this test is to try.
const TRIED: &str = "MILLPOND_TRIED_WALL";

/// The environment says where the panic is, so each wall is tried in a process of its own.
#[test]
fn a_panic_at_a_wall_of_the_bindings_is_internal() {
    if let Ok(wall) = std::env::var(TRIED) {
        let (_, pass) = WALLS.iter().find(|(name, _)| *name == wall).unwrap();
        let said = pass().expect("it fails");
        assert!(said.contains("internal"), "{said}");
        return;
    }
    assert!(!version().is_empty());
    for (wall, _) in WALLS {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["a_panic_at_a_wall_of_the_bindings_is_internal", "--exact"]);
        child.env(TRIED, wall).env("MILLPOND_PANIC_AT", wall).env("RUST_BACKTRACE", "0");
        let done = child.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "a panic at {wall}: {said}");
    }
}

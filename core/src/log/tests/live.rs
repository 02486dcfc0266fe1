use super::*;
use crate::error::ErrorKind;
use crate::event::{Preview, Record, StreamId};
use crate::files::{Operation, fault};
use crate::log::shown::SHOWN_EVENTS_MAX;
use crate::log::{Delivery, Follower};
use proptest::prelude::*;
use rustix::io::Errno;

/// What one live subscriber was given of one stream, as it should be by now.
#[derive(Default)]
struct Given {
    events: Vec<Event>,
    early: usize,
}

impl Given {
    /// Pulls once. Events come in order, and one comes again only as another one.
    fn pull(&mut self, follower: &mut Follower, count_max: usize) -> usize {
        let batch = follower.next_batch(count_max).unwrap();
        for event in owned(&batch.events) {
            let offset = event.offset.value() as usize;
            assert!(offset <= self.events.len(), "event {offset} after {}", self.events.len());
            if let Some(former) = self.events.get(offset) {
                assert_ne!(*former, event, "an event comes once");
            }
            self.events.truncate(offset);
            self.events.push(event);
            self.early += usize::from(!batch.is_durable);
        }
        batch.events.len()
    }

    /// Pulls whatever stream it is of, and looks at nothing.
    fn skip(follower: &mut Follower) {
        while !follower.next_batch(100).unwrap().events.is_empty() {}
    }

    fn pull_all(&mut self, follower: &mut Follower) {
        while self.pull(follower, 100) > 0 {}
    }
}

fn live(log: &Log) -> Follower {
    log.subscribe(&Query::all(), everything()).unwrap().deliver(Delivery::Live)
}

fn no_wait(follower: &Follower) -> bool {
    follower.wait(Some(Duration::ZERO)).unwrap()
}

#[test]
fn own_events_are_shown_before_their_sync_and_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let (mut follower, mut given) = (live(&log), Given::default());
    let mut durable = log.subscribe(&Query::all(), everything()).unwrap();
    // Written at once and synced within 50 ms, by another thread.
    let options = AppendOptions { durability: crate::log::Durability::Process, ..as_app() };
    let mut shown_early = 0;
    for round in 0..20 {
        log.append(events(round..round + 1), options.clone()).wait().unwrap();
        given.pull_all(&mut follower);
        assert_eq!(given.events.len() as u64, round + 1, "shown when it was answered");
        shown_early += given.events.len() - log.durable_map().unwrap().total() as usize;
    }
    assert!(shown_early > 0 && given.early > 0);
    append(&log, events(20..21));
    given.pull_all(&mut follower);
    assert_eq!(texts(&given.events), texts(&query_all(&log, "FROM allEvents", Order::Ascending)));
    assert_eq!(owned(&durable.next_batch(100).unwrap().events), given.events);
    assert_eq!(follower.position(), *log.durable_map().unwrap());
}

#[test]
fn what_a_failed_sync_takes_back_is_followed_by_what_comes_instead() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..3));
    let (mut follower, mut given) = (live(&log), Given::default());
    given.pull_all(&mut follower);
    fault::plant(directory.path(), Operation::Sync, 0, 1, Errno::IO);
    let error = log.append(events(3..5), as_app()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFailed);
    assert!(no_wait(&follower));
    given.pull_all(&mut follower);
    assert_eq!(given.events.len(), 5, "shown, and then lost");
    assert!(!no_wait(&follower));
    append(&log, events(7..8));
    given.pull_all(&mut follower);
    assert_eq!(texts(&given.events), ["grain 0", "grain 1", "grain 2", "grain 7"]);
    assert!(follower.position().covers(&log.durable_map().unwrap()));
}

#[test]
fn events_that_the_disk_refuses_move_no_clock() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let last = append(&log, events(0..1)).first_lamport.value();
    let (mut follower, mut given) = (live(&log), Given::default());
    for round in 1..10 {
        fault::plant(directory.path(), Operation::Sync, 0, 1, Errno::IO);
        log.append(events(10..19), as_app()).wait().unwrap_err();
        given.pull_all(&mut follower);
        assert!(given.early as u64 >= 9 * round, "they are shown, and lost");
        assert_eq!(append(&log, events(round..round + 1)).first_lamport.value(), last + round);
        given.pull_all(&mut follower);
    }
    assert_eq!(given.events, query_all(&log, "FROM allEvents", Order::Ascending));
}

#[test]
fn what_is_published_in_answer_to_a_live_event_sorts_after_it() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let log = open(directories[0].path());
    let author = Log::open(options(directories[1].path(), 2)).unwrap();
    append(&author, events(0..9));
    let (mut follower, mut given) = (live(&log), Given::default());
    log.show(&preview(&records_of(&author), 0));
    given.pull_all(&mut follower);
    let seen = given.events.last().unwrap().key.lamport;
    assert!(append(&log, events(0..1)).first_lamport > seen);
    Given::skip(&mut follower);
    let far = 2_000 + 9;
    for _ in 0..2 {
        append(&author, events(0..1_000));
    }
    append(&author, events(0..1));
    let records = records_of(&author);
    assert!(records.len() > far);
    log.show(&preview(&records[9..], 9));
    assert!(!no_wait(&follower), "what is so far ahead of all that is held is not shown");
}

#[test]
fn peers_that_show_what_never_becomes_durable_crowd_nobody_out() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let log = open(directories[0].path());
    let author = Log::open(options(directories[1].path(), 2)).unwrap();
    for round in 0..9 {
        append(&author, events(100 * round..100 * round + 100));
    }
    let records = records_of(&author);
    let mut follower = live(&log);
    let shown_by = |node: u64| {
        let seed = *blake3::hash(&node.to_le_bytes()).as_bytes();
        let stream = StreamId { node: NodeKey::from_seed(&seed).node_id(), number: 0 };
        Preview { stream, ..preview(&records, 0) }
    };
    // One peer, in as many streams as it likes.
    for number in 0..100 {
        let preview = shown_by(0);
        log.show(&Preview { stream: StreamId { number, ..preview.stream }, ..preview });
        Given::skip(&mut follower);
    }
    let kept = log.live().held().streams.len();
    assert!(kept < 30, "{kept} streams of it");
    // Many peers: more than a subscriber remembers.
    for node in 1..SHOWN_EVENTS_MAX as u64 / 900 * 3 {
        log.show(&shown_by(node));
        assert!(no_wait(&follower), "there is no room for peer {node}");
        Given::skip(&mut follower);
    }
}

#[test]
fn nobody_who_wants_durable_events_is_shown_others() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let log = open(directories[0].path());
    let author = Log::open(options(directories[1].path(), 2)).unwrap();
    append(&author, events(0..3));
    let mut durable = log.subscribe(&Query::all(), everything()).unwrap();
    let (mut follower, mut given) = (live(&log), Given::default());
    log.show(&preview(&records_of(&author), 0));
    assert!(no_wait(&follower) && !no_wait(&durable));
    given.pull_all(&mut follower);
    assert_eq!((given.early, follower.position()), (3, everything()));
    assert!(durable.next_batch(9).unwrap().events.is_empty());
    assert!(query_all(&log, "FROM allEvents", Order::Ascending).is_empty());
    drop(follower);
    assert!(log.live().held().streams.is_empty(), "nothing is kept for nobody");
    let (mut later, mut given) = (live(&log), Given::default());
    given.pull_all(&mut later);
    assert!(given.events.is_empty());
}

/// All records of the only stream of a log.
fn records_of(log: &Log) -> Vec<Record> {
    let (mut records, stream) = (Vec::new(), log.own_stream());
    while let Some(range) = log.read_range(&stream, records.len() as u64).unwrap() {
        records.extend(range.into_records());
    }
    records
}

/// These records as the author with the key 2 shows them.
fn preview(records: &[Record], first: u64) -> Preview {
    let node = NodeKey::from_seed(&[2; 32]).node_id();
    let stream = StreamId { node, number: 0 };
    let before = crate::event::Chain::start(&swarm(), &stream);
    Preview { stream, first, before, records: records.to_vec() }
}

#[derive(Clone, Debug)]
enum Step {
    /// Events from so far behind or beyond the durable end on; false ones are lost later.
    Show {
        at: usize,
        count: usize,
        are_true: bool,
    },
    Store,
    Checkpoint,
    Pull {
        count_max: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..5, 1usize..5, any::<bool>())
            .prop_map(|(at, count, are_true)| Step::Show { at, count, are_true }),
        3 => Just(Step::Store),
        1 => Just(Step::Checkpoint),
        4 => (1usize..5).prop_map(|count_max| Step::Pull { count_max }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_shown_and_lost_all_comes_once_and_in_order(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let log = open(directories[0].path());
        let [truth, lost] =
            [1, 2].map(|at| Log::open(options(directories[at].path(), 2)).unwrap());
        let mut ranges = Vec::new();
        for number in 0..20u64 {
            let first = truth.durable_map().unwrap().total() as u64;
            append(&truth, events(number..number + 1 + number % 3));
            ranges.push(truth.read_range(&truth.own_stream(), first).unwrap().unwrap());
        }
        append(&lost, events(500..550));
        let known = [records_of(&lost), records_of(&truth)];
        let mut ranges = ranges.into_iter();
        let (mut follower, mut given) = (live(&log), Given::default());
        for step in steps {
            let durable = log.durable_map().unwrap().total() as usize;
            match step {
                Step::Show { at, count, are_true } => {
                    let records = &known[usize::from(are_true)];
                    // What is lost and followed by nothing was shown all the same: not here.
                    let most = known[1].len();
                    let first = (durable + at).saturating_sub(2).min(most - 1);
                    let end = (first + count).min(most);
                    log.show(&preview(&records[first..end], first as u64));
                }
                Step::Store => {
                    if let Some(range) = ranges.next() {
                        log.append_range(range).wait().unwrap();
                    }
                }
                Step::Checkpoint => log.checkpoint_now().unwrap(),
                Step::Pull { count_max } => drop(given.pull(&mut follower, count_max)),
            }
        }
        for range in ranges {
            log.append_range(range).wait().unwrap();
        }
        given.pull_all(&mut follower);
        prop_assert_eq!(given.events, query_all(&log, "FROM allEvents", Order::Ascending));
        prop_assert!(!no_wait(&follower));
    }
}

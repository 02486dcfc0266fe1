use super::histories::{History, holding, seen, small};
use super::*;
use crate::error::ErrorKind;
use crate::event::{EventKey, KeyPosition, StreamId};
use crate::log::{KeyBatch, KeyFollower, KeyStep};
use proptest::prelude::*;

/// A subscriber, and what it holds: rewinds are applied.
struct Subscriber {
    follower: KeyFollower,
    query: &'static str,
    kept: Vec<Event>,
    rewinds: usize,
    /// Events that were delivered, each time counted.
    delivered: usize,
}

impl Subscriber {
    fn new(log: &Log, query: &'static str) -> Subscriber {
        let follower = log.subscribe_by_key(&Query::parse(query).unwrap(), KeyPosition::default());
        let (follower, kept) = (follower.unwrap(), Vec::new());
        Subscriber { follower, query, kept, rewinds: 0, delivered: 0 }
    }

    /// One step; false when there was nothing. Checks what a step promises.
    fn step(&mut self, log: &Log, count_max: usize) -> bool {
        let step = self.follower.next(count_max).unwrap();
        self.take(log, count_max, step)
    }

    /// As `step`, to the end of what was begun first.
    fn finish(&mut self, log: &Log, count_max: usize) -> bool {
        let step = self.follower.finish(count_max).unwrap();
        self.take(log, count_max, step)
    }

    fn take(&mut self, log: &Log, count_max: usize, step: KeyStep) -> bool {
        let last = self.kept.last().map(|event| event.key);
        match &step {
            KeyStep::Rewind { to } => {
                assert!(*to < last, "something is forgotten");
                self.kept.retain(|event| Some(event.key) <= *to);
                assert_eq!(self.kept.last().map(|event| event.key), *to, "it was delivered");
                self.rewinds += 1;
            }
            KeyStep::Events(KeyBatch { events, position, .. }) => {
                assert!(!events.is_empty() && events.len() <= count_max);
                assert_eq!(*position, self.follower.position());
                self.kept.extend(owned(events));
                self.delivered += events.len();
            }
            KeyStep::Nothing => {}
        }
        assert!(self.kept.is_sorted_by(|one, two| one.key < two.key));
        let position = self.follower.position();
        assert_eq!(position.last, self.kept.last().map(|event| event.key));
        let mut expected = all_of(log, self.query, Some(position.offsets));
        if let KeyStep::Events(KeyBatch { caught_up: false, .. }) | KeyStep::Rewind { .. } = step {
            expected.retain(|event| Some(event.key) <= position.last);
        }
        assert_eq!(seen(&self.kept), seen(&expected));
        if step == KeyStep::Nothing {
            assert_eq!(seen(&self.kept), seen(&all_of(log, self.query, None)));
        }
        step != KeyStep::Nothing
    }

    fn catch_up(&mut self, log: &Log, count_max: usize) {
        while self.step(log, count_max) {}
    }

    /// Ends, and goes on from an earlier place with what was kept then.
    fn stop(&mut self, log: &Log, keep: usize) {
        let KeyPosition { offsets, last } = self.follower.position();
        self.kept.truncate(keep);
        let kept = self.kept.last().map(|event| event.key);
        assert!(kept <= last);
        let query = Query::parse(self.query).unwrap();
        self.follower = log.subscribe_by_key(&query, KeyPosition { offsets, last: kept }).unwrap();
        if kept.is_none() {
            assert_eq!(self.follower.position(), KeyPosition::default());
        }
    }
}

fn all_of(log: &Log, query: &str, upper: Option<OffsetMap>) -> Vec<Event> {
    let options = CursorOptions { upper, ..CursorOptions::default() };
    let mut cursor = log.cursor(&Query::parse(query).unwrap(), options).unwrap();
    let mut all = Vec::new();
    loop {
        let batch = cursor.next_batch(1_000).unwrap();
        if batch.is_empty() {
            return all;
        }
        all.extend(owned(&batch));
    }
}

/// Three streams whose lamports begin at 1, 2 and 3 and rise by 3: they alternate.
fn alternating(count: u64) -> [History; 3] {
    [9, 10, 11].map(|node| {
        let mut own = History::new(node);
        (0..count).for_each(|_| own.write_after(&format!("n{node}"), 1, 2));
        own
    })
}

#[test]
fn an_event_that_comes_late_leads_back_to_the_one_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = small(directory.path(), 2);
    let [one, two, _] = alternating(50);
    one.send(&log, one.trunk());
    let mut own = Subscriber::new(&log, "FROM allEvents");
    own.catch_up(&log, 20);
    assert_eq!((own.kept.len(), own.rewinds), (50, 0));
    two.up_to(40).send(&log, two.trunk());
    two.send(&log, two.trunk());
    let KeyStep::Rewind { to } = own.follower.next(20).unwrap() else { panic!("no rewind") };
    // Both begin with the same lamports, and are ordered by their ids.
    let place = |history: &History, offset: u64| {
        let lamport = history.records[offset as usize].lamport();
        EventKey { lamport, stream: history.trunk() }
    };
    let is_first = two.trunk() < one.trunk();
    assert_eq!(to, (!is_first).then(|| place(&one, 0)));
    own.kept.retain(|event| Some(event.key) <= to);
    own.catch_up(&log, 20);
    assert_eq!((own.kept.len(), own.rewinds), (100, 0));
    // What comes behind all leads nowhere back.
    let mut later = one.clone();
    later.write("later", 3);
    later.send(&log, later.trunk());
    own.catch_up(&log, 20);
    assert_eq!((own.kept.len(), own.rewinds), (103, 0));
}

#[test]
fn what_arrives_while_much_is_delivered_comes_in_its_place_or_leads_back_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = small(directory.path(), 2);
    let [one, two, three] = alternating(3_000);
    one.send(&log, one.trunk());
    log.checkpoint_now().unwrap();
    let mut own = Subscriber::new(&log, "FROM allEvents");
    let middle = own.delivered + 1_000;
    while own.delivered < middle {
        assert!(own.step(&log, 100));
    }
    // It begins before, so there is a way back, and only one.
    two.send(&log, two.trunk());
    assert!(own.step(&log, 100));
    assert_eq!(own.rewinds, 1);
    own.catch_up(&log, 100);
    assert_eq!((own.kept.len(), own.rewinds), (6_000, 1));
    // Of a stream that is ahead of what is delivered nothing leads back.
    own.stop(&log, 3_000);
    assert!(own.step(&log, 100));
    let mut ahead = three.up_to(0);
    ahead.write_after("ahead", 2_000, 5_000);
    ahead.send(&log, ahead.trunk());
    own.catch_up(&log, 100);
    assert_eq!((own.kept.len(), own.rewinds), (8_000, 1));
}

#[test]
fn a_position_finds_what_came_late_while_nobody_followed() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = small(directory.path(), 2);
    let [one, two, three] = alternating(1_500);
    one.send(&log, one.trunk());
    two.up_to(700).send(&log, two.trunk());
    let mut own = Subscriber::new(&log, "FROM 'lot:0'");
    own.catch_up(&log, 100);
    let kept = own.kept.len();
    two.send(&log, two.trunk());
    close(log);
    log = small(directory.path(), 2);
    own.stop(&log, kept);
    own.catch_up(&log, 100);
    assert_eq!(own.rewinds, 1);
    // From an earlier place on it was not late.
    three.up_to(900).send(&log, three.trunk());
    own.stop(&log, 0);
    own.catch_up(&log, 100);
    assert_eq!(own.rewinds, 1);
    let error = own.follower.resume_at(Some(EventKey {
        lamport: crate::event::Lamport::new(1 << 40).unwrap(),
        stream: one.trunk(),
    }));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let place = own.kept[100].key;
    own.follower.resume_at(Some(place)).unwrap();
    own.kept.truncate(101);
    own.catch_up(&log, 100);
    assert_eq!(own.rewinds, 1);
}

#[test]
fn a_position_that_counts_what_is_not_held_here_leads_back_to_the_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let log = small(directory.path(), 2);
    let [one, two, _] = alternating(60);
    one.send(&log, one.trunk());
    let mut own = Subscriber::new(&log, "FROM allEvents");
    own.catch_up(&log, 100);
    let mut position = own.follower.position();
    position.offsets.set(two.trunk(), 3);
    own.follower = log.subscribe_by_key(&Query::all(), position).unwrap();
    assert_eq!(own.follower.next(100).unwrap(), KeyStep::Rewind { to: None });
    own.kept.clear();
    own.catch_up(&log, 100);
    assert_eq!(own.kept.len(), 60);
}

#[test]
fn events_that_a_fork_has_moved_come_again_under_their_new_keys() {
    let directory = tempfile::tempdir().unwrap();
    let (log, held, trunk) = holding(directory.path(), 2_000);
    log.checkpoint_now().unwrap();
    let mut own = Subscriber::new(&log, "FROM allEvents");
    own.catch_up(&log, 300);
    let position = own.follower.position();
    let other = held.forked(1_500, "wheat", 200);
    other.fork(&log, trunk, &held);
    let mut late = Subscriber::new(&log, "FROM 'wheat'");
    late.catch_up(&log, 300);
    assert_eq!((late.kept.len(), late.rewinds), (200, 0));
    own.catch_up(&log, 300);
    assert_eq!((own.kept.len(), own.rewinds), (2_200, 1));
    let rewound = own.delivered - 2_000;
    assert_eq!(rewound, 700, "no more than what moved, and what is new");
    // From a position of before.
    own.follower = log.subscribe_by_key(&Query::all(), position).unwrap();
    let KeyStep::Rewind { to } = own.follower.next(9).unwrap() else { panic!("no rewind") };
    assert_eq!(to.unwrap().lamport.value(), 1_500);
    own.kept.retain(|event| Some(event.key) <= to);
    own.catch_up(&log, 300);
    // Who asks for none of it does not hear of it.
    let mut others = Subscriber::new(&log, "FROM 'lot:9'");
    others.catch_up(&log, 9);
    held.forked(1_000, "oat", 9).fork(&log, trunk, &held);
    others.catch_up(&log, 9);
    assert_eq!(others.rewinds, 0);
}

#[test]
fn a_follower_in_key_order_is_woken_as_others_are() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let mut follower = log.subscribe_by_key(&Query::all(), KeyPosition::default()).unwrap();
    assert!(follower.wait(Some(Duration::ZERO)).unwrap(), "it has not looked yet");
    assert_eq!(follower.next(9).unwrap(), KeyStep::Nothing);
    assert!(!follower.wait(Some(Duration::ZERO)).unwrap());
    let rung = Arc::new(AtomicI64::new(0));
    let count = rung.clone();
    let ring = move || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    follower.on_ready(Arc::new(ring));
    append(&log, events(0..3));
    assert!(follower.wait(Some(Duration::from_secs(60))).unwrap());
    assert!(rung.load(Ordering::Relaxed) > 0);
    let KeyStep::Events(batch) = follower.next(2).unwrap() else { panic!("no events") };
    assert_eq!((batch.events.len(), batch.caught_up, batch.lag), (2, false, 1));
    let KeyStep::Events(batch) = follower.next(2).unwrap() else { panic!("no events") };
    assert_eq!((batch.events.len(), batch.caught_up, batch.lag), (1, true, 0));
    assert_eq!(log.counts().subscriptions, 1);
    close(log);
    assert_eq!(follower.next(2).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn who_finishes_comes_to_the_end_however_much_arrives_late_and_is_led_back_then() {
    let directory = tempfile::tempdir().unwrap();
    let log = small(directory.path(), 2);
    let [one, two, _] = alternating(1_000);
    one.send(&log, one.trunk());
    let mut own = Subscriber::new(&log, "FROM allEvents");
    own.step(&log, 100);
    let mut arrived = 0;
    loop {
        arrived += 100;
        two.up_to(arrived).send(&log, two.trunk());
        own.finish(&log, 100);
        if own.kept.len() == 1_000 {
            break;
        }
        assert_eq!((own.rewinds, own.kept.len() as u64), (0, 100 + arrived));
    }
    let position = own.follower.position();
    assert_eq!(position.offsets.stream_count(), 1, "what it is of is what it was begun with");
    assert!(own.finish(&log, 100));
    assert_eq!(own.rewinds, 1);
    own.catch_up(&log, 100);
    assert_eq!(own.kept.len() as u64, 1_000 + arrived);
}

#[test]
fn what_comes_late_before_what_matters_leads_nowhere_back() {
    let directory = tempfile::tempdir().unwrap();
    let log = small(directory.path(), 2);
    let [one, two, three] = alternating(300);
    one.send(&log, one.trunk());
    let mut follower = log.subscribe_by_key(&Query::all(), KeyPosition::default()).unwrap();
    let pull = |follower: &mut KeyFollower| {
        let mut events = 0;
        loop {
            match follower.next(100).unwrap() {
                KeyStep::Events(batch) => events += batch.events.len(),
                KeyStep::Rewind { to } => return Err(to),
                KeyStep::Nothing => return Ok(events),
            }
        }
    };
    assert_eq!(pull(&mut follower), Ok(300));
    // The 200th of the first stream is all that begins what matters.
    let place = |offset: u64| EventKey {
        lamport: one.records[offset as usize].lamport(),
        stream: one.trunk(),
    };
    follower.ignore_before(Some(place(199)));
    two.up_to(100).send(&log, two.trunk());
    assert_eq!(pull(&mut follower), Ok(0));
    assert_eq!(follower.position().offsets, *log.durable_map().unwrap(), "it was looked at");
    two.send(&log, two.trunk());
    let Err(Some(to)) = pull(&mut follower) else { panic!("no rewind") };
    assert!(to >= place(199) && to <= place(200), "no further than what matters");
    assert!(pull(&mut follower).unwrap() >= 199);
    // When it matters again, a reader that is led there gets all of it.
    follower.ignore_before(None);
    follower.resume_at(None).unwrap();
    assert_eq!(pull(&mut follower), Ok(600));
    three.send(&log, three.trunk());
    assert!(pull(&mut follower).is_err());
}

#[test]
fn who_waits_for_some_terms_is_woken_for_what_may_have_them() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let woken = |text: &str| {
        let query = Query::parse(text).unwrap();
        let mut follower = log.subscribe_by_key(&query, KeyPosition::default()).unwrap();
        while follower.next(100).unwrap() != KeyStep::Nothing {}
        let rung = Arc::new(AtomicI64::new(0));
        let count = rung.clone();
        follower.on_match(Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        (follower, rung)
    };
    let own =
        ["FROM 'a' & 'b' | 'c'", "FROM 'd'", "FROM isLocal", "FROM 'd' & appId(com.example.test)"];
    let own = own.map(woken);
    let counts = || own.each_ref().map(|(_, rung)| rung.swap(0, Ordering::Relaxed).min(1));
    let publish = |tags: &[&str]| drop(append(&log, vec![event("grain", tags)]));
    publish(&["a"]);
    assert_eq!(counts(), [0, 0, 1, 0]);
    publish(&["a", "b"]);
    assert_eq!(counts(), [1, 0, 1, 0]);
    publish(&["c"]);
    assert_eq!(counts(), [1, 0, 1, 0]);
    publish(&["d"]);
    assert_eq!(counts()[..3], [0, 1, 1]);
    append(&log, (0..5_000).map(|number| event(&format!("{number}"), &["grain"])).collect());
    assert_eq!(counts(), [1; 4], "so many are not looked through");
    close(log.clone());
    assert_eq!(counts(), [1; 4], "all hear of the end");
}

#[derive(Clone, Debug)]
enum Step {
    /// Stream, events, lamports seen of others.
    Write(usize, u64, u64),
    /// Stream, history, up to so many events more.
    Deliver(usize, usize, u64),
    /// Stream, history, part of its length in percent, events beyond.
    Fork(usize, usize, u64, u64),
    Checkpoint,
    Reopen,
    Kill,
    /// Steps, events of each, and whether what was begun is finished first.
    Pull(usize, usize, bool),
    /// Part of what is kept in percent.
    Stop(usize),
    ResumeAt(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..3, 1u64..700, 0u64..400)
            .prop_map(|(own, by, seen)| Step::Write(own, by, seen)),
        8 => (0usize..3, 0usize..9, 1u64..900).prop_map(|(own, at, by)| Step::Deliver(own, at, by)),
        1 => (0usize..3, 0usize..9, 0u64..100, 1u64..400)
            .prop_map(|(own, at, percent, by)| Step::Fork(own, at, percent, by)),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        6 => (1usize..6, 1usize..400, any::<bool>())
            .prop_map(|(steps, count, finishes)| Step::Pull(steps, count, finishes)),
        2 => prop_oneof![Just(100), 0usize..100].prop_map(Step::Stop),
        1 => (0usize..100).prop_map(Step::ResumeAt),
    ]
}

/// In which stream of the log the end of a history is.
fn home(histories: &[History], own: &History) -> StreamId {
    let forks = histories.iter().map(|other| (own.shared_with(other), other));
    let forks = forks.filter(|(at, other)| *at < own.len().min(other.len()));
    let last = forks.map(|(at, _)| at).max();
    last.map_or(own.trunk(), |at| own.trunk().branch(&own.chains[at as usize + 1]))
}

fn deliver(log: &Log, histories: &[History], own: &History, more: u64) {
    let stream = home(histories, own);
    let held = log.head(&stream).map_or(0, |head| head.count);
    own.up_to(own.len().min(held + more)).send(log, stream);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn whatever_comes_in_whatever_order_is_kept_as_a_sorted_list_would(
        steps in prop::collection::vec(any_step(), 1..30),
        query in prop::sample::select(vec![
            "FROM allEvents",
            "FROM 'lot:3'",
            "FROM 'lot:1' | 'w2' & 'lot:4'",
            "FROM from(300) & 'lot:2' | to(150)",
        ]),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = small(directory.path(), 2);
        let mut trunks = [9, 10, 11].map(|node| vec![History::new(node)]);
        let mut own = Subscriber::new(&log, query);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Write(trunk, by, seen) => {
                    let histories = &mut trunks[trunk];
                    let at = number % histories.len();
                    histories[at].write_after(&format!("w{trunk}"), by, seen);
                }
                Step::Deliver(trunk, at, by) => {
                    let histories = &trunks[trunk];
                    deliver(&log, histories, &histories[at % histories.len()], by);
                }
                Step::Fork(trunk, at, percent, by) => {
                    let histories = &mut trunks[trunk];
                    histories.iter().for_each(|own| deliver(&log, histories, own, u64::MAX / 2));
                    let held = histories[at % histories.len()].clone();
                    if held.len() > 0 && histories.len() < 6 {
                        let floor = held.len() * percent / 100;
                        let new = held.forked(floor, "fork", by);
                        let of = log.shared().state().windows.home(home(histories, &held), floor);
                        new.fork(&log, of, &held);
                        histories.push(new);
                    }
                }
                Step::Checkpoint => log.checkpoint_now().unwrap(),
                Step::Reopen | Step::Kill => {
                    match step {
                        Step::Kill => abandon(log),
                        _ => close(log),
                    }
                    log = small(directory.path(), 2);
                    own.stop(&log, own.kept.len());
                }
                Step::Pull(steps, count_max, finishes) => {
                    for _ in 0..steps {
                        match finishes {
                            true => own.finish(&log, count_max),
                            false => own.step(&log, count_max),
                        };
                    }
                }
                Step::Stop(percent) => own.stop(&log, own.kept.len() * percent / 100),
                Step::ResumeAt(percent) => {
                    own.kept.truncate(own.kept.len() * percent / 100);
                    let last = own.kept.last().map(|event| event.key);
                    own.follower.resume_at(last).unwrap();
                }
            }
        }
        own.catch_up(&log, 500);
        for histories in &trunks {
            histories.iter().for_each(|own| deliver(&log, histories, own, u64::MAX / 2));
        }
        own.catch_up(&log, 500);
    }
}

use super::*;
use crate::error::ErrorKind;
use crate::event::limits::BRANCHES_PER_TRUNK_MAX;
use crate::event::{
    Branch, Chain, EventKind, Header, Lamport, Record, SealRule, SignedHead, StreamEnd, StreamId,
};
use crate::log::Forked;
use crate::log::disk::{Operation, fault};
use proptest::prelude::*;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// One history of a stream, as its author or a thief of its key may have written it.
#[derive(Clone)]
struct History {
    key: NodeKey,
    records: Vec<Record>,
    /// After so many events.
    chains: Vec<Chain>,
}

impl History {
    fn new(key: u8) -> History {
        let key = NodeKey::from_seed(&[key; 32]);
        let trunk = StreamId { node: key.node_id(), number: 0 };
        History { key, records: Vec::new(), chains: vec![Chain::start(&swarm(), &trunk)] }
    }

    fn of(log: &Log, stream: &StreamId, key: u8) -> History {
        let mut history = History::new(key);
        while let Some(range) = log.read_range(stream, history.len()).unwrap() {
            range.into_records().into_iter().for_each(|record| history.push(record));
        }
        history
    }

    fn trunk(&self) -> StreamId {
        StreamId { node: self.key.node_id(), number: 0 }
    }

    fn len(&self) -> u64 {
        self.records.len() as u64
    }

    fn push(&mut self, record: Record) {
        self.chains.push(self.chains.last().unwrap().extend(&record.leaf()));
        self.records.push(record);
    }

    /// Goes on with `count` events of which `name` is the beginning of the text.
    fn write(&mut self, name: &str, count: u64) {
        for number in 0..count {
            let lamport = self.records.last().map_or(1, |last| last.lamport().value() + 1);
            let new = event(&format!("{name} {number}"), &[name, &format!("lot:{}", number % 7)]);
            let header = Header {
                kind: EventKind::Application,
                lamport: Lamport::new(lamport).unwrap(),
                time: WallTime::from_micros(number as i64),
                app_id: AppId::parse("test").unwrap(),
                tags: new.tags,
            };
            self.push(Record::encode(&header, &new.payload));
        }
    }

    fn up_to(&self, count: u64) -> History {
        let count = count as usize;
        let (records, chains) = (self.records[..count].to_vec(), self.chains[..=count].to_vec());
        History { records, chains, key: self.key.clone() }
    }

    /// Up to `at` the same, and then `count` others.
    fn forked(&self, at: u64, name: &str, count: u64) -> History {
        let mut other = self.up_to(at);
        other.write(name, count);
        other
    }

    fn head(&self, count: u64) -> SignedHead {
        let (chain, last) = (self.chains[count as usize], &self.records[count as usize - 1]);
        self.key.sign_head(&swarm(), 0, count, last.lamport(), chain)
    }

    /// Where blocks begin.
    fn blocks(&self) -> Vec<u64> {
        let (mut seal, mut blocks) = (SealRule::new(), vec![0]);
        for (record, count) in self.records.iter().zip(1..) {
            if seal.push(record.as_bytes().len()) {
                blocks.push(count);
            }
        }
        blocks
    }

    fn range(&self, stream: StreamId, from: u64) -> EventRange {
        let end = self.blocks().into_iter().find(|block| *block > from).unwrap_or(self.len());
        let records = self.records[from as usize..end as usize].to_vec();
        EventRange::new(from, records, self.head(end).on(stream))
    }

    /// Sends what the log lacks of `stream`, whose path this is.
    fn send(&self, log: &Log, stream: StreamId) {
        let mut held = log.head(&stream).map_or(0, |head| head.count);
        while held < self.len() {
            held = log.append_range(self.range(stream, held)).wait().unwrap().count;
        }
    }

    fn shared_with(&self, other: &History) -> u64 {
        let same = self.chains.iter().zip(&other.chains).take_while(|(one, two)| one == two);
        same.count() as u64 - 1
    }

    /// The branch of this history where it leaves `held`, which is the path of `of`.
    fn branch(&self, of: StreamId, held: &History) -> (Branch, EventRange) {
        let floor = self.shared_with(held);
        let start = self.blocks().into_iter().rfind(|block| *block <= floor).unwrap();
        let lamport = match start {
            0 => Lamport::ZERO,
            _ => self.records[start as usize - 1].lamport(),
        };
        let base = StreamEnd { count: start, chain: self.chains[start as usize], lamport };
        let stream = of.branch(&self.chains[floor as usize + 1]);
        let proof = [held.head(held.len()).on(of), self.head(self.len())];
        (Branch { stream, of, base, floor, proof }, self.range(stream, start))
    }

    /// Has the log meet this history where it leaves `held`.
    fn fork(&self, log: &Log, of: StreamId, held: &History) -> Forked {
        let (branch, range) = self.branch(of, held);
        let stream = branch.stream;
        let forked = log.fork(branch, range, 0).wait().unwrap();
        self.send(log, stream);
        forked
    }
}

/// Stream and offset of each event, by its place in the order: the naive judge.
type Places = BTreeMap<(u64, StreamId), (u64, String)>;

/// Where every event of these histories of one trunk is to be visible.
fn places(histories: &[History]) -> Places {
    let mut places = Places::new();
    for own in histories {
        let forks: Vec<u64> = histories
            .iter()
            .map(|other| (own.shared_with(other), other))
            .filter(|(shared, other)| *shared < own.len().min(other.len()))
            .map(|(shared, _)| shared)
            .collect();
        for (record, offset) in own.records.iter().zip(0..) {
            let first = forks.iter().filter(|at| **at <= offset).max();
            let stream =
                first.map_or(own.trunk(), |at| own.trunk().branch(&own.chains[*at as usize + 1]));
            let text = match record.payload().to_value().unwrap() {
                Value::Text(text) => text,
                _ => continue,
            };
            places.insert((record.lamport().value(), stream), (offset, text));
        }
    }
    places
}

fn seen(events: &[Event]) -> Vec<(u64, StreamId, u64, String)> {
    let seen = events.iter().zip(texts(events));
    let place = |(event, text): (&Event, String)| {
        (event.key.lamport.value(), event.key.stream, event.offset.value(), text)
    };
    seen.map(place).collect()
}

/// Asks in all orders, by tags, and follows from the beginning.
fn check_all(log: &Log, expected: &Places) {
    let mut rows: Vec<_> = expected
        .iter()
        .map(|((lamport, stream), (offset, text))| (*lamport, *stream, *offset, text.clone()))
        .collect();
    let all = |order| seen(&query_all(log, "FROM allEvents", order));
    assert_eq!(all(Order::Ascending), rows);
    let mut followed = follow(log, &mut everything());
    followed.sort();
    assert_eq!(followed, rows, "followed");
    rows.reverse();
    assert_eq!(all(Order::Descending), rows);
    rows.sort_by_key(|row| (row.1, row.2));
    assert_eq!(all(Order::Stream), rows);
    let names: BTreeSet<&str> = rows.iter().filter_map(|row| row.3.split(' ').next()).collect();
    for name in names {
        let is_own = |row: &&(u64, StreamId, u64, String)| row.3.split(' ').next() == Some(name);
        let mut own: Vec<_> = rows.iter().filter(is_own).cloned().collect();
        own.sort();
        let query = format!("FROM '{name}'");
        assert_eq!(seen(&query_all(log, &query, Order::Ascending)), own, "{name}");
    }
    log.check().unwrap();
    let stats = log.stats().unwrap();
    assert!(stats.events >= rows.len() as u64);
    assert_eq!(u128::from(stats.events), log.status().unwrap().event_count);
}

/// What a follower delivers from a position on.
fn follow(log: &Log, position: &mut OffsetMap) -> Vec<(u64, StreamId, u64, String)> {
    let mut follower = log.subscribe(&Query::all(), position.clone()).unwrap();
    let mut found = Vec::new();
    loop {
        let batch = follower.next_batch(333).unwrap();
        *position = batch.position;
        if batch.events.is_empty() {
            assert!(batch.caught_up && batch.lag == 0);
            return found;
        }
        found.extend(seen(&owned(&batch.events)));
    }
}

fn small(path: &Path, node: u8) -> Log {
    let mut options = options(path, node);
    options.segment_bytes = 64 << 10;
    options.cache_bytes_max = 100 << 10;
    Log::open(options).unwrap()
}

#[test]
fn after_a_fork_each_event_is_there_once_whatever_the_store_goes_through() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = small(directory.path(), 2);
    let mut held = History::new(9);
    held.write("rye", 2_500);
    let trunk = held.trunk();
    held.send(&log, trunk);
    log.checkpoint_now().unwrap();
    held.write("oat", 700);
    held.send(&log, trunk);
    let other = held.forked(1_500, "wheat", 900);
    let forked = other.fork(&log, trunk, &held);
    let ours = trunk.branch(&held.chains[1_501]);
    let theirs = trunk.branch(&other.chains[1_501]);
    let streams: Vec<StreamId> = forked.branches.iter().map(|branch| branch.stream).collect();
    assert_eq!((forked.of, forked.at, streams), (trunk, 1_500, vec![ours, theirs]));
    let expected = places(&[held.clone(), other.clone()]);
    for round in 0..4 {
        check_all(&log, &expected);
        let durable = log.durable_map().unwrap();
        let counts = [trunk, ours, theirs].map(|stream| durable.count(&stream));
        assert_eq!(counts, [1_500, 3_200, 2_400]);
        assert_eq!(log.status().unwrap().event_count, 1_500 + 1_700 + 900);
        match round {
            0 => log.checkpoint_now().unwrap(),
            1 => {
                abandon(log);
                log = small(directory.path(), 2);
            }
            _ => {
                close(log);
                log = small(directory.path(), 2);
            }
        }
    }
    // What is hidden is served to those who do not know.
    let range = log.read_range(&trunk, 2_048).unwrap().unwrap();
    assert_eq!(range.records(), &held.records[2_048..3_072]);
    assert_eq!(log.read_range(&theirs, 0).unwrap().unwrap().first, 1_024);
    assert_eq!(log.chain_at(&theirs, 1_024).unwrap(), Some(held.chains[1_024]));
    assert_eq!(log.chain_at(&theirs, 1_023).unwrap(), None);
    assert_eq!(log.chain_at(&ours, 3_000).unwrap(), Some(held.chains[3_000]));
    assert_eq!(log.block_start(&theirs, 1_500).unwrap(), Some(1_024));
    assert_eq!(log.block_start(&theirs, 1_000).unwrap(), None);
    // A sealed stream takes nothing more, a branch does.
    held.write("rye", 10);
    let error = log.append_range(held.range(trunk, 3_200)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forked);
    held.send(&log, ours);
    check_all(&log, &places(&[held, other]));
    assert_eq!(log.forks().len(), 1);
}

#[test]
fn an_own_stream_that_is_sealed_is_left_and_retries_find_their_events_in_the_branch() {
    let directory = tempfile::tempdir().unwrap();
    let log = small(directory.path(), 1);
    append(&log, events(0..490));
    let keyed = |key: u8| AppendOptions { idempotency_key: Some(vec![key]), ..as_app() };
    log.append(events(490..510), keyed(1)).wait().unwrap();
    let after = log.append(events(510..520), keyed(2)).wait().unwrap();
    let trunk = log.own_stream();
    let held = History::of(&log, &trunk, 1);
    let other = held.forked(500, "clone", 30);
    let mut ahead = held.clone();
    ahead.write("ahead", 1);
    let error = log.append_range(ahead.range(trunk, 520)).wait().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Forked, Some("grown_elsewhere")));
    let (branch, range) = other.branch(trunk, &held);
    let forked = log.fork(branch, range, 3).wait().unwrap();
    let ours = trunk.branch(&held.chains[501]);
    assert_eq!(forked.own, Some(StreamId { number: 4, ..trunk }));
    assert_eq!(log.own_stream().number, 4);
    let expected = places(&[held.clone(), other.clone()]);
    check_all(&log, &expected);
    for log in [log.clone(), log] {
        let again = log.append(events(490..510), keyed(1)).wait().unwrap();
        let streams: Vec<StreamId> = again.receipts().map(|own| own.key.stream).collect();
        assert_eq!(streams, [vec![trunk; 10], vec![ours; 10]].concat());
        assert!(again.replayed && again.stream == trunk);
        assert_eq!(again.token().count(&ours), 520);
        let again = log.append(events(510..520), keyed(2)).wait().unwrap();
        assert_eq!((again.stream, again.first_offset), (ours, after.first_offset));
    }
    // A token from before names all that it can have meant.
    let log = small(directory.path(), 1);
    let upper = Some(after.token());
    let options = CursorOptions { upper: upper.clone(), ..CursorOptions::default() };
    let batch = log.cursor(&Query::all(), options).unwrap().next_batch(9_999).unwrap();
    assert_eq!(batch.len(), 500 + 20 + 20);
    let mut beyond = after.token();
    beyond.raise(trunk, 600);
    let options = CursorOptions { upper: Some(beyond), ..CursorOptions::default() };
    let error = log.cursor(&Query::all(), options).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotYetVisible);
    // What is published goes on in the new stream, behind its opening record.
    let appended = append(&log, events(0..3));
    assert_eq!((appended.stream.number, appended.first_offset.value()), (4, 1));
    abandon(log);
    let log = small(directory.path(), 1);
    assert_eq!((log.own_stream().number, log.forks()[0].at), (4, 500));
    log.check().unwrap();
}

#[test]
fn who_follows_across_a_fork_misses_nothing_and_a_position_after_it_is_exact() {
    let directory = tempfile::tempdir().unwrap();
    let log = small(directory.path(), 2);
    let mut held = History::new(9);
    held.write("rye", 1_200);
    let trunk = held.trunk();
    held.send(&log, trunk);
    let mut live = log.subscribe(&Query::all(), everything()).unwrap();
    let first = live.next_batch(1_100).unwrap();
    assert_eq!(first.events.len(), 1_100);
    let mut before = everything();
    assert_eq!(follow(&log, &mut before).len(), 1_200);
    let other = held.forked(700, "wheat", 600);
    other.fork(&log, trunk, &held);
    let histories = [held.clone(), other.clone()];
    let expected: BTreeSet<_> =
        places(&histories).into_iter().map(|((at, own), (offset, _))| (at, own, offset)).collect();
    let place = |own: &(u64, StreamId, u64, String)| (own.0, own.1, own.2);
    // All under the names of today, but for what was delivered of the trunk below the fork.
    let mut met: Vec<_> = seen(&owned(&first.events)).iter().map(place).collect();
    met.retain(|own| own.2 < 700);
    let mut is_done = false;
    while !is_done {
        let batch = live.next_batch(100).unwrap();
        met.extend(seen(&owned(&batch.events)).iter().map(place));
        is_done = batch.events.is_empty();
        assert!(!is_done || (batch.caught_up && batch.lag == 0));
    }
    assert_eq!(met.len(), expected.len(), "none twice");
    assert_eq!(met.into_iter().collect::<BTreeSet<_>>(), expected);
    // A position from before, on a node that meets it after.
    let mut position = before;
    let found: BTreeSet<_> = follow(&log, &mut position).iter().map(place).collect();
    let beyond = expected.iter().filter(|own| own.1 != trunk).copied().collect::<BTreeSet<_>>();
    assert_eq!(found, beyond);
    assert_eq!(position, *log.durable_map().unwrap(), "a position names each branch");
    held.write("rye", 50);
    held.send(&log, trunk.branch(&held.chains[701]));
    assert_eq!(follow(&log, &mut position).len(), 50, "and is exact");
    assert_eq!(live.next_batch(100).unwrap().events.len(), 50);
}

#[test]
fn seals_go_down_and_branches_fork_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = small(directory.path(), 2);
    let mut held = History::new(9);
    held.write("rye", 3_000);
    let trunk = held.trunk();
    held.send(&log, trunk);
    let second = held.forked(2_400, "wheat", 700);
    second.fork(&log, trunk, &held);
    // Lower than before: what is between belongs to a branch now.
    let third = held.forked(1_024, "oat", 1_500);
    third.fork(&log, trunk, &held);
    let mut all = vec![held.clone(), second.clone(), third.clone()];
    check_all(&log, &places(&all));
    // At the same event another one.
    let fourth = held.forked(1_024, "corn", 10);
    fourth.fork(&log, trunk, &held);
    // In a branch; there the same name is found from the branch.
    let wheat = trunk.branch(&second.chains[2_401]);
    let fifth = second.forked(2_900, "rice", 300);
    fifth.fork(&log, wheat, &second);
    // Between the two seals of the trunk's own path.
    let middle = trunk.branch(&held.chains[1_025]);
    let sixth = held.forked(2_000, "maize", 40);
    sixth.fork(&log, middle, &held);
    // From the very beginning.
    let seventh = held.forked(0, "hemp", 2);
    seventh.fork(&log, trunk, &held);
    all.extend([fourth, fifth, sixth, seventh]);
    for _ in 0..2 {
        check_all(&log, &places(&all));
        abandon(log);
        log = small(directory.path(), 2);
    }
    close(log);
    let log = small(directory.path(), 2);
    check_all(&log, &places(&all));
    log.compact(|| true).wait().unwrap();
    check_all(&log, &places(&all));
    assert_eq!(log.durable_map().unwrap().count(&trunk), 0, "all of it is in branches");
    let stale = held.forked(500, "late", 3);
    let (branch, range) = stale.branch(trunk, &held);
    assert_eq!(log.fork(branch, range, 0).wait().unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn what_is_no_fork_is_refused_and_a_known_one_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let log = small(directory.path(), 2);
    let mut held = History::new(9);
    held.write("rye", 1_500);
    let trunk = held.trunk();
    held.send(&log, trunk);
    let other = held.forked(1_200, "wheat", 100);
    let (branch, range) = other.branch(trunk, &held);
    let refused = |change: &dyn Fn(&mut Branch, &mut EventRange)| {
        let (mut branch, mut range) = (branch.clone(), range.clone());
        change(&mut branch, &mut range);
        let error = log.fork(branch, range, 0).wait().unwrap_err();
        assert!(log.forks().is_empty() && log.durable_map().unwrap().stream_count() == 1);
        error.kind()
    };
    let misbehaved = ErrorKind::PeerMisbehaved;
    assert_eq!(refused(&|branch, _| branch.floor += 1), misbehaved);
    assert_eq!(refused(&|branch, _| branch.floor = 1_500), ErrorKind::Conflict);
    assert_eq!(refused(&|branch, _| branch.base.count = 0), misbehaved);
    assert_eq!(refused(&|branch, _| branch.base.lamport = Lamport::ZERO), misbehaved);
    assert_eq!(refused(&|branch, _| branch.proof[1].signature[0] ^= 1), misbehaved);
    assert_eq!(refused(&|branch, _| branch.of.number = 1), ErrorKind::Conflict);
    assert_eq!(refused(&|_, range| range.head.signature[0] ^= 1), misbehaved);
    let stream = trunk.branch(&held.chains[1_201]);
    let same = |branch: &mut Branch, range: &mut EventRange| {
        (branch.stream, *range) = (stream, held.range(stream, 1_024));
    };
    assert_eq!(refused(&same), misbehaved, "our own history is none");
    let error = log.append_range(range.clone()).wait().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (misbehaved, Some("gap")));
    let forked = log.fork(branch.clone(), range.clone(), 0).wait().unwrap();
    assert_eq!(log.fork(branch, range, 0).wait().unwrap(), forked);
    for number in 2..BRANCHES_PER_TRUNK_MAX {
        held.forked(1_200, &format!("no{number}"), 2).fork(&log, trunk, &held);
    }
    let (branch, range) = held.forked(1_200, "last", 2).branch(trunk, &held);
    let error = log.fork(branch, range, 0).wait().unwrap_err();
    assert_eq!(error.reason(), Some("branches_per_trunk"));
    log.check().unwrap();
}

#[test]
fn a_fork_whose_copy_fails_is_hidden_and_goes_on_where_it_was() {
    for failing in 0..12u32 {
        let directory = tempfile::tempdir().unwrap();
        let log = small(directory.path(), 2);
        let mut held = History::new(9);
        held.write("rye", 2_000);
        let trunk = held.trunk();
        held.send(&log, trunk);
        let other = held.forked(300, "wheat", 100);
        let (branch, range) = other.branch(trunk, &held);
        let operation = [Operation::Sync, Operation::Write][failing as usize % 2];
        fault::plant(directory.path(), operation, failing / 2, 1, Errno::IO);
        let forked = log.fork(branch, range, 0).wait();
        fault::clear(directory.path());
        let shown = match forked {
            Ok(_) => vec![held.clone(), other.clone()],
            Err(_) => vec![held.clone()],
        };
        check_all(&log, &places(&shown));
        abandon(log);
        let log = small(directory.path(), 2);
        if shown.len() < 2 && log.forks().is_empty() {
            check_all(&log, &places(&shown));
            assert_eq!(log.heads().len(), 1, "nobody is told of a copy");
        }
        other.fork(&log, trunk, &held);
        check_all(&log, &places(&[held, other]));
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// History, part of its length in percent, events beyond.
    Fork(usize, u64, u64),
    Grow(usize, u64),
    Checkpoint,
    Reopen,
    Kill,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..9, 0u64..100, 1u64..900).prop_map(|(own, at, by)| Step::Fork(own, at, by)),
        3 => (0usize..9, 1u64..900).prop_map(|(own, by)| Step::Grow(own, by)),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

/// In which stream the event of a history is visible.
fn home(histories: &[History], own: &History, offset: u64) -> StreamId {
    let forks = histories.iter().map(|other| (own.shared_with(other), other));
    let forks = forks.filter(|(at, other)| *at < own.len().min(other.len()) && *at <= offset);
    forks
        .map(|(at, _)| at)
        .max()
        .map_or(own.trunk(), |at| own.trunk().branch(&own.chains[at as usize + 1]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_tree_of_histories_is_shown_as_a_list_would_be(
        first in 1u64..2_500,
        steps in prop::collection::vec(any_step(), 1..12),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = small(directory.path(), 2);
        let mut all = vec![History::new(9)];
        all[0].write("h0", first);
        all[0].send(&log, all[0].trunk());
        let mut position = everything();
        let mut met: BTreeSet<(u64, StreamId, u64, String)> = BTreeSet::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Fork(own, percent, by) => {
                    let held = all[own % all.len()].clone();
                    let at = held.len() * percent / 100;
                    let new = held.forked(at, &format!("f{number}"), by);
                    // The lowest fork there is the stream's that is sealed there, if one is.
                    let sealed = log.forks().into_iter().find(|fork| {
                        let path = held.chains.get(at as usize);
                        fork.at == at
                            && log.chain_at(&fork.of, at).unwrap().as_ref() == path
                            && log.durable_map().unwrap().count(&fork.of) == at
                    });
                    let of = sealed.map_or_else(|| home(&all, &held, at), |fork| fork.of);
                    let is_room = log.forks().iter().map(|f| f.branches.len()).sum::<usize>() < 15;
                    if is_room {
                        new.fork(&log, of, &held);
                        all.push(new);
                    }
                }
                Step::Grow(own, by) => {
                    let own = own % all.len();
                    all[own].write(&format!("g{number}"), by);
                    let grown = &all[own];
                    grown.send(&log, home(&all, grown, grown.len() - 1));
                }
                Step::Checkpoint => log.checkpoint_now().unwrap(),
                Step::Reopen => {
                    close(log);
                    log = small(directory.path(), 2);
                }
                Step::Kill => {
                    abandon(log);
                    log = small(directory.path(), 2);
                }
            }
            met.extend(follow(&log, &mut position));
        }
        let expected = places(&all);
        check_all(&log, &expected);
        for ((lamport, stream), (offset, text)) in expected {
            prop_assert!(met.contains(&(lamport, stream, offset, text)));
        }
    }
}

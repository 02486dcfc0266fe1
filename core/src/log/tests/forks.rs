use super::histories::{History, check_all, follow, holding, places, seen, small};
use super::*;
use crate::error::ErrorKind;
use crate::event::limits::BRANCHES_PER_TRUNK_MAX;
use crate::event::{Branch, Lamport, StreamId};
use crate::files::{Operation, fault};
use crate::log::{Durability, Follower};
use rustix::io::Errno;
use std::collections::BTreeSet;

#[test]
fn after_a_fork_each_event_is_there_once_whatever_the_store_goes_through() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, mut held, trunk) = holding(directory.path(), 2_500);
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
    let (log, mut held, trunk) = holding(directory.path(), 1_200);
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
    // What was delivered before is under another name today.
    let ours = trunk.branch(&held.chains[701]);
    let mut met: Vec<_> = seen(&owned(&first.events)).iter().map(place).collect();
    met.iter_mut().filter(|own| own.2 >= 700).for_each(|own| own.1 = ours);
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
fn who_follows_while_seals_go_down_gets_each_event_once() {
    let directory = tempfile::tempdir().unwrap();
    let (log, held, trunk) = holding(directory.path(), 900);
    let mut from = everything();
    from.set(trunk, 650);
    let mut live = log.subscribe(&Query::all(), everything()).unwrap();
    let mut late = log.subscribe(&Query::all(), from).unwrap();
    let mut met: [Vec<String>; 2] = Default::default();
    let pull = |follower: &mut Follower, met: &mut Vec<String>| loop {
        let batch = follower.next_batch(70).unwrap();
        met.extend(seen(&owned(&batch.events)).into_iter().map(|own| own.3));
        if batch.events.is_empty() {
            return;
        }
    };
    let mut all = vec![held.clone()];
    for (at, crop) in [(800, "wheat"), (600, "oat"), (700, "corn")] {
        pull(&mut live, &mut met[0]);
        pull(&mut late, &mut met[1]);
        let other = held.forked(at, crop, 350);
        let home = log.shared().state().windows.home(trunk, at);
        other.fork(&log, home, &held);
        all.push(other);
    }
    pull(&mut live, &mut met[0]);
    pull(&mut late, &mut met[1]);
    let expected = places(&all);
    let [live, late] = met.map(|texts| (texts.len(), texts.into_iter().collect::<BTreeSet<_>>()));
    assert_eq!((live.0, live.1.len()), (expected.len(), expected.len()), "each once");
    // Where it began was beyond a seal, so what is above that one comes again.
    assert!(late.0 > late.1.len() && late.1.len() >= expected.len() - 650, "nothing is missing");
}

#[test]
fn seals_go_down_and_branches_fork_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, held, trunk) = holding(directory.path(), 3_000);
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
    // Whoever does not know how far it has come is understood.
    let late = held.forked(500, "late", 3);
    late.fork(&log, trunk, &held);
    let later = held.forked(2_400, "later", 3);
    later.fork(&log, wheat, &held);
    all.extend([late, later]);
    check_all(&log, &places(&all));
    let sealed: BTreeSet<StreamId> = log.forks().iter().map(|fork| fork.of).collect();
    assert_eq!(sealed.len(), log.forks().len(), "a stream forks at its seal only");
}

#[test]
fn what_is_no_fork_is_refused_and_a_known_one_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let (log, held, trunk) = holding(directory.path(), 1_500);
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
        let (log, held, trunk) = holding(directory.path(), 2_000);
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

#[test]
fn others_append_while_a_long_stream_forks_and_nothing_is_lost_of_one_that_is_being_written() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let mut options = options(directory.path(), 1);
        (options.segment_bytes, options.tail_bytes_max) = (64 << 10, 128 << 10);
        Log::open(options).unwrap()
    };
    let log = open();
    for _ in 0..20 {
        append(&log, events(0..1_000));
    }
    let trunk = log.own_stream();
    let held = History::of(&log, &trunk, 1);
    let other = held.forked(100, "clone", 400);
    let (branch, range) = other.branch(trunk, &held);
    let ours = trunk.branch(&held.chains[101]);
    let writer = log.clone();
    let (begun, begins) = std::sync::mpsc::channel();
    let writing = std::thread::spawn(move || {
        let mut streams = BTreeSet::new();
        let mut written = 0u64;
        let options = AppendOptions { durability: Durability::Process, ..as_app() };
        while streams.len() < 2 || written < 200 {
            let appended = writer.append(events(0..5), options.clone()).wait().unwrap();
            streams.insert(appended.stream);
            written += 5;
            let _ = begun.send(());
        }
        written
    });
    begins.recv().unwrap();
    let forked = log.fork(branch, range, 0).wait().unwrap();
    let written = writing.join().unwrap();
    assert_eq!(forked.own, Some(log.own_stream()));
    let check = |log: &Log, more: u64| {
        append(log, events(0..1));
        let all = query_all(log, "FROM allEvents", Order::Stream);
        let of =
            |stream: StreamId| all.iter().filter(|event| event.key.stream == stream).count() as u64;
        let (next, theirs) = (log.own_stream(), trunk.branch(&other.chains[101]));
        assert_eq!((of(trunk), of(theirs)), (100, 400));
        assert!(of(ours) >= 20_000 - 100 && of(next) > 0);
        assert_eq!(of(trunk) + of(ours) + of(next), 20_000 + written + more);
        log.check().unwrap();
    };
    check(&log, 1);
    abandon(log);
    check(&open(), 2);
}

#[test]
fn a_fork_finds_what_was_sent_to_the_log_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let (log, mut held, trunk) = holding(directory.path(), 100);
    let (mut others, mut path) = (Vec::new(), trunk);
    for round in 0..4 {
        let from = held.len();
        held.write(&format!("oat{round}"), 40);
        let other = held.forked(from + 20, &format!("wheat{round}"), 10);
        let (branch, range) = other.branch(path, &held);
        let stored = log.append_range(held.range(path, from));
        let forked = log.fork(branch, range, 0);
        assert_eq!(stored.wait().unwrap().count, from + 40);
        let forked = forked.wait().unwrap();
        assert_eq!(forked.at, from + 20);
        path = forked.branches[0].stream;
        others.push(other);
    }
    others.push(held);
    check_all(&log, &places(&others));
}

use super::*;
use crate::error::ErrorKind;
use crate::event::tests::later;
use crate::event::{Record, StreamEnd};
use crate::log::Durability;
use std::time::Instant;

#[test]
fn what_was_published_is_read_back_in_every_order() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let appended = append(&log, events(0..3000));
    assert_eq!((appended.first_offset.value(), appended.count), (0, 3000));
    let read = query_all(&log, "FROM allEvents", Order::Ascending);
    assert_eq!(read.len(), 3000);
    for (event, receipt) in read.iter().zip(appended.receipts()) {
        assert_eq!(
            (event.key, event.offset, event.time),
            (receipt.key, receipt.offset, receipt.time)
        );
    }
    let mut backwards = query_all(&log, "FROM allEvents", Order::Descending);
    backwards.reverse();
    assert_eq!(backwards, read);
    assert_eq!(query_all(&log, "FROM allEvents", Order::Stream), read);
    let lot: Vec<String> = texts(&query_all(&log, "FROM 'lot:3' & 'grain'", Order::Ascending));
    assert_eq!(lot.len(), 429);
    assert_eq!(lot[1], "grain 10");
    log.check().unwrap();
    let chain = log.chain_at(&log.own_stream(), 2500).unwrap().unwrap();
    log.checkpoint_now().unwrap();
    assert_eq!(log.chain_at(&log.own_stream(), 2500).unwrap(), Some(chain));
    assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending), read);
    assert_eq!(texts(&query_all(&log, "FROM 'lot:3'", Order::Ascending)), lot);
    log.check().unwrap();
    close(log);
}

#[test]
fn a_closed_store_opens_again_with_everything() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let log = open(directory.path());
        assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending).len(), round * 700);
        assert_eq!(log.own_stream().number, 0);
        for step in 0..7 {
            append(&log, events(step * 100..step * 100 + 100));
        }
        log.check().unwrap();
        close(log);
    }
}

#[test]
fn many_callers_get_distinct_places_and_share_commits() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let mut offsets: Vec<u64> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let place = |n| append(&log, events(n..n + 1)).first_offset.value();
                    (0..50).map(place).collect::<Vec<u64>>()
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    offsets.sort_unstable();
    assert_eq!(offsets, (0..400).collect::<Vec<u64>>());
    log.check().unwrap();
}

#[test]
fn the_same_key_gets_the_first_answer_before_and_after_checkpoint_and_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    let keyed = AppendOptions { idempotency_key: Some(b"order 7".to_vec()), ..as_app() };
    let first = log.append(events(0..5), keyed.clone()).wait().unwrap();
    for step in 0..3 {
        let again = log.append(events(0..5), keyed.clone()).wait().unwrap();
        assert!(again.receipts().eq(first.receipts()), "step {step}");
        let error = log.append(events(0..6), keyed.clone()).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        if step == 0 {
            log.checkpoint_now().unwrap();
        } else {
            close(log);
            log = open(directory.path());
        }
    }
    assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending).len(), 5);
}

#[test]
fn an_expected_count_that_differs_is_a_conflict_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let expecting = |count| AppendOptions { expected: Some(count), ..as_app() };
    log.append(events(0..2), expecting(0)).wait().unwrap();
    let error = log.append(events(2..3), expecting(1)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains('2') && error.message().contains('1'), "{error}");
    log.append(events(2..3), expecting(2)).wait().unwrap();
    assert_eq!(log.durable_map().unwrap().total(), 3);
}

#[test]
fn process_durable_events_become_visible_soon_and_survive_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let mut watch = log.watch();
    let relaxed = AppendOptions { durability: Durability::Process, ..as_app() };
    let appended = log.append(events(0..1), relaxed).wait().unwrap();
    assert!(watch.wait_until(Instant::now() + Duration::from_secs(20)));
    assert!(log.durable_map().unwrap().covers(&appended.token()));
    close(log);
    assert_eq!(open(directory.path()).durable_map().unwrap().total(), 1);
}

#[test]
fn opening_twice_in_one_process_is_the_same_log_and_a_closed_one_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let again = open(&directory.path().join("."));
    assert!(log.is_same(&again));
    let waiting = log.clone();
    close(log);
    assert_eq!(
        waiting.append(events(0..1), as_app()).wait().unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert_eq!(waiting.check().unwrap_err().kind(), ErrorKind::Closed);
    waiting.close(Duration::ZERO).unwrap();
    let fresh = open(directory.path());
    assert!(!fresh.is_same(&again));
    append(&fresh, events(0..1));
}

#[test]
fn another_swarm_or_node_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    close(open(directory.path()));
    let mut other = options(directory.path(), 1);
    other.swarm = SwarmSecret::from_bytes([8; 32]).swarm_id();
    let error = Log::open(other.clone()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains(&swarm().to_string()), "{error}");
    assert!(error.message().contains(&other.swarm.to_string()), "{error}");
    let error = Log::open(options(directory.path(), 2)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn streams_of_other_nodes_arrive_whole_and_merge_in_one_order() {
    let directory = tempfile::tempdir().unwrap();
    let logs: Vec<Log> = (1..4)
        .map(|node| Log::open(options(&directory.path().join(node.to_string()), node)).unwrap())
        .collect();
    for round in 0..20 {
        for (log, step) in logs.iter().zip(0..) {
            append(log, events(round * 200..round * 200 + 37 * (step + 1)));
        }
        if round % 5 == 2 {
            send_all(&logs[0], &logs[1]);
            send_all(&logs[1], &logs[2]);
            logs[1].checkpoint_now().unwrap();
        }
    }
    for (from, to) in [(0, 1), (1, 2), (2, 1), (1, 0)] {
        send_all(&logs[from], &logs[to]);
    }
    let all = query_all(&logs[0], "FROM allEvents", Order::Ascending);
    assert_eq!(all.len(), 20 * 37 * 6);
    assert!(all.windows(2).all(|pair| pair[0].key < pair[1].key));
    for log in &logs {
        log.check().unwrap();
        assert_eq!(query_all(log, "FROM allEvents", Order::Ascending), all);
        log.checkpoint_now().unwrap();
        log.check().unwrap();
        assert_eq!(query_all(log, "FROM allEvents", Order::Ascending), all);
        assert_eq!(query_all(log, "FROM isLocal", Order::Ascending).len() % 37, 0);
    }
}

#[test]
fn a_range_with_a_gap_or_a_flipped_bit_is_refused_and_an_overlap_is_trimmed() {
    let directory = tempfile::tempdir().unwrap();
    let from = Log::open(options(&directory.path().join("a"), 1)).unwrap();
    let to = Log::open(options(&directory.path().join("b"), 2)).unwrap();
    append(&from, events(0..5));
    let first = from.read_range(&from.own_stream(), 0).unwrap().unwrap();
    append(&from, events(5..9));
    let whole = from.read_range(&from.own_stream(), 0).unwrap().unwrap();
    let rest = from.read_range(&from.own_stream(), 5).unwrap().unwrap();
    let error = to.append_range(rest).wait().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::PeerMisbehaved, Some("gap")));
    let mut forged = first.clone();
    forged.head.signature[3] ^= 1;
    let error = to.append_range(forged).wait().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::PeerMisbehaved, Some("forged")));
    assert_eq!(to.durable_map().unwrap().total(), 0);
    assert_eq!(to.append_range(first.clone()).wait().unwrap().count, 5);
    assert_eq!(to.append_range(whole).wait().unwrap().count, 9);
    assert_eq!(to.append_range(first).wait().unwrap().count, 9);
    to.check().unwrap();
}

/// A range whose last event is one of a millpond to come.
fn ending_with(later: Record, before: &StreamEnd, key: &NodeKey) -> EventRange {
    let chain = before.chain.extend(&later.leaf());
    let head = key.sign_head(&swarm(), 0, before.count + 1, later.lamport(), chain);
    EventRange::new(before.count, vec![later], head)
}

#[test]
fn an_event_that_need_not_be_understood_is_kept_and_shown_to_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let (from, path) = (directory.path().join("a"), directory.path().join("b"));
    let from = Log::open(options(&from, 1)).unwrap();
    let to = Log::open(options(&path, 2)).unwrap();
    append(&from, events(0..5));
    send_all(&from, &to);
    let (key, end) = (NodeKey::from_seed(&[1; 32]), StreamEnd::from(&from.heads()[0]));
    let error = to.append_range(ending_with(later(0, 2, 9), &end, &key)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FormatTooNew, "{error}");
    let range = ending_with(later(1, 0x80, 9), &end, &key);
    assert_eq!(to.append_range(range.clone()).wait().unwrap().count, 6);
    append(&to, events(6..7));
    let check = |to: &Log| {
        to.check().unwrap();
        assert_eq!(to.durable_map().unwrap().total(), 7);
        assert_eq!(to.read_range(&range.stream(), 5).unwrap(), Some(range.clone()));
        let all = query_all(to, "FROM allEvents", Order::Ascending);
        assert_eq!(all.len(), 6);
        assert_eq!(all[5].key.lamport.value(), 10, "its lamport was seen");
        assert_eq!(query_all(to, "FROM 'grain'", Order::Stream).len(), 6);
        let query = Query::parse("FROM allEvents").unwrap();
        let batch = to.subscribe(&query, everything()).unwrap().next_batch(100).unwrap();
        assert_eq!((batch.events.len(), batch.position.total(), batch.caught_up), (6, 7, true));
    };
    check(&to);
    to.checkpoint_now().unwrap();
    check(&to);
    close(to);
    check(&Log::open(options(&path, 2)).unwrap());
}

#[test]
fn a_follower_sees_everything_once_across_windows_restarts_and_checkpoints() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..250));
    let query = Query::parse("FROM 'lot:1' | 'lot:2'").unwrap();
    let mut seen = Vec::new();
    let mut follower = log.subscribe(&query, everything()).unwrap();
    let mut caught_up = Vec::new();
    for round in 0..60 {
        let batch = follower.next_batch(7).unwrap();
        seen.extend(texts(&owned(&batch.events)));
        caught_up.push(batch.caught_up);
        if round == 3 {
            append(&log, events(250..400));
            log.checkpoint_now().unwrap();
        }
        if round % 9 == 8 {
            follower = log.subscribe(&query, batch.position).unwrap();
        }
    }
    let expected = texts(&query_all(&log, &query.to_string(), Order::Ascending));
    assert_eq!(seen, expected);
    assert!(!caught_up[0] && *caught_up.last().unwrap());
    let idle = follower.next_batch(7).unwrap();
    assert_eq!((idle.events.len(), idle.lag, idle.caught_up), (0, 0, true));
}

#[test]
fn a_cursor_stays_inside_its_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let token = append(&log, events(0..10)).token();
    let later = append(&log, events(10..20)).token();
    append(&log, events(20..30));
    let (order, upper) = (Order::Descending, Some(later));
    let options = CursorOptions { lower: token, upper, order, ..CursorOptions::default() };
    let mut cursor = log.cursor(&Query::all(), options.clone()).unwrap();
    let read = texts(&owned(&cursor.next_batch(100).unwrap()));
    assert_eq!((read.len(), read[0].as_str(), read[9].as_str()), (10, "grain 19", "grain 10"));
    let mut beyond = options;
    beyond.upper = Some([(log.own_stream(), 99)].into_iter().collect());
    let error = log.cursor(&Query::all(), beyond).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotYetVisible);
}

#[test]
fn whoever_waits_for_more_is_woken_by_growth_and_by_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let mut follower = log.subscribe(&Query::all(), everything()).unwrap();
    assert!(!follower.wait(Some(Duration::from_millis(1))).unwrap());
    let (send, receive) = std::sync::mpsc::channel();
    let growth = send.clone();
    log.on_durable(Arc::new(move |heads| growth.send(heads[0].count).unwrap()));
    follower.on_ready(Arc::new(move || send.send(0).unwrap()));
    append(&log, events(0..4));
    assert_eq!((receive.recv().unwrap(), receive.recv().unwrap()), (0, 4));
    assert!(follower.wait(None).unwrap());
    assert_eq!(follower.next_batch(100).unwrap().events.len(), 4);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| follower.wait(None));
        close(log);
        assert_eq!(waiting.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn an_answer_costs_what_it_finds_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let rare = |n: u64| if n % 4_000 == 17 { vec!["grain", "rare"] } else { vec!["grain"] };
    for start in (0..12_000).step_by(1_000) {
        let events = (start..start + 1_000).map(|n| event(&n.to_string(), &rare(n)));
        append(&log, events.collect());
    }
    log.checkpoint_now().unwrap();
    let explain = |text: &str, order, count| {
        let options = CursorOptions { order, ..CursorOptions::default() };
        let mut cursor = log.cursor(&Query::parse(text).unwrap(), options).unwrap();
        let found = cursor.next_batch(count).unwrap().len();
        let explanation = cursor.explain().unwrap();
        assert_eq!(explanation.actual.events, found as u64);
        explanation
    };
    let all = explain("FROM 'rare'", Order::Ascending, 100);
    assert_eq!((all.actual.events, all.expected.blocks, all.expected.frames), (3, 3, 3));
    assert_eq!((all.actual.blocks, all.actual.frames), (3, 3), "{all}");
    let newest = explain("FROM 'grain'", Order::Descending, 10);
    assert!(newest.actual.blocks <= 2 && newest.actual.frames <= 2, "{newest}");
    assert_eq!((newest.expected.events, newest.is_exact), (12_000, true));
    let first = explain("FROM 'grain'", Order::Ascending, 10);
    assert!(first.actual.blocks == 1 && first.actual.frames == 1, "{first}");
    let none = explain("FROM 'absent' | 'rare' & 'absent'", Order::Ascending, 10);
    assert_eq!((none.alternatives.len(), none.actual.events), (1, 0));
    assert_eq!(none.actual.blocks, 0, "{none}");
    assert!(all.to_string().starts_with("FROM 'rare', Ascending"), "{all}");
}

use super::*;
use crate::error::ErrorKind;
use crate::event::EventKind;
use std::fs;
use std::path::PathBuf;

fn journal(path: &Path, which: &str) -> PathBuf {
    path.join(format!("journal-{which}"))
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    // In place: the file keeps its inode.
    use std::os::unix::fs::FileExt;
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(&bytes, 0).unwrap();
}

/// Byte positions at which journal records begin.
fn records(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).step_by(8).filter(|at| bytes[*at..].starts_with(b"mpj0")).collect()
}

#[test]
fn a_killed_store_replays_its_journal_also_the_idempotency_keys() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..1500));
    log.checkpoint_now().unwrap();
    let keyed = AppendOptions { idempotency_key: Some(vec![1]), ..as_app() };
    let first = log.append(events(1500..1700), keyed.clone()).wait().unwrap();
    append(&log, events(1700..3000));
    let before = query_all(&log, "FROM allEvents", Order::Ascending);
    abandon(log);
    let log = open(directory.path());
    assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending), before);
    assert_eq!(log.own_stream().number, 0);
    log.check().unwrap();
    let again = log.append(events(1500..1700), keyed).wait().unwrap();
    assert_eq!(again.first_offset, first.first_offset);
    append(&log, events(3000..3001));
    log.check().unwrap();
}

#[test]
fn segments_are_recycled_and_kills_at_any_point_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let small = || {
        let mut options = options(directory.path(), 1);
        options.segment_bytes = 64 << 10;
        options
    };
    let mut count = 0;
    for round in 0..12 {
        let log = Log::open(small()).unwrap();
        assert_eq!(log.durable_map().unwrap().total(), u128::from(count), "round {round}");
        for step in 0..(20 + round * 3) {
            append(&log, events(0..10 + step));
            count += 10 + step;
        }
        log.check().unwrap();
        abandon(log);
    }
    for which in ["a", "b"] {
        let bytes = fs::metadata(journal(directory.path(), which)).unwrap().len();
        assert!(bytes <= (64 << 10) + (2 << 20), "{bytes}");
    }
    let log = Log::open(small()).unwrap();
    log.check().unwrap();
    let texts = query_all(&log, "FROM allEvents", Order::Ascending);
    assert_eq!(texts.len() as u64, count);
}

#[test]
fn an_append_larger_than_a_segment_fits() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path(), 1);
    options.segment_bytes = 64 << 10;
    let log = Log::open(options).unwrap();
    for _ in 0..3 {
        append(&log, events(0..9000));
        append(&log, events(0..3));
    }
    log.check().unwrap();
    abandon(log);
    assert_eq!(open(directory.path()).durable_map().unwrap().total(), 27009);
}

/// Puts the transaction before the last beside the trees of the last, as LMDB does when it cannot
/// write a meta page.
fn take_back_last_transaction(directory: &Path) {
    change(&directory.join("data.mdb"), |bytes| {
        let number = |page: usize| page * 4096 + 144..page * 4096 + 152;
        let read = |bytes: &[u8], page| u64::from_le_bytes(bytes[number(page)].try_into().unwrap());
        let newer = usize::from(read(bytes, 1) > read(bytes, 0));
        let before = read(bytes, newer) - 2;
        bytes[number(newer)].copy_from_slice(&before.to_le_bytes());
    });
}

#[test]
fn what_tables_lack_whose_last_checkpoint_failed_the_journal_holds() {
    for is_closed in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path());
        append(&log, events(0..100));
        log.checkpoint_now().unwrap();
        append(&log, events(100..200));
        if is_closed {
            close(log);
        } else {
            log.checkpoint_now().unwrap();
            abandon(log);
        }
        for _ in 0..2 {
            take_back_last_transaction(directory.path());
            let log = open(directory.path());
            log.check().unwrap();
            assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending).len(), 200);
            close(log);
        }
    }
}

#[test]
fn tables_that_lack_what_the_journal_lacks_too_are_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path(), 1);
    options.segment_bytes = 64 << 10;
    let log = Log::open(options).unwrap();
    for _ in 0..20 {
        append(&log, events(0..1000));
    }
    log.checkpoint_now().unwrap();
    // Both segments are used anew, so that nothing of this is left in them.
    for _ in 0..20 {
        append(&log, events(0..1000));
    }
    log.checkpoint_now().unwrap();
    abandon(log);
    take_back_last_transaction(directory.path());
    match Log::open(self::options(directory.path(), 1)) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
        Ok(log) => assert_eq!(log.durable_map().unwrap().total(), 40_000),
    }
}

#[test]
fn a_torn_tail_is_cut_and_the_own_stream_goes_on_under_the_next_number() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for step in 0..5 {
        append(&log, events(step..step + 1));
    }
    let old = log.own_stream();
    abandon(log);
    change(&journal(directory.path(), "a"), |bytes| {
        let last = *records(bytes).last().unwrap();
        bytes[last + 60] ^= 1;
    });
    let log = open(directory.path());
    assert_eq!(log.durable_map().unwrap().count(&old), 4);
    let appended = append(&log, events(7..8));
    assert_eq!(appended.stream.number, 1);
    assert_eq!(appended.first_offset.value(), 1, "the opening record comes first");
    let opening = log.read_range(&appended.stream, 0).unwrap().unwrap();
    assert_eq!(opening.records()[0].kind(), EventKind::Opening);
    let payload = opening.records()[0].payload().to_value().unwrap();
    let Value::Map(payload) = payload else { panic!("a map") };
    assert_eq!(payload["reason"], Value::Text("journal_cut".into()));
    assert_eq!(payload["count"], Value::Integer(4u64.into()));
    let texts = texts(&query_all(&log, "FROM allEvents", Order::Ascending));
    assert_eq!(texts, ["grain 0", "grain 1", "grain 2", "grain 3", "grain 7"]);
    abandon(log);
    let log = open(directory.path());
    assert_eq!((log.own_stream().number, log.durable_map().unwrap().total()), (1, 6));
    log.check().unwrap();
}

#[test]
fn a_damaged_record_that_was_durable_is_corruption_and_says_where() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for step in 0..5 {
        append(&log, events(step..step + 1));
    }
    abandon(log);
    let path = journal(directory.path(), "a");
    let mut place = 0;
    change(&path, |bytes| {
        place = records(bytes)[2];
        bytes[place + 50] ^= 1;
    });
    let error = Log::open(options(directory.path(), 1)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("journal-a"), "{error}");
    assert_eq!(error.position(), Some(place), "{error}");
    change(&path, |bytes| bytes[place + 50] ^= 1);
    assert_eq!(open(directory.path()).durable_map().unwrap().total(), 5);
}

#[test]
fn a_copied_store_goes_on_under_the_next_number_and_the_original_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
    let log = open(&original);
    append(&log, events(0..3));
    close(log);
    fs::create_dir(&copy).unwrap();
    for name in ["data.mdb", "journal-a", "journal-b"] {
        fs::copy(original.join(name), copy.join(name)).unwrap();
    }
    let copied = open(&copy);
    let appended = append(&copied, events(3..4));
    assert_eq!(appended.stream.number, 1);
    assert_eq!(texts(&query_all(&copied, "FROM allEvents", Order::Ascending)).len(), 4);
    let original = open(&original);
    assert_eq!(append(&original, events(3..4)).stream.number, 0);
    // The copy's stream is ours too, and unknown here: it is kept, and ours goes on above it.
    let range = copied.read_range(&appended.stream, 0).unwrap().unwrap();
    original.append_range(range.clone()).wait().unwrap();
    assert_eq!(append(&original, events(4..5)).stream.number, 0);
    let next = original.begin_stream(crate::log::OpeningReason::GrownElsewhere, 0, 0);
    assert_eq!(next.wait().unwrap().number, 2);
    let own = EventRange::new(range.first, range.records().to_vec(), range.head.clone());
    copied.append_range(own).wait().unwrap();
    assert_eq!(append(&original, events(4..5)).stream.number, 2);
    original.check().unwrap();
}

#[test]
fn a_flipped_bit_in_a_stored_block_is_reported_and_the_rest_stays_readable() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..4000));
    close(log);
    let path = directory.path().join("data.mdb");
    change(&path, |bytes| {
        // Each block says once what its events share.
        let heads =
            (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"\x04test\x02\x05grain"));
        let heads: Vec<usize> = heads.collect();
        bytes[heads[1]] ^= 4;
    });
    let log = open(directory.path());
    assert_eq!(log.check().unwrap_err().kind(), ErrorKind::Corrupt);
    let mut cursor = log.cursor(&Query::all(), CursorOptions::default()).unwrap();
    let mut read = 0;
    let error = loop {
        match cursor.next_batch(100) {
            Ok(batch) => read += batch.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains(&log.own_stream().to_string()), "{error}");
    assert!(read < 4000 && read % 1024 == 0, "{read}");
    assert_eq!(log.status().unwrap().damages.len(), 1);
    let lower = [(log.own_stream(), 3072)].into_iter().collect();
    let options = CursorOptions { lower, ..CursorOptions::default() };
    let mut rest = log.cursor(&Query::all(), options).unwrap();
    assert!(rest.next_batch(1000).is_ok_and(|batch| batch.len() == 928) || read == 3072);
    append(&log, events(0..1));
}

#[test]
fn a_closed_store_keeps_no_journal_and_opens_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..2_000));
    close(log);
    for name in ["journal-a", "journal-b"] {
        let bytes = fs::metadata(directory.path().join(name)).unwrap().len();
        assert!(bytes < 64, "{name} has {bytes} bytes");
    }
    let log = open(directory.path());
    assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending).len(), 2_000);
    append(&log, events(2_000..2_010));
    abandon(log);
    let log = open(directory.path());
    assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending).len(), 2_010);
    log.check().unwrap();
}

#[test]
fn a_later_format_is_refused_and_says_so() {
    use crate::log::disk::raise_format_version;
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    raise_format_version(log.shared());
    abandon(log);
    let error = Log::open(options(directory.path(), 1)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::FormatTooNew, "{error}");
}

#[test]
fn a_store_in_use_elsewhere_is_refused_and_names_the_process() {
    let directory = tempfile::tempdir().unwrap();
    // Another opener of the lock file, as another process would be.
    let other = fs::File::create(directory.path().join("store.lock")).unwrap();
    fs::write(directory.path().join("store.lock"), "4711\n").unwrap();
    other.lock().unwrap();
    let error = Log::open(options(directory.path(), 1)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::StoreLocked);
    assert!(error.message().contains("4711"), "{error}");
    drop(other);
    append(&open(directory.path()), events(0..1));
}

#[test]
fn publishers_wait_for_room_and_lose_nothing_when_everything_is_small() {
    let directory = tempfile::tempdir().unwrap();
    let mut small = options(directory.path(), 1);
    small.segment_bytes = 64 << 10;
    small.tail_bytes_max = 100 << 10;
    let log = Log::open(small).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..40 {
                    append(&log, events(0..100));
                    assert!(log.status().unwrap().tail_bytes < 300 << 10);
                }
            });
        }
    });
    assert_eq!(log.durable_map().unwrap().total(), 16_000);
    log.check().unwrap();
}

#[test]
fn a_truncated_or_missing_table_file_is_corruption_and_not_a_dead_process() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..5000));
    log.checkpoint_now().unwrap();
    append(&log, events(0..5));
    abandon(log);
    let path = directory.path().join("data.mdb");
    let whole = fs::read(&path).unwrap();
    for pages in [0, 1, 2, 3, 7, whole.len() / 4096 - 1] {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(pages as u64 * 4096).unwrap();
        let error = Log::open(options(directory.path(), 1)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{pages} pages: {error}");
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(open(directory.path()).durable_map().unwrap().total(), 5005);
}

#[test]
fn a_node_that_has_used_up_its_stream_numbers_refuses_appends_and_loses_nothing() {
    use crate::event::limits::STREAMS_PER_NODE_MAX;
    use crate::log::OpeningReason::GrownElsewhere;
    let directory = tempfile::tempdir().unwrap();
    let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
    let mut log = open(&original);
    let keyed = AppendOptions { idempotency_key: Some(vec![1]), ..as_app() };
    log.append(events(0..3), keyed.clone()).wait().unwrap();
    let last = log.begin_stream(GrownElsewhere, STREAMS_PER_NODE_MAX - 1, 0).wait().unwrap();
    assert_eq!(append(&log, events(3..5)).stream, last);
    let used_up = |result: crate::Result<Appended>| {
        let error = result.unwrap_err();
        let found = (error.kind(), error.reason());
        assert_eq!(found, (ErrorKind::LimitExceeded, Some("streams_per_node")), "{error}");
    };
    close(log);
    fs::create_dir(&copy).unwrap();
    for name in ["data.mdb", "journal-a", "journal-b"] {
        fs::copy(original.join(name), copy.join(name)).unwrap();
    }
    // The copy may not go on in the last stream, and there is none after it.
    let copied = open(&copy);
    used_up(copied.append(events(5..6), as_app()).wait());
    assert_eq!(texts(&query_all(&copied, "FROM allEvents", Order::Ascending)).len(), 5);

    log = open(&original);
    let error = log.begin_stream(GrownElsewhere, 7, 0).wait().unwrap_err();
    assert_eq!(error.reason(), Some("streams_per_node"), "{error}");
    for _ in 0..2 {
        used_up(log.append(events(5..6), as_app()).wait());
        assert!(log.append(events(0..3), keyed.clone()).wait().unwrap().replayed);
        assert_eq!(texts(&query_all(&log, "FROM allEvents", Order::Ascending)).len(), 5);
        abandon(log);
        log = open(&original);
    }
    let other = Log::open(options(&directory.path().join("other"), 2)).unwrap();
    append(&other, events(0..4));
    send_all(&other, &log);
    send_all(&log, &other);
    // 9 events and the opening record of the last stream.
    assert_eq!(
        (log.durable_map().unwrap().total(), other.durable_map().unwrap().total()),
        (10, 10)
    );
    log.check().unwrap();
}

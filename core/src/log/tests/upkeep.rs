//! Verifying, compacting, counting: while the log is used, and when something is damaged.

use super::*;
use crate::error::ErrorKind;
use crate::event::StreamId;
use crate::files::{Operation, fault};
use crate::log::{Compacted, Damage, Durability, ShelfChange};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Each has a tag of its own.
fn numbered(range: std::ops::Range<u64>) -> Vec<NewEvent> {
    range.map(|n| event(&format!("grain {n}"), &["grain", &format!("number:{n}")])).collect()
}

/// Three full blocks and an open one, in the tables.
fn stored(path: &Path) -> Log {
    let log = open(path);
    for first in 0..4 {
        append(&log, numbered(first * 1000..first * 1000 + 1000));
    }
    log.checkpoint_now().unwrap();
    log
}

/// Changes a row of a table behind the log's back.
pub(super) fn damage_row(log: &Log, table: &str, key: &[u8], change: impl Fn(&mut Vec<u8>)) {
    log.shared()
        .tables
        .write(|opened, transaction| {
            let table = match table {
                "events" => &opened.events,
                "heads" => &opened.heads,
                "postings" => &opened.postings,
                "groups" => &opened.groups,
                "snapshots" => &opened.snapshots,
                "idempotency" => &opened.idempotency,
                "idempotency_order" => &opened.idempotency_order,
                "blobs" => &opened.blobs,
                _ => &opened.streams,
            };
            let mut row = table.get(transaction, key)?.expect("the row is there").to_vec();
            change(&mut row);
            Ok(table.put(transaction, key, &row)?)
        })
        .unwrap();
}

fn key(stream: &StreamId, at: u64) -> Vec<u8> {
    [&stream.to_bytes()[..], &at.to_be_bytes()].concat()
}

pub(super) fn places(damages: &[Damage]) -> Vec<(&'static str, u64, u64)> {
    damages.iter().map(|damage| (damage.table, damage.first, damage.end)).collect()
}

fn compact(log: &Log) -> Compacted {
    log.compact(|| true).wait().unwrap()
}

#[test]
fn a_damaged_frame_costs_its_events_and_the_block_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let log = stored(directory.path());
    let stream = log.own_stream();
    let sound = log.verify(|| true).wait().unwrap();
    assert_eq!((sound.damage_count, sound.events, sound.blocks), (0, 4000, 4));
    // The last byte of the row is in the last frame: events 1984 to 2047.
    damage_row(&log, "events", &key(&stream, 1024), |row| *row.last_mut().unwrap() ^= 4);

    let find = |number: u64| {
        let query = Query::parse(&format!("FROM 'number:{number}'")).unwrap();
        let mut cursor = log.cursor(&query, CursorOptions::default()).unwrap();
        cursor.next_batch(10).map(|batch| batch.len())
    };
    for other in [0, 1023, 1024, 1983, 2048, 3071, 3999] {
        assert_eq!(find(other).unwrap(), 1, "{other}");
    }
    assert!(log.status().unwrap().damages.is_empty(), "nobody has read it yet");
    assert_eq!(find(2000).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(places(&log.status().unwrap().damages), [("events", 1024, 2048)]);

    let report = log.verify(|| true).wait().unwrap();
    assert_eq!(places(&report.damages), [("events", 1024, 2048)]);
    assert_eq!(report.damages[0].stream, Some(stream));
    assert_eq!((report.damage_count, report.events, report.blocks), (1, 2976, 3));
    assert_eq!(places(&log.status().unwrap().damages), [("events", 1024, 2048)]);
    assert_eq!(log.check().unwrap_err().kind(), ErrorKind::Corrupt);

    // Peers are served with all other blocks, and the log goes on.
    for from in [0, 2048, 3072] {
        assert!(log.read_range(&stream, from).unwrap().is_some());
    }
    assert_eq!(log.read_range(&stream, 1024).unwrap_err().kind(), ErrorKind::Corrupt);
    append(&log, numbered(4000..5000));
    log.checkpoint_now().unwrap();
    assert_eq!(find(4999).unwrap(), 1);

    damage_row(&log, "events", &key(&stream, 1024), |row| *row.last_mut().unwrap() ^= 4);
    assert_eq!(log.verify(|| true).wait().unwrap().damage_count, 0);
    assert!(log.status().unwrap().damages.is_empty(), "what is good again is not shown");
}

#[test]
fn what_rests_on_a_damaged_place_is_not_named_again() {
    let directory = tempfile::tempdir().unwrap();
    let log = stored(directory.path());
    let stream = log.own_stream();
    let flip = |table: &str, key: &[u8], at: usize| {
        damage_row(&log, table, key, |row| row[at] ^= 1);
        let damages = log.verify(|| true).wait().unwrap().damages;
        damage_row(&log, table, key, |row| row[at] ^= 1);
        places(&damages)
    };
    assert_eq!(flip("heads", &key(&stream, 1024), 60), [("heads", 1024, 1024)]);
    assert_eq!(flip("postings", &0u64.to_be_bytes(), 20), [("postings", 0, 1)]);
    assert_eq!(flip("postings", &0u64.to_be_bytes(), 4000), [("postings", 0, 1)]);
    assert_eq!(flip("events", &key(&stream, 3072), 10), [("events", 3072, 4000)]);
    assert_eq!(flip("streams", &stream.to_bytes(), 30), [("streams", 4000, 4000)]);
    assert_eq!(log.verify(|| true).wait().unwrap().damage_count, 0);
}

#[test]
fn a_page_of_a_tree_that_changed_since_the_store_was_opened_is_found() {
    use std::os::unix::fs::FileExt;
    let directory = tempfile::tempdir().unwrap();
    let log = stored(directory.path());
    let page_bytes = log.stats().unwrap().page_bytes;
    let path = directory.path().join("data.mdb");
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let pages = file.metadata().unwrap().len() / page_bytes;
    let mut found = 0;
    for number in 2..pages {
        // A leaf says its own number first, and has the flag 2.
        let (mut header, at) = ([0; 12], number * page_bytes);
        file.read_exact_at(&mut header, at).unwrap();
        if header[..8] == number.to_le_bytes() && header[10..] == [2, 0] {
            file.write_all_at(&[header[0] ^ 1], at).unwrap();
            let damages = log.verify(|| true).wait().unwrap().damages;
            file.write_all_at(&header, at).unwrap();
            // Another leaf is one that nothing uses any more.
            found += usize::from(places(&damages) == [("pages", 0, 0)]);
        }
    }
    assert!(found >= 5, "each table has a leaf: {found} of {pages} pages");
    assert_eq!(log.verify(|| true).wait().unwrap().damage_count, 0);
}

#[test]
fn the_pages_are_walked_through_while_others_write() {
    let directory = tempfile::tempdir().unwrap();
    let log = stored(directory.path());
    let tables = &log.shared().tables;
    // Each commit frees the pages of the one before, and uses them again where it may.
    let write = |count: u64| {
        for number in 0..count {
            let put = tables.write(|opened, transaction| {
                Ok(opened.settings.put(transaction, b"test", &vec![number as u8; 40_000])?)
            });
            put.unwrap();
        }
    };
    let asked = AtomicU64::new(0);
    let and_write = || {
        asked.fetch_add(1, Ordering::Relaxed);
        write(8);
        true
    };
    // So many pages that it asks again on the way.
    (0..40).for_each(|first| drop(append(&log, numbered(4000 + first * 500..4500 + first * 500))));
    log.checkpoint_now().unwrap();
    for _ in 0..8 {
        let in_time = tables.check_pages_within(Duration::from_secs(60), &and_write);
        assert!(in_time.unwrap());
    }
    assert!(asked.load(Ordering::Relaxed) >= 8, "{asked:?}");
    // What takes too long is begun anew, and can be called off before and after.
    assert!(!tables.check_pages_within(Duration::ZERO, &|| true).unwrap());
    tables.check_pages(&|| true).unwrap();
    let error = tables.check_pages(&|| false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn the_tables_of_idempotency_keys_are_compared() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for number in 0..3000u64 {
        let key = Some(number.to_be_bytes().to_vec());
        let keyed =
            AppendOptions { idempotency_key: key, durability: Durability::Process, ..as_app() };
        drop(log.append(numbered(number..number + 1), keyed));
    }
    append(&log, numbered(3000..3001));
    log.checkpoint_now().unwrap();
    let found = || places(&log.verify(|| true).wait().unwrap().damages);
    assert_eq!(found(), []);
    let table = |name: &str| match name {
        "idempotency" => log.shared().tables.read(|opened, _| Ok(opened.idempotency)).unwrap(),
        _ => log.shared().tables.read(|opened, _| Ok(opened.idempotency_order)).unwrap(),
    };
    let row = |name: &str, key: &[u8]| {
        let (tables, table) = (&log.shared().tables, table(name));
        let read =
            tables.read(|_, transaction| Ok(table.get(transaction, key)?.map(<[u8]>::to_vec)));
        read.unwrap().expect("it is there")
    };
    // What is found while a row is another one, or none.
    let with = |name: &'static str, key: &[u8], value: Option<&[u8]>| {
        let before = row(name, key);
        let table = table(name);
        let set = |value: Option<&[u8]>| {
            let set = log.shared().tables.write(|_, transaction| match value {
                Some(value) => Ok(table.put(transaction, key, value)?),
                None => Ok(table.delete(transaction, key).map(drop)?),
            });
            set.unwrap();
        };
        set(value);
        let found = found();
        set(Some(&before));
        found
    };
    let order = [("idempotency_order", 0, 0)];
    for number in [0u64, 1500, 2999] {
        let sequence = number.to_be_bytes();
        let key = row("idempotency_order", &sequence);
        let remembered = row("idempotency", &key);
        let flipped = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
        assert_eq!(with("idempotency_order", &sequence, None), order, "{number}");
        assert_eq!(with("idempotency_order", &sequence, Some(&flipped(&key))), order);
        let another = row("idempotency_order", &700u64.to_be_bytes());
        assert_eq!(with("idempotency_order", &sequence, Some(&another)), order);
        assert_eq!(with("idempotency", &key, None), order);
        let damaged = with("idempotency", &key, Some(&flipped(&remembered)));
        // The walk through the pages looks at these checksums, too.
        assert_eq!(damaged, [("idempotency", 0, 0), ("pages", 0, 0)], "and not the order");
    }
    assert_eq!(found(), []);
}

#[test]
fn a_verification_that_nobody_wants_ends() {
    let directory = tempfile::tempdir().unwrap();
    let log = stored(directory.path());
    assert_eq!(log.verify(|| false).wait().unwrap_err().kind(), ErrorKind::Cancelled);
    let before = log.stats().unwrap();
    assert_eq!(log.compact(|| false).wait().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(log.stats().unwrap(), before);
    assert!(!copy_of(directory.path()).exists());
    close(log.clone());
    assert_eq!(log.verify(|| true).wait().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(log.compact(|| true).wait().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(log.stats().unwrap_err().kind(), ErrorKind::Closed);
}

fn copy_of(path: &Path) -> PathBuf {
    path.join("compacted.mdb")
}

#[test]
fn a_compaction_gives_free_pages_back_and_the_store_stays_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for first in 0..60 {
        append(&log, numbered(first * 100..first * 100 + 100));
        log.checkpoint_now().unwrap();
    }
    let (before, all) = (log.stats().unwrap(), query_all(&log, "FROM allEvents", Order::Ascending));
    let done = compact(&log);
    let after = log.stats().unwrap();
    assert_eq!((done.bytes_before, done.bytes_after), (before.file_bytes, after.file_bytes));
    assert!(done.bytes_after < done.bytes_before, "{done:?}");
    assert!(after.free_bytes <= 16 * after.page_bytes, "{after:?}");
    assert_eq!((after.events, after.record_bytes), (before.events, before.record_bytes));
    assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending), all);
    append(&log, numbered(6000..6001));
    compact(&log);
    log.check().unwrap();
    close(log);
    std::fs::write(copy_of(directory.path()), b"half a copy").unwrap();

    let log = open(directory.path());
    assert!(!copy_of(directory.path()).exists(), "what a crash left is removed");
    assert_eq!(append(&log, numbered(6001..6002)).stream.number, 0, "the store is still its own");
    assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending).len(), 6002);
    log.check().unwrap();
}

#[test]
fn appends_queries_and_verifications_go_on_beside_compactions() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path(), 1);
    // So small that publishers come to wait for the journal.
    options.segment_bytes = 64 << 10;
    options.tail_bytes_max = 256 << 10;
    let log = Log::open(options).unwrap();
    append(&log, numbered(0..3000));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for first in 30..90 {
                append(&log, numbered(first * 100..first * 100 + 100));
            }
            done.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let report = log.verify(|| true).wait().unwrap();
                assert_eq!(report.damages, []);
                let stats = log.stats().unwrap();
                assert!(stats.events >= report.events, "{stats:?}, {report:?}");
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                assert_eq!(query_all(&log, "FROM 'number:2500'", Order::Ascending).len(), 1);
            }
        });
        let mut compactions = 0;
        while !done.load(Ordering::Acquire) {
            compact(&log);
            compactions += 1;
        }
        println!("{compactions} compactions");
    });
    assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending).len(), 9000);
    log.check().unwrap();
    close(log);
    let log = open(directory.path());
    assert_eq!(log.own_stream().number, 0);
    assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending).len(), 9000);
    log.check().unwrap();
}

#[test]
fn a_compaction_that_fails_leaves_the_store_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let log = stored(directory.path());
    for operation in [Operation::Write, Operation::Sync] {
        let copy = copy_of(directory.path());
        fault::plant(&copy, operation, 0, 1, rustix::io::Errno::IO);
        let error = log.compact(|| true).wait().unwrap_err();
        fault::clear(&copy);
        assert_eq!(error.kind(), ErrorKind::StorageFailed, "{operation:?}");
        assert!(!copy_of(directory.path()).exists());
        log.check().unwrap();
    }
    compact(&log);
    log.check().unwrap();
}

#[test]
fn the_sizes_are_those_of_what_is_held() {
    let directory = tempfile::tempdir().unwrap();
    let log = stored(directory.path());
    append(&log, numbered(4000..4500));
    let keyed = AppendOptions { idempotency_key: Some(b"once".to_vec()), ..as_app() };
    log.append(numbered(4500..4501), keyed).wait().unwrap();
    let (stats, report) = (log.stats().unwrap(), log.verify(|| true).wait().unwrap());
    assert_eq!((stats.streams, stats.events, stats.idempotency_keys), (1, 4501, 1));
    assert_eq!((stats.full_blocks, stats.open_blocks, stats.segments), (3, 1, 1));
    assert_eq!((report.events, report.record_bytes), (stats.events, stats.record_bytes));
    assert!(stats.tail_bytes > 0 && stats.journal_bytes > 0 && stats.file_bytes > 0);
    let used: u64 = stats.tables.iter().map(|table| table.bytes).sum();
    assert!(used > 0 && used + stats.free_bytes < stats.file_bytes);
    log.checkpoint_now().unwrap();
    let after = log.stats().unwrap();
    assert_eq!((after.events, after.record_bytes), (stats.events, stats.record_bytes));
    assert_eq!((after.tail_bytes, after.full_blocks, after.idempotency_keys), (0, 4, 1));
}

#[test]
fn every_damaged_row_that_is_kept_for_another_room_is_counted_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let log = stored(directory.path());
    let put = |key: u8| ShelfChange { key: vec![1, key], row: Some(vec![key; 20]) };
    log.shelf().unwrap().commit(&(0..5).map(put).collect::<Vec<_>>()).unwrap();
    for key in [1, 3] {
        damage_row(&log, "blobs", &[1, key], |row| *row.last_mut().unwrap() ^= 1);
    }
    let report = log.verify(|| true).wait().unwrap();
    assert_eq!(report.damage_count, 2);
    assert_eq!(places(&report.damages), [("blobs", 1, 2), ("blobs", 3, 4)]);
}

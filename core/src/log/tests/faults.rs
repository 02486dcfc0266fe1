use super::*;
use crate::error::ErrorKind;
use crate::files::{Operation, fault};
use crate::log::Durability;
use rustix::io::Errno;

#[test]
fn a_failed_sync_is_not_acknowledged_nor_visible_and_the_store_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..3));
    fault::plant(directory.path(), Operation::Sync, 0, 1, Errno::IO);
    let error = log.append(events(3..5), as_app()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFailed);
    assert_eq!(log.durable_map().unwrap().total(), 3);
    assert!(log.status().unwrap().trouble.is_some());
    assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending).len(), 3);
    let appended = append(&log, events(5..6));
    assert_eq!(appended.first_offset.value(), 3);
    assert!(log.status().unwrap().trouble.is_none());
    log.check().unwrap();
    abandon(log);
    let log = open(directory.path());
    let texts = texts(&query_all(&log, "FROM allEvents", Order::Ascending));
    assert_eq!(texts, ["grain 0", "grain 1", "grain 2", "grain 5"]);
    assert_eq!(log.own_stream().number, 0);
}

#[test]
fn a_close_whose_last_sync_fails_says_so_and_closes() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..3));
    fault::plant(directory.path(), Operation::Sync, 0, u32::MAX, Errno::IO);
    let options = AppendOptions { durability: Durability::Process, ..as_app() };
    log.append(events(3..4), options).wait().unwrap();
    let error = log.close(Duration::from_secs(30)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFailed, "{error}");
    log.close(Duration::from_secs(30)).unwrap();
    fault::clear(directory.path());
    let log = open(directory.path());
    assert!(log.durable_map().unwrap().total() >= 3);
    log.check().unwrap();
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for step in 0..4u64 {
        fault::plant(directory.path(), Operation::Write, 0, 1, Errno::IO);
        let failed = log.append(events(0..100), as_app()).wait().unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::StorageFailed);
        fault::clear(directory.path());
        assert_eq!(append(&log, events(0..1)).first_offset.value(), step);
    }
    log.check().unwrap();
    abandon(log);
    assert_eq!(open(directory.path()).durable_map().unwrap().total(), 4);
}

#[test]
fn a_large_append_that_finds_no_room_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..1));
    // Space is reserved first, then written.
    for (step, after) in [(1, 0), (2, 1), (3, 0), (4, 1)] {
        fault::plant(directory.path(), Operation::Write, after, 1, Errno::NOSPC);
        let failed = log.append(events(0..60_000), as_app()).wait().unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::StorageFull);
        fault::clear(directory.path());
        assert_eq!(append(&log, events(0..1)).first_offset.value(), step);
    }
    append(&log, events(0..60_000));
    log.check().unwrap();
    abandon(log);
    let log = open(directory.path());
    log.check().unwrap();
    assert_eq!(log.durable_map().unwrap().total(), 60_005);
}

#[test]
fn process_durable_events_survive_a_failed_sync_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..1));
    fault::plant(directory.path(), Operation::Sync, 0, 2, Errno::IO);
    let relaxed = AppendOptions { durability: Durability::Process, ..as_app() };
    let appended = log.append(events(1..2), relaxed).wait().unwrap();
    while log.append(events(2..3), as_app()).wait().is_err() {}
    fault::clear(directory.path());
    assert!(log.durable_map().unwrap().covers(&appended.token()));
    log.check().unwrap();
    abandon(log);
    let texts = texts(&query_all(&open(directory.path()), "FROM allEvents", Order::Ascending));
    assert_eq!(texts, ["grain 0", "grain 1", "grain 2"]);
}

#[test]
fn a_full_disk_refuses_appends_serves_reads_and_recovers_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..10));
    fault::plant(directory.path(), Operation::Write, 0, 3, Errno::NOSPC);
    for _ in 0..2 {
        let error = log.append(events(10..12), as_app()).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(error.kind().is_retryable());
        assert_eq!(query_all(&log, "FROM allEvents", Order::Ascending).len(), 10);
    }
    fault::clear(directory.path());
    assert_eq!(append(&log, events(10..12)).first_offset.value(), 10);
    log.check().unwrap();
}

#[test]
fn a_new_stream_whose_row_cannot_be_stored_is_an_error_and_the_old_one_goes_on() {
    use crate::log::OpeningReason::GrownElsewhere;
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..1));
    // The tables refuse every write from here on; the journal does not.
    log.shared().tables.close();
    assert!(log.begin_stream(GrownElsewhere, 5, 0).wait().is_err());
    assert_eq!(log.own_stream().number, 0);
    let appended = append(&log, events(1..2));
    assert_eq!((appended.stream.number, appended.first_offset.value()), (0, 1));
    close(log);
    let log = open(directory.path());
    assert_eq!((log.own_stream().number, log.durable_map().unwrap().total()), (0, 2));
    assert_eq!(log.begin_stream(GrownElsewhere, 5, 0).wait().unwrap().number, 5);
}

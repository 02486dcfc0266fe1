//! What goes, and what does not.

use super::*;
use crate::planted;

#[test]
fn what_nothing_keeps_is_collected_once_its_grace_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let [small, large, kept] = [100, 100_000, 200_000].map(|size| add(&store, &bytes(size, 1)).id);
    bench.said.kept.lock().unwrap().insert(kept);
    bench.pass(99);
    assert_eq!(store.collect(&|| true).unwrap().blobs, 0);
    // A clock that goes back says nothing.
    let now = bench.time.load(Ordering::SeqCst);
    bench.set_clock(now - 1_000_000);
    assert_eq!(store.collect(&|| true).unwrap().blobs, 0);
    bench.pass(1_000_001);
    let collected = store.collect(&|| true).unwrap();
    assert_eq!((collected.blobs, collected.bytes), (2, 100_100));
    for id in [small, large] {
        assert!(store.look(&id).unwrap().is_none());
    }
    assert_eq!(read_all(&store, kept).unwrap().len(), 200_000);
    assert_eq!(files(folder.path()), 2);
    assert_eq!(store.counters().bytes, 200_000);
    check(&store).unwrap();
    let rows = bench.rows.map();
    assert_eq!(rows.len(), 3, "the counters, the blob and its number: {:?}", rows.keys());
}

#[test]
fn a_collection_is_called_off_between_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    let error = store.collect(&|| false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

/// True when a blob that is open for reading is collected.
fn is_collected_while_open() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let id = add(&store, &bytes(100_000, 1)).id;
    bench.pass(1_000);
    let opened = store.open_blob(id).unwrap();
    bench.pass(1_000);
    let blobs = store.collect(&|| true).unwrap().blobs;
    drop(opened);
    if blobs == 0 {
        assert_eq!(store.collect(&|| true).unwrap().blobs, 1, "it was free again");
    }
    blobs > 0
}

/// True when a blob is collected that an event refers to which was accepted after the first look
/// and before the rows were deleted.
fn is_collected_while_referred_to() -> bool {
    let mut is_lost = false;
    for size in [100, 100_000] {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new();
        let store = bench.open(folder.path());
        let own = bytes(size, 1);
        let id = add(&store, &own).id;
        bench.pass(1_000);
        *bench.said.all_from.lock().unwrap() = Some(1);
        store.collect(&|| true).unwrap();
        is_lost |= !read_all(&store, id).is_ok_and(|found| found == own);
        check(&store).unwrap();
    }
    is_lost
}

#[test]
fn nothing_that_is_read_or_referred_to_is_collected() {
    assert!(!is_collected_while_open());
    assert!(!is_collected_while_referred_to());
}

fn is_found(name: &str, is_wrong: impl Fn() -> bool) {
    planted::choose(Some(name));
    let found = is_wrong();
    planted::choose(None);
    assert!(found, "{name} was not found");
}

#[test]
fn a_collection_that_looks_once_or_past_leases_is_caught() {
    is_found("collected_while_leased", is_collected_while_open);
    is_found("collected_without_second_look", is_collected_while_referred_to);
}

#[test]
fn a_blob_whose_collection_a_crash_cut_short_is_put_back_when_an_event_refers_to_it() {
    for (size, is_kept) in [(100, true), (100_000, true), (100, false), (100_000, false)] {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new();
        let store = bench.open(folder.path());
        let own = bytes(size, 1);
        let id = add(&store, &own).id;
        bench.pass(1_000);
        // The commit of the deletion goes through, and the one at the end does not.
        *bench.rows.fail_after.lock().unwrap() = Some(1);
        *bench.said.all_from.lock().unwrap() = Some(1);
        store.collect(&|| true).unwrap_err();
        *bench.rows.fail_after.lock().unwrap() = None;
        assert!(store.look(&id).unwrap().is_none());
        *bench.said.all_from.lock().unwrap() = is_kept.then_some(0);
        drop(store);
        let store = bench.open(folder.path());
        assert_eq!(read_all(&store, id).is_ok_and(|found| found == own), is_kept, "{size}");
        assert_eq!(files(folder.path()), if is_kept && size > 100 { 2 } else { 0 });
        check(&store).unwrap();
    }
}

#[test]
fn a_blob_whose_files_are_gone_is_not_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let id = add(&store, &bytes(100_000, 1)).id;
    bench.pass(1_000);
    // The files go, and the commit that says so fails.
    *bench.rows.fail_after.lock().unwrap() = Some(1);
    store.collect(&|| true).unwrap_err();
    *bench.rows.fail_after.lock().unwrap() = None;
    assert_eq!(files(folder.path()), 0);
    // An event that comes now refers to a blob that was not here.
    bench.said.kept.lock().unwrap().insert(id);
    drop(store);
    let store = bench.open(folder.path());
    assert!(store.look(&id).unwrap().is_none());
    check(&store).unwrap();
    assert_eq!(bench.rows.map().len(), 1, "the counters");
}

#[test]
fn a_collection_that_failed_is_ended_by_the_next() {
    for (size, is_kept) in [(100, true), (100_000, true), (100_000, false)] {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new();
        let store = bench.open(folder.path());
        let own = bytes(size, 1);
        let id = add(&store, &own).id;
        bench.pass(1_000);
        *bench.rows.fail_after.lock().unwrap() = Some(1);
        *bench.said.all_from.lock().unwrap() = Some(1);
        store.collect(&|| true).unwrap_err();
        *bench.rows.fail_after.lock().unwrap() = None;
        *bench.said.all_from.lock().unwrap() = is_kept.then_some(0);
        assert!(store.look(&id).unwrap().is_none());
        assert!(store.verify_all(&|_| Ok(())).unwrap().strays.is_empty());
        store.collect(&|| true).unwrap();
        assert_eq!(read_all(&store, id).is_ok_and(|found| found == own), is_kept, "{size}");
        check(&store).unwrap();
    }
}

#[test]
fn bytes_that_are_added_again_before_their_collection_has_ended_leave_no_file_behind() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let own = bytes(100_000, 1);
    for _ in 0..3 {
        let id = add(&store, &own).id;
        bench.pass(1_000);
        *bench.rows.fail_after.lock().unwrap() = Some(1);
        *bench.said.all_from.lock().unwrap() = Some(bench.said.asked.load(Ordering::SeqCst) + 1);
        store.collect(&|| true).unwrap_err();
        *bench.rows.fail_after.lock().unwrap() = None;
        *bench.said.all_from.lock().unwrap() = None;
        assert!(store.look(&id).unwrap().is_none());
        add(&store, &own);
        assert_eq!(files(folder.path()), 2);
        check(&store).unwrap();
    }
}

#[test]
fn a_blob_that_was_added_before_the_clock_was_set_is_not_old_afterwards() {
    let (unset, set) = (1_000_000, 1_800_000_000_000_000);
    for reopens in [false, true] {
        for before in [unset, set - 100_000_000] {
            let folder = tempfile::tempdir().unwrap();
            let bench = Bench::new();
            bench.set_clock(before);
            let mut store = bench.open(folder.path());
            let id = add(&store, &bytes(100_000, 1)).id;
            bench.set_clock(set);
            if reopens && before == unset {
                store = bench.open(folder.path());
            }
            bench.pass(1);
            assert_eq!(store.collect(&|| true).unwrap().blobs, 0);
            bench.pass(98);
            assert_eq!(store.collect(&|| true).unwrap().blobs, 0);
            bench.pass(10);
            assert_eq!(store.collect(&|| true).unwrap().blobs, 1, "its grace is over");
            assert!(store.look(&id).unwrap().is_none());
        }
    }
    // With a clock that was never set nothing is old.
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    bench.set_clock(unset);
    let store = bench.open(folder.path());
    add(&store, &bytes(100_000, 1));
    bench.pass(1_000_000);
    assert_eq!(store.collect(&|| true).unwrap().blobs, 0);
}

#[test]
fn the_same_bytes_added_while_they_are_collected_stay() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let own = bytes(100_000, 1);
    std::thread::scope(|scope| {
        let adder = scope.spawn(|| {
            for _ in 0..200 {
                let added = store.add(&mut &own[..], None, About::default(), &|_| Ok(())).unwrap();
                assert_eq!(read_all(&store, added.id).unwrap(), own);
            }
        });
        while !adder.is_finished() {
            bench.pass(1_000);
            store.collect(&|| true).unwrap();
        }
    });
    check(&store).unwrap();
}

//! Every operation on the disk fails once: what was there stays, what was not is not.

use super::*;
use crate::files::{Operation, fault};
use rustix::io::Errno;

const OPERATIONS: [Operation; 3] = [Operation::Read, Operation::Write, Operation::Sync];

/// Fails the so-manieth operation of each kind while `work` runs, and checks what is left, until
/// an operation that comes too late to fail. `work` may fail itself; it says whether it did.
fn each_fault(work: impl Fn(&Arc<Store>) -> Result<()>) {
    let kept = bytes(150_000, 77);
    for operation in OPERATIONS {
        for errno in [Errno::IO, Errno::NOSPC] {
            let mut failing = 0;
            loop {
                let folder = tempfile::tempdir().unwrap();
                let bench = Bench::new();
                let store = bench.open(folder.path());
                let id = add(&store, &kept).id;
                fault::plant(folder.path(), operation, failing, 1, errno);
                let worked = work(&store);
                let was_met = fault::clear(folder.path());
                let place = format!("{operation:?} {errno:?} {failing}");
                if let Err(error) = &worked {
                    let is_full = error.kind() == ErrorKind::StorageFull;
                    assert!(
                        is_full || error.kind() == ErrorKind::StorageFailed,
                        "{place}: {error}"
                    );
                    assert!(is_full == (errno == Errno::NOSPC), "{place}: {error}");
                    assert_eq!(store.writer().promised, 0, "{place}");
                }
                check(&store).unwrap_or_else(|what| panic!("{place}: {what}"));
                work(&store).unwrap_or_else(|error| panic!("{place}: not again: {error}"));
                assert_eq!(read_all(&store, id).unwrap(), kept, "{place}");
                drop(store);
                let store = bench.open(folder.path());
                check(&store).unwrap_or_else(|what| panic!("{place}, opened: {what}"));
                assert_eq!(read_all(&store, id).unwrap(), kept, "{place}");
                if !was_met {
                    break;
                }
                failing += 1;
                assert!(failing < 1_000);
            }
        }
    }
}

#[test]
fn an_operation_that_fails_while_adding_leaves_nothing_half_there() {
    let own = bytes(300_000, 1);
    each_fault(|store| try_add(store, &own, Some(300_000)).map(drop));
    each_fault(|store| try_add(store, &own, None).map(drop));
    let one = bytes(20_000, 1);
    each_fault(|store| try_add(store, &one, None).map(drop));
}

#[test]
fn a_commit_that_fails_while_adding_leaves_nothing_half_there() {
    for size in [100, 300_000] {
        for commits in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let bench = Bench::new();
            let store = bench.open(folder.path());
            *bench.rows.fail_after.lock().unwrap() = Some(commits);
            let added = try_add(&store, &bytes(size, 1), None);
            *bench.rows.fail_after.lock().unwrap() = None;
            let is_there = store.look(&BlobId::of(&bytes(size, 1))).unwrap().is_some();
            assert_eq!(added.is_ok(), is_there, "{size} {commits}");
            check(&store).unwrap();
            drop(store);
            let store = bench.open(folder.path());
            check(&store).unwrap();
            assert_eq!(files(folder.path()), if is_there && size > 100 { 2 } else { 0 });
            add(&store, &bytes(size, 1));
            check(&store).unwrap();
        }
    }
}

#[test]
fn files_that_cannot_be_removed_are_removed_by_the_next_opening() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let own = bytes(300_000, 1);
    let mut draft = crate::blob::store::add::Draft::new(store.clone(), None).unwrap();
    draft.write(&own).unwrap();
    fault::plant(folder.path(), Operation::Write, 0, 1, Errno::IO);
    drop(draft);
    fault::clear(folder.path());
    assert_eq!(files(folder.path()), 1);
    check(&store).unwrap();
    // Also once that reservation is long over.
    for seed in 0..300 {
        add(&store, &bytes(20_000, seed));
    }
    drop(store);
    let store = bench.open(folder.path());
    assert_eq!(files(folder.path()), 300);
    check(&store).unwrap();
}

#[test]
fn an_add_under_way_over_many_reservations_is_swept_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let mut draft = crate::blob::store::add::Draft::new(store.clone(), None).unwrap();
    draft.write(&bytes(300_000, 1)).unwrap();
    for seed in 0..600 {
        add(&store, &bytes(20_000, seed));
    }
    std::mem::forget(draft);
    let store = bench.open(folder.path());
    assert_eq!(files(folder.path()), 600);
    check(&store).unwrap();
}

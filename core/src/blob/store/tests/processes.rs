//! What a forked child, and a store that is left, do not do.

use super::*;
use crate::blob::store::add::Draft;

#[test]
fn a_forked_child_that_drops_an_add_removes_nothing_and_waits_for_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let own = bytes(300_000, 1);
    let id = add(&store, &own).id;
    let mut draft = Draft::new(store.clone(), Some(100_000)).unwrap();
    draft.write(&bytes(90_000, 2)).unwrap();
    let opened = store.open_blob(id).unwrap();
    // What a child has: all that was there, and locks that a thread of the parent held.
    let writer = store.writer();
    bench.rows.forked.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let child = scope.spawn(move || drop((draft, opened)));
        child.join().unwrap();
    });
    bench.rows.forked.store(false, Ordering::SeqCst);
    assert_eq!(files(folder.path()), 3, "the parent goes on with them");
    assert_eq!((writer.promised, writer.making.len()), (100_000, 1));
    drop(writer);
    assert!(store.leases.begin_deleting(id).is_none(), "the parent reads on");
}

#[test]
fn an_add_whose_files_somebody_removed_is_refused() {
    for is_tree in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let store = Bench::new().open(folder.path());
        let own = bytes(300_000, 1);
        let remove = |done: u64| {
            let path = if is_tree { store.place.tree(0) } else { store.place.data(0) };
            if done == 300_000 {
                std::fs::remove_file(path).unwrap();
            }
            Ok(())
        };
        let source = &mut &own[..];
        let error = store.add(source, Some(300_000), About::default(), &remove).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::StorageFailed, "{error}");
        assert!(store.look(&BlobId::of(&own)).unwrap().is_none());
        assert_eq!(files(folder.path()), 0);
        check(&store).unwrap();
    }
}

#[test]
fn what_ends_after_a_store_was_left_is_removed_by_the_next_opening() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let mut draft = Draft::new(store.clone(), None).unwrap();
    draft.write(&bytes(90_000, 2)).unwrap();
    store.leave();
    // Somebody else may have opened it by now.
    drop(draft);
    assert_eq!(files(folder.path()), 1);
    let store = bench.open(folder.path());
    assert_eq!(files(folder.path()), 0);
    check(&store).unwrap();
}

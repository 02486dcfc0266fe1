//! Files and rows that are not what was written.

use super::*;
use crate::blob::store::rows::{COUNTERS_KEY, Content, PAGE, blob_key, number_key};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Changes a byte of a file that nobody may write to.
fn flip(path: &PathBuf, at: usize) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut content = fs::read(path).unwrap();
    content[at] ^= 1;
    fs::write(path, content).unwrap();
}

fn state(store: &Store, id: &BlobId) -> Content {
    store.look(id).unwrap().unwrap().content
}

#[test]
fn a_wrong_byte_is_never_handed_out_and_the_same_bytes_mend_it() {
    for (file, at) in [("data", 0), ("data", 70_000), ("data", 299_999), ("tree", 0), ("tree", 255)]
    {
        let folder = tempfile::tempdir().unwrap();
        let store = Bench::new().open(folder.path());
        let own = bytes(300_000, 1);
        let id = add(&store, &own).id;
        let path = if file == "data" { store.place.data(0) } else { store.place.tree(0) };
        flip(&path, at);
        let opened = store.open_blob(id).unwrap();
        let mut damaged = 0;
        for start in (0..own.len()).step_by(64 << 10) {
            match opened.read_at(start as u64, 64 << 10) {
                Ok(bytes) => assert_eq!(&bytes[..], &own[start..start + bytes.len()]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    damaged += 1;
                }
            }
        }
        assert!(damaged >= 1, "{file} {at}");
        let expected = Content::Part { number: 0, groups: 5 - damaged };
        assert_eq!(state(&store, &id), expected, "{file} {at}");
        let counters = store.counters();
        assert_eq!((counters.whole, counters.parts), (0, 1));
        assert_eq!(store.verify_all(&|_| Ok(())).unwrap().damaged, [id]);
        assert_eq!(state(&store, &id), expected, "a group is lost once");
        assert_eq!(add(&store, &own).id, id);
        assert!(matches!(state(&store, &id), Content::Whole { number: 1 }));
        assert_eq!(read_all(&store, id).unwrap(), own);
        assert_eq!(files(folder.path()), 2, "the damaged files are gone");
        check(&store).unwrap();
    }
}

#[test]
fn a_file_that_is_missing_or_cut_is_damage_and_the_same_bytes_mend_it() {
    let own = bytes(300_000, 2);
    for case in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let store = Bench::new().open(folder.path());
        let id = add(&store, &own).id;
        match case {
            0 => fs::remove_file(store.place.data(0)).unwrap(),
            1 => fs::remove_file(store.place.tree(0)).unwrap(),
            2 => fs::remove_dir_all(folder.path().join("blobs")).unwrap(),
            _ => {
                let path = store.place.data(0);
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
                fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100_000).unwrap();
            }
        }
        if case != 2 {
            let error = read_all(&store, id).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
        // Also where nobody has looked before.
        add(&store, &own);
        assert_eq!(read_all(&store, id).unwrap(), own);
        check(&store).unwrap();
    }
}

#[test]
fn a_damaged_row_is_an_error_and_the_same_bytes_mend_it() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let (small, large) = (bytes(100, 3), bytes(100_000, 3));
    for own in [&small, &large] {
        let id = add(&store, own).id;
        bench.rows.damaged.lock().unwrap().insert(blob_key(&id));
        assert_eq!(store.open_blob(id).err().unwrap().kind(), ErrorKind::Corrupt);
        assert_eq!(store.verify_all(&|_| Ok(())).unwrap().damaged, [id]);
        assert_eq!(
            store.list(None, &Default::default(), 9).unwrap().len(),
            usize::from(own.len() > 100)
        );
        add(&store, own);
        assert_eq!(&read_all(&store, id).unwrap(), own);
    }
}

#[test]
fn damaged_counters_are_counted_anew_and_no_number_is_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let blobs: Vec<BlobId> = (0..5).map(|seed| add(&store, &bytes(70_000, seed)).id).collect();
    add(&store, b"small");
    let before = store.counters();
    drop(store);
    bench.rows.damaged.lock().unwrap().insert(COUNTERS_KEY.to_vec());
    let store = bench.open(folder.path());
    let after = store.counters();
    assert_eq!((after.whole, after.inline, after.bytes), (before.whole, 1, before.bytes));
    assert!(after.reserved >= before.reserved);
    add(&store, &bytes(70_000, 9));
    for id in blobs {
        read_all(&store, id).unwrap();
    }
    check(&store).unwrap();
}

#[test]
fn bytes_that_are_added_again_do_not_rely_on_what_was_here() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    let own = bytes(300_000, 1);
    let id = add(&store, &own).id;
    flip(&store.place.data(0), 200_000);
    // Nobody has noticed, and the one who adds may delete the original now.
    add(&store, &own);
    assert_eq!(read_all(&store, id).unwrap(), own);
    assert_eq!(files(folder.path()), 2);
    check(&store).unwrap();
}

#[test]
fn the_damaged_row_of_a_part_leaves_nothing_once_the_bytes_are_added_again() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let own = bytes(300_000, 1);
    let id = add(&store, &own).id;
    add(&store, &bytes(100_000, 2));
    add(&store, b"small");
    flip(&store.place.data(0), 0);
    assert!(read_all(&store, id).is_err());
    let pages = || bench.rows.map().keys().filter(|key| key[0] == PAGE).count();
    assert_eq!(pages(), 1);
    bench.rows.damage(blob_key(&id));
    add(&store, &own);
    assert_eq!(pages(), 0);
    assert_eq!(read_all(&store, id).unwrap(), own);
    assert_eq!(files(folder.path()), 4);
    let counters = store.counters();
    assert_eq!((counters.whole, counters.parts, counters.bytes), (2, 0, 400_005));
    check(&store).unwrap();
}

#[test]
fn files_that_older_rows_do_not_know_give_way() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    add(&store, &bytes(100_000, 0));
    let older = bench.rows.map();
    for seed in 1..300 {
        add(&store, &bytes(100_000, seed));
    }
    drop(store);
    // As when `data.mdb` was put back from a backup, and `blobs` was not.
    let bench = Bench::with(MemRows::of(older));
    let store = bench.open(folder.path());
    assert_eq!(read_all(&store, BlobId::of(&bytes(100_000, 0))).unwrap().len(), 100_000);
    for seed in 500..900 {
        add(&store, &bytes(100_000, seed));
    }
    check(&store).unwrap();
    assert_eq!(files(folder.path()), 802);
}

#[test]
fn files_without_a_row_go_when_nobody_knows_any_more_which_were_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let ids: Vec<BlobId> = (0..5).map(|seed| add(&store, &bytes(70_000, seed)).id).collect();
    let mut draft = crate::blob::store::add::Draft::new(store.clone(), None).unwrap();
    draft.write(&bytes(90_000, 9)).unwrap();
    std::mem::forget(draft);
    let far = store.place.data(0x1234);
    fs::create_dir_all(far.parent().unwrap()).unwrap();
    fs::write(far, "of another copy").unwrap();
    let not_ours = store.place.folder_of(0xff).join("ffffffffffffffff.data");
    fs::create_dir_all(not_ours.parent().unwrap()).unwrap();
    fs::write(&not_ours, "no number of ours").unwrap();
    drop(store);
    bench.rows.damage(COUNTERS_KEY.to_vec());
    let store = bench.open(folder.path());
    assert_eq!(files(folder.path()), 11);
    add(&store, &bytes(70_000, 10));
    ids.into_iter().for_each(|id| drop(read_all(&store, id).unwrap()));
    check(&store).unwrap();
}

#[test]
fn a_file_or_a_number_without_a_blob_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    add(&store, &bytes(70_000, 1));
    fs::write(store.place.data(0x100), "stray").unwrap();
    bench.rows.commit(vec![(number_key(7), Some(vec![9; 32]))]).unwrap();
    assert_eq!(store.verify_all(&|_| Ok(())).unwrap().strays, [7, 0x100]);
}

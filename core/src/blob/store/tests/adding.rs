//! What is added, how often, and within which bounds.

use super::*;
use crate::blob::limits::{BLOB_BYTES_MAX, INLINE_BYTES_MAX};
use crate::blob::store::add::Draft;
use crate::event::TagSet;
use std::io::Read;

#[test]
fn a_blob_of_up_to_16_kibibytes_is_a_row_and_one_byte_more_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    for size in [0, 1, INLINE_BYTES_MAX] {
        let own = bytes(size, 1);
        let blob = add(&store, &own);
        assert_eq!((blob.id, blob.size), (BlobId::of(&own), Some(size as u64)));
        assert_eq!(read_all(&store, blob.id).unwrap(), own);
    }
    assert_eq!((files(folder.path()), store.counters().inline), (0, 3));
    let own = bytes(INLINE_BYTES_MAX + 1, 1);
    assert_eq!(read_all(&store, add(&store, &own).id).unwrap(), own);
    assert_eq!((files(folder.path()), store.counters().whole), (1, 1));
    add(&store, &bytes((64 << 10) + 1, 1));
    assert_eq!(files(folder.path()), 3, "a second group makes a tree");
    check(&store).unwrap();
}

#[test]
fn the_same_bytes_added_twice_are_one_blob() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    for size in [100, 200_000] {
        let own = bytes(size, 2);
        let first = add(&store, &own);
        let (before, counters) = (files(folder.path()), store.counters());
        bench.pass(1);
        let about = About { name: "press 3.jpg".into(), ..About::default() };
        let again = store.add(&mut &own[..], None, about, &|_| Ok(())).unwrap();
        assert_eq!((again.id, again.size), (first.id, size as u64));
        assert_eq!(files(folder.path()), before);
        assert_eq!(
            (store.counters().bytes, store.counters().whole),
            (counters.bytes, counters.whole)
        );
        // What was not said before is said now, and what was said stays.
        let other = About { name: "other".into(), media_type: "a/b".into(), ..About::default() };
        store.add(&mut &own[..], None, other, &|_| Ok(())).unwrap();
        let row = store.look(&first.id).unwrap().unwrap();
        assert_eq!((&row.about.name[..], &row.about.media_type[..]), ("press 3.jpg", "a/b"));
        assert_eq!(row.touched.micros(), bench.time.load(Ordering::SeqCst));
    }
    check(&store).unwrap();
}

#[test]
fn the_same_bytes_added_by_many_at_once_are_one_blob() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    let own = bytes(300_000, 3);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (store, own) = (&store, &own);
            scope.spawn(move || {
                for round in 0..4 {
                    assert_eq!(add(store, own).id, BlobId::of(own));
                    add(store, &bytes(70_000, 100 + worker * 10 + round));
                }
            });
        }
    });
    assert_eq!(store.counters().whole, 33);
    assert_eq!(files(folder.path()), 66);
    check(&store).unwrap();
}

#[test]
fn pieces_of_any_size_make_the_same_blob_whether_its_size_was_said_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    let own = bytes(300_000, 4);
    for (piece, size) in [(1_000, None), (16_384, Some(300_000)), (16_385, None), (300_000, None)] {
        let mut draft = Draft::new(store.clone(), size).unwrap();
        own.chunks(piece).for_each(|piece| draft.write(piece).unwrap());
        let added = draft.finish(About::default(), &|_| Ok(())).unwrap();
        assert_eq!(added.id, BlobId::of(&own));
    }
    assert_eq!(read_all(&store, BlobId::of(&own)).unwrap(), own);
    check(&store).unwrap();
}

#[test]
fn what_changes_while_it_is_added_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    for (held, said) in [(100, 101), (101, 100), (200_000, 200_001), (200_001, 200_000)] {
        let own = bytes(held, 5);
        let error = try_add(&store, &own, Some(said)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{held} of {said}: {error}");
        assert_eq!(error.reason(), Some("changed_while_added"));
        let mut draft = Draft::new(store.clone(), Some(said)).unwrap();
        let written = draft.write(&own);
        let error = written
            .and_then(|()| draft.finish(About::default(), &|_| Ok(())).map(|added| added.id));
        assert_eq!(error.unwrap_err().reason(), Some("changed_while_added"));
    }
    assert_eq!(files(folder.path()), 0);
    check(&store).unwrap();
}

#[test]
fn an_add_that_is_called_off_or_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    let own = bytes(300_000, 6);
    for size in [None, Some(300_000)] {
        for limit in [1, 100_000, 300_000] {
            let stop = |done: u64| {
                let called_off = Error::new(ErrorKind::Cancelled, "no more");
                if done >= limit { Err(called_off) } else { Ok(()) }
            };
            let error = store.add(&mut &own[..], size, About::default(), &stop).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{size:?} {limit}");
        }
    }
    let mut draft = Draft::new(store.clone(), None).unwrap();
    draft.write(&own).unwrap();
    assert_eq!(files(folder.path()), 1);
    drop(draft);
    assert_eq!(files(folder.path()), 0);
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
    }
    for size in [None, Some(300_000)] {
        let mut source = (&own[..100_000]).chain(Broken);
        let error = store.add(&mut source, size, About::default(), &|_| Ok(())).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::StorageFailed);
    }
    assert_eq!(files(folder.path()), 0);
    assert_eq!(store.writer().promised, 0);
    check(&store).unwrap();
}

#[test]
fn a_quota_refuses_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    bench.options.bytes_max = Some(500_000);
    let store = bench.open(folder.path());
    add(&store, &bytes(300_000, 7));
    for size in [None, Some(200_001)] {
        let error = try_add(&store, &bytes(200_001, 8), size).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        assert_eq!(error.reason(), Some("blob_quota"), "{error}");
    }
    assert_eq!(files(folder.path()), 2);
    // What is under way counts.
    let held = Draft::new(store.clone(), Some(150_000)).unwrap();
    assert!(try_add(&store, &bytes(100_000, 9), Some(100_000)).is_err());
    drop(held);
    try_add(&store, &bytes(100_000, 9), None).unwrap();
    add(&store, &bytes(100_000, 10));
    assert!(try_add(&store, &[1], None).is_err());
    // What nothing keeps makes room.
    bench.pass(1_000);
    add(&store, &bytes(400_000, 11));
    assert_eq!(store.counters().bytes, 400_000);
    assert_eq!(store.writer().promised, 0);
    check(&store).unwrap();
}

#[test]
fn near_a_quota_rows_are_gone_through_once_and_not_for_each_piece() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    bench.options.bytes_max = Some(4_000_000);
    let store = bench.open(folder.path());
    let kept = add(&store, &bytes(20_000, 1)).id;
    bench.said.kept.lock().unwrap().insert(kept);
    bench.pass(1_000);
    let mut draft = Draft::new(store.clone(), None).unwrap();
    let scans = || bench.rows.scans.load(Ordering::SeqCst);
    let before = scans();
    let piece = bytes(65_536, 2);
    let mut written = 0;
    while draft.write(&piece).is_ok() {
        written += piece.len();
    }
    assert!(written > 3_900_000, "all that fits: {written}");
    assert!(draft.write(&piece).is_err() && try_add(&store, &piece, None).is_err());
    let each_time = scans() - before;
    assert!(each_time < 10, "{each_time} for 60 pieces");
    // What gets old is looked for at once.
    drop(draft);
    add(&store, &bytes(3_900_000, 3));
    assert!(try_add(&store, &bytes(200_000, 4), None).is_err());
    bench.pass(1_000);
    add(&store, &bytes(200_000, 4));
    assert_eq!(store.counters().bytes, 220_000);
}

#[test]
fn the_room_that_events_need_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    bench.options.free_bytes_min = Some(u64::MAX / 2);
    let store = bench.open(folder.path());
    let error = try_add(&store, &bytes(100_000, 1), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn more_than_a_blob_may_have_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    let error = Draft::new(store.clone(), Some(BLOB_BYTES_MAX + 1)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    let about = About { media_type: "no".into(), ..About::default() };
    let error = store.add(&mut &bytes(100_000, 1)[..], None, about, &|_| Ok(())).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn list_is_the_models() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    let mut model = BTreeMap::new();
    for number in 0..300 {
        let own = bytes(10 + number, number as u64);
        let tags = ["even", "odd", "fifth"].into_iter().filter(|tag| match *tag {
            "even" => number % 2 == 0,
            "odd" => number % 2 == 1,
            _ => number % 5 == 0,
        });
        let about = About { tags: TagSet::new(tags).unwrap(), ..About::default() };
        let added = store.add(&mut &own[..], None, about.clone(), &|_| Ok(())).unwrap();
        model.insert(added.id, about.tags);
    }
    for wanted in [&[][..], &["even"], &["odd", "fifth"], &["even", "odd"]] {
        let tags = TagSet::new(wanted).unwrap();
        let fits = |own: &TagSet| wanted.iter().all(|tag| own.contains(tag));
        let expected: Vec<BlobId> =
            model.iter().filter(|(_, own)| fits(own)).map(|(id, _)| *id).collect();
        for page in [1, 7, 1000] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let listed = store.list(after, &tags, page).unwrap();
                found.extend(listed.iter().map(|known| known.id));
                assert!(listed.len() <= page);
                let Some(last) = listed.last() else { break };
                after = Some(last.id);
            }
            assert_eq!(found, expected, "{wanted:?} by {page}");
        }
    }
}

//! Whatever is read is what was added, and an export is that as a file.

use super::*;
use crate::blob::store::export::{ExportHow, Exporting};
use proptest::prelude::*;

const GROUP: usize = 64 << 10;

#[test]
fn any_range_of_any_size_is_what_the_model_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    let mut sizes = vec![0, 1, 1_023, 1_024, 1_025, 16_383, 16_384, 16_385];
    for groups in [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 33] {
        sizes.extend([groups * GROUP - 1, groups * GROUP, groups * GROUP + 1]);
    }
    let blobs: Vec<(BlobId, Vec<u8>)> = sizes
        .iter()
        .map(|size| {
            let own = bytes(*size, *size as u64);
            (add(&store, &own).id, own)
        })
        .collect();
    check(&store).unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(2_000));
    let drawn = (any::<prop::sample::Index>(), 0.0..1.1, 0..3 * GROUP);
    runner
        .run(&drawn, |(which, place, length)| {
            let (id, own) = &blobs[which.index(blobs.len())];
            let position = (own.len() as f64 * place) as usize;
            let opened = store.open_blob(*id).unwrap();
            prop_assert_eq!(opened.size(), own.len() as u64);
            let mut found = Vec::new();
            while found.len() < length {
                let at = (position + found.len()) as u64;
                let bytes = opened.read_at(at, length - found.len()).unwrap();
                if bytes.is_empty() {
                    break;
                }
                found.extend_from_slice(&bytes);
            }
            let start = position.min(own.len());
            prop_assert_eq!(&found, &own[start..own.len().min(start + length)]);
            Ok(())
        })
        .unwrap();
}

#[test]
fn reading_writes_nothing_and_waits_for_nobody_who_does() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let store = bench.open(folder.path());
    let ids: Vec<BlobId> = (0..100).map(|seed| add(&store, &bytes(20_000, seed)).id).collect();
    bench.pass(1_000);
    let (commits, rows) = (bench.rows.commits(), bench.rows.map());
    store.verify_all(&|_| Ok(())).unwrap();
    let writer = store.writer();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let lengths = ids[..50].iter().map(|id| read_all(&store, *id).unwrap().len());
            lengths.sum::<usize>()
        });
        assert_eq!(reader.join().unwrap(), 50 * 20_000);
        // Nor does who writes down what was read wait.
        let noting = scope.spawn(|| store.write_notes());
        noting.join().unwrap().unwrap();
    });
    drop(writer);
    assert_eq!((bench.rows.commits(), bench.rows.map()), (commits, rows));
    // What was read is young, what was verified is not.
    bench.pass(50);
    assert_eq!(store.collect(&|| true).unwrap().blobs, 50);
    let commits = bench.rows.commits();
    assert!(!store.takes_notes());
    bench.pass(60_000_000);
    assert!(store.takes_notes() && !store.takes_notes());
    store.write_notes().unwrap();
    assert_eq!(bench.rows.commits(), commits + 1);
    store.write_notes().unwrap();
    assert_eq!(bench.rows.commits(), commits + 1);
    let touched = store.look(&ids[0]).unwrap().unwrap().touched;
    assert_eq!(touched.micros(), 1_800_000_000_001_000);
    check(&store).unwrap();
}

#[test]
fn a_blob_that_is_not_here_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(folder.path());
    let error = store.open_blob(BlobId::of(b"no")).err().unwrap();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, Some("blob_not_here")));
    assert!(store.look(&BlobId::of(b"no")).unwrap().is_none());
}

#[test]
fn an_export_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(&folder.path().join("store"));
    let target = folder.path().join("out");
    std::fs::create_dir(&target).unwrap();
    let left = || std::fs::read_dir(&target).unwrap().count();
    for (size, how) in [
        (0, ExportHow::Auto),
        (100, ExportHow::Link),
        (200_000, ExportHow::Auto),
        (200_000, ExportHow::Copy),
    ] {
        let own = bytes(size, 1);
        let id = add(&store, &own).id;
        let path = target.join("a");
        let to = |overwrite| Exporting { path: path.clone(), how, overwrite };
        assert_eq!(store.export(id, &to(false), &|_| Ok(())).unwrap(), size as u64);
        assert_eq!(std::fs::read(&path).unwrap(), own);
        let error = store.export(id, &to(false), &|_| Ok(())).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, Some("exists")));
        std::fs::write(&path, "other").unwrap();
        let stop = |_| Err(Error::new(ErrorKind::Cancelled, "no"));
        if size > 0 {
            assert!(store.export(id, &to(true), &stop).is_err());
            assert_eq!((left(), std::fs::read(&path).unwrap()), (1, b"other".to_vec()));
        }
        store.export(id, &to(true), &|_| Ok(())).unwrap();
        assert_eq!((left(), std::fs::read(&path).unwrap()), (1, own));
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_linked_export_is_the_stores_own_file() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let store = Bench::new().open(&folder.path().join("store"));
    let id = add(&store, &bytes(200_000, 1)).id;
    let path = folder.path().join("a");
    for overwrite in [false, true, true] {
        let to = Exporting { path: path.clone(), how: ExportHow::Link, overwrite };
        store.export(id, &to, &|_| Ok(())).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().nlink(), 2);
        let names = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(names.count(), 2, "the store and the file");
    }
}

use crate::driver::blob::crew::Crew;
use crate::driver::blob::work::begin;
use crate::driver::blob::{BlobReader, BlobState, Export, OpenBlob};
use crate::driver::clock;
use crate::event::{AppId, SwarmSecret, TagSet};
use crate::{About, BlobId, BlobOptions, Error, ErrorKind, Node, NodeOptions, StorageOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

pub(super) const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn open(path: &Path) -> Node {
    let storage = StorageOptions {
        blobs: BlobOptions { free_bytes_min: Some(0), ..BlobOptions::default() },
        ..StorageOptions::default()
    };
    Node::open(NodeOptions {
        path: path.to_owned(),
        app_id: AppId::parse("com.example.mill").unwrap(),
        swarm: SwarmSecret::from_bytes([9; 32]),
        former_secrets: Vec::new(),
        network: None,
        storage,
    })
    .unwrap()
}

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index * 31 + index / 251) as u8).collect()
}

fn is_closed<T>(result: Result<T, Error>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::Closed)
}

#[test]
fn a_blob_that_is_added_in_any_way_is_there_after_the_node_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file) = (folder.path().join("store"), folder.path().join("photo.jpg"));
    let node = open(&store);
    let blobs = node.blobs();
    let mut ids = Vec::new();
    for (index, size) in [0, 10, 16_385, 300_000].into_iter().enumerate() {
        let own = bytes(size);
        std::fs::write(&file, &own).unwrap();
        let tags = TagSet::new(["defect"]).unwrap();
        let about = About { media_type: "image/jpeg".into(), name: "photo.jpg".into(), tags };
        let added = blobs.add_path(&file, about.clone()).finish().wait().unwrap();
        assert_eq!((added.id, added.size), (BlobId::of(&own), Some(size as u64)));
        assert_eq!((&added.media_type[..], &added.name[..]), ("image/jpeg", "photo.jpg"));
        assert_eq!(blobs.add_bytes(own.clone(), About::default()).wait().unwrap(), added);
        let source = std::io::Cursor::new(own.clone());
        let read = blobs.add_reader(source, None, About::default()).finish().wait().unwrap();
        assert_eq!(read, added);
        let mut writer = blobs.writer(About::default(), None).unwrap();
        own.chunks(999).for_each(|piece| writer.write_all(piece).unwrap());
        assert_eq!(writer.finish().finish().wait().unwrap(), added);
        let stat = blobs.stat(&added.id).unwrap();
        let state = if size > 10 { BlobState::Whole } else { BlobState::Inline };
        assert_eq!((stat.size, stat.held_bytes, stat.state), (size as u64, size as u64, state));
        assert_eq!(stat.about, about);
        ids.push(added.id);
        let listed = blobs.list(None, &TagSet::new(["defect"]).unwrap(), 10).unwrap();
        assert_eq!(listed.len(), index + 1);
    }
    node.close(DEADLINE).unwrap();
    let node = open(&store);
    let blobs = node.blobs();
    for id in ids {
        assert!(blobs.has(&id).unwrap());
        let own = blobs.get(id, 1 << 20).wait().unwrap();
        assert_eq!(BlobId::of(&own), id);
        let out = folder.path().join("out");
        let options = Export { overwrite: true, ..Export::default() };
        let exported = blobs.export(id, &out, options).finish().wait().unwrap();
        assert_eq!((exported.id, exported.size), (id, own.len() as u64));
        assert_eq!(std::fs::read(&out).unwrap(), own);
    }
    let verified = blobs.verify(None).finish().wait().unwrap();
    assert_eq!((verified.whole, verified.bytes, verified.strays), (4, 316_395, 0));
    assert!(verified.damaged.is_empty());
    assert!(node.verify(|| true).wait().unwrap().damages.is_empty());
    node.close(DEADLINE).unwrap();
}

#[test]
fn a_reader_reads_at_any_place_and_as_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let node = open(folder.path());
    let own = bytes(300_000);
    let id = node.blobs().add_bytes(own.clone(), About::default()).wait().unwrap().id;
    let reader: BlobReader = node.blobs().open(id, OpenBlob::default()).wait().unwrap();
    assert_eq!((reader.id(), reader.size()), (id, 300_000));
    for (position, length) in
        [(0, 0), (0, 300_001), (65_535, 2), (100_000, 150_000), (299_999, 5), (300_000, 1)]
    {
        let end = own.len().min(position + length);
        let read = reader.read_at(position as u64, length).wait().unwrap();
        assert_eq!(&read[..], &own[position.min(end)..end], "{position} {length}");
    }
    let error = reader.read_at(0, (1 << 20) + 1).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(reader.read_at(u64::MAX, 9).wait().unwrap().is_empty());
    let mut stream = reader.stream();
    stream.seek(SeekFrom::End(-100_000)).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, own[200_000..]);
    assert_eq!(stream.seek(SeekFrom::Current(-1)).unwrap(), 299_999);
    assert!(stream.seek(SeekFrom::Current(-300_000)).is_err());
    let error = node.blobs().get(id, 299_999).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    for missing in [
        node.blobs().open(BlobId::of(b"no"), OpenBlob::default()).wait().err().unwrap(),
        node.blobs().get(BlobId::of(b"no"), 1).wait().unwrap_err(),
        node.blobs().stat(&BlobId::of(b"no")).unwrap_err(),
        node.blobs().verify(Some(BlobId::of(b"no"))).finish().wait().unwrap_err(),
    ] {
        assert_eq!(
            (missing.kind(), missing.reason()),
            (ErrorKind::NotFound, Some("blob_not_here"))
        );
    }
}

/// A source that gives a group each time it is told to.
struct Slow(mpsc::Receiver<()>);

impl Read for Slow {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.recv() {
            Ok(()) => {
                into.fill(7);
                Ok(into.len())
            }
            Err(_) => Ok(0),
        }
    }
}

#[test]
fn progress_is_seen_and_work_is_called_off() {
    let folder = tempfile::tempdir().unwrap();
    let node = open(folder.path());
    let (tell, told) = mpsc::channel();
    let work = node.blobs().add_reader(Slow(told), None, About::default());
    let mut progress = work.progress();
    let before = progress.done_bytes;
    tell.send(()).unwrap();
    while progress.done_bytes == before {
        progress = work.next(progress.number).wait().unwrap();
    }
    assert_eq!((progress.total_bytes, progress.is_done), (None, false));
    drop(tell);
    assert_eq!(work.finish().wait().unwrap().size, Some(progress.done_bytes));
    // Called off: what it had is gone once it notices.
    let (tell, told) = mpsc::channel();
    let work = node.blobs().add_reader(Slow(told), None, About::default());
    tell.send(()).unwrap();
    work.next(0).wait().unwrap();
    work.cancel();
    while tell.send(()).is_ok() {}
    let verified = node.blobs().verify(None).finish().wait().unwrap();
    assert_eq!((verified.whole, verified.strays), (1, 0));
}

#[test]
fn a_closed_node_ends_what_is_under_way_and_answers_closed() {
    let folder = tempfile::tempdir().unwrap();
    let node = open(folder.path());
    let blobs = node.blobs();
    let id = blobs.add_bytes(bytes(100_000), About::default()).wait().unwrap().id;
    let reader = blobs.open(id, OpenBlob::default()).wait().unwrap();
    let mut writer = blobs.writer(About::default(), None).unwrap();
    writer.write_all(&bytes(100_000)).unwrap();
    let (tell, told) = mpsc::channel();
    let work = blobs.add_reader(Slow(told), None, About::default());
    tell.send(()).unwrap();
    work.next(0).wait().unwrap();
    let finished = work.finish();
    node.close(DEADLINE).unwrap();
    while tell.send(()).is_ok() {}
    assert!(is_closed(finished.wait()));
    assert!(is_closed(blobs.has(&id)) && is_closed(blobs.get(id, 9).wait()));
    assert!(is_closed(reader.read_at(0, 9).wait()) && is_closed(writer.take(&[1])));
    assert!(reader.stream().read(&mut [0; 9]).is_err());
    assert!(is_closed(writer.finish().finish().wait()));
    assert!(is_closed(blobs.verify(None).finish().wait()));
    drop((reader, blobs, node));
    let node = open(folder.path());
    let verified = node.blobs().verify(None).finish().wait().unwrap();
    assert_eq!((verified.whole, verified.strays), (1, 0));
}

#[test]
fn work_that_is_dropped_or_panics_answers_closed_to_all_who_wait() {
    let crew = Crew::new(1);
    let (go_on, wait) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    crew.work(Box::new(move || {
        began.send(()).unwrap();
        wait.recv().unwrap();
    }));
    begun.recv().unwrap();
    let (dropped, doer) = begin::<()>(None, &Arc::default());
    crew.work(Box::new(move || doer.end(Ok(()))));
    let (next, other) = (dropped.next(0), dropped.next(0));
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| crew.close(clock::now() + DEADLINE));
        assert!(is_closed(next.wait()) && is_closed(other.wait()));
        assert!(dropped.next(0).wait().unwrap().is_done);
        assert!(is_closed(dropped.finish().wait()));
        go_on.send(()).unwrap();
        closing.join().unwrap();
    });
    let crew = Crew::new(1);
    let (panics, doer) = begin::<()>(None, &Arc::default());
    let next = panics.next(0);
    crew.work(Box::new(move || {
        doer.state().expect(9);
        panic!("a job panics on purpose");
    }));
    assert_eq!(next.wait().unwrap().total_bytes, Some(9));
    let next = panics.next(1);
    assert!(next.wait().map_or(true, |progress| progress.is_done));
    assert!(is_closed(panics.finish().wait()));
    // The thread has others to do.
    let (done, was_done) = mpsc::channel();
    crew.work(Box::new(move || done.send(()).unwrap()));
    was_done.recv().unwrap();
    crew.close(clock::now() + DEADLINE);
}

#[test]
fn a_crew_that_is_closed_by_its_own_thread_does_not_wait_for_that() {
    let crew = Arc::new(Crew::new(2));
    let (own, (closed, was_closed)) = (crew.clone(), mpsc::channel());
    crew.work(Box::new(move || {
        // Longer than anybody waits for a test.
        own.close(clock::now() + 100_000 * DEADLINE);
        closed.send(()).unwrap();
    }));
    was_closed.recv().unwrap();
}

#[test]
fn what_a_crash_has_left_is_gone_once_a_node_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let node = open(folder.path());
    let mut writer = node.blobs().writer(About::default(), None).unwrap();
    writer.write_all(&bytes(100_000)).unwrap();
    node.close(DEADLINE).unwrap();
    let blobs = folder.path().join("blobs/00");
    let files = || std::fs::read_dir(&blobs).unwrap().count();
    // Its writer still lives, and has no part in the next node.
    assert_eq!(files(), 1);
    let node = open(folder.path());
    assert_eq!(files(), 0);
    drop(writer);
    node.close(DEADLINE).unwrap();
}

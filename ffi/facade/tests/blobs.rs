//! Blobs through the facade: adding, reading, exporting, events that refer to them, as shells do.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use millpond_facade::{
    BlobAbout, BlobExportOptions, CancelHandle, Closed, CompletionQueue, Draft, FacadeError, Limit,
    NodeHandle, Outcome, PublishOptions, QueryOptions, Result, Wait, close_any, limits,
};
use std::io::Read;
use std::sync::mpsc;
use support::{Mill, SOON, receiver, soon};

/// The id of `n` bytes of 7, as `b3sum` prints it, is asked of an add.
fn add(node: NodeHandle, bytes: Vec<u8>) -> String {
    id_of(&node.blob_add_bytes(bytes, BlobAbout::default(), &soon()).unwrap())
}

fn id_of(json: &str) -> String {
    let (_, rest) = json.split_once(r#""id":""#).unwrap();
    rest[..64].to_owned()
}

fn photo() -> BlobAbout {
    BlobAbout {
        media_type: Some("image/jpeg".into()),
        name: Some("defect.jpg".into()),
        tags: vec!["press".into()],
    }
}

/// Bytes that differ from place to place.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|place| (place * 31 + place / 251) as u8).collect()
}

fn reason(error: &FacadeError) -> (&'static str, Option<&'static str>) {
    (error.name, error.reason)
}

#[test]
fn a_blob_is_added_by_bytes_by_path_and_piece_by_piece_and_is_the_same() {
    let mill = Mill::open();
    let node = mill.node;
    let content = bytes(200_000);
    let told = node.blob_add_bytes(content.clone(), photo(), &soon()).unwrap();
    let id = id_of(&told);
    assert!(told.contains(r#""media_type":"image/jpeg""#) && told.contains(r#""size":200000"#));

    let path = node.path().unwrap().join("photo");
    std::fs::write(&path, &content).unwrap();
    let work = node.blob_add_path(&path, BlobAbout::default()).unwrap();
    assert_eq!(id_of(&work.result_json(&soon()).unwrap()), id);
    assert_eq!(id_of(&work.result_json(&soon()).unwrap()), id, "it may be asked again");
    let last = work.next_progress(&soon()).unwrap();
    assert!(last.is_end && last.done_bytes == 200_000, "{last:?}");
    assert!(work.next_progress(&soon()).unwrap().is_end, "again and again");
    assert_eq!(work.close(), Ok(Closed::Now));

    let writer = node.blob_writer(BlobAbout::default(), None, &soon()).unwrap();
    for piece in content.chunks(7_777) {
        writer.write(piece, &soon()).unwrap();
    }
    assert_eq!(id_of(&writer.finish(&soon()).unwrap()), id);
    assert_eq!(writer.write(b"more", &soon()).unwrap_err().name, "invalid_argument");
    assert_eq!(id_of(&writer.finish(&soon()).unwrap()), id);
    assert_eq!(writer.close(), Ok(Closed::Now));
    assert_eq!(writer.close(), Ok(Closed::Before));

    assert!(node.blob_has(&id).unwrap());
    let stat = node.blob_stat_json(&id).unwrap();
    assert!(stat.contains(r#""state":"whole""#) && stat.contains(r#""name":"defect.jpg""#));
    let list = node.blob_list_json(None, &["press"], None).unwrap();
    assert_eq!(list, format!("[{stat}]"));
    assert_eq!(node.blob_list_json(Some(&id), &["press"], None).unwrap(), "[]");
    assert_eq!(node.blob_list_json(None, &["other"], None).unwrap(), "[]");
}

#[test]
fn what_is_written_and_not_finished_leaves_nothing() {
    let mill = Mill::open();
    let node = mill.node;
    let writer = node.blob_writer(photo(), Some(20_000), &soon()).unwrap();
    writer.write(&bytes(20_000), &Wait::forever()).unwrap();
    let more = writer.write(b"more", &soon()).unwrap_err();
    assert_eq!(reason(&more), ("conflict", Some("changed_while_added")));
    let again = writer.finish(&soon()).unwrap_err();
    assert_eq!(reason(&again), ("conflict", Some("changed_while_added")));
    writer.close().unwrap();

    let (done, writer) = receiver();
    node.blob_writer_start(photo(), None, Limit::default(), done);
    let writer = writer.recv_timeout(SOON).unwrap().unwrap();
    let (done, written) = receiver();
    writer.write_start(bytes(20_000), Limit::default(), done);
    written.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(close_any(writer.id()), Ok(Closed::Now));
    assert_eq!(writer.finish(&soon()).unwrap_err().name, "closed");
    assert_eq!(node.blob_list_json::<&str>(None, &[], None).unwrap(), "[]");
}

#[test]
fn any_place_of_a_blob_is_read_and_what_comes_in_turn_follows() {
    let mill = Mill::open();
    let content = bytes(3 * limits::BLOB_WRITE_BYTES + 5);
    let id = add(mill.node, content.clone());
    let reader = mill.node.blob_open(&id, &soon()).unwrap();
    assert_eq!((reader.blob_id().unwrap(), reader.size().unwrap()), (id, content.len() as u64));

    // Longer than what the core gives at a time.
    let mut buffer = vec![0; content.len() + 100];
    assert_eq!(reader.read_at(0, &mut buffer, &soon()), Ok(content.len()));
    assert_eq!(buffer[..content.len()], content);
    for (position, length) in [(0, 0), (65_535, 2), (1 << 20, 2 << 20), (content.len() - 3, 9)] {
        let end = content.len().min(position + length);
        let mut buffer = vec![0; length];
        let read = reader.read_at(position as u64, &mut buffer, &soon()).unwrap();
        assert_eq!(buffer[..read], content[position..end], "{position} {length}");
        let (done, started) = receiver();
        reader.read_at_start(position as u64, length as u64, Limit::default(), done);
        assert_eq!(started.recv_timeout(SOON).unwrap().unwrap(), content[position..end]);
    }
    assert_eq!(reader.read_at(u64::MAX, &mut buffer, &soon()), Ok(0));
    let (done, started) = receiver();
    reader.read_at_start(0, (16 << 20) + 1, Limit::default(), done);
    let error = started.recv_timeout(SOON).unwrap().unwrap_err();
    assert_eq!(error.name, "limit_exceeded");

    let mut begin = [0; 10];
    assert_eq!(reader.read(&mut begin, &soon()), Ok(10));
    let mut all = begin.to_vec();
    loop {
        let chunk = reader.next_chunk(&soon()).unwrap();
        assert!(chunk.len() <= limits::BLOB_CHUNK_BYTES);
        if chunk.is_empty() {
            break;
        }
        all.extend_from_slice(&chunk);
    }
    assert!(all == content, "in turn");
    assert_eq!(reader.seek(-5, 2), Ok(content.len() as u64 - 5));
    assert_eq!(reader.next_chunk(&soon()).unwrap(), content[content.len() - 5..]);
    assert_eq!(reader.seek(-1, 1), Ok(content.len() as u64 - 1));
    assert_eq!(reader.seek(-1, 0).unwrap_err().name, "invalid_argument");
    assert_eq!(reader.seek(0, 3).unwrap_err().name, "invalid_argument");
    assert_eq!(reader.seek(0, 1), Ok(content.len() as u64 - 1), "as it was");

    let mut file = std::fs::File::from(reader.file().unwrap());
    let mut again = Vec::new();
    file.read_to_end(&mut again).unwrap();
    assert!(again == content, "the file of the blob");
    assert_eq!(reader.close(), Ok(Closed::Now));
    assert_eq!(reader.size().unwrap_err().name, "closed");
}

#[test]
fn a_small_blob_has_no_file_and_a_large_one_is_not_got_by_mistake() {
    let mill = Mill::open();
    let (small, large) = (add(mill.node, bytes(100)), add(mill.node, bytes(100_000)));
    let reader = mill.node.blob_open(&small, &soon()).unwrap();
    assert_eq!(reason(&reader.file().unwrap_err()), ("invalid_argument", Some("no_file")));
    assert_eq!(mill.node.blob_get(&small, None, &soon()).unwrap(), bytes(100));
    assert_eq!(mill.node.blob_get(&large, None, &soon()).unwrap(), bytes(100_000));
    let error = mill.node.blob_get(&large, Some(99_999), &soon()).unwrap_err();
    assert_eq!(error.name, "limit_exceeded");
    let missing = "00".repeat(32);
    for error in [
        mill.node.blob_get(&missing, None, &soon()).unwrap_err(),
        mill.node.blob_open(&missing, &soon()).unwrap_err(),
        mill.node.blob_stat_json(&missing).unwrap_err(),
        mill.node.blob_verify(Some(&missing)).unwrap().result_json(&soon()).unwrap_err(),
    ] {
        assert_eq!(reason(&error), ("not_found", Some("blob_not_here")), "{error}");
    }
    assert!(!mill.node.blob_has(&missing).unwrap());
    let error = mill.node.blob_has("photo").unwrap_err();
    assert_eq!(error.name, "invalid_argument");
}

#[test]
fn a_blob_is_exported_whole_and_replaces_only_what_it_may() {
    let mill = Mill::open();
    let node = mill.node;
    let id = add(node, bytes(100_000));
    let path = node.path().unwrap().join("out");
    let export = |how: Option<&str>, overwrite| {
        let options = BlobExportOptions { how: how.map(str::to_owned), overwrite };
        node.blob_export(&id, &path, options)?.result_json(&soon())
    };
    assert!(export(None, None).unwrap().contains(r#""size":100000"#));
    assert_eq!(std::fs::read(&path).unwrap(), bytes(100_000));
    assert_eq!(reason(&export(None, None).unwrap_err()), ("conflict", Some("exists")));
    export(Some("copy"), Some(true)).unwrap();
    assert_eq!(export(Some("fax"), None).unwrap_err().name, "invalid_argument");
    let verified = node.blob_verify(None).unwrap().result_json(&soon()).unwrap();
    assert!(verified.contains(r#""damaged":[]"#) && verified.contains(r#""whole":1"#));
    let collected = node.blob_collect().unwrap().result_json(&soon()).unwrap();
    assert_eq!(collected, r#"{"blobs":0,"bytes":0}"#, "within its grace");
}

#[test]
fn an_event_refers_to_blobs_with_what_was_said_of_them() {
    let mill = Mill::open();
    let node = mill.node;
    let first = id_of(&node.blob_add_bytes(bytes(10), photo(), &soon()).unwrap());
    let second = add(node, bytes(20));
    let draft = || Draft::from_json(["defect"], "1").unwrap();
    let publish = |draft| node.publish(vec![draft], PublishOptions::default(), &soon());
    publish(draft().with_blobs([&first, &second]).unwrap()).unwrap();
    publish(draft()).unwrap();

    let options = QueryOptions::default();
    let cursor = node.query("FROM 'defect'", options, &soon()).unwrap();
    let batch = cursor.next_batch(None, &soon()).unwrap();
    let told = batch.get(0).unwrap().blobs_json().unwrap();
    let said =
        format!(r#"{{"id":"{first}","media_type":"image/jpeg","name":"defect.jpg","size":10}}"#);
    let unsaid = format!(r#"{{"id":"{second}","media_type":null,"name":null,"size":20}}"#);
    assert!(told.contains(&said) && told.contains(&unsaid), "{told}");
    assert_eq!(batch.get(1).unwrap().blobs_json().unwrap(), "[]");

    let missing = draft().with_blobs(["00".repeat(32)]).unwrap();
    let error = publish(missing).unwrap_err();
    assert_eq!(reason(&error), ("not_found", Some("blob_not_here")));
    assert_eq!(draft().with_blobs(["photo"]).unwrap_err().name, "invalid_argument");
}

#[test]
fn what_waits_for_blobs_ends_by_its_limits_its_handle_and_its_node() {
    let mill = Mill::open();
    let node = mill.node;
    let id = add(node, bytes(100_000));
    let cancel = CancelHandle::new().unwrap();
    cancel.cancel().unwrap();
    let called_off = Limit { cancel: Some(cancel), timeout: None };
    let wait = Wait { limit: called_off, interrupted: None };
    let mut buffer = [0; 4];
    let reader = node.blob_open(&id, &soon()).unwrap();
    for error in [
        node.blob_add_bytes(bytes(3), BlobAbout::default(), &wait).unwrap_err(),
        node.blob_open(&id, &wait).unwrap_err(),
        node.blob_get(&id, None, &wait).unwrap_err(),
        node.blob_writer(BlobAbout::default(), None, &wait).unwrap_err(),
        reader.read(&mut buffer, &wait).unwrap_err(),
        reader.next_chunk(&wait).unwrap_err(),
        reader.read_at(0, &mut buffer, &wait).unwrap_err(),
    ] {
        assert_eq!(error.name, "cancelled");
    }
    let (done, read) = receiver();
    reader.read_at_start(0, 4, called_off, done);
    assert_eq!(read.recv_timeout(SOON).unwrap().unwrap_err().name, "cancelled");
    assert_eq!(reader.seek(0, 1), Ok(0), "nothing was taken");

    let writer = node.blob_writer(BlobAbout::default(), None, &soon()).unwrap();
    let work = node.blob_verify(None).unwrap();
    assert_eq!(work.close(), Ok(Closed::Now));
    assert_eq!(work.result_json(&soon()).unwrap_err().name, "closed");
    let kept = node.blob_verify(None).unwrap();
    mill.close();
    assert!(kept.next_progress(&soon()).unwrap().is_end);
    for error in [
        writer.write(b"7", &soon()).unwrap_err(),
        reader.next_chunk(&soon()).unwrap_err(),
        node.blob_has(&id).unwrap_err(),
    ] {
        assert_eq!(error.name, "closed");
    }
}

/// Puts a result into the queue, and says that it is there.
fn fetched<T: Into<Outcome>>(
    queue: &CompletionQueue,
    ticket: u64,
    send: &mpsc::Sender<()>,
) -> impl FnOnce(Result<T>) + Send + use<T> + 'static {
    let (done, send) = (queue.done(ticket), send.clone());
    move |result| {
        done(result);
        send.send(()).unwrap();
    }
}

#[test]
fn an_event_loop_fetches_what_comes_of_blobs() {
    let mill = Mill::open();
    let queue = CompletionQueue::new().unwrap();
    let (send, come) = mpsc::channel();
    mill.node.blob_add_bytes_start(bytes(9), photo(), Limit::default(), fetched(&queue, 1, &send));
    let next = || {
        come.recv_timeout(SOON).unwrap();
        queue.drain().pop().unwrap().outcome.unwrap()
    };
    let Outcome::Text(told) = next() else { panic!("no text") };
    let id = id_of(&told);
    mill.node.blob_open_start(&id, Limit::default(), fetched(&queue, 2, &send));
    let Outcome::BlobReader(reader) = next() else { panic!("no reader") };
    reader.read_at_start(0, 100, Limit::default(), fetched(&queue, 3, &send));
    let Outcome::Bytes(read) = next() else { panic!("no bytes") };
    assert_eq!(read, bytes(9));
    let work = mill.node.blob_verify(Some(&id)).unwrap();
    work.result_json_start(Limit::default(), fetched(&queue, 4, &send));
    let Outcome::Text(verified) = next() else { panic!("no text") };
    assert!(verified.contains(r#""bytes":9"#), "{verified}");
    work.next_progress_start(Limit::default(), fetched(&queue, 5, &send));
    let Outcome::BlobProgress(progress) = next() else { panic!("no progress") };
    assert!(progress.is_end);
    mill.node.blob_writer_start(photo(), None, Limit::default(), fetched(&queue, 6, &send));
    let Outcome::BlobWriter(writer) = next() else { panic!("no writer") };
    writer.write_start(bytes(9), Limit::default(), fetched(&queue, 7, &send));
    assert!(matches!(next(), Outcome::Unit));
    writer.finish_start(Limit::default(), fetched(&queue, 8, &send));
    let Outcome::Text(again) = next() else { panic!("no text") };
    assert_eq!(id_of(&again), id);
    mill.node.blob_get_start(&id, None, Limit::default(), fetched(&queue, 9, &send));
    assert!(matches!(next(), Outcome::Bytes(read) if read == bytes(9)));
}

//! Blobs between real nodes: over QUIC, on loopback.

use crate::nodes::{PATIENCE, address, link, loopback, open, open_to, secret, try_open, until};
use crate::support::Scratch;
use millpond::event::cbor::Value;
use millpond::event::{NewEvent, Payload, TagSet};
use millpond::query::Query;
use millpond::{
    About, BlobId, BlobReader, BlobRef, BlobStall, BlobState, BlobWork, ErrorKind, Export,
    NetworkOptions, Node, OpenBlob, PublishOptions, QueryOptions, StorageOptions,
};
use millpond_tests::crash::mix;
use std::cell::Cell;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
const GROUP: usize = 64 << 10;

/// Bytes without a pattern.
fn content(seed: u64, size: usize) -> Vec<u8> {
    let words = (0..size.div_ceil(8) as u64).flat_map(|word| mix(seed, word).to_le_bytes());
    words.take(size).collect()
}

fn add(node: &Node, bytes: &[u8]) -> BlobRef {
    let about = About { media_type: "image/jpeg".into(), name: "a.jpg".into(), ..About::default() };
    node.blobs().add_bytes(bytes.to_vec(), about).wait().unwrap()
}

/// Adds bytes and publishes an event that refers to them.
fn publish(node: &Node, bytes: &[u8]) -> BlobRef {
    let blob = add(node, bytes);
    let tags = TagSet::new(["kind:defect"]).unwrap();
    let event = NewEvent { tags, payload: Payload::from_value(&Value::Null).unwrap() };
    let events = vec![event.with_blobs(std::slice::from_ref(&blob)).unwrap()];
    node.publish(events, PublishOptions::default()).wait().unwrap();
    blob
}

/// Waits until a node holds an event that refers to a blob; the blob.
fn learn(node: &Node) -> BlobRef {
    let query = Query::parse("FROM 'kind:defect'").unwrap();
    let look = |node: &Node| {
        let mut cursor = node.query(&query, QueryOptions::default()).unwrap();
        let found = cursor.next_batch(1).unwrap();
        found.iter().find_map(|event| event.blobs().pop())
    };
    until(node, "an event with a blob", |node| look(node).is_some());
    look(node).unwrap()
}

fn wait<T>(work: BlobWork<T>) -> millpond::Result<T> {
    work.finish().wait_timeout(PATIENCE).expect("it ends in time")
}

/// Waits until so many bytes are done; how many then are.
fn until_done<T>(work: &BlobWork<T>, bytes: u64) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    let mut progress = work.progress();
    while progress.done_bytes < bytes {
        let left = deadline.saturating_duration_since(Instant::now());
        let next = work.next(progress.number).wait_timeout(left);
        progress = next.expect("it goes on").expect("it goes on");
        assert!(!progress.is_done || progress.done_bytes >= bytes, "{progress:?}");
    }
    progress.done_bytes
}

fn open_blob(node: &Node, id: BlobId) -> BlobReader {
    let reader = node.blobs().open(id, OpenBlob::default()).wait_timeout(PATIENCE);
    reader.expect("it opens in time").unwrap()
}

fn read(reader: &BlobReader, position: usize, length: usize) -> Vec<u8> {
    let read = reader.read_at(position as u64, length).wait_timeout(PATIENCE);
    read.expect("it is read in time").unwrap().to_vec()
}

/// A node that sends at most so many bytes in a second.
fn slow(scratch: &Scratch, name: &str, bytes_per_second: u64) -> Node {
    let network = NetworkOptions { send_bytes_per_second_max: bytes_per_second, ..loopback() };
    try_open(scratch, name, &secret(1), network, StorageOptions::default()).unwrap()
}

fn close(node: Node) {
    node.close(Duration::from_secs(60)).unwrap();
}

#[test]
fn reading_a_missing_blob_fetches_what_is_read() {
    let scratch = Scratch::new("blobs-read");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    let own = content(1, 30 * MIB + 5);
    link(&b, &a).unwrap();
    let blob = publish(&a, &own);
    assert_eq!(learn(&b), blob, "the event says what it refers to before the bytes are here");
    let here = b.blobs().open(blob.id, OpenBlob { fetch: false }).wait().err().unwrap();
    assert_eq!((here.kind(), here.reason()), (ErrorKind::NotFound, Some("blob_not_here")));
    let reader = open_blob(&b, blob.id);
    assert_eq!((reader.id(), reader.size()), (blob.id, own.len() as u64));
    let middle = 15 * MIB + 77;
    assert_eq!(read(&reader, middle, 3 * GROUP), own[middle..middle + 3 * GROUP]);
    assert_eq!(read(&reader, own.len() - 9, 99), own[own.len() - 9..]);
    let stat = b.blobs().stat(&blob.id).unwrap();
    assert_eq!(
        (stat.state, stat.size, stat.size_proven),
        (BlobState::Part, blob.size.unwrap(), true)
    );
    let read_ahead = 2 * 2 * MIB as u64;
    assert!(stat.held_bytes <= 8 * GROUP as u64 + read_ahead, "{} bytes came", stat.held_bytes);
    assert!(!b.blobs().has(&blob.id).unwrap());
    // The rest as a stream.
    let mut stream = reader.stream();
    stream.seek(SeekFrom::Start(20 * MIB as u64)).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest == own[20 * MIB..]);
    let out = scratch.path().join("out.jpg");
    let exported = wait(b.blobs().export(blob.id, &out, Export::default())).unwrap();
    assert_eq!((exported.id, exported.size), (blob.id, own.len() as u64));
    assert!(std::fs::read(&out).unwrap() == own && b.blobs().has(&blob.id).unwrap());
    let verified = wait(b.blobs().verify(None)).unwrap();
    assert_eq!((verified.whole, verified.damaged.len(), verified.strays), (1, 0, 0));
    [a, b].into_iter().for_each(close);
}

#[test]
fn blobs_of_any_size_come() {
    let scratch = Scratch::new("blobs-sizes");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&b, &a).unwrap();
    for size in [0, 1, 16_384, 16_385, GROUP, GROUP + 1, 3 * GROUP - 1, 9 * MIB] {
        let own = content(size as u64, size);
        let blob = add(&a, &own);
        // Nobody has told b of it: who knows an id gets the blob.
        let got = b.blobs().get(blob.id, 9 * MIB).wait_timeout(PATIENCE);
        assert!(got.expect("it comes in time").unwrap() == own, "{size}");
        let fetched = wait(b.blobs().fetch(blob.id)).unwrap();
        assert_eq!((fetched.id, fetched.size), (blob.id, Some(size as u64)));
    }
    let error = b.blobs().get(BlobId::of(&content(9, 9 * MIB)), 9).wait_timeout(Duration::ZERO);
    assert!(error.is_none(), "nobody has it: it may still come");
    [a, b].into_iter().for_each(close);
}

#[test]
fn a_blob_comes_through_who_is_left() {
    let scratch = Scratch::new("blobs-left");
    let own = content(2, 5 * MIB);
    let a = Node::open(millpond::NodeOptions {
        path: scratch.path().join("a"),
        app_id: millpond::event::AppId::parse("com.example.a").unwrap(),
        swarm: secret(1),
        former_secrets: Vec::new(),
        network: None,
        storage: StorageOptions::default(),
    })
    .unwrap();
    let blob = publish(&a, &own);
    close(a);
    // What was added offline is there when a comes to the network.
    let [a, c] = ["a", "c"].map(|name| open(&scratch, name, &secret(1)));
    link(&c, &a).unwrap();
    assert_eq!(learn(&c), blob);
    let fetched = wait(c.blobs().fetch(blob.id)).unwrap();
    assert_eq!(fetched, blob, "with what the event says of it");
    close(a);
    let b = open(&scratch, "b", &secret(1));
    link(&b, &c).unwrap();
    assert_eq!(learn(&b), blob);
    let got = b.blobs().get(blob.id, 5 * MIB).wait_timeout(PATIENCE);
    assert!(got.expect("it comes in time").unwrap() == own);
    [b, c].into_iter().for_each(close);
}

#[test]
fn a_leaves_half_way_and_c_completes() {
    let scratch = Scratch::new("blobs-half");
    let own = content(3, 24 * MIB);
    let [a, c] = ["a", "c"].map(|name| slow(&scratch, name, 6_000_000));
    let blob = publish(&a, &own);
    add(&c, &own);
    let b = open(&scratch, "b", &secret(1));
    link(&b, &a).unwrap();
    learn(&b);
    let work = b.blobs().fetch(blob.id);
    until_done(&work, 4 * MIB as u64);
    // The other one comes, and the first goes without a word.
    link(&b, &c).unwrap();
    a.set_network(false).wait().unwrap();
    assert!(work.progress().done_bytes < own.len() as u64, "it was under way");
    wait(work).unwrap();
    let got = b.blobs().get(blob.id, own.len()).wait().unwrap();
    assert!(got == own);
    let sent = |node: &Node| {
        let status = node.status().wait().unwrap();
        let peers = status.peers.iter().filter(|peer| peer.node == b.node_id());
        peers.map(|peer| peer.total_bytes_out).sum::<u64>()
    };
    assert!(sent(&c) >= 4 * MIB as u64, "the rest came from who was left: {}", sent(&c));
    [a, b, c].into_iter().for_each(close);
}

#[test]
fn groups_come_from_all_who_have_them() {
    let scratch = Scratch::new("blobs-two");
    let own = content(4, 16 * MIB);
    let [a, c] = ["a", "c"].map(|name| slow(&scratch, name, 8_000_000));
    let blob = add(&a, &own);
    add(&c, &own);
    let b = open(&scratch, "b", &secret(1));
    link(&b, &a).unwrap();
    link(&b, &c).unwrap();
    wait(b.blobs().fetch(blob.id)).unwrap();
    let status = b.status().wait().unwrap();
    let brought: Vec<u64> = status.peers.iter().map(|peer| peer.total_bytes_in).collect();
    println!("{brought:?} bytes came of each");
    assert!(brought.len() == 2 && brought.iter().all(|bytes| *bytes >= 3 * MIB as u64));
    let all: u64 = brought.iter().sum();
    assert!(all < own.len() as u64 * 5 / 4, "nearly nothing came twice: {all}");
    assert!(b.blobs().get(blob.id, own.len()).wait().unwrap() == own);
    [a, b, c].into_iter().for_each(close);
}

#[test]
fn a_fetch_goes_on_from_where_its_node_was_closed() {
    let scratch = Scratch::new("blobs-again");
    let own = content(5, 24 * MIB);
    let a = slow(&scratch, "a", 8_000_000);
    let blob = publish(&a, &own);
    let b = open(&scratch, "b", &secret(1));
    link(&b, &a).unwrap();
    learn(&b);
    let work = b.blobs().fetch(blob.id);
    until_done(&work, 6 * MIB as u64);
    let finished = work.finish();
    close(b);
    let error = finished.wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let b = open_to(&scratch, "b", &secret(1), vec![address(&a)]).unwrap();
    let held = b.blobs().stat(&blob.id).unwrap().held_bytes;
    assert!(held >= 5 * MIB as u64, "{held} bytes are here");
    wait(b.blobs().fetch(blob.id)).unwrap();
    let status = b.status().wait().unwrap();
    let brought: u64 = status.peers.iter().map(|peer| peer.total_bytes_in).sum();
    let missing = own.len() as u64 - held;
    assert!(brought < missing * 5 / 4, "{brought} bytes came of {missing} that were missing");
    assert!(b.blobs().get(blob.id, own.len()).wait().unwrap() == own);
    [a, b].into_iter().for_each(close);
}

#[test]
fn a_fetch_that_is_called_off_asks_for_nothing_more() {
    let scratch = Scratch::new("blobs-off");
    let own = content(6, 24 * MIB);
    let a = slow(&scratch, "a", 4_000_000);
    let blob = publish(&a, &own);
    let b = open(&scratch, "b", &secret(1));
    link(&b, &a).unwrap();
    learn(&b);
    let work = b.blobs().fetch(blob.id);
    let done = until_done(&work, MIB as u64);
    work.cancel();
    // What was asked for by then may come still.
    let came = || -> u64 {
        let status = b.status().wait().unwrap();
        status.peers.iter().map(|peer| peer.total_bytes_in).sum()
    };
    let before = Cell::new((came(), 0));
    until(&b, "an end of what comes", |_| {
        let ((before_bytes, calm), now): ((u64, u32), u64) = (before.get(), came());
        let calm = if now < before_bytes + 10_000 { calm + 1 } else { 0 };
        before.set((now, calm));
        calm == 10
    });
    let held = b.blobs().stat(&blob.id).unwrap().held_bytes;
    assert!(held < done + 4 * MIB as u64, "{held} bytes came, {done} of them before");
    [a, b].into_iter().for_each(close);
}

#[test]
fn a_fetch_of_what_nobody_has_says_so_and_goes_on_when_somebody_comes() {
    let scratch = Scratch::new("blobs-nobody");
    let own = content(7, MIB);
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&b, &a).unwrap();
    let work = b.blobs().fetch(BlobId::of(&own));
    let mut progress = work.progress();
    while progress.stalled.is_none() {
        let next = work.next(progress.number).wait_timeout(PATIENCE);
        progress = next.expect("it says so").unwrap();
    }
    assert_eq!(progress.stalled, Some(BlobStall::NoProvider));
    add(&a, &own);
    let fetched = wait(work).unwrap();
    assert_eq!((fetched.id, fetched.size), (BlobId::of(&own), Some(MIB as u64)));
    // A node without a network refuses at once.
    close(b);
    let lone = millpond_tests::crash::open(&scratch.path().join("lone")).unwrap();
    let error = lone.blobs().fetch(fetched.id).finish().wait().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, Some("blob_not_here")));
    let error = lone.blobs().get(fetched.id, MIB).wait().unwrap_err();
    assert_eq!(error.reason(), Some("blob_not_here"));
    close(lone);
    close(a);
}

#[test]
fn what_rots_is_fetched_again() {
    let scratch = Scratch::new("blobs-rot");
    let own = content(8, 3 * MIB);
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&b, &a).unwrap();
    let blob = publish(&a, &own);
    wait(b.blobs().fetch(blob.id)).unwrap();
    let folder = scratch.path().join("b/blobs");
    let folders = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let data = files
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "data"));
    let data = data.expect("a blob of this size has a file");
    let mut permissions = std::fs::metadata(&data).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&data, permissions).unwrap();
    let mut bytes = std::fs::read(&data).unwrap();
    bytes[MIB + 5] ^= 4;
    std::fs::write(&data, &bytes).unwrap();
    let got = b.blobs().get(blob.id, own.len()).wait_timeout(PATIENCE);
    assert!(got.expect("it is mended in time").unwrap() == own);
    assert!(b.blobs().has(&blob.id).unwrap());
    // Also when all of it is gone.
    std::fs::remove_dir_all(&folder).unwrap();
    let got = b.blobs().get(blob.id, own.len()).wait_timeout(PATIENCE);
    assert!(got.expect("it is mended in time").unwrap() == own);
    [a, b].into_iter().for_each(close);
}

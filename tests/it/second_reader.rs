//! A store on disk, read by `tests/reference/store.py`: a second reader, written from
//! docs/format.md alone, that knows neither LMDB's code nor ours.

use crate::nodes::{event, everything, publish, secret};
use crate::support::{Scratch, repository, skip_without};
use millpond::event::cbor::Value;
use millpond::event::{
    AppId, Event, EventKind, EventRange, Header, NewEvent, Payload, Record, TagSet, WallTime,
};
use millpond::log::{AppendOptions, Log, LogOptions, OpeningReason};
use millpond::{Node, NodeOptions, PublishOptions, StorageOptions};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_second_reader_finds_every_event_of_a_store_in_tables_and_journal() {
    if skip_without("python3") {
        return;
    }
    let scratch = Scratch::new("second-reader");
    let path = scratch.path().join("store");
    receive_foreign_events(&path, &scratch.path().join("elsewhere"));
    let node = open(&path);
    publish(&node, "grain", 1000, 300);
    publish_with_key(&node, "a key", various());
    node.close(DEADLINE).unwrap();

    // Beyond the end of a block by number, and to the end of one by bytes, in the journal alone.
    let node = open(&path);
    publish(&node, "flour", 40, 7);
    publish_with_key(&node, "another key", vec![large()]);
    publish_with_key(&node, "a third key", various());
    let expected = lines(&everything(&node));
    assert!(expected.len() > 1_050);
    let found = read(&path);
    assert_eq!(without_openings(&found), expected, "tables and journal");
    node.check().unwrap();
    node.close(DEADLINE).unwrap();
    assert_eq!(found, read(&path), "tables alone");

    // A copy goes on in its next stream, after an opening record that no query selects.
    let copy = scratch.path().join("copy");
    copy_folder(&path, &copy);
    let node = open(&copy);
    publish(&node, "bread", 3, 1);
    let expected = lines(&everything(&node));
    let found = read(&copy);
    let at = found.iter().rposition(|line| line.contains(" opening ")).unwrap();
    assert!(found[at].contains(&format!("/{}-1 0 opening ", node.node_id())), "{}", found[at]);
    assert_eq!(at + 4, found.len(), "it comes before what the copy published");
    assert_eq!(without_openings(&found), expected, "a copy that goes on");
    node.close(DEADLINE).unwrap();
}

#[test]
fn a_second_reader_notices_damage_wherever_it_lies() {
    if skip_without("python3") {
        return;
    }
    let scratch = Scratch::new("second-reader");
    let path = scratch.path().join("store");
    let node = open(&path);
    publish(&node, "grain", 5, 5);
    node.close(DEADLINE).unwrap();
    let node = open(&path);
    publish(&node, "grain", 5, 1);
    assert_eq!(read(&path).len(), 10);
    // What precedes the byte, how far before it, and what the reader says. LMDB leaves old copies
    // of pages behind, so every one is damaged.
    let damages: [(&str, &[u8], usize, &str); 3] = [
        ("journal-a", b"mpj0", 45, "was durable once"),
        ("data.mdb", b"millpond", 20, "wrong checksum"),
        ("data.mdb", b"\x10com.example.mill", 3, "a block has a wrong checksum"),
    ];
    for (name, before, distance, complaint) in damages {
        let damaged = scratch.path().join("damaged");
        copy_folder(&path, &damaged);
        let mut content = std::fs::read(damaged.join(name)).unwrap();
        let places: Vec<usize> =
            (0..content.len()).filter(|at| content[*at..].starts_with(before)).collect();
        let count = if name == "journal-a" { 1 } else { places.len() };
        places[..count].iter().for_each(|at| content[at + distance] ^= 0x10);
        std::fs::write(damaged.join(name), content).unwrap();
        let output = run("store.py", &damaged);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(complaint), "{name}: {said}");
    }
    node.close(DEADLINE).unwrap();
}

fn open(path: &Path) -> Node {
    Node::open(NodeOptions {
        path: path.to_owned(),
        app_id: AppId::parse("com.example.mill").unwrap(),
        swarm: secret(7),
        former_secrets: Vec::new(),
        network: None,
        storage: StorageOptions::default(),
    })
    .unwrap()
}

/// Makes the store at `path` and puts 400 events of two streams of another node into it.
fn receive_foreign_events(path: &Path, elsewhere: &Path) {
    let [ours, theirs] = [(path, 1), (elsewhere, 2)].map(|(path, random)| {
        let clock = Arc::new(|| WallTime::from_micros(-1));
        Log::open(LogOptions::new(path, secret(7).swarm_id(), [random; 32], clock)).unwrap()
    });
    let app_id = AppId::parse("elsewhere").unwrap();
    for _ in 0..2 {
        let events = (0..200).map(|number| event("rye", number)).collect();
        theirs.append(events, AppendOptions::new(app_id.clone())).wait().unwrap();
        let stream = theirs.own_stream();
        let held = theirs.head(&stream).unwrap().count;
        let range: EventRange = theirs.read_range(&stream, 0).unwrap().unwrap();
        assert_eq!(range.head.count, held);
        ours.append_range(range).wait().unwrap();
        theirs.begin_stream(OpeningReason::GrownElsewhere, 5, 0).wait().unwrap();
    }
    theirs.close(DEADLINE).unwrap();
    ours.close(DEADLINE).unwrap();
}

fn publish_with_key(node: &Node, key: &str, events: Vec<NewEvent>) {
    let idempotency_key = Some(key.as_bytes().to_vec());
    let options = PublishOptions { idempotency_key, ..PublishOptions::default() };
    node.publish(events, options).wait().unwrap();
}

/// Events that differ in what tags and payloads can be.
fn various() -> Vec<NewEvent> {
    let values = [
        Value::Null,
        Value::Float(12.25),
        Value::Bytes(vec![0, 255, 7]),
        Value::from("Mühle 🌾"),
        Value::map([("kg", Value::Array(vec![Value::Bool(true), Value::from(u64::MAX)]))]),
    ];
    let tags: [&[&str]; 5] = [&[], &["🌾", "Mühle", "a"], &["a"], &["b", "a"], &["x:1", "x:2"]];
    let both = values.iter().zip(tags);
    both.map(|(value, tags)| new_event(tags, value)).collect()
}

/// An event that alone brings a block to its end.
fn large() -> NewEvent {
    let text: String = (0..200_000).map(|number| format!("{} ", number % 77_777)).collect();
    new_event(&["large"], &Value::from(&text[..(1 << 20) - 5]))
}

fn new_event(tags: &[&str], value: &Value) -> NewEvent {
    let payload = Payload::from_value(value).unwrap();
    NewEvent { tags: TagSet::new(tags).unwrap(), payload }
}

/// What the second reader is to print for these events.
fn lines(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| {
        assert_eq!(event.kind, EventKind::Application);
        let header = Header {
            kind: event.kind,
            lamport: event.key.lamport,
            time: event.time,
            app_id: event.app_id.clone(),
            tags: event.tags.clone(),
        };
        let record = Record::encode(&header, &event.payload);
        let bytes = millpond::event::hex(record.as_bytes());
        format!("{} {} application {bytes}", event.key, event.offset)
    };
    events.iter().map(line).collect()
}

fn read(path: &Path) -> Vec<String> {
    read_with("store.py", path).lines().map(str::to_owned).collect()
}

/// What a reader of `tests/reference` prints of the store at `path`.
pub(crate) fn read_with(reader: &str, path: &Path) -> String {
    let output = run(reader, path);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("hex and ids are ASCII").trim().to_owned()
}

/// Opening records are events that no query selects.
fn without_openings(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| !line.contains(" opening ")).cloned().collect()
}

fn run(reader: &str, path: &Path) -> Output {
    Command::new("python3")
        .arg(repository().join("tests/reference").join(reader))
        .arg(path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 starts")
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

//! What the status of real nodes says to shells: the names in it when there is something to say.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

use millpond_facade::{Draft, NodeHandle, OpenOptions, PublishOptions, QueryOptions, Wait};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// What takes longer hangs, also on a busy machine.
const SOON: Duration = Duration::from_secs(120);
const OUR_SECRET: u8 = 7;

fn soon() -> Wait<'static> {
    Wait::timeout(SOON)
}

/// A node on loopback that looks for nobody.
fn open(folder: &Path, name: &str, secret: u8) -> NodeHandle {
    let options = OpenOptions {
        path: folder.join(name),
        app_id: "facade-test".into(),
        swarm: Some(format!("{secret:02x}").repeat(32)),
        bind: Some(vec!["127.0.0.1:0".into()]),
        discovery: Some(false),
        ..OpenOptions::default()
    };
    NodeHandle::open(options, &soon()).unwrap()
}

fn address(node: NodeHandle) -> String {
    let status = status(node);
    format!("{}@{}", node.node_id().unwrap(), status["addresses"][0].as_str().unwrap())
}

fn status(node: NodeHandle) -> Value {
    serde_json::from_str(&node.status_json(&soon()).unwrap()).unwrap()
}

/// The first status that is so.
fn told(node: NodeHandle, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let (begun, mut seen) = (Instant::now(), 0);
    loop {
        let (version, text) = node.next_status(seen, &soon()).expect(what);
        let status: Value = serde_json::from_str(&text).unwrap();
        if condition(&status) {
            return status;
        }
        assert!(begun.elapsed() < SOON, "waited in vain for {what}: {status}");
        seen = version;
    }
}

fn is_filled(list: &Value) -> bool {
    list.as_array().is_some_and(|items| !items.is_empty())
}

/// The names in `object`, which are exactly these.
fn has_names(object: &Value, names: &str) {
    let found: BTreeSet<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, names.split(' ').collect(), "{object}");
}

#[test]
fn what_a_status_says_of_a_cut_and_a_refusal_has_its_names_when_there_is_something_to_say() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| open(folder.path(), name, OUR_SECRET));
    let grain = || Draft::from_json(["grain"], "\"grain\"").unwrap();
    for node in [a, b] {
        node.publish(vec![grain()], PublishOptions::default(), &soon()).unwrap();
    }
    b.connect(&address(a), &soon()).unwrap();
    told(b, "both streams", |status| status["events"] == 2);
    b.set_network(false, &soon()).unwrap();
    let cut = told(b, "the partition", |status| is_filled(&status["unheard"]));
    let missed = &cut["unheard"][0];
    has_names(missed, "ago_micros node_id since");
    assert_eq!(missed["node_id"], a.node_id().unwrap());
    let complete = completeness(b);
    has_names(&complete, "behind offsets unheard");
    has_names(&complete["unheard"][0], "node_id since");

    let stranger = open(folder.path(), "stranger", OUR_SECRET + 1);
    stranger.connect(&address(a), &soon()).unwrap_err();
    let refused = told(stranger, "the refusal", |status| is_filled(&status["refusals"]));
    has_names(&refused["refusals"][0], "by_us node_id reason");
    let why = &refused["peers"][0]["refused"];
    has_names(why, "ago_micros by_us message reason");
    assert_eq!(why["reason"], "wrong_secret");
}

#[test]
fn what_a_status_says_of_events_that_are_missing_has_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| open(folder.path(), name, OUR_SECRET));
    let begun = Instant::now();
    // The cut can come too late: then with more events.
    let (stream, complete) = loop {
        assert!(begun.elapsed() < SOON, "nothing was ever missing");
        b.set_network(false, &soon()).unwrap();
        publish_noise(a, 20_000);
        b.set_network(true, &soon()).unwrap();
        b.connect(&address(a), &soon()).unwrap();
        let stream = stream_that_lags(b, a);
        b.set_network(false, &soon()).unwrap();
        let complete = completeness(b);
        if let Some(stream) = stream.filter(|_| is_filled(&complete["behind"])) {
            break (stream, complete);
        }
    };
    has_names(&stream, "ahead held known lag stream");
    assert_eq!(stream["ahead"][0], a.node_id().unwrap());
    has_names(&complete["behind"][0], "missing stream");
    assert_eq!(complete["behind"][0]["stream"], a.stream().unwrap());
}

/// Publishes events that no block can make small.
fn publish_noise(node: NodeHandle, count: u64) {
    let mut word = count;
    let mut noise = || {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{word:016x}")
    };
    for _ in (0..count).step_by(1000) {
        let text = (0..1000).map(|_| (0..40).map(|_| noise()).collect::<String>());
        let draft = |text: String| Draft::from_json(["noise"], &format!("\"{text}\"")).unwrap();
        let drafts = text.map(draft).collect();
        node.publish(drafts, PublishOptions::default(), &soon()).unwrap();
    }
}

/// What `node` says of a stream of which `other` has more; none when it has all of `other`.
fn stream_that_lags(node: NodeHandle, other: NodeHandle) -> Option<Value> {
    let all = status(other)["events"].clone();
    loop {
        let status = status(node);
        let mut streams = status["streams"].as_array().unwrap().iter();
        if let Some(stream) = streams.find(|stream| is_filled(&stream["ahead"])) {
            return Some(stream.clone());
        }
        if status["events"] == all {
            return None;
        }
    }
}

fn completeness(node: NodeHandle) -> Value {
    let cursor = node.query("FROM allEvents", QueryOptions::default(), &soon()).unwrap();
    serde_json::from_str(&cursor.completeness_json().unwrap()).unwrap()
}

#[test]
fn every_figure_is_documented_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let text = open(folder.path(), "a", OUR_SECRET).metrics(&soon()).unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let given: BTreeSet<String> = types.map(str::to_owned).collect();
    let page = include_str!("../../../docs/status.md");
    let (_, table) = page.split_once("\n## Figures\n").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented = rows.map(|row| {
        let (name, rest) = row.split_once("` | ").unwrap();
        format!("{name} {}", rest.split(' ').next().unwrap())
    });
    assert_eq!(given, documented.collect(), "docs/status.md, \"Figures\"");
}

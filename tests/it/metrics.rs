//! The figures for Prometheus are well-formed and count what happened.

use crate::nodes::{converge, link, open, publish, secret};
use crate::support::Scratch;
use millpond::Node;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn metrics_are_well_formed_and_count_what_happened() {
    let scratch = Scratch::new("metrics");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    let stranger = open(&scratch, "stranger", &secret(2));
    link(&a, &b).unwrap();
    link(&stranger, &a).unwrap_err();
    publish(&a, "grain", 100, 10);
    publish(&b, "flour", 50, 50);
    converge(&[&a, &b], 150);
    let query = millpond::query::Query::parse("FROM 'grain'").unwrap();
    let _open = a.query(&query, millpond::QueryOptions::default()).unwrap();
    let found = samples(&a);
    let is = |name: &str, value: f64| assert_eq!(found[name], value, "{name}: {found:?}");
    is("millpond_events_held", 150.0);
    is("millpond_events_published_total", 100.0);
    is("millpond_events_received_total", 50.0);
    is("millpond_streams_held", 2.0);
    is("millpond_lag_events", 0.0);
    is("millpond_peers{state=\"connected\"}", 1.0);
    is("millpond_sessions_begun_total", 1.0);
    is("millpond_cursors_open", 1.0);
    is("millpond_subscriptions_open", 0.0);
    is("millpond_disk_full", 0.0);
    is(&format!("millpond_peer_connected{{peer=\"{}\"}}", b.node_id().short()), 1.0);
    let refused = "millpond_sessions_refused_total{reason=\"wrong_secret\",by=";
    assert!(found.keys().any(|name| name.starts_with(refused)), "{found:?}");
    assert!(
        found["millpond_sync_seconds_count"] >= 10.0 && found["millpond_commits_total"] >= 10.0
    );
    assert!(found["millpond_received_bytes_total"] > 500.0);
}

#[test]
fn a_node_without_a_network_has_metrics_too() {
    let scratch = Scratch::new("metrics-alone");
    let node = Node::open(millpond::NodeOptions {
        path: scratch.path().join("alone"),
        app_id: millpond::event::AppId::parse("com.example.mill").unwrap(),
        swarm: secret(1),
        former_secrets: Vec::new(),
        network: None,
        storage: millpond::StorageOptions::default(),
    });
    assert_eq!(samples(&node.unwrap())["millpond_network_enabled"], 0.0);
}

/// The samples of a text in the exposition format, which must keep to its rules to the letter.
fn samples(node: &Node) -> BTreeMap<String, f64> {
    let text = node.metrics().wait().unwrap();
    assert!(text.ends_with('\n'), "the last line ends, too");
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let mut family = (String::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, _) = help.split_once(' ').expect("a name and a sentence");
            let kind = lines.next().and_then(|next| next.strip_prefix("# TYPE "));
            let (again, kind) = kind.expect("the type comes next").split_once(' ').unwrap();
            assert_eq!(again, name);
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert!(families.insert(name.to_owned()), "{name} comes once");
            family = (name.to_owned(), kind.to_owned());
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        let name = series.split('{').next().unwrap();
        check_series(series, name, &family);
        let value: f64 = value.parse().expect("a number");
        assert!(samples.insert(series.to_owned(), value).is_none(), "{series} comes once");
    }
    samples
}

fn check_series(series: &str, name: &str, (family, kind): &(String, String)) {
    let is_word = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        !text.is_empty() && text.bytes().all(fits)
    };
    assert!(is_word(name) && name.starts_with("millpond_"), "{series}");
    match kind.as_str() {
        "summary" => {
            assert!(["_sum", "_count"].iter().any(|end| *name == format!("{family}{end}")))
        }
        _ => assert_eq!(name, family),
    }
    assert_eq!(kind == "counter", name.ends_with("_total"), "{series}");
    let Some(labels) = series.strip_prefix(name).and_then(|rest| rest.strip_prefix('{')) else {
        return assert_eq!(series, name);
    };
    for label in labels.strip_suffix('}').expect("labels end").split(',') {
        let (label, value) = label.split_once('=').expect("a label has a value");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        assert!(is_word(label) && value.is_some_and(is_word), "{series}");
    }
}

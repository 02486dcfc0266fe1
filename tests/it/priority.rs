//! What a node asks for first comes first, on real nodes.

use crate::nodes::{address, event, held, link, loopback, open, publish_noise, secret, try_open};
use crate::nodes::{converge, until};
use crate::support::Scratch;
use millpond::query::Query;
use millpond::{ErrorKind, NetworkOptions, Node, PublishOptions, QueryOptions, StorageOptions};

const AUTHORS: usize = 6;
/// Four blocks each.
const EVENTS_EACH: u64 = 4096;

fn has_alarm(node: &Node) -> bool {
    let query = Query::parse("FROM 'alarm'").unwrap();
    let mut cursor = node.query(&query, QueryOptions::default()).unwrap();
    !cursor.next_batch(1).unwrap().is_empty()
}

#[test]
fn a_node_gets_the_stream_with_what_it_wants_first_long_before_it_has_caught_up() {
    let scratch = Scratch::new("priority");
    let hub = open(&scratch, "hub", &secret(1));
    for number in 0..AUTHORS {
        let author = open(&scratch, &format!("author-{number}"), &secret(1));
        publish_noise(&author, 0, 2_500, 500, 120);
        let tag = if number == 2 { "alarm" } else { "calm" };
        author.publish(vec![event(tag, 1)], PublishOptions::default()).wait().unwrap();
        publish_noise(&author, 2_500, EVENTS_EACH - 2_501, 500, 120);
        link(&author, &hub).unwrap();
        until(&hub, "an author's stream", |hub| {
            held(hub) >= u128::from(EVENTS_EACH) * (number as u128 + 1)
        });
    }
    drop(hub);

    // So slowly that all of it takes seconds.
    let capped = NetworkOptions { send_bytes_per_second_max: 1_000_000, ..loopback() };
    let hub = try_open(&scratch, "hub", &secret(1), capped, StorageOptions::default()).unwrap();
    let priority = Some(Query::parse("FROM 'alarm' | appId(nobody)").unwrap());
    let wanting = NetworkOptions { priority, peers: vec![address(&hub)], ..loopback() };
    let late = try_open(&scratch, "late", &secret(1), wanting, StorageOptions::default()).unwrap();
    until(&late, "the alarm", has_alarm);
    // In turns, the third block of a stream comes when the first two of all six are there.
    let (now, all) = (held(&late), u128::from(EVENTS_EACH) * AUTHORS as u128);
    assert!(now < all * 2 / 5, "{now} of {all} events came before the alarm did");
    converge(&[&hub, &late], all);
}

#[test]
fn what_no_other_node_could_look_up_is_refused_as_the_node_opens() {
    let scratch = Scratch::new("no-priority");
    let alternatives: Vec<String> = (0..17).map(|number| format!("'n:{number}'")).collect();
    let cases = [
        ("FROM KEY > 5".to_owned(), ErrorKind::InvalidArgument),
        ("FROM 'alarm' & from(2026-01-01)".to_owned(), ErrorKind::InvalidArgument),
        (format!("FROM {}", alternatives.join(" | ")), ErrorKind::LimitExceeded),
        (format!("FROM '{}'{}", "m".repeat(200), " | 'm'".repeat(200)), ErrorKind::LimitExceeded),
    ];
    for (text, kind) in cases {
        let priority = Some(Query::parse(&text).unwrap());
        let network = NetworkOptions { priority, ..loopback() };
        let opened = try_open(&scratch, "a", &secret(1), network, StorageOptions::default());
        assert_eq!(opened.map(|_| ()).unwrap_err().kind(), kind, "{text}");
    }
}

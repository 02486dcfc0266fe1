//! A node's status as one JSON object with stable names.

use crate::core::Status;
use crate::offsets::Offsets;
use millpond::event::{HeldFork, OffsetMap, SignedHead, StreamId, hex};
use millpond::{Completeness, Damage, LogStatus, PeerStatus, StreamStatus, UnheardNode};
use serde_json::{Value, json};
use std::time::Duration;

/// The status as JSON text.
pub(crate) fn json(status: &Status) -> String {
    let refusals: Vec<Value> = status
        .refusals
        .iter()
        .map(|refusal| {
            let peer = refusal.peer.to_string();
            json!({ "node_id": peer, "reason": refusal.reason, "by_us": refusal.by_us })
        })
        .collect();
    json!({
        "version": status.version,
        "node_id": status.node_id.to_string(), "swarm_id": status.swarm_id.to_string(),
        "path": status.path.to_string_lossy(), "stream": status.own_stream.to_string(),
        "events": status.events, "offsets": offsets(&status.offsets), "lag": status.lag,
        "streams": status.streams.iter().map(stream).collect::<Vec<Value>>(),
        "network": status.network,
        "addresses": texts(&status.local_addresses),
        "peers": status.peers.iter().map(peer).collect::<Vec<Value>>(), "refusals": refusals,
        "unheard": status.unheard.iter().map(unheard).collect::<Vec<Value>>(),
        "forked": texts(&status.forked),
        "forks": status.forks.iter().map(fork).collect::<Vec<Value>>(),
        "crowded": texts(&status.crowded),
        "quarantined": texts(&status.quarantined),
        "too_new": texts(&status.too_new),
        "store": store(&status.store),
    })
    .to_string()
}

/// How complete an answer is, as JSON text; `offsets` as a token.
pub(crate) fn completeness(completeness: &Completeness) -> String {
    let behind = completeness
        .behind
        .iter()
        .map(|behind| json!({ "stream": behind.stream.to_string(), "missing": behind.missing }));
    let unheard = completeness
        .unheard
        .iter()
        .map(|gone| json!({ "node_id": gone.node.to_string(), "since": gone.since.micros() }));
    json!({
        "offsets": Offsets::from(completeness.offsets.clone()).token(),
        "behind": behind.collect::<Vec<Value>>(), "unheard": unheard.collect::<Vec<Value>>(),
    })
    .to_string()
}

fn fork(fork: &HeldFork) -> Value {
    let branches: Vec<String> =
        fork.branches.iter().map(|branch| branch.stream.to_string()).collect();
    let proofs: Vec<[String; 2]> =
        fork.branches.iter().map(|branch| branch.proof.each_ref().map(head)).collect();
    json!({
        "stream": fork.of.to_string(), "offset": fork.at, "branches": branches, "proofs": proofs,
    })
}

/// The bytes of docs/format.md, "Chain and heads", in hex: so anybody can check the signature.
fn head(head: &SignedHead) -> String {
    hex(&head.to_bytes())
}

fn offsets(offsets: &OffsetMap) -> Value {
    let counts = offsets.iter().map(|(stream, count)| (stream.to_string(), count.into()));
    Value::Object(counts.collect())
}

fn peer(peer: &PeerStatus) -> Value {
    let refused = peer.refused.as_ref().map(|refused| {
        json!({
            "reason": refused.reason, "message": refused.message, "by_us": refused.by_us,
            "ago_micros": micros(refused.ago),
        })
    });
    json!({
        "node_id": peer.node.to_string(), "state": peer.state,
        "addresses": texts(&peer.addresses),
        "named": peer.named, "discovered": peer.discovered, "learned": peer.learned,
        "round_trip_micros": peer.round_trip.map(micros),
        "bytes_in": peer.bytes_in, "bytes_out": peer.bytes_out,
        "total_bytes_in": peer.total_bytes_in, "total_bytes_out": peer.total_bytes_out,
        "lag": peer.lag, "behind": peer.behind,
        "secret": peer.secret,
        "connected_for_micros": peer.connected_for.map(micros),
        "gone_for_micros": peer.gone_for.map(micros),
        "trying_for_micros": peer.trying_for.map(micros),
        "last_contact_micros": peer.last_contact.map(micros),
        "refused": refused,
    })
}

fn stream(stream: &StreamStatus) -> Value {
    json!({
        "stream": stream.stream.to_string(), "held": stream.held, "known": stream.known,
        "lag": stream.lag, "ahead": texts(&stream.ahead),
    })
}

fn unheard(gone: &UnheardNode) -> Value {
    json!({
        "node_id": gone.node.to_string(), "since": gone.since.micros(),
        "ago_micros": micros(gone.ago),
    })
}

fn store(store: &LogStatus) -> Value {
    json!({
        "table_bytes": store.table_bytes, "tail_bytes": store.tail_bytes,
        "journal_bytes": store.journal_bytes, "free_bytes": store.free_bytes,
        "full": store.full,
        "trouble": store.trouble.as_ref().map(ToString::to_string),
        "damages": store.damages.iter().map(damage).collect::<Vec<Value>>(),
    })
}

fn texts<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// One damage, as the status and a verification show it.
pub(crate) fn damage(damage: &Damage) -> Value {
    let stream = damage.stream.as_ref().map(StreamId::to_string);
    json!({
        "table": damage.table, "stream": stream, "first": damage.first, "end": damage.end,
        "message": damage.message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millpond::event::{NodeId, SwarmId, WallTime};
    use millpond::{Behind, PeerRefusal, Refusal, Unheard};
    use std::collections::BTreeSet;

    const NODE: NodeId = NodeId::from_bytes([7; 32]);
    const STREAM: StreamId = StreamId { node: NODE, number: 0 };

    /// A status with an item in each of its lists.
    fn full() -> Status {
        let refused =
            PeerRefusal { reason: "r", message: "m".into(), by_us: true, ago: Duration::ZERO };
        let peer = PeerStatus {
            node: NODE,
            state: "idle",
            addresses: Vec::new(),
            round_trip: None,
            bytes_in: 0,
            bytes_out: 0,
            total_bytes_in: 0,
            total_bytes_out: 0,
            named: false,
            discovered: false,
            learned: false,
            trying_for: None,
            refused: Some(refused),
            last_contact: None,
            lag: 0,
            behind: 0,
            connected_for: None,
            secret: None,
            gone_for: None,
        };
        let message = String::new();
        let damage = Damage { table: "pages", stream: None, first: 0, end: 0, message };
        let since = WallTime::from_micros(0);
        Status {
            version: 1,
            node_id: NODE,
            swarm_id: SwarmId::from_bytes([8; 32]),
            path: "store".into(),
            offsets: OffsetMap::default(),
            events: 0,
            lag: 0,
            streams: vec![StreamStatus {
                stream: STREAM,
                held: 0,
                known: 0,
                lag: 0,
                ahead: Vec::new(),
            }],
            unheard: vec![UnheardNode { node: NODE, since, ago: Duration::ZERO }],
            own_stream: STREAM,
            network: false,
            local_addresses: Vec::new(),
            peers: vec![peer],
            refusals: vec![Refusal { peer: NODE, reason: "r", by_us: false }],
            forked: Vec::new(),
            forks: vec![HeldFork { of: STREAM, at: 0, branches: Vec::new() }],
            crowded: vec![STREAM],
            quarantined: Vec::new(),
            too_new: Vec::new(),
            store: LogStatus {
                stream_count: 0,
                event_count: 0,
                tail_bytes: 0,
                table_bytes: 0,
                journal_bytes: 0,
                free_bytes: None,
                full: false,
                trouble: None,
                damages: vec![damage],
            },
        }
    }

    /// The names of everything in `value`, as docs/status.md writes them.
    fn names(value: &Value, at: &str, found: &mut BTreeSet<String>) {
        let Value::Object(fields) = value else { return };
        for (name, inner) in fields {
            let name = format!("{at}{name}");
            match inner {
                Value::Array(items) if items.iter().any(Value::is_object) => {
                    items.iter().for_each(|item| names(item, &format!("{name}[]."), found));
                }
                // Its names are stream ids.
                Value::Object(_) if name == "offsets" => drop(found.insert(name)),
                Value::Object(_) => {
                    // What can be `null` has a line of its own.
                    if name == "peers[].refused" {
                        found.insert(name.clone());
                    }
                    names(inner, &format!("{name}."), found);
                }
                _ => drop(found.insert(name)),
            }
        }
    }

    /// The first column of the table under the heading `title`.
    fn documented(title: &str) -> BTreeSet<String> {
        let page = include_str!("../../../docs/status.md");
        let (_, rest) = page.split_once(&format!("\n## {title}\n")).expect("a heading");
        let table = rest.split("\n## ").next().unwrap_or_default();
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        rows.map(str::to_owned).collect()
    }

    fn check(title: &str, json: &str) {
        let mut found = BTreeSet::new();
        names(&serde_json::from_str(json).expect("it is JSON"), "", &mut found);
        let documented = documented(title);
        let differ: Vec<&String> = found.symmetric_difference(&documented).collect();
        assert!(differ.is_empty(), "docs/status.md, {title:?}, and the code differ in {differ:?}");
    }

    #[test]
    fn every_field_of_a_status_is_documented_and_no_other() {
        check("Status", &json(&full()));
    }

    #[test]
    fn every_field_of_a_completeness_is_documented_and_no_other() {
        let since = WallTime::from_micros(0);
        let whole = Completeness {
            offsets: OffsetMap::default(),
            behind: vec![Behind { stream: STREAM, missing: 1 }],
            unheard: vec![Unheard { node: NODE, since }],
        };
        check("Completeness of an answer", &completeness(&whole));
    }
}

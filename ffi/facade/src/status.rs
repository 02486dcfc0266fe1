//! A node's status as one JSON object with stable names.

use crate::core::Status;
use millpond::Damage;
use millpond::event::StreamId;
use serde_json::{Value, json};
use std::time::Duration;

/// The status as JSON text.
pub(crate) fn json(status: &Status) -> String {
    let streams = |ids: &[StreamId]| ids.iter().map(StreamId::to_string).collect::<Vec<String>>();
    let texts = |list: &[std::net::SocketAddr]| {
        list.iter().map(std::net::SocketAddr::to_string).collect::<Vec<String>>()
    };
    let micros = |time: Option<Duration>| time.map(|time| time.as_micros() as u64);
    let offsets: serde_json::Map<String, Value> =
        status.offsets.iter().map(|(stream, count)| (stream.to_string(), count.into())).collect();
    let peers: Vec<Value> = status
        .peers
        .iter()
        .map(|peer| {
            json!({
                "node_id": peer.node.to_string(), "state": peer.state,
                "addresses": texts(&peer.addresses), "round_trip_micros": micros(peer.round_trip),
                "bytes_in": peer.bytes_in, "bytes_out": peer.bytes_out,
                "lag": peer.lag, "behind": peer.behind,
                "connected_for_micros": micros(peer.connected_for),
                "gone_for_micros": micros(peer.gone_for),
            })
        })
        .collect();
    let refusals: Vec<Value> = status
        .refusals
        .iter()
        .map(|refusal| {
            let peer = refusal.peer.to_string();
            json!({ "node_id": peer, "reason": refusal.reason, "by_us": refusal.by_us })
        })
        .collect();
    let damages: Vec<Value> = status.store.damages.iter().map(damage).collect();
    json!({
        "node_id": status.node_id.to_string(), "swarm_id": status.swarm_id.to_string(),
        "path": status.path.to_string_lossy(), "stream": status.own_stream.to_string(),
        "events": status.events, "offsets": offsets, "lag": status.lag,
        "network": status.network,
        "addresses": texts(&status.local_addresses),
        "peers": peers, "refusals": refusals,
        "forked": streams(&status.forked), "quarantined": streams(&status.quarantined),
        "too_new": streams(&status.too_new),
        "store": {
            "table_bytes": status.store.table_bytes, "tail_bytes": status.store.tail_bytes,
            "trouble": status.store.trouble.as_ref().map(ToString::to_string),
            "damages": damages,
        },
    })
    .to_string()
}

/// One damage, as the status and a verification show it.
pub(crate) fn damage(damage: &Damage) -> Value {
    let stream = damage.stream.as_ref().map(StreamId::to_string);
    json!({
        "table": damage.table, "stream": stream, "first": damage.first, "end": damage.end,
        "message": damage.message,
    })
}

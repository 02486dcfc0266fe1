//! Streams that a test signs itself, with whatever events it wants.

use super::siege::the_secret;
use millpond::event::{
    AppId, EventKind, EventRange, Header, Lamport, NodeKey, Payload, Record, StreamEnd, StreamId,
    TagSet, WallTime,
};

/// The first stream of the node with this key.
pub(super) fn first_stream(key: &NodeKey) -> StreamId {
    StreamId { node: key.node_id(), number: 0 }
}

/// That stream from its beginning, with these events: their lamports and payloads.
pub(super) fn signed(
    key: &NodeKey,
    events: impl IntoIterator<Item = (u64, Payload)>,
) -> EventRange {
    let swarm = the_secret().swarm_id();
    let records: Vec<Record> =
        events.into_iter().map(|(lamport, payload)| record(lamport, &payload)).collect();
    let start = StreamEnd::empty(&swarm, &first_stream(key)).chain;
    let chain = records.iter().fold(start, |chain, record| chain.extend(&record.leaf()));
    let last = records.last().expect("at least one").lamport();
    let head = key.sign_head(&swarm, 0, records.len() as u64, last, chain);
    EventRange::new(0, records, head)
}

fn record(lamport: u64, payload: &Payload) -> Record {
    let header = Header {
        kind: EventKind::Application,
        lamport: Lamport::new(lamport).expect("within the bound"),
        time: WallTime::from_micros(0),
        app_id: AppId::parse("com.example.forge").expect("a short name"),
        tags: TagSet::new(["forged"]).expect("a short tag"),
    };
    Record::encode(&header, payload)
}

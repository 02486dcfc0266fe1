//! What the programs in Python and Node do, in Rust: the measure that they are held against.

use super::{Form, Seen};
use crate::archive::timed;
use crate::millpond::{PATIENCE, node, publish_options};
use crate::subject::Workload;
use ::millpond::QueryOptions;
use ::millpond::event::cbor::Value;
use ::millpond::event::{NewEvent, Payload, TagSet};
use ::millpond::query::Query;
use std::path::Path;

const BATCH: usize = 1_000;
/// Bytes are read in batches as large as the programs may ask for.
const BYTES_BATCH: usize = 4_096;
const ROUNDS: usize = 5;

/// From texts and values, or texts and encoded payloads, to durable events.
pub(super) fn publish(place: &Path, form: Form, workload: &Workload) -> Seen {
    let node = node(place, "shell", false);
    let value = |bytes| Value::decode(bytes).expect("we encoded it");
    let values: Vec<Value> = match form {
        Form::Values => workload.iter().map(|event| value(&event.payload)).collect(),
        Form::Bytes => Vec::new(),
    };
    let new_event = |at: usize| {
        let event = &workload[at];
        let payload = match form {
            Form::Values => Payload::from_value(&values[at]),
            Form::Bytes => Payload::from_cbor(event.payload.clone()),
        };
        let tags = TagSet::new(&event.tags).expect("three short tags");
        NewEvent { tags, payload: payload.expect("a small value encodes") }
    };
    let ((), took) = timed(|| {
        for start in (0..workload.len()).step_by(BATCH) {
            let batch = (start..workload.len().min(start + BATCH)).map(new_event).collect();
            node.publish(batch, publish_options()).wait().expect("it is published");
        }
    });
    let events = node.offsets().expect("an open node says what it holds").total();
    node.close(PATIENCE).expect("it closes");
    Seen { took, events: events as usize, parts: 0 }
}

/// Reads everything, oldest first: members of the decoded payloads, or bytes. The median of
/// [`ROUNDS`], as the programs measure it.
pub(super) fn iterate(place: &Path, form: Form) -> Seen {
    let mut rounds: Vec<Seen> = (0..ROUNDS).map(|_| iterate_once(place, form)).collect();
    rounds.sort_by_key(|seen| seen.took);
    rounds.swap_remove(ROUNDS / 2)
}

fn iterate_once(place: &Path, form: Form) -> Seen {
    let node = node(place, "shell", false);
    let mut seen = Seen { took: Default::default(), events: 0, parts: 0 };
    let count_max = if form == Form::Bytes { BYTES_BATCH } else { BATCH };
    let ((), took) = timed(|| {
        let mut cursor = node.query(&Query::all(), QueryOptions::default()).expect("it is asked");
        loop {
            let batch = cursor.next_batch(count_max).expect("it can be read");
            if batch.is_empty() {
                return;
            }
            for event in batch.iter() {
                seen.events += 1;
                seen.parts += match form {
                    Form::Bytes => event.payload_bytes().len(),
                    Form::Values => members(event.payload_bytes()),
                };
            }
        }
    });
    node.close(PATIENCE).expect("it closes");
    Seen { took, ..seen }
}

fn members(payload: &[u8]) -> usize {
    match Value::decode(payload) {
        Ok(Value::Map(members)) => members.len(),
        other => panic!("the workload has maps, not {other:?}"),
    }
}

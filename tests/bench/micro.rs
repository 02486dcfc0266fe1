//! What single steps of an event cost, without a disk: `./dev bench --micro`.
//!
//! The steps that each published, stored or received event takes, on events of the workload.
//! With `--bench` it measures; otherwise each step runs once, as a test.
//! Not here: anything with a store; see `main`.

// Only its generator: what the subjects do with events is in the other program.
mod workload;

use divan::{Bencher, black_box, counter::ItemsCount};
use millpond::event::cbor::{self, Value};
use millpond::event::codec::{Reader, put_varint};
use millpond::event::{
    AppId, Chain, Event, EventBatch, EventKind, Header, Lamport, Leaf, NodeKey, Offset, Payload,
    Record, StreamId, SwarmSecret, TagSet, WallTime,
};
use millpond::pond::builtin::{BuiltIn, Tally};
use workload::WorkEvent;

/// Enough that no branch is learnt by heart; each figure is for all of them.
const EVENTS: usize = 1_000;

fn main() {
    divan::main();
}

fn events() -> Vec<WorkEvent> {
    workload::events(1, 0, EVENTS)
}

/// What a record is made of.
fn parts() -> Vec<(Header, Payload)> {
    let app_id = AppId::parse("com.example.bench").expect("a short name");
    let part = |(at, event): (usize, WorkEvent)| {
        let header = Header {
            kind: EventKind::Application,
            lamport: Lamport::new(at as u64 + 1).expect("a small number"),
            time: WallTime::from_micros(1_790_000_000_000_000 + at as i64),
            app_id: app_id.clone(),
            tags: TagSet::new(&event.tags).expect("three short tags"),
        };
        (header, Payload::from_cbor(event.payload).expect("deterministic CBOR"))
    };
    events().into_iter().enumerate().map(part).collect()
}

fn records() -> Vec<Record> {
    parts().iter().map(|(header, payload)| Record::encode(header, payload)).collect()
}

/// Runs `step` on each of `items`, and counts them.
fn each<T: Sync>(bencher: Bencher<'_, '_>, items: &[T], step: impl Fn(&T) + Sync) {
    let bencher = bencher.counter(ItemsCount::new(items.len()));
    bencher.bench(|| items.iter().for_each(&step));
}

#[divan::bench]
fn tags_from_texts(bencher: Bencher<'_, '_>) {
    each(bencher, &events(), |event| drop(black_box(TagSet::new(&event.tags))));
}

#[divan::bench]
fn record_encode(bencher: Bencher<'_, '_>) {
    each(bencher, &parts(), |(header, payload)| drop(black_box(Record::encode(header, payload))));
}

#[divan::bench]
fn record_decode(bencher: Bencher<'_, '_>) {
    each(bencher, &records(), |record| {
        drop(black_box(Record::take(&mut record.as_bytes().clone())));
    });
}

#[divan::bench]
fn record_decode_trusted(bencher: Bencher<'_, '_>) {
    each(bencher, &records(), |record| {
        drop(black_box(Record::take_trusted(&mut record.as_bytes().clone())));
    });
}

#[divan::bench]
fn leaf_hash(bencher: Bencher<'_, '_>) {
    each(bencher, &records(), |record| {
        black_box(Leaf::of(record.header_bytes(), record.payload_bytes()));
    });
}

#[divan::bench]
fn chain_extend(bencher: Bencher<'_, '_>) {
    let leaves: Vec<Leaf> = records().iter().map(Record::leaf).collect();
    let bencher = bencher.counter(ItemsCount::new(leaves.len()));
    let start = Chain::from_bytes([0x5a; 32]);
    bencher.bench(|| leaves.iter().fold(start, |chain, leaf| chain.extend(leaf)));
}

#[divan::bench]
fn head_sign_and_verify(bencher: Bencher<'_, '_>) {
    let (key, swarm) = (NodeKey::from_seed(&[7; 32]), SwarmSecret::from_bytes([3; 32]).swarm_id());
    let chain = Chain::from_bytes([0x5a; 32]);
    let lamport = Lamport::new(9).expect("a small number");
    bencher.bench(|| key.sign_head(&swarm, 0, 9, lamport, chain).verify(&swarm));
}

#[divan::bench]
fn varint_write(bencher: Bencher<'_, '_>) {
    let numbers = numbers();
    let bencher = bencher.counter(ItemsCount::new(numbers.len()));
    bencher.bench(|| {
        let mut bytes = Vec::with_capacity(EVENTS * 10);
        numbers.iter().for_each(|number| put_varint(&mut bytes, *number));
        bytes
    });
}

#[divan::bench]
fn varint_read(bencher: Bencher<'_, '_>) {
    let mut bytes = Vec::new();
    numbers().iter().for_each(|number| put_varint(&mut bytes, *number));
    let bencher = bencher.counter(ItemsCount::new(EVENTS));
    bencher.bench(|| {
        let mut reader = Reader::new(black_box(&bytes));
        while !reader.is_empty() {
            black_box(reader.varint().expect("we wrote it"));
        }
    });
}

/// Of every length from one byte to nine.
fn numbers() -> Vec<u64> {
    (0..EVENTS as u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 64)).collect()
}

/// Of the workload a part with a stream, as a log delivers it.
fn batch() -> EventBatch {
    let stream = StreamId { node: NodeKey::from_seed(&[7; 32]).node_id(), number: 0 };
    let event = |(at, record): (usize, &Record)| record.to_event(stream, Offset::new(at as u64));
    let events: Vec<Event> = records().iter().enumerate().map(event).collect();
    events.iter().collect()
}

/// Folds a batch of the workload by a built-in fold, said as JSON-like pairs.
fn fold(bencher: Bencher<'_, '_>, fold: Value) {
    let (batch, fold) = (batch(), BuiltIn::from_value(&fold).expect("a fold"));
    let mut tally = Tally::new(fold);
    let bencher = bencher.counter(ItemsCount::new(batch.len()));
    bencher.bench_local(|| tally.apply(black_box(&batch)).expect("the state is small"));
}

fn said(pairs: &[(&str, &str)]) -> Value {
    Value::map(pairs.iter().map(|(key, value)| (*key, Value::from(*value))))
}

#[divan::bench]
fn fold_count(bencher: Bencher<'_, '_>) {
    fold(bencher, said(&[("fold", "count")]));
}

#[divan::bench]
fn fold_sum(bencher: Bencher<'_, '_>) {
    fold(bencher, said(&[("fold", "sum"), ("of", "/grams")]));
}

#[divan::bench]
fn fold_latest(bencher: Bencher<'_, '_>) {
    fold(bencher, said(&[("fold", "latest"), ("of", "/operator")]));
}

#[divan::bench]
fn fold_max_of_groups(bencher: Bencher<'_, '_>) {
    let each = said(&[("fold", "max"), ("of", "/kelvin")]);
    let by = Value::from("/machine");
    fold(bencher, Value::map([("fold", Value::from("group")), ("by", by), ("each", each)]));
}

#[divan::bench]
fn cbor_check(bencher: Bencher<'_, '_>) {
    each(bencher, &events(), |event| cbor::check(black_box(&event.payload)).expect("we wrote it"));
}

#[divan::bench]
fn cbor_encode_value(bencher: Bencher<'_, '_>) {
    let value = |event: &WorkEvent| Value::decode(&event.payload).expect("we wrote it");
    let values: Vec<Value> = events().iter().map(value).collect();
    each(bencher, &values, |value| drop(black_box(value.encode())));
}

#[divan::bench]
fn cbor_decode_value(bencher: Bencher<'_, '_>) {
    each(bencher, &events(), |event| drop(black_box(Value::decode(&event.payload))));
}

//! Built-in folds against a judge that decodes everything and thinks in trees.

use super::*;
use crate::event::cbor::{Integer, Value};
use crate::event::{
    AppId, Event, EventBatch, EventKey, EventKind, Lamport, NodeId, Offset, Payload, StreamId,
    TagSet, WallTime,
};
use crate::pond::{Answer, Job};
use proptest::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// An event as the judge sees it.
#[derive(Clone, Debug)]
struct Fact {
    payload: Value,
    tags: Vec<String>,
}

fn batch(facts: &[Fact]) -> EventBatch {
    let stream = StreamId { node: NodeId::from_bytes([1; 32]), number: 0 };
    let event = |(offset, fact): (u64, &Fact)| Event {
        key: EventKey { lamport: Lamport::new(offset + 1).unwrap(), stream },
        offset: Offset::new(offset),
        time: WallTime::from_micros(0),
        app_id: AppId::parse("com.example.mill").unwrap(),
        kind: EventKind::Application,
        tags: TagSet::new(&fact.tags).unwrap(),
        payload: Payload::from_value(&fact.payload).unwrap(),
    };
    let events: Vec<Event> = (0..).zip(facts).map(event).collect();
    events.iter().collect()
}

fn text(value: &str) -> Value {
    Value::from(value)
}

fn map(pairs: &[(&str, Value)]) -> Value {
    Value::map(pairs.iter().map(|(key, value)| (*key, value.clone())))
}

/// What the definition says, thought through event by event; the second is `skipped`.
fn judge(fold: &Value, facts: &[Fact]) -> (Value, u64) {
    let Value::Map(fields) = fold else { panic!("{fold:?} is no fold") };
    let of = fields.get("of").map_or(String::new(), as_text);
    let values = || facts.iter().map(|fact| at(&fact.payload, &of));
    let without = |is_used: &dyn Fn(&Value) -> bool| {
        values().filter(|value| !value.as_ref().is_some_and(is_used)).count() as u64
    };
    let is_there = |value: &Value| *value != Value::Null;
    let is_number = |value: &Value| matches!(value, Value::Integer(_) | Value::Float(_));
    let is_text = |value: &Value| matches!(value, Value::Text(_));
    match as_text(&fields["fold"]).as_str() {
        "count" => {
            let skipped = if fields.contains_key("of") { without(&is_there) } else { 0 };
            (Value::from(facts.len() as u64 - skipped), skipped)
        }
        "sum" => (judged_sum(values().flatten()), without(&is_number)),
        name @ ("min" | "max") => {
            let is_used: &dyn Fn(&Value) -> bool =
                if fields.get("type") == Some(&text("text")) { &is_text } else { &is_number };
            let mut used = values().flatten().filter(|value| is_used(value));
            let first = used.next();
            let best = used.fold(first, |best, new| {
                let order = compare(&new, best.as_ref().expect("there was a first"));
                let is_better =
                    order == if name == "max" { Ordering::Greater } else { Ordering::Less };
                if is_better { Some(new) } else { best }
            });
            (best.unwrap_or(Value::Null), without(is_used))
        }
        name @ ("latest" | "earliest") => {
            let mut used = values().flatten().filter(is_there);
            let value = if name == "latest" { used.next_back() } else { used.next() };
            (value.unwrap_or(Value::Null), without(&is_there))
        }
        "group" => {
            let mut groups: BTreeMap<String, Vec<Fact>> = BTreeMap::new();
            let keyed = facts.iter().filter_map(|fact| Some((key_of(fields, fact)?, fact.clone())));
            keyed.for_each(|(key, fact)| groups.entry(key).or_default().push(fact));
            let grouped: usize = groups.values().map(Vec::len).sum();
            let mut skipped = (facts.len() - grouped) as u64;
            let judged = groups.into_iter().map(|(key, facts)| {
                let (value, inner) = judge(&fields["each"], &facts);
                skipped += inner;
                (key, value)
            });
            (Value::map(judged.collect::<Vec<_>>()), skipped)
        }
        "all" => {
            let Value::Map(folds) = &fields["folds"] else { panic!("no folds") };
            let judged = folds.iter().map(|(name, fold)| (name, judge(fold, facts)));
            let judged: Vec<_> = judged.collect();
            let skipped = judged.iter().map(|(_, (_, skipped))| skipped).sum();
            (
                Value::map(judged.into_iter().map(|(name, (value, _))| (name.clone(), value))),
                skipped,
            )
        }
        other => panic!("no fold {other}"),
    }
}

fn judged_sum(values: impl Iterator<Item = Value>) -> Value {
    let (mut whole, mut float) = (0i128, None::<f64>);
    for value in values {
        match (value, &mut float) {
            (Value::Integer(number), None) => whole += number.value(),
            (Value::Integer(number), Some(sum)) => *sum += number.value() as f64,
            (Value::Float(number), None) => float = Some(whole as f64 + number),
            (Value::Float(number), Some(sum)) => *sum += number,
            _ => {}
        }
    }
    match (float, Integer::new(whole)) {
        (Some(sum), _) if sum.is_finite() => Value::Float(sum),
        (Some(_), _) => Value::Null,
        (None, Ok(integer)) => Value::Integer(integer),
        (None, Err(_)) => Value::from(whole.to_string()),
    }
}

/// The numbers of these tests are small enough for a float.
fn compare(one: &Value, other: &Value) -> Ordering {
    let number = |value: &Value| match value {
        Value::Integer(number) => number.value() as f64,
        Value::Float(number) => *number,
        _ => f64::NAN,
    };
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => one.cmp(other),
        _ => number(one).partial_cmp(&number(other)).unwrap(),
    }
}

fn key_of(fields: &BTreeMap<String, Value>, fact: &Fact) -> Option<String> {
    match &fields["by"] {
        Value::Map(tag) => {
            let prefix = as_text(&tag["tag"]);
            let keys: Vec<_> =
                fact.tags.iter().filter_map(|tag| tag.strip_prefix(prefix.as_str())).collect();
            (keys.len() == 1).then(|| keys[0].to_owned())
        }
        path => match (at(&fact.payload, &as_text(path))?, fields.get("type")) {
            (Value::Text(key), None) => Some(key),
            (Value::Integer(key), Some(_)) => Some(key.value().to_string()),
            _ => None,
        },
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    }
}

fn at(value: &Value, path: &str) -> Option<Value> {
    path.split('/').skip(1).try_fold(value.clone(), |value, step| match value {
        Value::Map(pairs) => pairs.get(step).cloned(),
        Value::Array(values) => values.get(step.parse::<usize>().ok()?).cloned(),
        _ => None,
    })
}

/// A state as observers see it.
fn state_of(value: Value, skipped: u64) -> Value {
    map(&[("value", value), ("skipped", Value::from(skipped))])
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-50i64..50).prop_map(Value::from),
        (-50i64..50).prop_map(|number| Value::Float(number as f64 / 8.0)),
        "[a-c]{0,2}".prop_map(Value::from),
        Just(Value::Null),
        Just(Value::Bool(true)),
        Just(Value::Bytes(vec![1, 2])),
    ]
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let fields = || prop::collection::btree_map("[a-d]", any_value(), 0..4);
    let payload = prop_oneof![
        6 => fields().prop_map(Value::Map),
        2 => fields().prop_map(|inner| map(&[("a", Value::Map(inner))])),
        1 => prop::collection::vec(any_value(), 0..3).prop_map(Value::Array),
        1 => any_value(),
    ];
    let tags = prop::collection::btree_set("[mn]:[xyz]", 0..3);
    (payload, tags).prop_map(|(payload, tags)| Fact { payload, tags: tags.into_iter().collect() })
}

/// Events, and whether the state is kept and read back after them.
fn any_batch() -> impl Strategy<Value = (Vec<Fact>, bool)> {
    (prop::collection::vec(any_fact(), 1..8), any::<bool>())
}

fn any_path() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => "/[a-d]".prop_map(Value::from),
        1 => "/a/[a-d]".prop_map(Value::from),
        1 => "/[0-2]".prop_map(Value::from),
        1 => Just(text("")),
    ]
}

fn any_fold() -> impl Strategy<Value = Value> {
    let named = |name: &'static str| {
        any_path().prop_map(move |path| map(&[("fold", text(name)), ("of", path)]))
    };
    let of_texts = |name: &'static str| {
        any_path().prop_map(move |path| {
            map(&[("fold", text(name)), ("of", path), ("type", text("text"))])
        })
    };
    let leaf = prop_oneof![
        Just(map(&[("fold", text("count"))])),
        Just(map(&[("fold", text("latest"))])),
        named("count"),
        named("sum"),
        named("min"),
        named("max"),
        of_texts("min"),
        of_texts("max"),
        named("latest"),
        named("earliest"),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let group =
            |by: Value, each: Value| map(&[("fold", text("group")), ("by", by), ("each", each)]);
        prop_oneof![
            (any_path(), inner.clone()).prop_map(move |(by, each)| group(by, each)),
            inner.clone().prop_map(move |each| group(map(&[("tag", text("m:"))]), each)),
            (any_path(), inner.clone()).prop_map(|(by, each)| {
                let kind = ("type", text("integer"));
                map(&[("fold", text("group")), ("by", by), ("each", each), kind])
            }),
            prop::collection::btree_map("[p-s]", inner, 0..3)
                .prop_map(|folds| { map(&[("fold", text("all")), ("folds", Value::Map(folds))]) }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn however_events_are_batched_and_states_are_kept_the_result_is_the_judges(
        fold in any_fold(),
        batches in prop::collection::vec(any_batch(), 0..6),
    ) {
        let fold_built = BuiltIn::from_value(&fold).unwrap();
        let mut tally = Tally::new(fold_built.clone());
        let mut facts = Vec::new();
        for (more, is_kept) in batches {
            tally.apply(&batch(&more)).unwrap();
            facts.extend(more);
            if is_kept {
                let (bytes, held) = (tally.encode().unwrap(), tally.count);
                tally = Tally::decode(&fold_built, &bytes).unwrap();
                prop_assert_eq!(tally.count, held);
            }
            let (value, skipped) = judge(&fold, &facts);
            prop_assert_eq!(tally.to_value().unwrap(), state_of(value, skipped));
        }
    }

    #[test]
    fn bytes_that_are_no_state_are_refused(
        fold in any_fold(),
        bytes in prop::collection::vec(any::<u8>(), 0..24),
        other in any_value(),
    ) {
        let fold = BuiltIn::from_value(&fold).unwrap();
        prop_assert!(Tally::decode(&fold, &bytes).is_err());
        // Such a value is the state of some folds, and never more than it says.
        let _ = Tally::decode(&fold, &state_of(other, 0).encode().unwrap());
    }
}

#[test]
fn sums_beyond_64_bits_are_exact_decimal_text_and_come_back() {
    let fold = BuiltIn::from_value(&map(&[("fold", text("sum")), ("of", text(""))])).unwrap();
    let fact = |value: Value| Fact { payload: value, tags: Vec::new() };
    let mut tally = Tally::new(fold.clone());
    tally.apply(&batch(&[fact(Value::from(u64::MAX)), fact(Value::from(1u64))])).unwrap();
    assert_eq!(tally.to_value().unwrap(), state_of(text("18446744073709551616"), 0));
    let mut tally = Tally::decode(&fold, &tally.encode().unwrap()).unwrap();
    tally.apply(&batch(&[fact(Value::from(-1i64))])).unwrap();
    assert_eq!(tally.to_value().unwrap(), state_of(Value::from(u64::MAX), 0));
    let most = fact(Value::Float(f64::MAX));
    tally.apply(&batch(&[most.clone(), most])).unwrap();
    assert_eq!(tally.to_value().unwrap(), state_of(Value::Null, 0));
}

#[test]
fn a_state_that_grows_beyond_its_bound_is_refused_and_not_cut() {
    let by = map(&[("fold", text("count"))]);
    let fold = map(&[("fold", text("group")), ("by", text("")), ("each", by)]);
    let mut tally = Tally::new(BuiltIn::from_value(&fold).unwrap());
    let keys = |from: usize| {
        let fact = |at: usize| Fact {
            payload: Value::from(format!("{at}{}", "x".repeat(200_000))),
            tags: Vec::new(),
        };
        batch(&(from..from + 8).map(fact).collect::<Vec<_>>())
    };
    let answers = (0..20).map(|round| tally.work(Job::Apply(keys(round * 8).into())));
    let stopped = answers.filter(|answer| matches!(answer, Answer::Stopped(_))).count();
    assert!(stopped > 0 && stopped < 20, "{stopped}");
}

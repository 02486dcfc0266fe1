//! The real log against the model: random histories, any point of reopening, any query.

use crate::nodes::until;
use crate::support::Scratch;
use millpond::event::cbor::Value;
use millpond::event::{
    AppId, Event, EventKey, EventKind, Lamport, NewEvent, Offset, OffsetMap, Payload, StreamId,
    SwarmSecret, TagSet, WallTime,
};
use millpond::log::{Log, LogOptions};
use millpond::query::{Order, Query};
use millpond::{
    Durability, ErrorKind, EventView, Node, NodeOptions, PublishOptions, QueryOptions,
    StorageOptions,
};
use millpond_tests::forks::other_history;
use millpond_tests::model::{Expression, Model};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const WORDS: [&str; 5] = ["grain", "flour", "mill:1", "mill:2", "Mühle"];

/// What happens to a log.
#[derive(Clone, Debug)]
enum Step {
    Publish {
        events: Vec<(Vec<usize>, usize)>,
        process: bool,
        key: Option<u8>,
        expected: Option<bool>,
    },
    Query {
        expression: Expression,
        order: Order,
        lower_percent: u64,
        upper_percent: u64,
    },
    Follow {
        expression: Expression,
        from_percent: u64,
    },
    /// Somebody else wrote in our stream, too.
    Fork {
        at_percent: u64,
        count: u64,
    },
    Reopen,
}

fn any_expression() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![
        Just(Expression::All),
        Just(Expression::Local),
        (0..WORDS.len()).prop_map(|at| Expression::Tag(WORDS[at].into())),
        Just(Expression::Tag("never".into())),
        Just(Expression::App("com.example.mill".into())),
        (0u64..400).prop_map(Expression::From),
        (0u64..400).prop_map(Expression::To),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Expression::And(a.into(), b.into())),
            (inner.clone(), inner).prop_map(|(a, b)| Expression::Or(a.into(), b.into())),
        ]
    })
}

fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Ascending), Just(Order::Descending), Just(Order::Stream)]
}

fn any_step() -> impl Strategy<Value = Step> {
    let event = (
        prop::collection::vec(0..WORDS.len(), 0..4),
        prop_oneof![9 => 0usize..200, 1 => 3_000usize..20_000],
    );
    let publish = (
        prop_oneof![
            6 => prop::collection::vec(event.clone(), 1..8),
            1 => prop::collection::vec(event, 200..900),
        ],
        any::<bool>(),
        prop::option::weighted(0.2, 0u8..4),
        prop::option::weighted(0.3, any::<bool>()),
    );
    let query = (any_expression(), any_order(), 0u64..110, 0u64..110);
    prop_oneof![
        6 => publish.prop_map(|(events, process, key, expected)| {
            Step::Publish { events, process, key, expected }
        }),
        4 => query.prop_map(|(expression, order, lower_percent, upper_percent)| {
            Step::Query { expression, order, lower_percent, upper_percent }
        }),
        2 => (any_expression(), 0u64..110).prop_map(|(expression, from_percent)| {
            Step::Follow { expression, from_percent }
        }),
        1 => (0u64..100, 1u64..40).prop_map(|(at_percent, count)| Step::Fork { at_percent, count }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_log_answers_as_the_model_does(steps in prop::collection::vec(any_step(), 1..40)) {
        let scratch = Scratch::new("model");
        let mut world = World::new(scratch.path().join("store"));
        for step in steps {
            world.perform(step);
        }
        world.node.check().unwrap();
        world.node.close(Duration::from_secs(10)).unwrap();
    }
}

struct World {
    path: std::path::PathBuf,
    node: Node,
    model: Model,
    /// By key: what was published with it, and the first offset it got.
    keys: std::collections::BTreeMap<u8, (Vec<NewEvent>, u64)>,
}

impl World {
    fn new(path: std::path::PathBuf) -> World {
        let node = open(&path);
        let model = Model::new(node.node_id());
        World { path, node, model, keys: Default::default() }
    }

    fn perform(&mut self, step: Step) {
        match step {
            Step::Publish { events, process, key, expected } => {
                let events = events.into_iter().map(new_event).collect();
                self.publish(events, process, key, expected);
            }
            Step::Query { expression, order, lower_percent, upper_percent } => {
                self.query(&expression, order, lower_percent, upper_percent);
            }
            Step::Follow { expression, from_percent } => self.follow(&expression, from_percent),
            Step::Fork { at_percent, count } => self.fork(at_percent, count),
            Step::Reopen => {
                self.node.close(Duration::from_secs(10)).unwrap();
                self.node = open(&self.path);
                assert_eq!(self.node.offsets().unwrap(), self.model.offsets());
            }
        }
    }

    fn publish(
        &mut self,
        events: Vec<NewEvent>,
        process: bool,
        key: Option<u8>,
        right: Option<bool>,
    ) {
        let stream = self.node.own_stream();
        let held = self.model.count(&stream);
        let expected = right.map(|right| if right { held } else { held + 3 });
        let options = PublishOptions {
            durability: if process { Durability::Process } else { Durability::Power },
            idempotency_key: key.map(|key| vec![key, 7]),
            expected,
        };
        let first = key.and_then(|key| self.keys.get(&key).cloned());
        let published = self.node.publish(events.clone(), options).wait();
        match (first, right) {
            (Some((before, offset)), _) if before == events => {
                let published = published.unwrap();
                assert_eq!(
                    published.first_offset.value(),
                    offset,
                    "a retry gets the first receipts"
                );
                assert!(published.replayed);
            }
            (Some(_), _) | (None, Some(false)) => {
                assert_eq!(published.unwrap_err().kind(), ErrorKind::Conflict);
            }
            (None, _) => {
                let published = published.unwrap();
                self.take_opening(stream);
                let held = self.model.count(&stream);
                assert_eq!(published.first_offset.value(), held);
                assert_eq!(published.first_lamport.value(), self.model.lamport() + 1);
                if let Some(key) = key {
                    self.keys.insert(key, (events.clone(), held));
                }
                self.take_in(&events, &published);
            }
        }
    }

    /// A stream after the first begins with a record that is shown to nobody.
    fn take_opening(&mut self, stream: StreamId) {
        if stream.number == 0 || self.model.count(&stream) > 0 {
            return;
        }
        let lamport = Lamport::new(self.model.lamport() + 1).unwrap();
        self.model.take(Event {
            key: EventKey { lamport, stream },
            offset: Offset::new(0),
            time: WallTime::from_micros(0),
            app_id: AppId::parse("millpond").unwrap(),
            kind: EventKind::Opening,
            tags: TagSet::default(),
            payload: Payload::from_value(&Value::Null).unwrap(),
        });
    }

    /// Of another history that our stream turns out to have, the log and the model take some.
    fn fork(&mut self, at_percent: u64, count: u64) {
        self.settle();
        // The store is open: this is the same log again.
        let clock = Arc::new(|| WallTime::from_micros(0));
        let secret = SwarmSecret::from_bytes([4; 32]);
        let options = LogOptions::new(&self.path, secret.swarm_id(), [1; 32], clock);
        let log = Log::open(options).unwrap();
        let of = self.node.own_stream();
        let at = self.model.count(&of) * at_percent / 100;
        if self.model.count(&of) == 0 || log.forks().len() == 8 {
            return;
        }
        let (branch, range) = other_history(&log, of, at, WORDS[0], count).unwrap();
        let forked = log.fork(branch.clone(), range.clone(), count % 8).wait().unwrap();
        self.model.fork(of, at, forked.branches[0].stream);
        for (record, offset) in range.records().iter().zip(range.first..) {
            if offset >= at {
                self.model.take(record.to_event(branch.stream, Offset::new(offset)));
            }
        }
    }

    fn take_in(&mut self, events: &[NewEvent], published: &millpond::Appended) {
        for (index, event) in events.iter().enumerate() {
            let millpond::Receipt { key, offset, .. } = published.receipt(index as u64);
            self.model.take(millpond::event::Event {
                key,
                offset,
                time: published.time,
                app_id: AppId::parse("com.example.mill").unwrap(),
                kind: millpond::event::EventKind::Application,
                tags: event.tags.clone(),
                payload: event.payload.clone(),
            });
        }
    }

    fn part(&self, percent: u64) -> OffsetMap {
        let share = |(stream, count): (&_, u64)| (*stream, (count * percent / 100).min(count));
        self.node.offsets().unwrap().iter().map(share).collect()
    }

    /// Waits until process-durable events are visible, which takes a sync in the background.
    fn settle(&self) {
        until(&self.node, "everything to be visible", |node| {
            node.offsets().expect("the node is open") == self.model.offsets()
        });
    }

    fn query(&self, expression: &Expression, order: Order, lower: u64, upper: u64) {
        self.settle();
        let (lower, upper) = (self.part(lower), self.part(upper));
        let expected = self.model.query(expression, order, &lower, &upper);
        let query = Query::parse(&expression.query()).unwrap();
        let options = QueryOptions { order, lower, upper: Some(upper), ..QueryOptions::default() };
        let mut cursor = self.node.query(&query, options).unwrap();
        let mut found = Vec::new();
        loop {
            let batch = cursor.next_batch(37).unwrap();
            assert!(batch.len() <= 37);
            if batch.is_empty() {
                break;
            }
            found.extend(batch.iter().map(EventView::to_event));
        }
        assert_same(&found, &expected, &expression.query());
    }

    fn follow(&self, expression: &Expression, from_percent: u64) {
        self.settle();
        let from = self.part(from_percent);
        let upper = self.model.offsets();
        let expected = self.model.query(expression, Order::Ascending, &from, &upper);
        let query = Query::parse(&expression.query()).unwrap();
        let mut subscription = self.node.subscribe(&query, from).unwrap();
        let mut found = Vec::new();
        loop {
            let batch = subscription.next_batch(29).unwrap();
            found.extend(batch.events.iter().map(EventView::to_event));
            if batch.caught_up {
                assert_eq!(batch.position, upper);
                break;
            }
        }
        assert_same(&found, &expected, &expression.query());
    }
}

/// Says only where two answers differ first: all of them are too much to read.
fn assert_same(found: &[Event], expected: &[Event], query: &str) {
    if let Some(at) =
        (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at))
    {
        let counts = format!("{} events of {}", found.len(), expected.len());
        assert_eq!(found.get(at), expected.get(at), "{query}, at {at}; {counts}");
    }
}

fn open(path: &std::path::Path) -> Node {
    let storage = StorageOptions { segment_bytes: 64 << 10, ..StorageOptions::default() };
    Node::open(NodeOptions {
        path: path.to_owned(),
        app_id: AppId::parse("com.example.mill").unwrap(),
        swarm: SwarmSecret::from_bytes([4; 32]),
        former_secrets: Vec::new(),
        network: None,
        storage,
    })
    .unwrap()
}

fn new_event((words, size): (Vec<usize>, usize)) -> NewEvent {
    let tags = TagSet::new(words.into_iter().map(|at| WORDS[at])).unwrap();
    let payload = Payload::from_value(&Value::Bytes(vec![7; size])).unwrap();
    NewEvent { tags, payload }
}

//! The judge: a log as a plain list. Slow and obvious, so that it can be right by reading.
//!
//! Begin with [`Model::publish`] and [`Model::query`]. At most 200 lines, for ever.

use millpond::event::{Event, EventKind, NodeId, OffsetMap, StreamId, TagSet};
use millpond::query::Order;

/// A tag expression as a tree that answers by itself.
#[derive(Clone, Debug)]
pub enum Expression {
    /// Every event.
    All,
    /// Events of our own node.
    Local,
    /// Events with this tag.
    Tag(String),
    /// Events of this application.
    App(String),
    /// Events of this lamport and later ones.
    From(u64),
    /// Events before this lamport.
    To(u64),
    /// Events that both select.
    And(Box<Expression>, Box<Expression>),
    /// Events that either selects.
    Or(Box<Expression>, Box<Expression>),
}

/// A log, held as every event in the order in which it came.
#[derive(Clone, Debug)]
pub struct Model {
    own: NodeId,
    events: Vec<Event>,
}

impl Expression {
    /// Whether `event` is selected on the node `own`.
    pub fn selects(&self, event: &Event, own: &NodeId) -> bool {
        match self {
            Expression::All => true,
            Expression::Local => event.key.stream.node == *own,
            Expression::Tag(tag) => event.tags.iter().any(|has| has.as_str() == tag),
            Expression::App(app) => event.app_id.as_str() == app,
            Expression::From(lamport) => event.key.lamport.value() >= *lamport,
            Expression::To(lamport) => event.key.lamport.value() < *lamport,
            Expression::And(a, b) => a.selects(event, own) && b.selects(event, own),
            Expression::Or(a, b) => a.selects(event, own) || b.selects(event, own),
        }
    }

    /// The text of the query that means this.
    pub fn query(&self) -> String {
        format!("FROM {}", self.text())
    }

    fn text(&self) -> String {
        match self {
            Expression::All => "allEvents".into(),
            Expression::Local => "isLocal".into(),
            Expression::Tag(tag) => format!("'{}'", tag.replace('\'', "''")),
            Expression::App(app) => format!("appId({app})"),
            Expression::From(lamport) => format!("from({lamport})"),
            Expression::To(lamport) => format!("to({lamport})"),
            Expression::And(a, b) => format!("({}) & ({})", a.text(), b.text()),
            Expression::Or(a, b) => format!("({}) | ({})", a.text(), b.text()),
        }
    }
}

impl Model {
    /// An empty log of the node `own`.
    pub fn new(own: NodeId) -> Model {
        Model { own, events: Vec::new() }
    }

    /// Takes in an event that was published or received.
    pub fn take(&mut self, event: Event) {
        let (stream, offset) = (event.key.stream, event.offset.value());
        let is_first = stream.is_branch() && self.count(&stream) == 0;
        assert!(is_first || offset == self.count(&stream), "streams have no gaps");
        self.events.push(event);
    }

    /// What a stream held from the event `at` on is in a branch now.
    pub fn fork(&mut self, of: StreamId, at: u64, heir: StreamId) {
        let own = self.events.iter_mut().filter(|event| event.key.stream == of);
        let beyond = own.filter(|event| event.offset.value() >= at);
        beyond.for_each(|event| event.key.stream = heir);
    }

    /// Number of events of a stream; those below the floor of a branch are counted.
    pub fn count(&self, stream: &StreamId) -> u64 {
        let own = self.events.iter().filter(|event| event.key.stream == *stream);
        own.map(|event| event.offset.value() + 1).max().unwrap_or(0)
    }

    /// The largest lamport of any event; 0 when there is none.
    pub fn lamport(&self) -> u64 {
        self.events.iter().map(|event| event.key.lamport.value()).max().unwrap_or(0)
    }

    /// How many events of each stream.
    pub fn offsets(&self) -> OffsetMap {
        // Of each stream the largest.
        self.events.iter().map(|event| (event.key.stream, event.offset.value() + 1)).collect()
    }

    /// What `expression` selects of the events after `lower` and up to `upper`, in `order`.
    pub fn query(
        &self,
        expression: &Expression,
        order: Order,
        lower: &OffsetMap,
        upper: &OffsetMap,
    ) -> Vec<Event> {
        let within = |event: &&Event| {
            let offset = event.offset.value();
            let stream = &event.key.stream;
            offset >= lower.count(stream) && offset < upper.count(stream)
        };
        let selected = |event: &&Event| {
            event.kind == EventKind::Application && expression.selects(event, &self.own)
        };
        let mut found: Vec<Event> =
            self.events.iter().filter(within).filter(selected).cloned().collect();
        match order {
            Order::Ascending => found.sort_by_key(|event| event.key),
            Order::Descending => found.sort_by_key(|event| std::cmp::Reverse(event.key)),
            Order::Stream => found.sort_by_key(|event| (event.key.stream, event.offset)),
        }
        found
    }
}

/// Tags from a short list of words.
pub fn tags(words: &[&str]) -> TagSet {
    TagSet::new(words).expect("the words are short")
}

//! One event as a query looks at it.
//!
//! Not here: the judgement (`matching`).
//! Rule: nothing is read that the query does not ask about, and nothing is allocated.

use crate::event::{Event, EventKey, NodeId, Record, StreamId, WallTime};

/// What a query may ask about one event.
pub trait Subject {
    /// Its place in the one order.
    fn key(&self) -> EventKey;
    /// The author's wall clock.
    fn time(&self) -> WallTime;
    /// The application that published it.
    fn app_id(&self) -> &str;
    /// True when the answering node wrote it, in any of its streams.
    fn is_local(&self) -> bool;
    /// True when it carries this tag, given in NFC.
    fn has_tag(&self, tag: &str) -> bool;
}

/// An event, asked at a node.
#[derive(Clone, Copy, Debug)]
pub struct EventSubject<'a> {
    /// The event.
    pub event: &'a Event,
    /// The node that answers the query.
    pub own_node: &'a NodeId,
}

impl Subject for EventSubject<'_> {
    fn key(&self) -> EventKey {
        self.event.key
    }

    fn time(&self) -> WallTime {
        self.event.time
    }

    fn app_id(&self) -> &str {
        self.event.app_id.as_str()
    }

    fn is_local(&self) -> bool {
        self.event.key.stream.node == *self.own_node
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.event.tags.contains(tag)
    }
}

/// A record of `stream`, asked at a node: reads the encoded header as it lies.
#[derive(Clone, Copy, Debug)]
pub struct RecordSubject<'a> {
    /// The record.
    pub record: &'a Record,
    /// The stream that it belongs to.
    pub stream: &'a StreamId,
    /// The node that answers the query.
    pub own_node: &'a NodeId,
}

impl Subject for RecordSubject<'_> {
    fn key(&self) -> EventKey {
        EventKey { lamport: self.record.lamport(), stream: *self.stream }
    }

    fn time(&self) -> WallTime {
        self.record.time()
    }

    fn app_id(&self) -> &str {
        self.record.app_id()
    }

    fn is_local(&self) -> bool {
        self.stream.node == *self.own_node
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.record.has_tag(tag)
    }
}

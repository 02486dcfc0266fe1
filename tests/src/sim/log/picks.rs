//! What the Pond of a simulated node reads: the events of its account, and one in eight others.
//!
//! Found once, when a record is written: nobody looks through a log for them.

use crate::sim::log::ModelLog;
use crate::sim::oracle::EventName;
use millpond::event::{
    AppId, EventKind, Header, Lamport, Payload, Record, StreamId, Tag, TagSet, WallTime,
};
use millpond::pond::Name;
use millpond::pond::escrow::account_tag;
use std::sync::LazyLock;

/// The tag of the others.
pub(in crate::sim) const MARK: &str = "key:5";
/// Begins the tag that says which publish an event of the account is.
pub(in crate::sim) const NAMED: &str = "n:";

static ACCOUNT: LazyLock<Name> = LazyLock::new(|| Name::new("steel").expect("a short name"));
static ACCOUNT_TAG: LazyLock<Tag> = LazyLock::new(|| account_tag(&ACCOUNT));

/// What the account is called.
pub(in crate::sim) fn account_name() -> &'static Name {
    &ACCOUNT
}

/// One of these events, in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Pick {
    pub(in crate::sim) offset: u64,
    pub(in crate::sim) lamport: Lamport,
    /// Which publish.
    pub(in crate::sim) key: u64,
    /// It is of the account.
    pub(in crate::sim) is_deed: bool,
}

impl Pick {
    pub(super) fn of(record: &Record, offset: u64) -> Option<Pick> {
        if record.kind() != EventKind::Application {
            return None;
        }
        let is_deed = match record.tags().next()? {
            MARK => false,
            tag if tag == ACCOUNT_TAG.as_str() => true,
            _ => return None,
        };
        let EventName { key, .. } = EventName::of(record)?;
        Some(Pick { offset, lamport: record.lamport(), key, is_deed })
    }
}

impl ModelLog {
    /// What the Pond reads of the durable events of `stream` from `from` on and before `until`.
    pub(in crate::sim) fn picks(&self, stream: &StreamId, from: u64, until: u64) -> &[Pick] {
        let Some(held) = self.streams.get(stream) else { return &[] };
        let place = |offset: u64| held.picks.partition_point(|pick| pick.offset < offset);
        let end = place(until.min(held.durable));
        &held.picks[place(from).min(end)..end]
    }

    /// What a durable event says.
    pub(in crate::sim) fn record(&self, stream: &StreamId, offset: u64) -> &Record {
        self.events(stream, offset).first().expect("it was picked from what is durable")
    }

    /// Remembered states of events that the disk does not have are no use.
    pub(super) fn forget_snapshots(&mut self) {
        let mut snapshots = std::mem::take(&mut self.snapshots);
        snapshots.retain(|_, kept| {
            kept.position.offsets.iter().all(|(stream, count)| count <= self.count(stream))
        });
        self.snapshots = snapshots;
    }
}

/// A record of the account.
pub(super) fn deed(lamport: Lamport, time: WallTime, name: EventName, payload: &Payload) -> Record {
    let header = Header {
        kind: EventKind::Application,
        lamport,
        time,
        app_id: AppId::parse("sim").expect("plain ASCII"),
        tags: TagSet::new([ACCOUNT_TAG.as_str(), &format!("{NAMED}{name}")]).expect("short tags"),
    };
    Record::encode(&header, payload)
}

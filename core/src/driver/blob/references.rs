//! What the log says of blobs, and the publishing of events that refer to some.
//!
//! Rule: from the check that a blob is here until the event that refers to it can be found, a lease
//! keeps the blob.

use crate::blob::limits::HINTS_MAX;
use crate::blob::reference::{blob_tag, referred};
use crate::blob::store::{Lease, References, not_here};
use crate::blob::{BlobId, BlobRef};
use crate::driver::blob::room::BlobRoom;
use crate::error::Result;
use crate::event::{Columns, NewEvent, NodeId, OffsetMap, StreamId};
use crate::log::{AppendOptions, Appended, CursorOptions, Durability, Log};
use crate::pending::Pending;
use crate::query::{Order, Query, TagExpression};
use std::collections::BTreeSet;
use std::sync::PoisonError;

/// The events of a log, as far as they refer to blobs.
pub(super) struct Mentions(pub(super) Log);

/// Leases of blobs whose event was acknowledged and cannot be found yet.
pub(super) struct Early {
    stream: StreamId,
    /// The event counts in its stream up to here.
    end: u64,
    _leases: Vec<Lease>,
}

impl References for Mentions {
    fn keeps(&self, id: &BlobId) -> Result<bool> {
        let query = Query::new(TagExpression::tag(blob_tag(id).as_str())?)?;
        let columns = Columns { tags: false, payload: false };
        let (order, lower) = (Order::Descending, OffsetMap::default());
        let mut cursor =
            self.0.cursor(&query, CursorOptions { order, lower, upper: None, columns })?;
        Ok(!cursor.next_batch(1)?.is_empty())
    }
}

/// What events say of a blob, and the nodes that published them, the newest events first.
pub(super) fn said_of(log: &Log, id: &BlobId) -> (Option<BlobRef>, Vec<NodeId>) {
    let look = || -> Result<(Option<BlobRef>, Vec<NodeId>)> {
        let query = Query::new(TagExpression::tag(blob_tag(id).as_str())?)?;
        let columns = Columns { tags: true, payload: false };
        let (order, lower) = (Order::Descending, OffsetMap::default());
        let mut cursor =
            log.cursor(&query, CursorOptions { order, lower, upper: None, columns })?;
        let (mut said, mut nodes) = (None, Vec::new());
        for event in cursor.next_batch(HINTS_MAX)?.iter() {
            let of_it = event.blobs().into_iter().find(|blob| blob.id == *id);
            said = said.or(of_it.filter(|blob| blob.size.is_some()));
            nodes.push(event.stream().node);
        }
        Ok((said, nodes))
    };
    // It only helps to find it.
    look().unwrap_or_default()
}

/// The blobs that these events refer to.
///
/// # Errors
/// `invalid_argument`, reason `reserved_tag`: a tag is ours and does not refer to a blob.
/// `limit_exceeded`: an event refers to too many.
pub(crate) fn check_tags(events: &[NewEvent]) -> Result<BTreeSet<BlobId>> {
    let mut ids = BTreeSet::new();
    for event in events {
        ids.extend(referred(&event.tags)?);
    }
    Ok(ids)
}

impl BlobRoom {
    /// Leases of these blobs, each of which is here whole or referred to by an event.
    ///
    /// # Errors
    /// `not_found`, reason `blob_not_here`: one of them is neither. Those of looking.
    pub(crate) fn hold(&self, ids: &BTreeSet<BlobId>) -> Result<Vec<Lease>> {
        let store = self.store()?;
        let mut leases = Vec::new();
        for id in ids {
            leases.push(store.lease(*id));
            if !store.is_here(id)? && !Mentions(self.log.clone()).keeps(id)? {
                return Err(not_here(id));
            }
        }
        Ok(leases)
    }

    /// Keeps leases until an event that was acknowledged can be found.
    pub(crate) fn keep_until_found(&self, appended: &Appended, leases: Vec<Lease>) {
        self.let_found_go();
        let (stream, end) = (appended.stream, appended.first_offset.value() + appended.count);
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        early.push(Early { stream, end, _leases: leases });
    }

    /// Drops the leases of blobs whose events can be found by now.
    pub(super) fn let_found_go(&self) {
        let Ok(durable) = self.log.durable_map() else { return };
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        early.retain(|early| durable.count(&early.stream) < early.end);
    }
}

/// Appends events that refer to these blobs.
pub(crate) fn append(
    room: &BlobRoom,
    ids: &BTreeSet<BlobId>,
    (events, options): (Vec<NewEvent>, AppendOptions),
    found: impl FnOnce(&Appended, Vec<Lease>) + Send + 'static,
) -> Pending<Appended> {
    let leases = match room.hold(ids) {
        Ok(leases) => leases,
        Err(error) => return Pending::ready(Err(error)),
    };
    let is_early = options.durability == Durability::Process;
    room.log.append(events, options).map(move |appended| {
        match is_early {
            true => found(&appended, leases),
            false => drop(leases),
        }
        Ok(appended)
    })
}

//! Closing whatever a handle stands for: for shells in which something else than the owner closes.

use crate::blob_reader::BlobReaderHandle;
use crate::blob_work::BlobWorkHandle;
use crate::blob_writer::BlobWriterHandle;
use crate::cancel::CancelHandle;
use crate::close::Closed;
use crate::cursor::CursorHandle;
use crate::doing::DoingHandle;
use crate::errors::Result;
use crate::fold::FoldHandle;
use crate::group::GroupHandle;
use crate::node::NodeHandle;
use crate::observer::ObserverHandle;
use crate::registry::{self, Entry};
use crate::session::SessionHandle;
use crate::subscription::SubscriptionHandle;
use crate::turn::TurnHandle;
use crate::wait::Wait;

/// Closes what the handle `id` stands for, whatever that is, as its own close does; a node within
/// the default deadline.
///
/// # Errors
/// As there; what is no handle any more, or never was, is closed.
pub fn close_any(id: u64) -> Result<Closed> {
    match registry::get_any(id) {
        None => Ok(Closed::Before),
        Some(Entry::Node(_)) => NodeHandle::from_id(id).close(&Wait::default()),
        Some(Entry::Cursor(_)) => CursorHandle::from_id(id).close(),
        Some(Entry::Subscription(_)) => SubscriptionHandle::from_id(id).close(),
        Some(Entry::Cancel(_)) => CancelHandle::from_id(id).free(),
        Some(Entry::Session(_)) => SessionHandle::from_id(id).close(),
        Some(Entry::Observer(_)) => ObserverHandle::from_id(id).close(),
        Some(Entry::Fold(_)) => FoldHandle::from_id(id).close(),
        Some(Entry::Turn(_)) => TurnHandle::from_id(id).close(),
        Some(Entry::Group(_)) => GroupHandle::from_id(id).close(),
        Some(Entry::Doing(_)) => DoingHandle::from_id(id).close(),
        Some(Entry::BlobWork(_)) => BlobWorkHandle::from_id(id).close(),
        Some(Entry::BlobReader(_)) => BlobReaderHandle::from_id(id).close(),
        Some(Entry::BlobWriter(_)) => BlobWriterHandle::from_id(id).close(),
    }
}

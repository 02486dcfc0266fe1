//! Handles as BigInts. The facade checks them: stale, made up, or of another type.

use millpond_facade::{CancelHandle, CursorHandle, NodeHandle, SubscriptionHandle};
use napi::bindgen_prelude::BigInt;

/// The id in a BigInt; one that no handle has when it does not fit.
pub(crate) fn id(handle: &BigInt) -> u64 {
    match handle.get_u64() {
        (false, id, true) => id,
        _ => 0,
    }
}

pub(crate) fn node(handle: &BigInt) -> NodeHandle {
    NodeHandle::from_id(id(handle))
}

pub(crate) fn cursor(handle: &BigInt) -> CursorHandle {
    CursorHandle::from_id(id(handle))
}

pub(crate) fn subscription(handle: &BigInt) -> SubscriptionHandle {
    SubscriptionHandle::from_id(id(handle))
}

pub(crate) fn cancel(handle: &BigInt) -> CancelHandle {
    CancelHandle::from_id(id(handle))
}

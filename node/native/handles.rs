//! Handles as BigInts. The facade checks them: stale, made up, or of another type.

use millpond_facade::{
    CursorHandle, DoingHandle, FoldHandle, GroupHandle, NodeHandle, ObserverHandle, SessionHandle,
    SubscriptionHandle, TurnHandle,
};
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

pub(crate) fn observer(handle: &BigInt) -> ObserverHandle {
    ObserverHandle::from_id(id(handle))
}

pub(crate) fn fold(handle: &BigInt) -> FoldHandle {
    FoldHandle::from_id(id(handle))
}

pub(crate) fn turn(handle: &BigInt) -> TurnHandle {
    TurnHandle::from_id(id(handle))
}

pub(crate) fn group(handle: &BigInt) -> GroupHandle {
    GroupHandle::from_id(id(handle))
}

pub(crate) fn doing(handle: &BigInt) -> DoingHandle {
    DoingHandle::from_id(id(handle))
}

pub(crate) fn session(handle: &BigInt) -> SessionHandle {
    SessionHandle::from_id(id(handle))
}

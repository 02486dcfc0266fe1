//! What is known at once of what a handle stands for: no call here waits.

use crate::failure::{Answer, call};
use crate::pond_answer::StateBytes;
use millpond_facade::{
    AnswerPolicy, CursorHandle, DoingHandle, NodeHandle, Offsets, SessionHandle,
    SubscriptionHandle, TurnHandle,
};

/// The node's id.
#[uniffi::export]
pub fn node_id(node: u64) -> Answer<String> {
    call("bridge_node_id", || NodeHandle::from_id(node).node_id())
}

/// The swarm's id.
#[uniffi::export]
pub fn swarm_id(node: u64) -> Answer<String> {
    call("bridge_swarm_id", || NodeHandle::from_id(node).swarm_id())
}

/// The folder of the store.
#[uniffi::export]
pub fn store_path(node: u64) -> Answer<String> {
    call("bridge_store_path", || {
        Ok(NodeHandle::from_id(node).path()?.to_string_lossy().into_owned())
    })
}

/// The id of the stream that the node writes.
#[uniffi::export]
pub fn own_stream(node: u64) -> Answer<String> {
    call("bridge_own_stream", || NodeHandle::from_id(node).stream())
}

/// Token text of what is durable.
#[uniffi::export]
pub fn durable_offsets(node: u64) -> Answer<String> {
    call("bridge_durable_offsets", || Ok(NodeHandle::from_id(node).offsets()?.token()))
}

/// The sizes of a store, as JSON text.
#[uniffi::export]
pub fn stats(node: u64) -> Answer<String> {
    call("bridge_stats", || NodeHandle::from_id(node).stats_json())
}

/// True until it is closed.
#[uniffi::export]
pub fn is_open(node: u64) -> Answer<bool> {
    call("bridge_is_open", || Ok(NodeHandle::from_id(node).is_open()))
}

/// True from the beginning of a close on.
#[uniffi::export]
pub fn is_closing(node: u64) -> Answer<bool> {
    call("bridge_is_closing", || Ok(NodeHandle::from_id(node).is_closing()))
}

/// Token text of what a cursor can have read at its end.
#[uniffi::export]
pub fn upper_of_cursor(cursor: u64) -> Answer<String> {
    call("bridge_upper_of_cursor", || Ok(CursorHandle::from_id(cursor).upper()?.token()))
}

/// How complete an answer is, as JSON text.
#[uniffi::export]
pub fn completeness(cursor: u64) -> Answer<String> {
    call("bridge_completeness", || CursorHandle::from_id(cursor).completeness_json())
}

/// Events that a subscription has not passed.
#[uniffi::export]
pub fn lag(subscription: u64) -> Answer<u64> {
    call("bridge_lag", || SubscriptionHandle::from_id(subscription).lag())
}

/// Position text of where a subscription stands.
#[uniffi::export]
pub fn position(subscription: u64) -> Answer<String> {
    call("bridge_position", || SubscriptionHandle::from_id(subscription).position_text())
}

/// The state to act on.
#[uniffi::export]
pub fn turn_state(turn: u64) -> Answer<StateBytes> {
    call("bridge_turn_state", || Ok(TurnHandle::from_id(turn).state()?.into()))
}

/// The key of a claim.
#[uniffi::export]
pub fn doing_key(doing: u64) -> Answer<String> {
    call("bridge_doing_key", || DoingHandle::from_id(doing).key())
}

/// Answers requests for rights by itself from now on, or not any more. It keeps the reserve.
#[uniffi::export]
pub fn answer_requests(
    node: u64,
    name: String,
    is_wanted: bool,
    reserve: Option<u64>,
) -> Answer<()> {
    call("bridge_answer_requests", || {
        let policy = is_wanted.then_some(AnswerPolicy { reserve });
        NodeHandle::from_id(node).answer_requests(&name, policy)
    })
}

/// Hands a claim over by itself from now on, or not any more.
#[uniffi::export]
pub fn hand_over_when_asked(node: u64, what: String, is_wanted: bool) -> Answer<()> {
    call("bridge_hand_over_when_asked", || {
        NodeHandle::from_id(node).hand_over_when_asked(&what, is_wanted)
    })
}

/// A session that has seen nothing; its handle.
#[uniffi::export]
pub fn session_new() -> Answer<u64> {
    call("bridge_session_new", || Ok(SessionHandle::new()?.id()))
}

/// Token text of what a session has seen.
#[uniffi::export]
pub fn session_token(session: u64) -> Answer<String> {
    call("bridge_session_token", || Ok(SessionHandle::from_id(session).token()?.token()))
}

/// A session has seen this, too.
#[uniffi::export]
pub fn session_sees(session: u64, token: String) -> Answer<()> {
    call("bridge_session_sees", || SessionHandle::from_id(session).sees(&Offsets::parse(&token)?))
}

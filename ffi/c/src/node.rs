//! Nodes: open, close, ask, connect.

use crate::call::{call, output, text};
use crate::error::millpond_error_t;
use crate::options::{millpond_node_options_t, texts};
use crate::value::{
    millpond_bytes_t, millpond_cancel_t, millpond_node_t, millpond_text_t, options, wait,
};
use millpond_facade::{Closed, NodeHandle, Result, closed_error, host_error};
use std::ffi::c_char;

/// Opens a node. On MILLPOND_OK, `*node` is a new handle; close it with millpond_node_close. A
/// store that is open in this process already is shared and closes with its last handle.
/// MILLPOND_ERROR_STORE_LOCKED: another process has the store. MILLPOND_ERROR_FORMAT_TOO_NEW,
/// MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FULL, MILLPOND_ERROR_STORAGE_FAILED: the store
/// cannot be used; the message says why. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_open(
    node_options: *const millpond_node_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    node: *mut millpond_node_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_open", error, || {
            let place = output(node, "node")?;
            let init = millpond_node_options_t::INIT;
            let given = options(node_options, init, "node_options")?.resolve()?;
            let opened = NodeHandle::open(given, &wait(timeout_ms, cancel))?;
            place.put(millpond_node_t { id: opened.id() });
            Ok(())
        })
    }
}

/// Closes a node: its cursors, turns and calls end; its subscriptions, observers, optimistic claims
/// and what it keeps running come to a normal end (close their handles too); what was published is
/// on disk, its callbacks have returned and their `destroy` was called. Calls that wait for
/// something end with MILLPOND_ERROR_CLOSED. Legal from any thread and callback; from
/// inside a callback of this node it does not wait for that callback. A negative `timeout_ms` is
/// the default deadline of 10 s. A second close answers MILLPOND_ERROR_CLOSED and does nothing.
/// MILLPOND_ERROR_TIMEOUT: the handle is closed all the same and the rest ends by itself.
/// MILLPOND_ERROR_STORAGE_FAILED: the last writes failed.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_close(
    node: millpond_node_t,
    timeout_ms: i64,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: `error` is valid by the laws of the header.
    unsafe {
        call("millpond_node_close", error, || {
            let none = millpond_cancel_t { id: 0 };
            once(NodeHandle::from_id(node.id).close(&wait(timeout_ms, none)), "node")
        })
    }
}

/// The node id, 64 hex digits. Free `*node_id` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_id(
    node: millpond_node_t,
    node_id: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_node_id", node_id, "node_id", error, || {
            NodeHandle::from_id(node.id).node_id()
        })
    }
}

/// A text with which other nodes find this one and join its swarm. It holds the secret. Free
/// `*ticket` with millpond_bytes_free. MILLPOND_ERROR_INVALID_ARGUMENT also when the node was
/// opened without a network. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_ticket(
    node: millpond_node_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    ticket: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_node_ticket", ticket, "ticket", error, || {
            NodeHandle::from_id(node.id).ticket(&wait(timeout_ms, cancel))
        })
    }
}

/// Everything there is to know about the node, as one JSON object: who it is, its peers and their
/// lag, refusals, the store. docs/status.md names every field. Free `*json` with
/// millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_status(
    node: millpond_node_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_node_status", json, "json", error, || {
            NodeHandle::from_id(node.id).status_json(&wait(timeout_ms, cancel))
        })
    }
}

/// The status as one JSON object (docs/status.md), once something in it changed: waits until its
/// version is another than `*version`, and sets `*version` to that of the status. Begin with 0,
/// which gives one at once, and call it again with what it set: so no change is missed, and changes
/// that come between two calls are one. What the network does is told at most four times a second.
/// Free `*json` with millpond_bytes_free. MILLPOND_ERROR_CLOSED: the node was closed, also while
/// this waited. On any error `*version` stays, and no change is lost. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_next_status(
    node: millpond_node_t,
    version: *mut u64,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_next_status", error, || {
            let (next, place) = (output(version, "version")?, output(json, "json")?);
            let node = NodeHandle::from_id(node.id);
            let (version, text) = node.next_status(version.read(), &wait(timeout_ms, cancel))?;
            place.put(millpond_bytes_t::owned(text));
            next.put(version);
            Ok(())
        })
    }
}

/// The node's figures for Prometheus, as text in its exposition format, version 0.0.4: serve it
/// with the content type `text/plain; version=0.0.4`. Names begin with `millpond_` and have their
/// units; what only grows ends in `_total` and begins anew when the node opens. At most 64 peers
/// have series of their own. docs/status.md names every figure. Free `*text` with
/// millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_metrics(
    node: millpond_node_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    text: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_node_metrics", text, "text", error, || {
            NodeHandle::from_id(node.id).metrics(&wait(timeout_ms, cancel))
        })
    }
}

/// Reads the whole store once and says what is damaged, as one JSON object: how much was read and a
/// list of damages, each with its table, stream, `first`, `end` and how it shows. Damage is no
/// error. The node goes on meanwhile; costs about what receiving all events costs. Free `*json`
/// with millpond_bytes_free. MILLPOND_ERROR_TIMEOUT, MILLPOND_ERROR_CANCELLED: it ends soon after.
/// MILLPOND_ERROR_STORAGE_FAILED: the disk does not answer. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_verify(
    node: millpond_node_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_node_verify", json, "json", error, || {
            NodeHandle::from_id(node.id).verify_json(&wait(timeout_ms, cancel))
        })
    }
}

/// Writes the store's file of tables anew without its free pages, which is all that makes it
/// smaller. The node goes on meanwhile; publishes wait when the journal is full before the copy is
/// done. `*json` is one JSON object, `bytes_before` and `bytes_after` of the file; free it with
/// millpond_bytes_free. MILLPOND_ERROR_STORAGE_FULL: there is not room for both files.
/// MILLPOND_ERROR_TIMEOUT, MILLPOND_ERROR_CANCELLED: it is called off, unless the new file was
/// about to take its place. MILLPOND_ERROR_STORAGE_FAILED, MILLPOND_ERROR_CORRUPT: the file stays
/// as it was. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_compact(
    node: millpond_node_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_node_compact", json, "json", error, || {
            NodeHandle::from_id(node.id).compact_json(&wait(timeout_ms, cancel))
        })
    }
}

/// How large everything in the store is, as one JSON object: events, blocks, tables, free pages,
/// journal, cache. Reads no block. Free `*json` with millpond_bytes_free. MILLPOND_ERROR_CORRUPT: a
/// segment of the postings is damaged. MILLPOND_ERROR_STORAGE_FAILED: the disk does not answer.
/// Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_stats(
    node: millpond_node_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let ask = || NodeHandle::from_id(node.id).stats_json();
    // SAFETY: the same contract.
    unsafe { give_text("millpond_node_stats", json, "json", error, ask) }
}

/// What is durable here, as a token. Of a branch, in which a stream with two histories goes on,
/// what comes before it counts, too. Free `*token` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_offsets(
    node: millpond_node_t,
    token: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let ask = || NodeHandle::from_id(node.id).offsets().map(|offsets| offsets.token());
    // SAFETY: the same contract.
    unsafe { give_text("millpond_node_offsets", token, "token", error, ask) }
}

/// Connects to a peer ("<node id>@<ip>:<port>[,<ip>:<port>...]", 1 to 16 addresses) or along a
/// ticket, and waits until it admits us. The address is kept and tried again, also after a refusal
/// or a timeout. MILLPOND_ERROR_PEER_REFUSED: millpond_error_reason says why, such as
/// "wrong_secret". MILLPOND_ERROR_INVALID_ARGUMENT also when the node has no network, or the ticket
/// is for another swarm. MILLPOND_ERROR_LIMIT_EXCEEDED: it knows 1,024 other peers, connected or
/// not; disconnect from one. MILLPOND_ERROR_CANCELLED also when it was told to disconnect from this
/// one. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_connect(
    node: millpond_node_t,
    target: *const c_char,
    target_len: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_connect", error, || {
            let target = text(target, target_len, "target")?;
            NodeHandle::from_id(node.id).connect(target, &wait(timeout_ms, cancel))
        })
    }
}

/// Forgets the addresses of the peer `node_id` (64 hex digits) and ends its session; it may still
/// connect to us. Does nothing for a peer that is not known. MILLPOND_ERROR_INVALID_ARGUMENT also
/// when the node has no network. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_disconnect(
    node: millpond_node_t,
    node_id: *const c_char,
    node_id_len: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_disconnect", error, || {
            let node_id = text(node_id, node_id_len, "node_id")?;
            NodeHandle::from_id(node.id).disconnect(node_id, &wait(timeout_ms, cancel))
        })
    }
}

/// `enabled` 0: ends all sessions and talks to nobody; 1: to everybody again. The log goes on
/// either way. MILLPOND_ERROR_INVALID_ARGUMENT also when the node was opened without a network, or
/// its addresses cannot be bound any more. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_set_network(
    node: millpond_node_t,
    enabled: i32,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: `error` is valid by the laws of the header.
    unsafe {
        call("millpond_node_set_network", error, || match enabled {
            0 | 1 => {
                let wait = wait(timeout_ms, cancel);
                NodeHandle::from_id(node.id).set_network(enabled == 1, &wait)
            }
            other => Err(host_error(format!("`enabled` is {other}, not 0 or 1"))),
        })
    }
}

/// Replaces the swarm's secret without cutting anybody off: `current` for tickets, and peers that
/// hold it or one of the `former` (at most 4; NULL is none) are admitted from now on. Sessions go
/// on, but for those of peers that have shown neither: they end with "wrong_secret". Not kept in
/// the store: say it when the node is opened again. To replace the secret of a whole swarm, give
/// each node the one of millpond_swarm_secret_next with the old one as a former one; when each
/// peer's "secret" in the status is "current", take the old one from each.
/// MILLPOND_ERROR_INVALID_ARGUMENT also when one of them is of another swarm.
/// MILLPOND_ERROR_LIMIT_EXCEEDED: more than 4 are former ones. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_set_secrets(
    node: millpond_node_t,
    current: *const c_char,
    current_len: usize,
    former: *const millpond_text_t,
    former_count: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_set_secrets", error, || {
            let current = text(current, current_len, "current")?;
            // Not a default: no former secret is said.
            let former = texts(former, former_count, "former")?.unwrap_or_default();
            NodeHandle::from_id(node.id).set_secrets(current, &former, &wait(timeout_ms, cancel))
        })
    }
}

/// Writes a text that a question gives.
///
/// # Safety
/// The laws at the top of millpond.h.
pub(crate) unsafe fn give_text(
    function: &'static str,
    place: *mut millpond_bytes_t,
    name: &str,
    error: *mut *mut millpond_error_t,
    question: impl FnOnce() -> Result<String>,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call(function, error, || {
            let place = output(place, name)?;
            place.put(millpond_bytes_t::owned(question()?));
            Ok(())
        })
    }
}

/// In C a second close is told apart, because it mostly is a mistake.
pub(crate) fn once(closed: Result<Closed>, noun: &str) -> Result<()> {
    match closed? {
        Closed::Now => Ok(()),
        Closed::Before => Err(closed_error(format!("the {noun} was closed before"))),
    }
}

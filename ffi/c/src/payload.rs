//! Payloads as JSON, secrets, tickets: texts in, texts out.

use crate::call::{bytes, call, output, text};
use crate::error::millpond_error_t;
use crate::node::give_text;
use crate::value::millpond_bytes_t;
use millpond_facade::{json, swarm_secret_new, swarm_secret_next, ticket_parse};
use std::ffi::c_char;

/// JSON text as a payload in deterministic CBOR. Integers keep 64 bits; bytes are
/// {"$bytes":"<base64>"}. MILLPOND_ERROR_LIMIT_EXCEEDED: more than 1 MiB, nested more than 32 deep,
/// or an integer beyond 64 bits. Free `*payload` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_payload_from_json(
    json_text: *const c_char,
    json_text_len: usize,
    payload: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_payload_from_json", error, || {
            let place = output(payload, "payload")?;
            let cbor = json::to_cbor(text(json_text, json_text_len, "json_text")?)?;
            place.put(millpond_bytes_t::owned(cbor));
            Ok(())
        })
    }
}

/// A payload, which is one value in deterministic CBOR, as JSON text. Any other bytes answer
/// MILLPOND_ERROR_INVALID_ARGUMENT. Free `*json_text` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_payload_to_json(
    payload: *const u8,
    payload_len: usize,
    json_text: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_text("millpond_payload_to_json", json_text, "json_text", error, || {
            json::from_cbor(bytes(payload, payload_len, "payload")?)
        })
    }
}

/// A new swarm secret from the system's randomness: 64 hex digits, to be kept secret. Free
/// `*secret` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_swarm_secret_new(
    secret: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe { give_text("millpond_swarm_secret_new", secret, "secret", error, swarm_secret_new) }
}

/// A new secret to take the place of `secret` while the swarm stays the same: 128 hex digits, to be
/// kept secret; see millpond_node_set_secrets. Free `*next` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_swarm_secret_next(
    secret: *const c_char,
    secret_len: usize,
    next: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_text("millpond_swarm_secret_next", next, "next", error, || {
            swarm_secret_next(text(secret, secret_len, "secret")?)
        })
    }
}

/// What a ticket says, as JSON: swarm_id, node_id, addresses. The secret is left out. Free `*json`
/// with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_ticket_parse(
    ticket: *const c_char,
    ticket_len: usize,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_text("millpond_ticket_parse", json, "json", error, || {
            Ok(ticket_parse(text(ticket, ticket_len, "ticket")?)?.to_json())
        })
    }
}

//! What concerns the whole process: secrets, tickets, limits, the error table, the version.

use crate::failure::thrown;
use millpond_facade::limits;
use napi::bindgen_prelude::Env;
use napi_derive::napi;

/// A new swarm secret.
#[napi(catch_unwind)]
pub fn swarm_secret_new(env: Env) -> napi::Result<String> {
    thrown(&env, millpond_facade::swarm_secret_new())
}

/// A swarm secret to take the place of this one.
#[napi(catch_unwind)]
pub fn swarm_secret_next(env: Env, secret: String) -> napi::Result<String> {
    thrown(&env, millpond_facade::swarm_secret_next(&secret))
}

/// What a ticket says, without its secret.
#[napi(object, object_from_js = false)]
pub struct JsTicket {
    /// Swarm id.
    pub swarm_id: String,
    /// Node id.
    pub node_id: String,
    /// Socket addresses.
    pub addresses: Vec<String>,
}

/// Reads a ticket.
#[napi(catch_unwind)]
pub fn ticket_parse(env: Env, text: String) -> napi::Result<JsTicket> {
    let parts = thrown(&env, millpond_facade::ticket_parse(&text))?;
    let millpond_facade::TicketParts { swarm_id, node_id, addresses, .. } = parts;
    Ok(JsTicket { swarm_id, node_id, addresses })
}

/// The limits that this layer must know so as not to run past them.
#[napi(object, object_from_js = false)]
pub struct JsLimits {
    /// Deepest nesting of a payload.
    pub nesting_max: u32,
    /// Largest payload.
    pub payload_bytes_max: u32,
    /// Most bytes in one publish.
    pub batch_bytes_max: u32,
    /// Most events in one publish.
    pub batch_events_max: u32,
}

/// The limits.
#[napi(catch_unwind)]
pub fn limits() -> JsLimits {
    JsLimits {
        nesting_max: limits::NESTING_MAX as u32,
        payload_bytes_max: limits::PAYLOAD_BYTES_MAX as u32,
        batch_bytes_max: limits::BATCH_BYTES_MAX as u32,
        batch_events_max: limits::BATCH_EVENTS_MAX as u32,
    }
}

/// The error table as JSON text.
#[napi(catch_unwind)]
pub fn error_table() -> String {
    millpond_facade::errors::table_json()
}

/// The version of the native half.
#[napi(catch_unwind)]
pub fn version() -> String {
    millpond_facade::version().to_owned()
}

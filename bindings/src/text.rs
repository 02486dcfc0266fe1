//! What concerns the whole process, and what is said of texts alone.

use crate::failure::{Answer, call};
use crate::fish::{FishSpec, code_error};
use crate::options::SubscribeOptions;
use millpond_facade::{self as facade, Offsets, errors, host_error, json, limits, log};
use std::collections::HashMap;

/// What a swarm ticket says, without its secret.
#[derive(Clone, Debug, uniffi::Record)]
pub struct TicketParts {
    /// Swarm id.
    pub swarm_id: String,
    /// Node id.
    pub node_id: String,
    /// Socket addresses.
    pub addresses: Vec<String>,
}

/// The limits that a language must know so as not to run past them.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Limits {
    /// Deepest nesting of a payload.
    pub nesting_max: u32,
    /// Largest payload, in bytes.
    pub payload_bytes_max: u32,
    /// Most bytes in one publish.
    pub batch_bytes_max: u32,
    /// Most events in one publish.
    pub batch_events_max: u32,
}

/// One line of the log of what happens.
#[derive(Clone, Debug, uniffi::Record)]
pub struct LogRecord {
    /// Rises by 1; a gap is what was dropped.
    pub sequence: u64,
    /// Wall clock, µs since 1970 UTC.
    pub time_micros: i64,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Which part of millpond.
    pub target: String,
    /// What happened.
    pub text: String,
}

/// Lines of the log, oldest first.
#[derive(Clone, Debug, uniffi::Record)]
pub struct LogDrained {
    /// The lines.
    pub records: Vec<LogRecord>,
    /// How many were dropped since the last look, because nobody fetched them.
    pub dropped: u64,
}

/// The version of the library.
#[uniffi::export]
pub fn version() -> String {
    facade::version().to_owned()
}

/// The error table as JSON text.
#[uniffi::export]
pub fn errors_table() -> Answer<String> {
    call("bridge_errors_table", || Ok(errors::table_json()))
}

/// The limits.
#[uniffi::export]
pub fn limits_of_events() -> Answer<Limits> {
    call("bridge_limits_of_events", || {
        Ok(Limits {
            nesting_max: limits::NESTING_MAX as u32,
            payload_bytes_max: limits::PAYLOAD_BYTES_MAX as u32,
            batch_bytes_max: limits::BATCH_BYTES_MAX as u32,
            batch_events_max: limits::BATCH_EVENTS_MAX as u32,
        })
    })
}

/// A new swarm secret.
#[uniffi::export]
pub fn swarm_secret_new() -> Answer<String> {
    call("bridge_swarm_secret_new", facade::swarm_secret_new)
}

/// A swarm secret to take the place of this one.
#[uniffi::export]
pub fn swarm_secret_next(secret: String) -> Answer<String> {
    call("bridge_swarm_secret_next", || facade::swarm_secret_next(&secret))
}

/// Reads a swarm ticket.
#[uniffi::export]
pub fn swarm_ticket_parse(text: String) -> Answer<TicketParts> {
    call("bridge_swarm_ticket_parse", || {
        let parts = facade::ticket_parse(&text)?;
        let facade::TicketParts { swarm_id, node_id, addresses, .. } = parts;
        Ok(TicketParts { swarm_id, node_id, addresses })
    })
}

/// The token in its one form.
#[uniffi::export]
pub fn offsets_parse(token: String) -> Answer<String> {
    call("bridge_offsets_parse", || Ok(Offsets::parse(&token)?.token()))
}

/// The token of these counts by stream id.
#[uniffi::export]
pub fn offsets_of(counts: HashMap<String, u64>) -> Answer<String> {
    call("bridge_offsets_of", || Ok(Offsets::from_entries(counts)?.token()))
}

/// The counts of a token by stream id.
#[uniffi::export]
pub fn offsets_entries(token: String) -> Answer<HashMap<String, u64>> {
    call("bridge_offsets_entries", || Ok(Offsets::parse(&token)?.entries().into_iter().collect()))
}

/// The count of one stream.
#[uniffi::export]
pub fn offsets_count(token: String, stream: String) -> Answer<u64> {
    call("bridge_offsets_count", || Offsets::parse(&token)?.count(&stream))
}

/// The sum of all counts.
#[uniffi::export]
pub fn offsets_total(token: String) -> Answer<u64> {
    call("bridge_offsets_total", || Ok(Offsets::parse(&token)?.total()))
}

/// Whether the first holds everything that the second holds.
#[uniffi::export]
pub fn offsets_covers(token: String, other: String) -> Answer<bool> {
    call("bridge_offsets_covers", || Ok(Offsets::parse(&token)?.covers(&Offsets::parse(&other)?)))
}

/// The token of what any of these hold.
#[uniffi::export]
pub fn offsets_merge(tokens: Vec<String>) -> Answer<String> {
    call("bridge_offsets_merge", || Ok(Offsets::merge(tokens)?.token()))
}

/// The token after which a subscription from there begins; none is now.
#[uniffi::export]
pub fn start_position(start: Option<String>) -> Answer<Option<String>> {
    call("bridge_start_position", || {
        let options =
            SubscribeOptions { start, delivery: None, order: None, after: None, session: None };
        Ok(options.to_facade()?.position().map(|offsets| offsets.token()))
    })
}

/// One JSON value as CBOR in its deterministic encoding.
#[uniffi::export]
pub fn json_to_cbor(text: String) -> Answer<Vec<u8>> {
    call("bridge_json_to_cbor", || json::to_cbor(&text))
}

/// A payload as JSON text.
#[uniffi::export]
pub fn cbor_to_json(payload: Vec<u8>) -> Answer<String> {
    call("bridge_cbor_to_json", || json::from_cbor(&payload))
}

/// The id of a fish in its one form.
#[uniffi::export]
pub fn fish_id(fish: FishSpec) -> Answer<String> {
    call("bridge_fish_id", || facade::FishSpec::from(fish).id())
}

/// Throws when a fence is below the highest that was seen.
#[uniffi::export]
pub fn fence_admits(highest: Option<String>, fence: String) -> Answer<()> {
    call("bridge_fence_admits", || facade::fence_admits(highest.as_deref(), &fence))
}

/// Throws what stands for code of the application that failed here: `effect`, a function of a fish,
/// or `grow_only`.
#[uniffi::export]
pub fn fail_code(function: String, text: String) -> Answer<()> {
    call("bridge_fail_code", || Err(code_error(&function, text)))
}

/// Throws what an effect is refused with that acts inside of another.
#[uniffi::export]
pub fn refuse_nested_effect() -> Answer<()> {
    call("bridge_refuse_nested_effect", || Err(facade::nested_effect_error()))
}

/// Says how much is logged from now on: `off`, `error`, `warn`, `info`, `debug` or `trace`.
#[uniffi::export]
pub fn log_level(level: String) -> Answer<()> {
    call("bridge_log_level", || {
        let known = log::Level::from_name(&level);
        log::set_level(known.ok_or_else(|| host_error(format!("no level is named {level:?}")))?);
        Ok(())
    })
}

/// The oldest lines of the log, at most so many. Never waits.
#[uniffi::export]
pub fn log_drain(count_max: u32) -> Answer<LogDrained> {
    call("bridge_log_drain", || {
        let log::Drained { records, dropped } = log::drain(count_max as usize);
        let line = |line: log::Record| LogRecord {
            sequence: line.sequence,
            time_micros: line.time_micros,
            level: line.level.name().to_owned(),
            target: line.target.to_owned(),
            text: line.message,
        };
        Ok(LogDrained { records: records.into_iter().map(line).collect(), dropped })
    })
}

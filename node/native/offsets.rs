//! Offset maps as token texts: JavaScript holds the text, and asks here what it says.

use crate::failure::thrown;
use millpond_facade::Offsets;
use napi::bindgen_prelude::Env;
use napi_derive::napi;

/// One stream of an offset map.
#[napi(object)]
pub struct JsOffset {
    /// Stream id.
    pub stream: String,
    /// How many events.
    pub count: i64,
}

/// The token in its one form.
#[napi(catch_unwind)]
pub fn offsets_parse(env: Env, token: String) -> napi::Result<String> {
    thrown(&env, Offsets::parse(&token).map(|offsets| offsets.token()))
}

/// The token of these entries.
#[napi(catch_unwind)]
pub fn offsets_from_entries(env: Env, entries: Vec<JsOffset>) -> napi::Result<String> {
    let pairs = entries.into_iter().map(|entry| match u64::try_from(entry.count) {
        Ok(count) => Ok((entry.stream, count)),
        Err(_) => Err(millpond_facade::host_error("a count of an offset map is negative")),
    });
    let pairs: millpond_facade::Result<Vec<(String, u64)>> = pairs.collect();
    thrown(&env, pairs.and_then(Offsets::from_entries).map(|offsets| offsets.token()))
}

/// Its entries, by rising stream.
#[napi(catch_unwind)]
pub fn offsets_entries(env: Env, token: String) -> napi::Result<Vec<JsOffset>> {
    let offsets = thrown(&env, Offsets::parse(&token))?;
    let entry = |(stream, count)| JsOffset { stream, count: count as i64 };
    Ok(offsets.entries().into_iter().map(entry).collect())
}

/// The count of one stream.
#[napi(catch_unwind)]
pub fn offsets_count(env: Env, token: String, stream: String) -> napi::Result<i64> {
    let count = Offsets::parse(&token).and_then(|offsets| offsets.count(&stream));
    thrown(&env, count.map(|count| count as i64))
}

/// The sum of all counts.
#[napi(catch_unwind)]
pub fn offsets_total(env: Env, token: String) -> napi::Result<i64> {
    thrown(&env, Offsets::parse(&token).map(|offsets| offsets.total() as i64))
}

/// Whether the first holds everything that the second holds.
#[napi(catch_unwind)]
pub fn offsets_covers(env: Env, token: String, other: String) -> napi::Result<bool> {
    let both = Offsets::parse(&token).and_then(|token| Ok((token, Offsets::parse(&other)?)));
    thrown(&env, both.map(|(token, other)| token.covers(&other)))
}

/// The token of what either holds.
#[napi(catch_unwind)]
pub fn offsets_join(env: Env, token: String, other: String) -> napi::Result<String> {
    let both = Offsets::parse(&token).and_then(|token| Ok((token, Offsets::parse(&other)?)));
    let joined = both.map(|(mut token, other)| {
        token.join(&other);
        token.token()
    });
    thrown(&env, joined)
}

/// The token of what any of these hold.
#[napi(catch_unwind)]
pub fn offsets_merge(env: Env, tokens: Vec<String>) -> napi::Result<String> {
    thrown(&env, Offsets::merge(tokens).map(|offsets| offsets.token()))
}

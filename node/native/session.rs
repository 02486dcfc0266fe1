//! Sessions, and waiting until the log covers a token.

use crate::bridge::{Bridge, start};
use crate::failure::thrown;
use crate::handles::{node, session};
use crate::options::JsLimit;
use millpond_facade::Offsets;
use napi::bindgen_prelude::{BigInt, Env};
use napi_derive::napi;

#[napi]
impl Bridge {
    /// Waits until the log covers the token; with a query, as far as that can tell.
    #[napi(catch_unwind)]
    pub fn wait_for(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        token: String,
        query: Option<String>,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared = Offsets::parse(&token).and_then(|token| Ok((token, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(token, limit), done| {
            node(&handle).wait_for_start(&token, query.as_deref(), limit, done)
        })
    }
}

/// Token text of what it has seen.
#[napi(catch_unwind)]
pub fn session_token(env: Env, handle: BigInt) -> napi::Result<String> {
    thrown(&env, session(&handle).token().map(|offsets| offsets.token()))
}

/// It has seen this, too.
#[napi(catch_unwind)]
pub fn session_sees(env: Env, handle: BigInt, token: String) -> napi::Result<()> {
    let seen = Offsets::parse(&token).and_then(|token| session(&handle).sees(&token));
    thrown(&env, seen)
}

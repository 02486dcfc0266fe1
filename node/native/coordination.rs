//! Accounts, claims, and who does what.

use crate::answer::JsCompletion;
use crate::bridge::{Bridge, start, start_here};
use crate::failure::thrown;
use crate::handles::{doing, node};
use crate::options::{JsDeedOptions, JsLimit, JsReadOptions, unsigned};
use millpond_facade::{AnswerPolicy, Bytes, Deed, Result, host_error};
use napi::bindgen_prelude::{BigInt, Env, Uint8Array};
use napi_derive::napi;

/// Which account.
#[napi(object, object_to_js = false)]
pub struct JsAccount {
    /// Its name.
    pub name: String,
    /// Exactly this account of the name.
    pub id: Option<String>,
}

/// A share of an account that is created.
#[napi(object, object_to_js = false)]
pub struct JsShare {
    /// Node id.
    pub node: String,
    /// Amount.
    pub amount: i64,
}

/// What is to be done with an account, a claim or an activity; its kind says with which fields.
#[napi(object, object_to_js = false)]
pub struct JsDeed {
    /// `account_create`, `claim_transfer` …
    pub kind: String,
    /// Name of the account, the claim or the activity.
    pub name: String,
    /// Exactly this account of the name.
    pub id: Option<String>,
    /// Amount.
    pub amount: Option<i64>,
    /// Floor.
    pub floor: Option<i64>,
    /// Shares.
    pub shares: Option<Vec<JsShare>>,
    /// Node id.
    pub node: Option<String>,
    /// One CBOR value.
    pub note: Option<Uint8Array>,
    /// Of a request for a claim.
    pub is_wanted: Option<bool>,
    /// Of a recovery.
    pub is_alone: Option<bool>,
}

impl JsDeed {
    pub(crate) fn to_deed(&self) -> Result<Deed> {
        let name = self.name.clone();
        let id = self.id.clone();
        Ok(match self.kind.as_str() {
            "account_create" => {
                let (amount, floor) = (needed(self.amount)?, needed(self.floor)?);
                Deed::AccountCreate { name, id, amount, floor, shares: self.shares()? }
            }
            "account_deposit" => {
                Deed::AccountDeposit { name, id, amount: self.amount()?, note: self.note() }
            }
            "account_withdraw" => {
                Deed::AccountWithdraw { name, id, amount: self.amount()?, note: self.note() }
            }
            "account_grant" => {
                let to = needed(self.node.clone())?;
                Deed::AccountGrant { name, id, to, amount: self.amount()? }
            }
            "account_request" => Deed::AccountRequest { name, id, amount: self.amount()? },
            "account_recover" => {
                Deed::AccountRecover { name, id, is_alone: self.is_alone == Some(true) }
            }
            _ => return self.to_deed_of_claim(),
        })
    }

    fn to_deed_of_claim(&self) -> Result<Deed> {
        let what = self.name.clone();
        Ok(match self.kind.as_str() {
            "claim_create" => Deed::ClaimCreate { what, holder: self.node.clone() },
            "claim_transfer" => Deed::ClaimTransfer { what, to: needed(self.node.clone())? },
            "claim_request" => Deed::ClaimRequest { what, is_wanted: needed(self.is_wanted)? },
            "claim_recover" => Deed::ClaimRecover { what, is_alone: self.is_alone == Some(true) },
            "doing_release" => Deed::DoingRelease { what },
            other => return Err(host_error(format!("there is no deed {other:?}"))),
        })
    }

    fn amount(&self) -> Result<u64> {
        needed(unsigned("amount", self.amount)?)
    }

    pub(crate) fn note(&self) -> Option<Bytes> {
        self.note.as_ref().map(|note| Bytes::copy_from_slice(note))
    }

    fn shares(&self) -> Result<Vec<(String, u64)>> {
        let share = |share: &JsShare| {
            Ok((share.node.clone(), needed(unsigned("shares", Some(share.amount))?)?))
        };
        self.shares.iter().flatten().map(share).collect()
    }
}

/// What requests are answered by; none: they are not.
pub(crate) fn policy(is_wanted: bool, reserve: Option<i64>) -> Result<Option<AnswerPolicy>> {
    let reserve = unsigned("reserve", reserve)?;
    Ok(is_wanted.then_some(AnswerPolicy { reserve }))
}

fn needed<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| host_error("a deed lacks something"))
}

#[napi]
impl Bridge {
    /// Does something with an account or a claim; completes when that is durable.
    #[napi(catch_unwind)]
    pub fn act(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        deed: JsDeed,
        options: JsDeedOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared =
            deed.to_deed().and_then(|deed| Ok((deed, options.to_options()?, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(deed, options, limit), done| {
            node(&handle).act_start(deed, options, limit, done)
        })
    }

    /// How an account stands, as JSON text.
    #[napi(catch_unwind)]
    pub fn account_report(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        account: JsAccount,
        options: JsReadOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let JsAccount { name, id } = account;
        let prepared = options.to_options().and_then(|options| Ok((options, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(options, limit), done| {
            node(&handle).account_json_start(&name, id.as_deref(), options, limit, done)
        })
    }

    /// The same, once events came that `known` does not count.
    #[napi(catch_unwind)]
    pub fn next_account_report(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        account: JsAccount,
        known: Option<String>,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let (JsAccount { name, id }, known) = (account, known.as_deref());
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).next_account_json_start(&name, id.as_deref(), known, limit, done)
        })
    }

    /// How a claim stands, as JSON text.
    #[napi(catch_unwind)]
    pub fn claim_report(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        what: String,
        options: JsReadOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared = options.to_options().and_then(|options| Ok((options, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(options, limit), done| {
            node(&handle).claim_json_start(&what, options, limit, done)
        })
    }

    /// The same, once events came that `known` does not count.
    #[napi(catch_unwind)]
    pub fn next_claim_report(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        what: String,
        known: Option<String>,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).next_claim_json_start(&what, known.as_deref(), limit, done)
        })
    }

    /// Who does something, as JSON text.
    #[napi(catch_unwind)]
    pub fn who_does(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        what: String,
        options: JsReadOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared = options.to_options().and_then(|options| Ok((options, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(options, limit), done| {
            node(&handle).who_does_json_start(&what, options, limit, done)
        })
    }

    /// Says that this node does something; completes with the handle of that claim.
    #[napi(catch_unwind)]
    pub fn do_optimistically(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        deed: JsDeed,
        options: JsReadOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared = options.to_options().and_then(|options| Ok((options, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(options, limit), done| {
            node(&handle).do_optimistically_start(&deed.name, deed.note(), options, limit, done)
        })
    }

    /// The claim of this node that stands; completes with its handle, or without one.
    #[napi(catch_unwind)]
    pub fn own_doing(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        what: String,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            node(&handle).own_doing_start(&what, limit, done)
        })
    }

    /// How a claim stands first, then each change.
    #[napi(catch_unwind)]
    pub fn doing_next<'a>(
        &self,
        env: &'a Env,
        ticket: i64,
        handle: BigInt,
        limit: JsLimit,
    ) -> napi::Result<Option<JsCompletion<'a>>> {
        start_here!(self, env, ticket, self.limit(&limit), |limit, done| {
            doing(&handle).next_standing_start(limit, done)
        })
    }

    /// How a claim stands once it has lost or is released, or the end.
    #[napi(catch_unwind)]
    pub fn doing_lost(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            doing(&handle).lost_start(limit, done)
        })
    }
}

/// Answers requests for rights by itself from now on, or not any more.
#[napi(catch_unwind)]
pub fn answer_requests(
    env: Env,
    handle: BigInt,
    name: String,
    is_wanted: bool,
    reserve: Option<i64>,
) -> napi::Result<()> {
    let answering =
        policy(is_wanted, reserve).and_then(|policy| node(&handle).answer_requests(&name, policy));
    thrown(&env, answering)
}

/// Hands a claim over by itself from now on, or not any more.
#[napi(catch_unwind)]
pub fn hand_over_when_asked(
    env: Env,
    handle: BigInt,
    what: String,
    is_wanted: bool,
) -> napi::Result<()> {
    thrown(&env, node(&handle).hand_over_when_asked(&what, is_wanted))
}

/// The key of a claim.
#[napi(catch_unwind)]
pub fn doing_key(env: Env, handle: BigInt) -> napi::Result<String> {
    thrown(&env, doing(&handle).key())
}

/// Throws when a fence is below the highest that was seen.
#[napi(catch_unwind)]
pub fn fence_admits(env: Env, highest: Option<String>, fence: String) -> napi::Result<()> {
    thrown(&env, millpond_facade::fence_admits(highest.as_deref(), &fence))
}

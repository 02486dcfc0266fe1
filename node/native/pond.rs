//! Fish: observing them, working their folds, acting on their states.

use crate::answer::JsCompletion;
use crate::bridge::{Bridge, start, start_here};
use crate::failure::thrown;
use crate::handles::{fold, node, observer, session as session_of, turn};
use crate::options::{JsLimit, JsPublishOptions, JsReadOptions};
use millpond_facade::{
    Bytes, FishFunction, FishSpec, JobAnswer, Result, TurnKind, drafts_from_packed, host_error,
};
use napi::bindgen_prelude::{BigInt, Env, Uint8Array};
use napi_derive::napi;

/// What a fish is, without its code.
#[napi(object, object_to_js = false)]
pub struct JsFish {
    /// Which events.
    pub query: String,
    /// Of one with code.
    pub id: Option<String>,
    /// Of one with code.
    pub version: Option<i64>,
    /// Name of its codec.
    pub codec: Option<String>,
    /// Declared to only grow.
    pub is_grow_only: Option<bool>,
    /// It has resets.
    pub has_reset: Option<bool>,
    /// Of a built-in: its fold as JSON text.
    pub fold: Option<String>,
}

impl JsFish {
    pub(crate) fn to_spec(&self) -> Result<FishSpec> {
        let query = self.query.clone();
        match (&self.id, self.version, &self.fold) {
            (None, None, Some(fold)) => Ok(FishSpec::BuiltIn { query, fold: fold.clone() }),
            (Some(id), Some(version), None) => {
                let version = u64::try_from(version)
                    .map_err(|_| host_error("the version of a fish is negative"))?;
                let (id, codec) = (id.clone(), self.codec.clone());
                let is_grow_only = self.is_grow_only == Some(true);
                let has_reset = self.has_reset == Some(true);
                Ok(FishSpec::Code { id, version, query, codec, is_grow_only, has_reset })
            }
            _ => Err(host_error("a fish has an id and a version, or a fold")),
        }
    }
}

/// What code answers to a job.
#[napi(object, object_to_js = false)]
pub struct JsJobAnswer {
    /// `loaded`, `applied`, `saved` or `failed`.
    pub kind: String,
    /// Of `applied`: the last event of the batch that was a reset.
    pub last_reset: Option<u32>,
    /// Of `saved`.
    pub bytes: Option<Uint8Array>,
    /// Of `failed`: `initial`, `step`, `is_reset`, `encode` or `decode`.
    pub function: Option<String>,
    /// Of `failed`: at which event of the batch.
    pub index: Option<u32>,
    /// Of `failed`.
    pub message: Option<String>,
}

impl JsJobAnswer {
    pub(crate) fn to_answer(&self) -> Result<JobAnswer> {
        let malformed = || host_error("an answer to a job is malformed");
        match self.kind.as_str() {
            "loaded" => Ok(JobAnswer::Loaded),
            "applied" => {
                let last_reset = self.last_reset.map(|index| index as usize);
                Ok(JobAnswer::Applied { last_reset })
            }
            "saved" => {
                let bytes = self.bytes.as_ref().ok_or_else(malformed)?;
                Ok(JobAnswer::Saved(Bytes::copy_from_slice(bytes)))
            }
            "failed" => {
                let named = |function: &FishFunction| Some(function.name()) == self.function();
                let function = FUNCTIONS.into_iter().find(named).ok_or_else(malformed)?;
                let index = self.index.map(|index| index as usize);
                let message = self.message.clone().ok_or_else(malformed)?;
                Ok(JobAnswer::Failed { function, index, message })
            }
            _ => Err(malformed()),
        }
    }

    fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }
}

const FUNCTIONS: [FishFunction; 5] = [
    FishFunction::Initial,
    FishFunction::Step,
    FishFunction::IsReset,
    FishFunction::Encode,
    FishFunction::Decode,
];

#[napi]
impl Bridge {
    /// Observes a fish; completes with an observer's handle, and a fold to work.
    #[napi(catch_unwind)]
    pub fn observe(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        fish: JsFish,
        options: JsReadOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared =
            fish.to_spec().and_then(|fish| Ok((fish, options.to_options()?, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(fish, options, limit), done| {
            node(&handle).observe_start(fish, options, limit, done)
        })
    }

    /// A state that was not given yet: at once, when it is there.
    #[napi(catch_unwind)]
    pub fn observer_next<'a>(
        &self,
        env: &'a Env,
        ticket: i64,
        handle: BigInt,
        limit: JsLimit,
    ) -> napi::Result<Option<JsCompletion<'a>>> {
        start_here!(self, env, ticket, self.limit(&limit), |limit, done| {
            observer(&handle).next_state_start(limit, done)
        })
    }

    /// The state of all that is durable now, given before or not.
    #[napi(catch_unwind)]
    pub fn observer_state(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        limit: JsLimit,
    ) -> napi::Result<()> {
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            observer(&handle).state_start(limit, done)
        })
    }

    /// The right to act on a state, once the node has what the session has seen; with `is_new` only
    /// on one that differs from that of the turn before. Completes with the turn's handle and the
    /// state.
    #[napi(catch_unwind)]
    pub fn observer_turn(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        is_new: bool,
        session: Option<BigInt>,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let kind = if is_new { TurnKind::New } else { TurnKind::Any };
        let session = session.as_ref().map(session_of);
        start!(self, env, ticket, self.limit(&limit), |limit, done| {
            observer(&handle).turn_start(kind, session, limit, done)
        })
    }

    /// Publishes on the state of a turn, and ends it; `bytes` as `packed.rs` of the facade says.
    #[napi(catch_unwind)]
    pub fn turn_publish(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        bytes: &[u8],
        options: JsPublishOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared = drafts_from_packed(bytes)
            .and_then(|drafts| Ok((drafts, options.to_options()?, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(drafts, options, limit), done| {
            turn(&handle).publish_start(drafts, options, limit, done)
        })
    }

    /// Answers the last job of a fold and takes the next one: at once, when it is there. Keeps no
    /// process alive: whoever waits for a state does.
    #[napi(catch_unwind)]
    pub fn fold_next<'a>(
        &self,
        env: &'a Env,
        ticket: i64,
        handle: BigInt,
        answer: Option<JsJobAnswer>,
        limit: JsLimit,
    ) -> napi::Result<Option<JsCompletion<'a>>> {
        let done = self.completions.begin_unheeded(ticket);
        let answer = answer.as_ref().map(JsJobAnswer::to_answer).transpose();
        match answer.and_then(|answer| Ok((answer, self.limit(&limit)?))) {
            Ok((answer, limit)) => fold(&handle).next_job_start(answer, limit, done),
            Err(error) => done(Err(error)),
        }
        let answer = self.completions.answer(env)?;
        answer.map(|completion| JsCompletion::new(env, completion)).transpose()
    }
}

/// The id of a fish in its one form.
#[napi(catch_unwind)]
pub fn fish_id(env: Env, fish: JsFish) -> napi::Result<String> {
    thrown(&env, fish.to_spec().and_then(|fish| fish.id()))
}

/// Throws what an effect is refused with that acts inside of another.
#[napi(catch_unwind)]
pub fn refuse_nested_effect(env: Env) -> napi::Result<()> {
    thrown(&env, Err(millpond_facade::nested_effect_error()))
}

/// Throws what stands for code of the application that failed here: `effect`, a function of a fish,
/// or `grow_only`.
#[napi(catch_unwind)]
pub fn fail_code(env: Env, function: String, message: String) -> napi::Result<()> {
    let others = ["effect", "grow_only"];
    let names = FUNCTIONS.iter().map(|function| function.name()).chain(others);
    let error = match names.into_iter().find(|name| *name == function) {
        Some(name) => millpond_facade::user_code_error(name, message),
        None => host_error(format!("no code is named {function:?}")),
    };
    thrown(&env, Err(error))
}

//! Several fish, one for each event of a query.

use crate::answer::JsCompletion;
use crate::bridge::{Bridge, start, start_here};
use crate::handles::{group, node};
use crate::options::{JsLimit, JsReadOptions};
use crate::pond::JsFish;
use millpond_facade::{GroupAnswer, Result, host_error};
use napi::bindgen_prelude::{BigInt, Env};
use napi_derive::napi;

/// What code made of seeds.
#[napi(object, object_to_js = false)]
pub struct JsGroupAnswer {
    /// A fish for each event, or null.
    pub made: Option<Vec<Option<JsFish>>>,
    /// It failed, at this event of the batch.
    pub index: Option<u32>,
    /// It failed.
    pub message: Option<String>,
}

impl JsGroupAnswer {
    fn to_answer(&self) -> Result<GroupAnswer> {
        match (&self.made, self.index, &self.message) {
            (Some(made), None, None) => {
                let spec = |fish: &Option<JsFish>| fish.as_ref().map(JsFish::to_spec).transpose();
                let made = made.iter().map(spec).collect::<Result<_>>()?;
                Ok(GroupAnswer::Made(made))
            }
            (None, Some(index), Some(message)) => {
                let (index, message) = (index as usize, message.clone());
                Ok(GroupAnswer::Failed { index, message })
            }
            _ => Err(host_error("an answer to seeds is malformed")),
        }
    }
}

#[napi]
impl Bridge {
    /// Observes a fish for each seed, or only for the first; completes with a group's handle.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments, reason = "one crossing takes all that the call has")]
    pub fn observe_group(
        &self,
        env: Env,
        ticket: i64,
        handle: BigInt,
        seeds: String,
        only_first: bool,
        options: JsReadOptions,
        limit: JsLimit,
    ) -> napi::Result<()> {
        let prepared = options.to_options().and_then(|options| Ok((options, self.limit(&limit)?)));
        start!(self, env, ticket, prepared, |(options, limit), done| {
            node(&handle).observe_group_start(&seeds, only_first, options, limit, done)
        })
    }

    /// Answers the last seeds of a group, if they were the last step, and takes the next step.
    #[napi(catch_unwind)]
    pub fn group_next<'a>(
        &self,
        env: &'a Env,
        ticket: i64,
        handle: BigInt,
        answer: Option<JsGroupAnswer>,
        limit: JsLimit,
    ) -> napi::Result<Option<JsCompletion<'a>>> {
        let answer = answer.as_ref().map(JsGroupAnswer::to_answer).transpose();
        let prepared = answer.and_then(|answer| Ok((answer, self.limit(&limit)?)));
        start_here!(self, env, ticket, prepared, |(answer, limit), done| {
            group(&handle).next_step_start(answer, limit, done)
        })
    }
}

//! What JavaScript is told of an operation that ended.

use crate::batch::JsBatch;
use crate::completion::Completion;
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::pond_answer::{JsGroupStep, JsJob, JsStanding, JsState};
use millpond_facade::Published;
use napi::bindgen_prelude::{BigInt, Env};
use napi_derive::napi;

/// An operation that ended, as JavaScript sees it: exactly one of the fields after the ticket is
/// set but where it is said otherwise, or none when there is nothing to say.
#[napi(object, object_from_js = false)]
pub struct JsCompletion<'a> {
    /// As it was given at the start.
    pub ticket: i64,
    /// It failed.
    pub failure: Option<Failure>,
    /// A node, a cursor, a subscription, an observer or another handle.
    pub handle: Option<BigInt>,
    /// What was published.
    pub published: Option<JsPublished>,
    /// Events.
    pub batch: Option<JsBatch<'a>>,
    /// What was asked for.
    pub text: Option<String>,
    /// Beside the handle of an observer: the fold that is to be worked here.
    pub fold: Option<BigInt>,
    /// A state; beside the handle of a turn, the one to act on.
    pub state: Option<JsState<'a>>,
    /// Work for the code of a fish.
    pub job: Option<JsJob<'a>>,
    /// A step of several fish.
    pub group_step: Option<JsGroupStep<'a>>,
    /// How a claim stands.
    pub standing: Option<JsStanding>,
}

impl<'a> JsCompletion<'a> {
    pub(crate) fn new(env: &'a Env, completion: Completion) -> napi::Result<JsCompletion<'a>> {
        let ticket = completion.ticket;
        let mut js = JsCompletion {
            ticket,
            failure: None,
            handle: None,
            published: None,
            batch: None,
            text: None,
            fold: None,
            state: None,
            job: None,
            group_step: None,
            standing: None,
        };
        match completion.outcome {
            Err(failure) => js.failure = Some(failure),
            Ok(Outcome::Unit) => {}
            Ok(Outcome::Node(node)) => js.handle = Some(node.id().into()),
            Ok(Outcome::Cursor(cursor)) => js.handle = Some(cursor.id().into()),
            Ok(Outcome::Subscription(subscription)) => js.handle = Some(subscription.id().into()),
            Ok(Outcome::Published(published)) => js.published = Some(JsPublished::from(*published)),
            Ok(Outcome::Text(text)) => js.text = Some(text),
            Ok(Outcome::Batch(batch)) => js.batch = Some(JsBatch::new(env, *batch)?),
            Ok(Outcome::Observation(observation)) => {
                js.handle = Some(observation.observer.id().into());
                js.fold = observation.fold.map(|fold| fold.id().into());
            }
            Ok(Outcome::State(state)) => js.state = Some(JsState::new(env, &state)?),
            Ok(Outcome::Job(job)) => js.job = Some(JsJob::new(env, *job)?),
            Ok(Outcome::Turn(turn)) => {
                js.handle = Some(turn.id().into());
                match turn.state() {
                    Ok(state) => js.state = Some(JsState::new(env, &state)?),
                    Err(error) => js.failure = Some(error.into()),
                }
            }
            Ok(Outcome::Group(group)) => js.handle = Some(group.id().into()),
            Ok(Outcome::GroupStep(step)) => js.group_step = Some(JsGroupStep::new(env, *step)?),
            Ok(Outcome::Doing(doing)) => js.handle = doing.map(|doing| doing.id().into()),
            Ok(Outcome::Standing(standing)) => js.standing = Some(JsStanding::from(*standing)),
        }
        Ok(js)
    }
}

/// What was published.
#[napi(object, object_from_js = false)]
pub struct JsPublished {
    /// Stream id.
    pub stream: String,
    /// Offset of the first event.
    pub first_offset: i64,
    /// Lamport of the first event.
    pub first_lamport: i64,
    /// How many events.
    pub count: i64,
    /// Wall clock.
    pub time_micros: i64,
    /// Token text.
    pub token: String,
    /// An earlier call with this idempotency key stored them.
    pub replayed: bool,
}

impl From<Published> for JsPublished {
    fn from(published: Published) -> JsPublished {
        JsPublished {
            first_offset: published.first_offset as i64,
            first_lamport: published.first_lamport as i64,
            count: published.count as i64,
            time_micros: published.time_micros,
            token: published.token.token(),
            replayed: published.replayed,
            stream: published.stream,
        }
    }
}

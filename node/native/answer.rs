//! What JavaScript is told of an operation that ended.

use crate::batch::JsBatch;
use crate::completion::{Completion, Outcome};
use crate::failure::Failure;
use millpond_facade::Published;
use napi::bindgen_prelude::{BigInt, Env};
use napi_derive::napi;

/// An operation that ended, as JavaScript sees it: exactly one of the fields after the ticket is
/// set, or none when there is nothing to say.
#[napi(object, object_from_js = false)]
pub struct JsCompletion<'a> {
    /// As it was given at the start.
    pub ticket: i64,
    /// It failed.
    pub failure: Option<Failure>,
    /// A node, a cursor or a subscription.
    pub handle: Option<BigInt>,
    /// What was published.
    pub published: Option<JsPublished>,
    /// Events.
    pub batch: Option<JsBatch<'a>>,
    /// What was asked for.
    pub text: Option<String>,
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

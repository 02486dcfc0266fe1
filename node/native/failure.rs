//! Errors on their way into JavaScript, where `errors.ts` makes the class of their kind.

use millpond_facade::FacadeError;
use napi::bindgen_prelude::{Env, JsObjectValue, JsValue, Object};
use napi_derive::napi;

/// What went wrong: the row of the error table by its number, and what belongs to this case.
#[napi(object, object_from_js = false)]
pub struct Failure {
    /// The stable number of the kind.
    pub number: i32,
    /// One or more sentences.
    pub message: String,
    /// A typed detail such as `wrong_secret`.
    pub reason: Option<String>,
    /// A byte position in the UTF-8 form of a text that was passed in.
    pub position: Option<u32>,
    /// What the log does not cover, as a JSON object of stream ids and numbers of events.
    pub missing: Option<String>,
    /// What a program may want to know of it, as JSON text.
    pub details: Option<String>,
}

impl Failure {
    /// A bug of ours.
    pub(crate) fn internal(message: &str) -> Failure {
        let row = millpond_facade::errors::table().into_iter().find(|row| row.name == "internal");
        let number = row.expect("the table has this row forever").number;
        Failure {
            number,
            message: message.to_owned(),
            reason: None,
            position: None,
            missing: None,
            details: None,
        }
    }
}

impl From<FacadeError> for Failure {
    fn from(error: FacadeError) -> Failure {
        Failure {
            number: error.number,
            missing: (!error.missing.is_empty()).then(|| error.missing_json()),
            details: error.details_json(),
            message: error.message,
            reason: error.reason.map(str::to_owned),
            position: error.position.and_then(|position| u32::try_from(position).ok()),
        }
    }
}

/// Turns a result into one whose error JavaScript catches as a `Failure` object.
pub(crate) fn thrown<T>(env: &Env, result: millpond_facade::Result<T>) -> napi::Result<T> {
    result.map_err(|error| match failure_object(env, error) {
        Ok(object) => napi::Error::from(object.to_unknown()),
        Err(error) => error,
    })
}

/// A real `Error`: nothing else is thrown as it is.
fn failure_object<'a>(env: &'a Env, error: FacadeError) -> napi::Result<Object<'a>> {
    let failure = Failure::from(error);
    let mut object = env.create_error(napi::Error::from_reason(failure.message))?;
    object.set_named_property("number", failure.number)?;
    object.set_named_property("reason", failure.reason)?;
    object.set_named_property("position", failure.position)?;
    object.set_named_property("missing", failure.missing)?;
    object.set_named_property("details", failure.details)?;
    Ok(object)
}

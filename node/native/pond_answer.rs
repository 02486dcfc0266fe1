//! What JavaScript is told of the pond: states, the work of folds, how claims stand.

use crate::batch::JsBatch;
use millpond_facade::{FishJob, FoldHandle, GroupStep, StandingView, StateView};
use napi::bindgen_prelude::{BigInt, BufferSlice, Env};
use napi_derive::napi;

/// A state.
#[napi(object, object_from_js = false)]
pub struct JsState<'a> {
    /// As the codec of the fish has it.
    pub bytes: BufferSlice<'a>,
    /// Token text of what it is the fold of.
    pub token: String,
    /// Key of the last event in it.
    pub last: Option<String>,
    /// From 1 on, of its fold.
    pub number: i64,
    /// There will be no more, and this is none.
    pub is_end: bool,
}

impl<'a> JsState<'a> {
    pub(crate) fn new(env: &'a Env, state: &StateView) -> napi::Result<JsState<'a>> {
        Ok(JsState {
            bytes: BufferSlice::copy_from(env, &state.bytes()[..])?,
            token: state.token(),
            last: state.last().map(str::to_owned),
            number: state.number() as i64,
            is_end: state.is_end(),
        })
    }
}

/// Work for the code of a fish.
#[napi(object, object_from_js = false)]
pub struct JsJob<'a> {
    /// `load`, `apply`, `save` or `ended`.
    pub kind: String,
    /// Of `load`: the state to begin with; else the initial one.
    pub bytes: Option<BufferSlice<'a>>,
    /// Of `apply`.
    pub batch: Option<JsBatch<'a>>,
}

impl<'a> JsJob<'a> {
    pub(crate) fn new(env: &'a Env, job: FishJob) -> napi::Result<JsJob<'a>> {
        let of_kind = |kind: &str| JsJob { kind: kind.to_owned(), bytes: None, batch: None };
        Ok(match job {
            FishJob::Load(None) => of_kind("load"),
            FishJob::Load(Some(saved)) => {
                let bytes = Some(BufferSlice::copy_from(env, &saved[..])?);
                JsJob { bytes, ..of_kind("load") }
            }
            FishJob::Apply(batch) => {
                JsJob { batch: Some(JsBatch::new(env, batch)?), ..of_kind("apply") }
            }
            FishJob::Save => of_kind("save"),
            FishJob::Ended => of_kind("ended"),
        })
    }
}

/// A fold of one of several fish.
#[napi(object, object_from_js = false)]
pub struct JsGroupFold {
    /// Id of its fish.
    pub fish: String,
    /// The fold, to be worked here.
    pub fold: BigInt,
}

/// The state of one of several fish.
#[napi(object, object_from_js = false)]
pub struct JsGroupState<'a> {
    /// Id of its fish.
    pub fish: String,
    /// Its state.
    pub state: JsState<'a>,
}

/// A step of several fish: exactly one of the fields after the kind is set, or none at the end.
#[napi(object, object_from_js = false)]
pub struct JsGroupStep<'a> {
    /// `seeds`, `folds`, `states` or `ended`.
    pub kind: String,
    /// Events to make fish of.
    pub batch: Option<JsBatch<'a>>,
    /// Folds to work.
    pub folds: Option<Vec<JsGroupFold>>,
    /// By rising id.
    pub states: Option<Vec<JsGroupState<'a>>>,
    /// Of `states`: from 1 on.
    pub number: Option<i64>,
}

impl<'a> JsGroupStep<'a> {
    pub(crate) fn new(env: &'a Env, step: GroupStep) -> napi::Result<JsGroupStep<'a>> {
        let of_kind = |kind: &str| JsGroupStep {
            kind: kind.to_owned(),
            batch: None,
            folds: None,
            states: None,
            number: None,
        };
        Ok(match step {
            GroupStep::Seeds(batch) => {
                JsGroupStep { batch: Some(JsBatch::new(env, batch)?), ..of_kind("seeds") }
            }
            GroupStep::Folds(folds) => {
                let fold = |(fish, fold): (String, FoldHandle)| JsGroupFold {
                    fish,
                    fold: fold.id().into(),
                };
                let folds = Some(folds.into_iter().map(fold).collect());
                JsGroupStep { folds, ..of_kind("folds") }
            }
            GroupStep::States(view) => {
                let number = Some(view.number as i64);
                let state = |(fish, state): (String, StateView)| {
                    Ok(JsGroupState { fish, state: JsState::new(env, &state)? })
                };
                let states = view.states.into_iter().map(state).collect::<napi::Result<_>>()?;
                JsGroupStep { states: Some(states), number, ..of_kind("states") }
            }
            GroupStep::Ended => of_kind("ended"),
        })
    }
}

/// How a claim stands.
#[napi(object, object_from_js = false)]
pub struct JsStanding {
    /// As JSON text.
    pub text: String,
    /// There will be no more.
    pub is_end: bool,
}

impl From<StandingView> for JsStanding {
    fn from(standing: StandingView) -> JsStanding {
        JsStanding { text: standing.json(), is_end: standing.is_end }
    }
}

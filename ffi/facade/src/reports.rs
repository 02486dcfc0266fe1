//! Reports of accounts and claims as one JSON object each: docs/escrow.md names every field.

use crate::needs::Needs;
use crate::offsets::Offsets;
use millpond::event::cbor::Value as Note;
use millpond::event::{OffsetMap, StreamId};
use millpond::pond::Name;
use millpond::pond::claim::{ClaimHolder, Doer};
use millpond::pond::escrow::{Holding, OpenRequest, Violation};
use millpond::{AccountReport, ClaimReport, Rival, WhoDoes};
use serde_json::{Value, json};
use std::sync::Arc;

/// What was found, and as of when.
pub(crate) struct Report {
    json: Value,
    as_of: OffsetMap,
}

impl Report {
    pub(crate) fn of_account(report: AccountReport) -> Report {
        let state = &report.state;
        let json = json!({
            "name": state.name().as_str(), "id": state.id().to_string(),
            "balance": integer(state.balance()), "floor": state.creation().floor,
            "available": report.available, "own_stream": report.own_stream.to_string(),
            "holdings": state.holdings().iter().map(holding).collect::<Vec<Value>>(),
            "requests": requests(&state.requests()),
            "violations": violations(&state.violations()),
            "uncovered_count": state.uncovered_count(),
            "rivals": report.rivals.iter().map(rival).collect::<Vec<Value>>(),
        });
        Report { json, as_of: Arc::unwrap_or_clone(report.as_of) }
    }

    pub(crate) fn of_claim(what: &Name, report: ClaimReport) -> Report {
        let holders: Vec<Value> = report.holders.iter().map(holder).collect();
        let json = json!({
            "what": what.as_str(), "holder": holders.first(), "holders": holders,
            "own_fence": report.own_fence.as_ref().map(ToString::to_string),
            "requests": requests(&report.requests), "violations": violations(&report.violations),
            "rivals": report.rivals.iter().map(ToString::to_string).collect::<Vec<String>>(),
        });
        Report { json, as_of: Arc::unwrap_or_clone(report.as_of) }
    }

    pub(crate) fn of_doing(what: &Name, who: WhoDoes) -> Report {
        let doers: Vec<Value> = who.doers.iter().map(doer).collect();
        let json = json!({
            "what": what.as_str(), "holder": who.holder.as_ref().map(holder),
            "winner": who.winner.as_ref().map(doer), "doers": doers,
        });
        Report { json, as_of: who.as_of }
    }

    /// The text; who asked for it has seen what it rests on.
    pub(crate) fn told(self, needs: &Needs) -> String {
        let Report { mut json, as_of } = self;
        needs.sees(&as_of);
        json["as_of"] = Offsets::from(as_of).token().into();
        json.to_string()
    }
}

fn rival(rival: &Rival) -> Value {
    json!({
        "id": rival.id.to_string(), "created": rival.created.to_string(),
        "is_first": rival.is_first, "balance": integer(rival.balance),
        "available": rival.available,
    })
}

fn holding(holding: &Holding) -> Value {
    let Holding { stream, amount, is_frozen } = holding;
    json!({
        "stream": stream.to_string(), "node": node(stream), "amount": amount,
        "is_frozen": is_frozen,
    })
}

fn holder(holder: &ClaimHolder) -> Value {
    json!({
        "stream": holder.stream.to_string(), "node": node(&holder.stream),
        "fence": holder.fence, "is_frozen": holder.is_frozen,
    })
}

fn doer(doer: &Doer) -> Value {
    let note = doer.note.as_ref().map(note);
    json!({ "key": doer.key.to_string(), "node": node(&doer.key.stream), "note": note })
}

/// A note in the JSON form of payloads.
fn note(note: &Note) -> Value {
    let text = note.encode().ok().and_then(|bytes| crate::json::from_cbor(&bytes).ok());
    // It was a payload, so it has this form.
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
}

fn requests(requests: &[OpenRequest]) -> Vec<Value> {
    let request = |request: &OpenRequest| {
        json!({
            "stream": request.stream.to_string(), "node": node(&request.stream),
            "key": request.key.to_string(), "outstanding": request.outstanding,
        })
    };
    requests.iter().map(request).collect()
}

fn violations(violations: &[Violation]) -> Vec<Value> {
    let violation = |violation: &Violation| match violation {
        Violation::Uncovered { key, offset, amount, available } => json!({
            "kind": "uncovered", "key": key.to_string(), "offset": offset.value(),
            "amount": amount, "available": available,
        }),
        Violation::Overdrawn { stream, by, .. } => {
            json!({ "kind": "overdrawn", "stream": stream.to_string(), "by": by })
        }
        Violation::Crowded { stream } => {
            json!({ "kind": "crowded", "stream": stream.to_string() })
        }
    };
    violations.iter().map(violation).collect()
}

fn node(stream: &StreamId) -> String {
    stream.node.to_string()
}

/// Sums may go beyond 64 bits; what does is shown as the nearest number that does not.
fn integer(value: i128) -> Value {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ if value > 0 => u64::MAX.into(),
        _ => i64::MIN.into(),
    }
}

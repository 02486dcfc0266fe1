//! How a query is answered, as shells show it.

use crate::fish::Monotone;
use crate::options::order_name;
use millpond::Looks;
use serde_json::{Value, json};

/// How a cursor answers its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The query, as its canonical text.
    pub query: String,
    /// `ascending`, `descending` or `stream`.
    pub order: &'static str,
    /// What is looked up, as queries: each event of the answer is selected by one of these. None
    /// when nothing can be.
    pub alternatives: Vec<String>,
    /// False: the alternatives select more, and each event found is judged by the query.
    pub is_exact: bool,
    /// Whether events that arrive later can take back what the answer says.
    pub monotone: Monotone,
    /// For the whole answer, by the index; `events` is a bound.
    pub expected: Looks,
    /// So far: what was opened, and the events delivered.
    pub actual: Looks,
    /// All of it, as lines for people.
    pub text: String,
}

impl From<millpond::Explanation> for Explanation {
    fn from(core: millpond::Explanation) -> Explanation {
        Explanation {
            text: core.to_string(),
            query: core.query.to_string(),
            order: order_name(core.order),
            alternatives: core.alternatives.iter().map(ToString::to_string).collect(),
            is_exact: core.is_exact,
            monotone: Monotone::from(&core.monotonicity),
            expected: core.expected,
            actual: core.actual,
        }
    }
}

impl Explanation {
    /// The same as one JSON object with stable names.
    pub fn json(&self) -> String {
        json!({
            "query": self.query, "order": self.order, "alternatives": self.alternatives,
            "is_exact": self.is_exact, "monotonicity": self.monotone.verdict,
            "is_monotone": self.monotone.is_monotone, "monotone_reason": self.monotone.reason,
            "expected": looks(&self.expected),
            "actual": looks(&self.actual), "text": self.text,
        })
        .to_string()
    }
}

fn looks(looks: &Looks) -> Value {
    let Looks { segments, blocks, frames, events } = looks;
    json!({ "segments": segments, "blocks": blocks, "frames": frames, "events": events })
}

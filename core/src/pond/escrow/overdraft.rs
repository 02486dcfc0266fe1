//! Why a withdrawal was refused, for programs: carried by the error as its details.

use crate::error::{Error, ErrorKind};
use crate::event::StreamId;
use crate::event::cbor::{Integer, Value};
use crate::pond::escrow::Holding;
use std::collections::BTreeMap;

/// What is available here, and who holds the rest.
///
/// As the details of an error: `{"wanted": n, "available": n, "recoverable": n, "elsewhere":
/// [[stream id as text, n, is frozen], …]}`, most first, at most 64 of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdraft {
    /// What was asked for.
    pub wanted: u64,
    /// What this node could have had at once.
    pub available: u64,
    /// What former streams of this node hold, and it may recover once nothing else writes them.
    pub recoverable: u64,
    /// Who holds how much of the rest, as far as is known here; most first.
    pub elsewhere: Vec<Holding>,
}

/// Most holders that an overdraft names.
const ELSEWHERE_MAX: usize = 64;

impl Overdraft {
    /// What an error of kind `overdraft` carries; `None` for others.
    pub fn of(error: &Error) -> Option<Overdraft> {
        let Value::Map(fields) = Value::decode(error.details()?).ok()? else { return None };
        if error.kind() != ErrorKind::Overdraft {
            return None;
        }
        let Value::Array(holders) = fields.get("elsewhere")? else { return None };
        let holding = |value: &Value| {
            let Value::Array(parts) = value else { return None };
            let [Value::Text(stream), amount, Value::Bool(is_frozen)] = parts.as_slice() else {
                return None;
            };
            let stream: StreamId = stream.parse().ok()?;
            Some(Holding { stream, amount: number(amount)?, is_frozen: *is_frozen })
        };
        Some(Overdraft {
            wanted: field(&fields, "wanted")?,
            available: field(&fields, "available")?,
            recoverable: field(&fields, "recoverable")?,
            elsewhere: holders.iter().map(holding).collect::<Option<_>>()?,
        })
    }

    /// The error that says so of the account `name`.
    pub(crate) fn into_error(mut self, name: &str) -> Error {
        self.elsewhere.truncate(ELSEWHERE_MAX);
        let named = self.elsewhere.iter().take(4).map(|holding| {
            let frozen = if holding.is_frozen { " (frozen)" } else { "" };
            let Holding { stream, amount, .. } = holding;
            format!("{amount} by {}-{}{frozen}", stream.node.short(), stream.number)
        });
        let mut held: Vec<String> = named.collect();
        if self.elsewhere.len() > held.len() {
            held.push(format!("and {} others", self.elsewhere.len() - held.len()));
        }
        let held = if held.is_empty() { "nobody".to_owned() } else { held.join(", ") };
        let mut message = format!(
            "account {name}: {} are wanted and {} are available here; more is held by: {held}; \
             request rights, or withdraw less",
            self.wanted, self.available
        );
        if self.recoverable > 0 {
            message += &format!(
                "; former streams of this node hold {}, because its store was restored, copied or \
                 cut: recover them once nothing else writes these streams",
                self.recoverable
            );
        }
        let details = self.to_value().encode().expect("numbers and short texts");
        Error::new(ErrorKind::Overdraft, message).with_details(details)
    }

    fn to_value(&self) -> Value {
        let holding = |own: &Holding| {
            let stream = Value::from(own.stream.to_string());
            Value::Array(vec![stream, Value::from(own.amount), Value::from(own.is_frozen)])
        };
        Value::map([
            ("wanted", Value::from(self.wanted)),
            ("available", Value::from(self.available)),
            ("recoverable", Value::from(self.recoverable)),
            ("elsewhere", Value::Array(self.elsewhere.iter().map(holding).collect())),
        ])
    }
}

fn field(fields: &BTreeMap<String, Value>, name: &str) -> Option<u64> {
    number(fields.get(name)?)
}

fn number(value: &Value) -> Option<u64> {
    let Value::Integer(value) = value else { return None };
    u64::try_from(Integer::value(*value)).ok()
}

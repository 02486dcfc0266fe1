//! What an event of an account says, and its form as a payload.
//!
//! Rule: bytes that are not exactly one of these forms say nothing. They are counted, and change
//! nothing on any node. Source: docs/escrow.md, "Events".

use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::Value;
use crate::event::limits::STREAMS_PER_NODE_MAX;
use crate::event::{NodeId, Payload, StreamId};
use crate::pond::escrow::AccountId;
use std::collections::BTreeMap;

/// Largest amount of one event, and largest distance of a floor from 0: every language holds it
/// exactly. Sums may be larger.
pub const AMOUNT_MAX: u64 = (1 << 53) - 1;
/// Most shares that a creation gives to others.
pub const SHARES_MAX: usize = 1024;

/// What one event says.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// An account begins.
    Create(Creation),
    /// Something happens to one.
    Change(Change),
}

/// How an account begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation {
    /// Number of the author's stream, which holds what is not shared out.
    pub stream: u64,
    /// What there is, from −`AMOUNT_MAX` to `AMOUNT_MAX`, and not below the floor.
    pub amount: i64,
    /// What must remain; negative for a credit.
    pub floor: i64,
    /// Up to `SHARES_MAX` shares of others; together at most `amount` − `floor`.
    pub shares: Vec<Share>,
}

/// What a stream is given at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who may spend it; not a branch.
    pub stream: StreamId,
    /// 1 to `AMOUNT_MAX`.
    pub amount: u64,
}

/// What happens to an account.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which account.
    pub account: AccountId,
    /// Number of the author's stream. An event that comes to stand in another one says nothing.
    pub stream: u64,
    /// What happens.
    pub action: Action,
    /// What the application wants to remember of it; nothing depends on it.
    pub note: Option<Value>,
}

/// What happens. Amounts are 1 to `AMOUNT_MAX`; that of a request may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The balance rises, and the author's stream may spend it.
    Deposit(u64),
    /// The balance falls, by rights of the author's stream.
    Withdraw(u64),
    /// Rights go from the author's stream to another.
    Grant {
        /// Who gets them; neither a branch nor the author's stream.
        to: StreamId,
        /// How many.
        amount: u64,
    },
    /// The author's stream wants so many more rights; takes the place of its former request.
    Request(u64),
    /// Rights of another stream of the author's node go to the author's stream, because nothing
    /// writes that other stream any more. With it the node signs what that stream did.
    Recover {
        /// Number of the other stream.
        from: u64,
        /// How many.
        amount: u64,
        /// What the other stream got by its own events: deposits, recoveries, its own creation.
        income: u64,
        /// What it withdrew and granted.
        outgo: u64,
    },
}

impl Operation {
    /// The payload of the event.
    ///
    /// # Errors
    /// `limit_exceeded`: the note is too large or nested too deep. `invalid_argument`: it holds a
    /// float that is not finite.
    pub fn to_payload(&self) -> Result<Payload> {
        let fields = match self {
            Operation::Create(creation) => create_fields(creation),
            Operation::Change(change) => change_fields(change),
        };
        Payload::from_value(&Value::map(fields))
    }

    /// What a payload says; `None` when it is not exactly of one of the forms.
    pub fn decode(payload: &[u8]) -> Option<Operation> {
        let Ok(Value::Map(fields)) = Value::decode(payload) else { return None };
        let mut fields = Fields(fields);
        let name = fields.text("op")?;
        let operation = match name.as_str() {
            "create" => Operation::Create(fields.creation()?),
            name => Operation::Change(fields.change(name)?),
        };
        fields.0.is_empty().then_some(operation)
    }
}

fn create_fields(creation: &Creation) -> Vec<(&'static str, Value)> {
    let share = |share: &Share| {
        let amount = Value::from(share.amount);
        Value::Array(vec![node(&share.stream), Value::from(share.stream.number), amount])
    };
    vec![
        ("op", Value::from("create")),
        ("stream", Value::from(creation.stream)),
        ("amount", Value::from(creation.amount)),
        ("floor", Value::from(creation.floor)),
        ("shares", Value::Array(creation.shares.iter().map(share).collect())),
    ]
}

fn change_fields(change: &Change) -> Vec<(&'static str, Value)> {
    let (name, amount) = match change.action {
        Action::Deposit(amount) => ("deposit", amount),
        Action::Withdraw(amount) => ("withdraw", amount),
        Action::Grant { amount, .. } => ("grant", amount),
        Action::Request(amount) => ("request", amount),
        Action::Recover { amount, .. } => ("recover", amount),
    };
    let mut fields = vec![
        ("op", Value::from(name)),
        ("account", Value::Bytes(change.account.as_bytes().to_vec())),
        ("stream", Value::from(change.stream)),
        ("amount", Value::from(amount)),
    ];
    match change.action {
        Action::Grant { to, .. } => {
            fields.push(("to", Value::Array(vec![node(&to), Value::from(to.number)])));
        }
        Action::Recover { from, income, outgo, .. } => {
            let named = [("from", from), ("income", income), ("outgo", outgo)];
            fields.extend(named.map(|(name, value)| (name, Value::from(value))));
        }
        _ => {}
    }
    fields.extend(change.note.clone().map(|note| ("note", note)));
    fields
}

fn node(stream: &StreamId) -> Value {
    Value::Bytes(stream.node.as_bytes().to_vec())
}

/// Takes the fields of a payload one by one; what is left over at the end was not expected.
struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn text(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&mut self, name: &str, max: u64) -> Option<u64> {
        unsigned(&self.0.remove(name)?, max)
    }

    fn signed(&mut self, name: &str) -> Option<i64> {
        let Value::Integer(value) = self.0.remove(name)? else { return None };
        let value = i64::try_from(value.value()).ok()?;
        (value.unsigned_abs() <= AMOUNT_MAX).then_some(value)
    }

    fn array(&mut self, name: &str) -> Option<Vec<Value>> {
        match self.0.remove(name)? {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    fn own_stream(&mut self) -> Option<u64> {
        self.number("stream", STREAMS_PER_NODE_MAX - 1)
    }

    fn creation(&mut self) -> Option<Creation> {
        let (stream, amount, floor) =
            (self.own_stream()?, self.signed("amount")?, self.signed("floor")?);
        let shares = self.array("shares")?;
        let left = u64::try_from(amount.checked_sub(floor)?).ok()?;
        if shares.len() > SHARES_MAX {
            return None;
        }
        let share = |value: &Value| {
            let Value::Array(parts) = value else { return None };
            let [node, number, amount] = parts.as_slice() else { return None };
            let amount = unsigned(amount, AMOUNT_MAX).filter(|amount| *amount > 0)?;
            Some(Share { stream: stream_of(node, number)?, amount })
        };
        let shares: Vec<Share> = shares.iter().map(share).collect::<Option<_>>()?;
        // At most 2^10 amounts below 2^53.
        let shared: u64 = shares.iter().map(|share| share.amount).sum();
        (shared <= left).then_some(Creation { stream, amount, floor, shares })
    }

    fn change(&mut self, name: &str) -> Option<Change> {
        let Value::Bytes(account) = self.0.remove("account")? else { return None };
        let account = AccountId::from_bytes(account.try_into().ok()?);
        let stream = self.own_stream()?;
        let amount = self.number("amount", AMOUNT_MAX)?;
        let action = match name {
            "deposit" => Action::Deposit(amount),
            "withdraw" => Action::Withdraw(amount),
            "request" => Action::Request(amount),
            "grant" => {
                let to = self.array("to")?;
                let [node, number] = to.as_slice() else { return None };
                Action::Grant { to: stream_of(node, number)?, amount }
            }
            "recover" => Action::Recover {
                from: self.number("from", STREAMS_PER_NODE_MAX - 1)?,
                amount,
                income: self.number("income", u64::MAX)?,
                outgo: self.number("outgo", u64::MAX)?,
            },
            _ => return None,
        };
        let note = self.0.remove("note");
        let is_amount = amount > 0 || name == "request";
        is_amount.then_some(Change { account, stream, action, note })
    }
}

fn unsigned(value: &Value, max: u64) -> Option<u64> {
    let Value::Integer(value) = value else { return None };
    u64::try_from(value.value()).ok().filter(|value| *value <= max)
}

fn stream_of(node: &Value, number: &Value) -> Option<StreamId> {
    let Value::Bytes(node) = node else { return None };
    let node = NodeId::from_bytes(node.as_slice().try_into().ok()?);
    Some(StreamId { node, number: unsigned(number, STREAMS_PER_NODE_MAX - 1)? })
}

/// Refuses an amount that no event may have.
///
/// # Errors
/// `invalid_argument`: it is 0. `limit_exceeded`: it is above `AMOUNT_MAX`.
pub(crate) fn check_amount(amount: u64) -> Result<()> {
    match amount {
        0 => Err(Error::new(ErrorKind::InvalidArgument, "an amount is at least 1")),
        1..=AMOUNT_MAX => Ok(()),
        _ => {
            let message = format!("the amount {amount} exceeds the limit of {AMOUNT_MAX}");
            Err(Error::new(ErrorKind::LimitExceeded, message))
        }
    }
}

impl Creation {
    /// Refuses what would not decode.
    ///
    /// # Errors
    /// `limit_exceeded`: an amount is above `AMOUNT_MAX`, or there are more than `SHARES_MAX`
    /// shares. `invalid_argument`: the floor is above the amount, a share is 0 or of a branch, or
    /// the shares are more than there is above the floor.
    pub fn check(&self) -> Result<()> {
        let limit = |message: String| Err(Error::new(ErrorKind::LimitExceeded, message));
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidArgument, message));
        let (amount, floor) = (self.amount, self.floor);
        if amount.unsigned_abs().max(floor.unsigned_abs()) > AMOUNT_MAX {
            return limit(format!("an account's amount and floor are within ±{AMOUNT_MAX}"));
        }
        if amount < floor {
            return invalid(format!("the amount {amount} is below the floor {floor}"));
        }
        if self.shares.len() > SHARES_MAX {
            return limit(format!("an account begins with at most {SHARES_MAX} shares"));
        }
        self.shares.iter().try_for_each(|share| check_amount(share.amount))?;
        if let Some(share) = self.shares.iter().find(|share| share.stream.is_branch()) {
            return invalid(format!("{} is a branch, and nobody writes it", share.stream));
        }
        let shared: u64 = self.shares.iter().map(|share| share.amount).sum();
        let above = amount.abs_diff(floor);
        if shared > above {
            return invalid(format!("the shares are {shared}, and {above} are above the floor"));
        }
        Ok(())
    }
}

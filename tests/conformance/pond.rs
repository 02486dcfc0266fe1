//! Fish, accounts and claims for the adapter of the core.

use crate::notation::{Options, error_text};
use crate::{Adapter, SOON, wait};
use millpond::event::cbor::Value;
use millpond::event::{NewEvent, NodeId, OffsetMap, Payload, StreamId, TagSet};
use millpond::pond::builtin::BuiltIn;
use millpond::pond::claim::Standing;
use millpond::pond::escrow::{GrantPolicy, Overdraft};
use millpond::query::Query;
use millpond::{
    After, Appended, CausalSession, ErrorKind, Fish, NewAccount, Observed, Observer, OwnDoing,
    Pending, Result,
};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// What the commands of the Pond keep.
#[derive(Default)]
pub(crate) struct Pond {
    observers: BTreeMap<String, (Observer<Value>, String)>,
    doings: BTreeMap<(String, String), OwnDoing>,
}

/// A fish of the scenarios.
enum Said {
    Code(Fish<Value>),
    BuiltIn(Query, BuiltIn),
}

impl Adapter {
    /// Commands of the Pond; `None` for others.
    pub(crate) fn pond(
        &mut self,
        verb: &str,
        name: &str,
        options: &Options,
        rest: &str,
    ) -> Option<Result<String>> {
        let done = match verb {
            "merge" => self.merge(name, rest),
            "session" => {
                self.sessions.insert(name.into(), CausalSession::new(Some(SOON)));
                Ok("ok\n".into())
            }
            "seen" => {
                let seen = self.sessions[name].token();
                self.tokens.insert(rest.into(), seen);
                Ok("ok\n".into())
            }
            "wait_for" => {
                let (token, query) = rest.split_once(' ').unwrap_or((rest, ""));
                self.wait_for(name, options, token, query)
            }
            "observe" => self.observe(name, options, rest),
            "unobserve" => {
                self.pond.observers.remove(name);
                Ok("ok\n".into())
            }
            "shown" => self.shown(name),
            "state" => self.state(name, options, rest),
            "effect" => self.effect(name, rest),
            "account" => self.account(name, options, rest),
            "report" => self.report(name, rest),
            "policy" => self.policy(name, rest),
            "claim" => self.claim(name, options, rest),
            "holder" => self.holder(name, rest),
            "hand_over" => {
                let (what, wanted) = rest.split_once(' ').expect("a name, on or off");
                self.claim_of(name, what)
                    .and_then(|claim| claim.hand_over_when_asked(wanted == "on"))
                    .map(|()| "ok\n".into())
            }
            "do" => self.say(name, rest),
            "release" => {
                let released = wait(self.node(name).release_doing(rest));
                released.map(|done| self.published(&done))
            }
            "standing" => self.standing(name, rest),
            "who_does" => self.who_does(name, rest),
            _ => return None,
        };
        Some(done)
    }

    fn merge(&mut self, name: &str, tokens: &str) -> Result<String> {
        let mut merged = OffsetMap::new();
        tokens.split(' ').for_each(|token| merged.join(&self.token(token)));
        self.tokens.insert(name.into(), merged);
        Ok("ok\n".into())
    }

    fn after(&self, options: &Options) -> After {
        let mut token = options.get("after").map(|name| self.token(name)).unwrap_or_default();
        if let Some(session) = options.get("session") {
            token.join(&self.sessions[session].token());
        }
        let millis = options.get("wait").map(|millis| millis.parse().expect("a number"));
        After { token, timeout: Some(millis.map_or(SOON, Duration::from_millis)) }
    }

    /// With what is missing, or who holds the rest.
    fn explained<T>(&self, done: Result<T>) -> Result<std::result::Result<T, String>> {
        let error = match done {
            Ok(done) => return Ok(Ok(done)),
            Err(error) => error,
        };
        let mut text = error_text(&error);
        for (stream, count) in error.missing() {
            let stream = self.stream(&stream.parse()?);
            writeln!(text, "| missing {stream} {count}").expect("it grows");
        }
        if let Some(overdraft) = Overdraft::of(&error) {
            let Overdraft { wanted, available, .. } = overdraft;
            writeln!(text, "| wanted={wanted} available={available}").expect("it grows");
            for holding in overdraft.elsewhere {
                let stream = self.stream(&holding.stream);
                writeln!(text, "| {stream} {}", holding.amount).expect("it grows");
            }
        }
        Ok(Err(text))
    }

    fn wait_for(&self, name: &str, options: &Options, token: &str, text: &str) -> Result<String> {
        let query = (!text.is_empty()).then(|| Query::parse(text)).transpose()?;
        let after = After { token: self.token(token), ..self.after(options) };
        let covered = self.node(name).wait_for(&after, query.as_ref()).wait();
        Ok(self.explained(covered)?.map_or_else(|text| text, |()| "ok\n".into()))
    }

    fn observe(&mut self, name: &str, options: &Options, rest: &str) -> Result<String> {
        let (node, fish) = rest.split_once(' ').expect("a node and a fish");
        let node = self.node(node).clone();
        let observer = match said(fish)? {
            Said::Code(fish) => {
                node.wait_for(&self.after(options), Some(fish.definition().query())).wait()?;
                node.observe(&fish)?
            }
            Said::BuiltIn(query, fold) => {
                node.wait_for(&self.after(options), Some(&query)).wait()?;
                node.observe_builtin(&query, &fold)?
            }
        };
        self.pond.observers.insert(name.into(), (observer, "-\n".into()));
        Ok("ok\n".into())
    }

    fn shown(&mut self, name: &str) -> Result<String> {
        let (observer, last) = self.pond.observers.get_mut(name).expect("observed");
        loop {
            match observer.next_state() {
                Ok(Some(observed)) => *last = shown(&observed.state),
                Ok(None) => return Ok(last.clone()),
                Err(error) if error.kind() == ErrorKind::Closed => return Ok("end\n".into()),
                Err(error) => return Err(error),
            }
        }
    }

    fn state(&mut self, name: &str, options: &Options, fish: &str) -> Result<String> {
        let (node, after) = (self.node(name).clone(), self.after(options));
        let pending: Pending<Observed<Value>> = match said(fish)? {
            Said::Code(fish) => node.state(&fish, &after),
            Said::BuiltIn(query, fold) => node.state_of_builtin(&query, &fold, &after),
        };
        let observed = match self.explained(wait(pending))? {
            Ok(observed) => observed,
            Err(text) => return Ok(text),
        };
        if let Some(session) = options.get("session") {
            self.sessions[session].sees(&observed.offsets);
        }
        if let Some(token) = options.get("token") {
            self.tokens.insert(token.clone(), observed.offsets);
        }
        Ok(shown(&observed.state))
    }

    fn effect(&mut self, name: &str, rest: &str) -> Result<String> {
        let (tags, fish) = rest.split_once(' ').expect("tags and a fish");
        let tags: Vec<String> = serde_json::from_str(tags).expect("tags are a JSON array");
        let Said::Code(fish) = said(fish)? else { return Ok("absent\n".into()) };
        let effect = |state: &Value| {
            Ok(vec![NewEvent { tags: TagSet::new(&tags)?, payload: Payload::from_value(state)? }])
        };
        let done = self.node(name).run(&fish, effect)?.expect("it publishes one event");
        Ok(self.published(&done))
    }

    fn account(&mut self, name: &str, options: &Options, rest: &str) -> Result<String> {
        let (deed, account) = rest.split_once(' ').expect("a deed and a name");
        let mut account = self.node(name).account(account)?;
        if let Some(key) = options.get("key") {
            account = account.with_idempotency_key(key);
        }
        let number = |name| options.get(name).map(|text: &String| text.parse::<u64>());
        let number = |name| number(name).map_or(0, |number| number.expect("a number"));
        let amount = number("amount");
        let to = || self.node_of(options).expect("to whom");
        let pending = match deed {
            "create" => {
                let share = |to| (to, number("share"));
                account.create(NewAccount {
                    amount: i64::try_from(amount).expect("small"),
                    floor: i64::try_from(number("floor")).expect("small"),
                    shares: self.node_of(options).map(share).into_iter().collect(),
                })
            }
            "deposit" => account.deposit(amount, None),
            "withdraw" => account.withdraw(amount, None),
            "grant" => account.grant(to(), amount),
            "request" => account.request(amount),
            _ => account.recover(),
        };
        self.decided(pending)
    }

    fn decided(&self, pending: Pending<Appended>) -> Result<String> {
        let decided = self.explained(wait(pending))?;
        Ok(decided.map_or_else(|text| text, |done| self.published(&done)))
    }

    fn node_of(&self, options: &Options) -> Option<NodeId> {
        options.get("to").map(|name| self.node(name).node_id())
    }

    fn report(&self, name: &str, account: &str) -> Result<String> {
        let report = self.node(name).account(account)?.report()?;
        let state = &report.state;
        let holdings = state.holdings();
        let holdings = holdings.iter().map(|own| (&own.stream, own.amount));
        let requests = state.requests();
        let requests = requests.iter().map(|own| (&own.stream, own.outstanding));
        Ok(format!(
            "balance={} floor={} available={} violations={} holds={} asks={}\n",
            state.balance(),
            state.creation().floor,
            report.available,
            state.violations().len(),
            self.list(holdings),
            self.list(requests),
        ))
    }

    fn list<'a>(&self, list: impl Iterator<Item = (&'a StreamId, u64)>) -> String {
        let all = list.map(|(stream, number)| format!("{}:{number}", self.stream(stream)));
        let all: Vec<String> = all.collect();
        if all.is_empty() { "-".into() } else { all.join(",") }
    }

    fn policy(&self, name: &str, rest: &str) -> Result<String> {
        let (account, reserve) = rest.split_once(' ').expect("a name and a reserve");
        let policy = reserve.parse().ok().map(|reserve| GrantPolicy { reserve });
        self.node(name).account(account)?.answer_requests(policy)?;
        Ok("ok\n".into())
    }

    fn claim_of(&self, name: &str, what: &str) -> Result<millpond::Claim> {
        self.node(name).claim(what)
    }

    fn claim(&self, name: &str, options: &Options, rest: &str) -> Result<String> {
        let (deed, what) = rest.split_once(' ').expect("a deed and a name");
        let mut claim = self.claim_of(name, what)?;
        if let Some(key) = options.get("key") {
            claim = claim.with_idempotency_key(key);
        }
        let pending = match deed {
            "create" => claim.create(self.node_of(options)),
            "transfer" => claim.transfer(self.node_of(options).expect("to whom")),
            "request" => claim.request(true),
            "unrequest" => claim.request(false),
            _ => claim.recover(),
        };
        self.decided(pending)
    }

    fn holder(&self, name: &str, what: &str) -> Result<String> {
        let report = self.claim_of(name, what)?.report()?;
        let (own, asks) = (report.own_fence.is_some(), report.requests.len());
        let (holder, fence) = match report.holders.first() {
            Some(holder) => (self.stream(&holder.stream), holder.fence.to_string()),
            None => ("-".into(), "-".into()),
        };
        Ok(format!("holder={holder} fence={fence} own={own} asks={asks}\n"))
    }

    fn say(&mut self, name: &str, what: &str) -> Result<String> {
        let own = wait(self.node(name).do_optimistically(what, None))?;
        self.pond.doings.insert((name.into(), what.into()), own);
        Ok("ok\n".into())
    }

    fn standing(&self, name: &str, what: &str) -> Result<String> {
        let own = &self.pond.doings[&(name.to_owned(), what.to_owned())];
        Ok(match own.standing()?.0 {
            Standing::Won => "won\n".into(),
            Standing::Lost(winner) => {
                let key = (&winner.key.stream, winner.key.lamport.value());
                format!("lost to={}\n", self.list([key].into_iter()))
            }
            Standing::Released => "released\n".into(),
        })
    }

    fn who_does(&self, name: &str, what: &str) -> Result<String> {
        let who = self.node(name).who_does(what)?;
        let holder = who.holder.map_or("-".into(), |holder| self.stream(&holder.stream));
        let doers = who.doers.iter().map(|doer| (&doer.key.stream, doer.key.lamport.value()));
        Ok(format!("holder={holder} does={}\n", self.list(doers)))
    }
}

/// The fish and its query.
fn said(text: &str) -> Result<Said> {
    let (fish, query) = text.split_once(' ').unwrap_or((text, ""));
    let query = Query::parse(query)?;
    let Some(code) = fish.strip_prefix("code:") else {
        let fold: Json = serde_json::from_str(fish).expect("a fold is JSON");
        return Ok(Said::BuiltIn(query, BuiltIn::from_value(&value(&fold))?));
    };
    let (id, version) = code.split_once(':').unwrap_or((code, "1"));
    let version = version.parse().expect("a number");
    let list = |state: &mut Value, payload: Value| match (state, payload) {
        (_, Value::Text(text)) if text == "boom" => Err("boom".into()),
        (Value::Array(all), payload) => {
            all.push(payload);
            Ok(())
        }
        _ => unreachable!("the state is an array"),
    };
    let step = move |state: &mut Value, event: millpond::EventView<'_>| {
        list(state, event.payload().to_value()?)
    };
    let fish = Fish::new(id, version, query, || Value::Array(Vec::new()), step)?;
    let is_reset = |event: millpond::EventView<'_>| {
        event.payload().to_value().is_ok_and(|value| value == Value::from("reset"))
    };
    Ok(Said::Code(fish.with_reset(is_reset)?))
}

fn value(json: &Json) -> Value {
    match json {
        Json::Object(pairs) => {
            Value::map(pairs.iter().map(|(key, json)| (key.clone(), value(json))))
        }
        Json::String(text) => Value::from(text.as_str()),
        _ => unreachable!("folds are made of maps and texts"),
    }
}

/// A state as one line of JSON, shorter keys first.
fn shown(state: &Value) -> String {
    json(state) + "\n"
}

fn json(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.value().to_string(),
        Value::Float(value) => Json::from(*value).to_string(),
        Value::Text(text) => Json::from(text.as_str()).to_string(),
        Value::Bytes(_) => unreachable!("the scenarios fold no bytes"),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(json).collect();
            format!("[{}]", values.join(","))
        }
        Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().collect();
            pairs.sort_by_key(|(key, _)| (key.len(), key.as_bytes().to_vec()));
            let pair = |(key, value): (&String, &Value)| {
                format!("{}:{}", Json::from(key.as_str()), json(value))
            };
            let pairs: Vec<String> = pairs.into_iter().map(pair).collect();
            format!("{{{}}}", pairs.join(","))
        }
    }
}

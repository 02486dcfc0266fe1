//! What must hold of the Pond when all is quiet and the nodes hold the same.

use crate::sim::log::{MARK, ModelLog, Pick, account_name};
use crate::sim::node::Node;
use crate::sim::oracle::{EventName, Oracle};
use crate::sim::pond::desk::Desk;
use crate::sim::pond::fish::judged;
use crate::sim::pond::shown::Shown;
use crate::sim::world::World;
use millpond::event::EventKey;
use millpond::pond::escrow::{AccountState, Action, Operation, Violation, account_tag};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// All of it, of all members.
    pub(in crate::sim) fn check_pond(&mut self) {
        if !self.has_pond {
            return;
        }
        let members: Vec<usize> = self.members().map(|(index, _)| index).collect();
        let mut first: Option<(Vec<EventKey>, Vec<AccountState>)> = None;
        for node in members {
            let checked = self.check_applications(node);
            let same = checked.and_then(|keys| {
                let accounts = self.nodes[node].pond.desk.fold.accounts().cloned().collect();
                let (first_keys, first_accounts) =
                    first.get_or_insert_with(|| (keys.clone(), Vec::clone(&accounts)));
                match (*first_keys == keys, *first_accounts == accounts) {
                    (false, _) => Err("has another order than another node".to_owned()),
                    (_, false) => Err("has other accounts than another node".to_owned()),
                    _ => Ok(()),
                }
            });
            let same = same.and_then(|()| check_accounts(&self.nodes[node], &self.oracle));
            if let Err(what) = same {
                return self.violated(Some(node), what);
            }
        }
    }

    /// What the applications of a node have is what the log says, looked at anew.
    fn check_applications(&mut self, node: usize) -> Result<Vec<EventKey>, String> {
        let (now, skipped) = (self.instant(), &self.oracle.incomparable);
        let Node { log, pond, .. } = &mut self.nodes[node];
        pond.shown.refresh(log, skipped);
        let mut judge = BTreeMap::new();
        for (stream, floor, end) in log.visible().filter(|(own, ..)| !skipped.contains(&own.node)) {
            for (record, offset) in log.events(&stream, floor).iter().zip(floor..end) {
                let is_deed = record.has_tag(account_tag(account_name()).as_str());
                if let Some(EventName { key, .. }) = EventName::of(record)
                    && (is_deed || record.has_tag(MARK))
                {
                    let lamport = record.lamport();
                    judge.insert(
                        EventKey { lamport, stream },
                        Pick { offset, lamport, key, is_deed },
                    );
                }
            }
        }
        let keys: Vec<EventKey> = judge.keys().copied().collect();
        pond.keyed.take(&pond.shown, log, &mut self.pond_random)?;
        if pond.keyed.delivered() != keys {
            let (ours, all) = (pond.keyed.delivered().len(), keys.len());
            return Err(format!("was given {ours} events in key order, and {all} are there"));
        }
        let fish = pond.fish.as_mut().expect("its process runs");
        fish.work(&pond.shown, log, now, None)?;
        if fish.state() != Some(&judged(judge.iter())[..]) && !judge.is_empty() {
            return Err("its fish ends in another state than a fold of its log".to_owned());
        }
        pond.desk.refresh(&pond.shown, log, skipped)?;
        let mut anew = Desk::default();
        let mut shown = Shown::default();
        shown.refresh(log, skipped);
        anew.refresh(&shown, log, skipped)?;
        if anew.fold != pond.desk.fold {
            return Err("its account is another one than a fold of its log".to_owned());
        }
        Ok(keys)
    }
}

/// Nothing is made or lost, nothing that an honest node took is refused, and the floor breaks only
/// where somebody's disk went back or was copied, which is proven.
fn check_accounts(node: &Node, oracle: &Oracle) -> Result<(), String> {
    let (shown, desk) = (&node.pond.shown, &node.pond.desk);
    let deeds = || shown.keys.iter().filter(|(_, pick)| pick.is_deed);
    let present: BTreeSet<u64> = deeds().map(|(_, pick)| pick.key).collect();
    let uncovered = desk.uncovered(shown);
    for key in &uncovered {
        let decision = oracle.decisions.get(key).expect("somebody decided it");
        if decision.known.is_subset(&present) {
            return Err(format!("publish {key} of its account was good, and is not covered"));
        }
    }
    for account in desk.fold.accounts() {
        account.check();
        let mut balance = i128::from(account.creation().amount);
        for (key, pick) in deeds().filter(|(_, pick)| !uncovered.contains(&pick.key)) {
            balance += moved(account, *key, pick, &node.log);
        }
        if account.balance() != balance {
            let found = account.balance();
            return Err(format!("its account has {found}, and its events make {balance}"));
        }
        let mut short = 0;
        for violation in account.violations() {
            if let Violation::Overdrawn { stream, by, .. } = violation {
                short += i128::from(by);
                if !oracle.may_lose(&stream.node) {
                    return Err(format!("{stream} is overdrawn, and its disk never went back"));
                }
            }
        }
        if account.balance() + short < i128::from(account.creation().floor) {
            return Err("its account is below its floor, and nobody is shown to be".to_owned());
        }
    }
    Ok(())
}

/// What an event does to the balance.
fn moved(account: &AccountState, key: EventKey, pick: &Pick, log: &ModelLog) -> i128 {
    let payload = log.record(&key.stream, pick.offset).payload_bytes();
    let Some(Operation::Change(change)) = Operation::decode(payload) else { return 0 };
    let is_read = change.account == account.id()
        && change.stream == key.stream.trunk().number
        && account.created().lamport < key.lamport;
    match change.action {
        Action::Deposit(amount) if is_read => i128::from(amount),
        Action::Withdraw(amount) if is_read => -i128::from(amount),
        _ => 0,
    }
}

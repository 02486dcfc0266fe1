//! What must be true of the whole world, noted as it happens: who signed what, what was
//! acknowledged, and which events may be missing because their only disk is gone.
//!
//! Not here: what one node must keep to at each step (`check`).
//! Begin with [`Oracle::grew`].

use crate::sim::group::Receipt;
use crate::sim::log::{ModelLog, NAMED};
use crate::sim::pond::Decision;
use crate::sim::watcher::Early;
use millpond::event::{Chain, EventKind, NodeId, Record, StreamId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An event wherever it turns up: which publish, and which of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventName {
    pub(super) key: u64,
    pub(super) index: u32,
}

/// What was acknowledged, and the chain after it: which history of the stream it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    receipt: Receipt,
    chain: Chain,
}

#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// Leaves of what was ever durable in a stream of an honest node, by its author.
    history: BTreeMap<StreamId, Vec<[u8; 32]>>,
    /// Streams with two histories.
    pub(super) forked: BTreeSet<StreamId>,
    /// Nodes whose disk went back or was copied unnoticed: their streams may fork.
    pub(super) may_fork: BTreeSet<NodeId>,
    /// Nodes whose disk lost what it had said was synced, which they noticed.
    pub(super) went_back: BTreeSet<NodeId>,
    pub(super) hostile: BTreeSet<NodeId>,
    /// Those of them of whose streams honest nodes need not hold the same.
    pub(super) incomparable: BTreeSet<NodeId>,
    acknowledged: BTreeMap<u64, Acknowledged>,
    /// Publishes that were acknowledged and lost with every disk that held them.
    excused: BTreeSet<u64>,
    /// What debits of accounts rested on, by publish.
    pub(super) decisions: BTreeMap<u64, Decision>,
    /// What was shown before it was durable.
    pub(super) early: Early,
    /// Publishes that may be there twice: what remembered them went back in time.
    pub(super) may_repeat: BTreeSet<u64>,
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key, self.index)
    }
}

impl EventName {
    /// The name in an event that the simulator wrote.
    pub(super) fn of(record: &Record) -> Option<EventName> {
        if record.kind() != EventKind::Application {
            return None;
        }
        EventName::in_event(record.payload_bytes(), record.tags())
    }

    /// The same of its payload and tags.
    pub(super) fn in_event<'a>(
        payload: &[u8],
        mut tags: impl Iterator<Item = &'a str>,
    ) -> Option<EventName> {
        let head = match payload.first()? {
            0x60..=0x77 => 1,
            0x78 => 2,
            0x79 => 3,
            // One of the account: what it says is not ours.
            0xa0..=0xbb => return EventName::parse(tags.find_map(|tag| tag.strip_prefix(NAMED))?),
            _ => 5,
        };
        let text = payload.get(head..)?;
        let end = text.iter().position(|byte| *byte == b' ')?;
        EventName::parse(std::str::from_utf8(&text[..end]).ok()?)
    }

    fn parse(text: &str) -> Option<EventName> {
        let (key, index) = text.split_once(':')?;
        Some(EventName { key: key.parse().ok()?, index: index.parse().ok()? })
    }
}

impl Oracle {
    /// The stream is durable at an honest node up to `count`, from `before` on.
    ///
    /// # Errors
    /// A sentence: it holds what its author never had, or the author wrote an offset twice.
    pub(super) fn grew(
        &mut self,
        log: &ModelLog,
        stream: &StreamId,
        before: u64,
        by_author: bool,
    ) -> Result<(), String> {
        // Branches hold what was in trunks.
        let has_one = !stream.is_branch() && !self.forked.contains(stream);
        if self.hostile.contains(&stream.node) || !has_one {
            return Ok(());
        }
        // What was on its way when a disk went back may come back.
        let adds = by_author || self.may_lose(&stream.node);
        let history = self.history.entry(*stream).or_default();
        // What came back before this was noticed is in the log, too.
        let before = if adds { before.min(history.len() as u64) } else { before };
        for (record, offset) in log.events(stream, before).iter().zip(before as usize..) {
            let leaf = *record.leaf().as_bytes();
            match history.get(offset) {
                None if adds && offset == history.len() => history.push(leaf),
                None => {
                    return Err(format!(
                        "event {offset} of {stream} was not durable at its author"
                    ));
                }
                Some(held) if *held == leaf => {}
                Some(_) if self.may_fork.contains(&stream.node) => {
                    self.forked.insert(*stream);
                }
                Some(_) => return Err(format!("{stream} has two events at offset {offset}")),
            }
        }
        Ok(())
    }

    /// True when events of the node may be gone for good.
    pub(super) fn may_lose(&self, node: &NodeId) -> bool {
        self.may_fork.contains(node) || self.went_back.contains(node)
    }

    /// A publish was acknowledged.
    ///
    /// # Errors
    /// A sentence: it was acknowledged before, as something else.
    pub(super) fn acknowledge(
        &mut self,
        key: u64,
        receipt: Receipt,
        log: &ModelLog,
    ) -> Result<(), String> {
        let end = receipt.first + receipt.count;
        let Some(chain) = log.chain(&receipt.stream, end) else {
            return Err(format!("publish {key} has the receipt {receipt:?}, and is not durable"));
        };
        let former = self.acknowledged.insert(key, Acknowledged { receipt, chain });
        match former.map(|former| former.receipt) {
            Some(former) if former != receipt && !self.may_repeat.contains(&key) => {
                Err(format!("publish {key} has the receipts {former:?} and {receipt:?}"))
            }
            _ => Ok(()),
        }
    }

    /// A disk went back in time: what none of `disks` holds is lost, and nobody is to blame. `all`
    /// are those and the ones that do not stay.
    pub(super) fn excuse_lost(&mut self, disks: &[&ModelLog], all: &[&ModelLog]) {
        for (key, to) in &self.acknowledged {
            if !disks.iter().any(|log| to.is_in(log)) {
                self.excused.insert(*key);
            }
        }
        // What is on no disk any more never was.
        for (stream, history) in &mut self.history {
            let held = all.iter().map(|log| log.count(stream)).max().unwrap_or(0);
            history.truncate(held as usize);
        }
    }

    /// What was acknowledged and must be there: no disk of it is gone.
    fn asked(&self) -> impl Iterator<Item = (u64, &Acknowledged)> {
        let is_out =
            |key: &u64, node: &NodeId| self.excused.contains(key) || self.hostile.contains(node);
        let all = self.acknowledged.iter().map(|(key, to)| (*key, to));
        all.filter(move |(key, to)| !is_out(key, &to.receipt.stream.node))
    }

    /// What `author` acknowledged is in its own log.
    ///
    /// # Errors
    /// A sentence: something is missing.
    pub(super) fn check_held(&self, log: &ModelLog, author: NodeId) -> Result<(), String> {
        let mut own = self.asked().filter(|(_, to)| to.receipt.stream.node == author);
        match own.find(|(_, to)| !to.is_in(log)) {
            None => Ok(()),
            Some((key, to)) => {
                let stream = to.receipt.stream;
                let held = log.count(&stream);
                Err(format!("publish {key} was acknowledged; {stream} has {held} events"))
            }
        }
    }

    /// Everything that was acknowledged is in one of these logs.
    ///
    /// # Errors
    /// A sentence: something is in none.
    pub(super) fn check_not_lost(&self, logs: &[&ModelLog]) -> Result<(), String> {
        match self.asked().find(|(_, to)| !logs.iter().any(|log| to.is_in(log))) {
            None => Ok(()),
            Some((key, to)) => {
                let stream = to.receipt.stream;
                Err(format!("publish {key} was acknowledged and is lost from {stream}"))
            }
        }
    }

    /// Each acknowledged event is in `log` once, under its name.
    ///
    /// # Errors
    /// A sentence: one is missing or there twice.
    pub(super) fn check_once(&self, log: &ModelLog) -> Result<(), String> {
        let mut found: BTreeMap<EventName, u32> = BTreeMap::new();
        let honest = log.visible().filter(|shown| !self.hostile.contains(&shown.0.node));
        for (stream, floor, end) in honest {
            let shown = log.events(&stream, floor).iter().take((end - floor) as usize);
            for name in shown.filter_map(EventName::of) {
                *found.entry(name).or_default() += 1;
            }
        }
        let is_wrong = |(name, times): &(&EventName, &u32)| {
            **times > 1 && !self.may_repeat.contains(&name.key)
        };
        if let Some((name, times)) = found.iter().find(is_wrong) {
            return Err(format!("event {name} is there {times} times"));
        }
        for (key, to) in self.asked() {
            for index in 0..to.receipt.count as u32 {
                let name = EventName { key, index };
                if !found.contains_key(&name) {
                    return Err(format!("event {name} was acknowledged and is not there"));
                }
            }
        }
        Ok(())
    }
}

impl Acknowledged {
    /// It is held, under whatever name.
    fn is_in(&self, log: &ModelLog) -> bool {
        let Receipt { stream, first, count } = self.receipt;
        log.holds(&stream, first + count, &self.chain)
    }
}

//! A stream with two histories becomes branches: what is held of it is copied, then all is shown.
//!
//! Not here: what a fork means to readers (`windows`). Rule: copies are hidden until one journal
//! record seals the stream and shows the branches; what was copied before a crash is not copied
//! again. Copying goes in rounds, between which others commit. Begin with `Committer::take_forks`.
//! Source: docs/format.md, "Forks".

use super::body::Body;
use super::commit::{Answer, Committer, NextStream, Request};
use super::draft::{Tip, check_form};
use super::run::range_bytes;
use super::shared::Shared;
use super::store_row::{FORMAT_VERSION_FORKS, OpeningReason};
use super::windows::ForkRow;
use crate::error::{Error, ErrorKind, Result};
use crate::event::limits::BRANCHES_PER_TRUNK_MAX;
use crate::event::{Branch, Chain, EventRange, SealRule, SignedHead, StreamEnd, StreamId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A record of copied events ends with the range that brings it to this many bytes.
const RECORD_BYTES: usize = 1 << 20;

/// A fork that was found.
pub(crate) struct ForkRequest {
    /// The other history.
    pub(crate) branch: Branch,
    /// Its events from the base on, up to the end of a block or to a head, beyond the fork.
    pub(crate) range: EventRange,
    /// Added to the number of the next own stream, should the current one be sealed.
    pub(crate) step: u64,
    /// How often a part of it was done, and what was left did not become less.
    pub(crate) vain_rounds: u32,
    /// Events that were left to copy after the last part.
    pub(crate) left: u64,
}

/// A round of copying ends with the record that brings it to this many bytes, or to half of what
/// the tail may have: others wait for as long as it takes.
const ROUND_BYTES: usize = 4 << 20;

impl ForkRequest {
    /// What a round may copy. More where the stream grows faster than it is copied, so that it is
    /// caught up with.
    fn round_bytes(&self, tail_bytes_max: usize) -> usize {
        ROUND_BYTES.min(tail_bytes_max / 2).saturating_mul(1 << self.vain_rounds.min(16))
    }
}

/// A fork whose branches are held and visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forked {
    /// The stream with two histories.
    pub of: StreamId,
    /// Offset of the first event that differs.
    pub at: u64,
    /// The branches that are held of this fork, first the one in which goes on what was held.
    pub branches: Vec<Branch>,
    /// The own stream, when the one that was sealed was it.
    pub own: Option<StreamId>,
}

impl Request {
    pub(super) fn is_fork(&self) -> bool {
        matches!(self, Request::Fork(..))
    }
}

impl Committer {
    /// Takes the fork out of a group, and does it or a round of it.
    pub(super) fn take_forks(
        &mut self,
        shared: &Arc<Shared>,
        mut requests: Vec<Request>,
        ready: &Result<()>,
        answers: &mut Vec<Answer>,
    ) -> Vec<Request> {
        for taken in requests.extract_if(.., |request| request.is_fork()) {
            let Request::Fork(mut request, completer) = taken else { continue };
            match ready.clone().and_then(|()| self.fork(shared, &request)) {
                Ok(Some(forked)) => answers.push(Answer::Fork(completer, Ok(forked))),
                Err(error) => answers.push(Answer::Fork(completer, Err(error))),
                Ok(None) => {
                    let left = self.left_to_copy(&request.branch);
                    request.vain_rounds += u32::from(left >= request.left);
                    request.left = left;
                    shared.queue().put_back(Request::Fork(request, completer));
                }
            }
        }
        requests
    }

    /// Does a fork; `None` when there is more to copy.
    fn fork(&mut self, shared: &Arc<Shared>, request: &ForkRequest) -> Result<Option<Forked>> {
        let ForkRequest { branch, range, step, .. } = request;
        // By now it may have forked there, or below.
        let of = self.windows.home(branch.of, branch.floor);
        let branch = &Branch { of, ..branch.clone() };
        // What is copied is read as readers see it.
        self.sync(shared)?;
        let held = self.windows.get(&branch.stream).filter(|row| !row.hidden);
        if let Some(held) = held.and_then(|row| row.branch.clone()) {
            return Ok(Some(self.forked(&held.of, held.floor, None)));
        }
        let ours = self.check(shared, branch, range)?;
        let sealed = self.windows.get(&branch.of).and_then(|row| row.sealed);
        let mut body = Body::default();
        let mut own = None;
        if sealed.is_none_or(|(at, _)| branch.floor < at) {
            let ours = Branch { stream: ours, ..branch.clone() };
            let round_bytes = request.round_bytes(shared.options.tail_bytes_max);
            if !self.copy(shared, &ours, sealed.map(|(at, _)| at), round_bytes)? {
                return Ok(None);
            }
            if branch.of == self.own_stream(shared) {
                own = Some(self.leave(shared, *step)?);
            }
            let row = self.windows.get(&branch.of).cloned().unwrap_or_default();
            let seal = Some((branch.floor, ours.stream));
            body.forks.push((branch.of, ForkRow { sealed: seal, ..row }));
            // Where it forked until now belongs to the branch in which it goes on.
            for (stream, row) in self.windows.iter().filter(|(_, row)| !row.hidden) {
                let mut row = row.clone();
                if let Some(own) = row.branch.as_mut().filter(|own| own.of == branch.of) {
                    own.of = ours.stream;
                    body.forks.push((*stream, row));
                }
            }
            let row = ForkRow { sealed, branch: Some(ours.clone()), hidden: false };
            body.forks.push((ours.stream, row));
        }
        let row = ForkRow { sealed: None, branch: Some(branch.clone()), hidden: false };
        body.forks.push((branch.stream, row));
        self.write(shared, body, vec![range.clone()])?;
        Ok(Some(self.forked(&branch.of, branch.floor, own)))
    }

    /// Goes on in the next own stream. At the last number nothing is appended any more.
    fn leave(&mut self, shared: &Arc<Shared>, step: u64) -> Result<StreamId> {
        let reason = OpeningReason::GrownElsewhere;
        match self.begin_stream(shared, NextStream { reason, at_least: 0, step }) {
            Err(error) if error.kind() != ErrorKind::LimitExceeded => Err(error),
            _ => Ok(self.own_stream(shared)),
        }
    }

    /// Events of the stream that `branch` forks which are not copied yet; about.
    fn left_to_copy(&self, branch: &Branch) -> u64 {
        let is_copy = |own: &Branch| own.floor == branch.floor && own.of == branch.of;
        let hidden = self.windows.iter().filter(|(_, row)| row.hidden);
        let copies = hidden.filter(|(_, row)| row.branch.as_ref().is_some_and(is_copy));
        let copied = copies.filter_map(|(stream, _)| self.tips.get(stream));
        let copied = copied.map(|tip| tip.end.count).max().unwrap_or(branch.base.count);
        self.tips.get(&branch.of).map_or(0, |tip| tip.end.count).saturating_sub(copied)
    }

    fn forked(&self, of: &StreamId, at: u64, own: Option<StreamId>) -> Forked {
        let mut forks = self.windows.forks().into_iter();
        let fork = forks.find(|fork| fork.of == *of && fork.at == at);
        let branches = fork.map_or_else(Vec::new, |fork| fork.branches);
        Forked { of: *of, at, branches, own }
    }

    /// Makes sure that this is a fork of what is held; the name of the branch in which that goes
    /// on.
    fn check(&self, shared: &Shared, branch: &Branch, range: &EventRange) -> Result<StreamId> {
        let Branch { stream, of, base, floor, proof } = branch;
        let row = self.windows.get(of);
        let begin = row.and_then(|row| row.branch.as_ref()).map(|own| own.floor);
        let end = row.and_then(|row| row.sealed).map_or(u64::MAX, |(at, _)| at);
        if begin.is_some_and(|begin| *floor <= begin) || *floor > end {
            return Err(moved(of, *floor));
        }
        let (before, after) = (shared.chain_at(of, *floor)?, shared.chain_at(of, floor + 1)?);
        let (Some(before), Some(after)) = (before, after) else { return Err(moved(of, *floor)) };
        let start = shared.block_start(of, *floor)?;
        let is_base = start == Some(base.count) && shared.end_at_block(of, base.count)? == *base;
        let is_family = [stream, of, &proof[0].stream, &proof[1].stream]
            .iter()
            .all(|own| own.trunk() == stream.trunk());
        if !is_base || !is_family || range.stream() != *stream || range.first != base.count {
            return Err(no_fork(of, *floor));
        }
        range.verify(&shared.swarm, base)?;
        check_form(range, SealRule::new())?;
        let is_proof = |head: &SignedHead| head.count > *floor;
        let (shared_chain, other) = chains_at(range, base, *floor);
        let differs = shared_chain == Some(before) && other.is_some_and(|other| other != after);
        let is_named = other.is_some_and(|other| of.branch(&other) == *stream);
        if !differs || !is_named || !proof.iter().all(is_proof) {
            return Err(no_fork(of, *floor));
        }
        proof.iter().try_for_each(|head| head.verify(&shared.swarm))?;
        if self.windows.is_hidden(stream) {
            return Err(moved(of, *floor));
        }
        let ours = of.branch(&after);
        let new = 1 + usize::from(*floor < end);
        if self.windows.branch_count(&of.trunk()) + new > BRANCHES_PER_TRUNK_MAX {
            let message = format!(
                "stream {} has {BRANCHES_PER_TRUNK_MAX} branches, which is the limit: its node's \
                 key is used in many places",
                of.trunk()
            );
            let error = Error::new(ErrorKind::LimitExceeded, message);
            return Err(error.with_reason("branches_per_trunk"));
        }
        Ok(ours)
    }

    /// Copies what `ours` lacks of the stream that it continues, up to the event `until` or to the
    /// end; `false` when the round is done and there is more.
    fn copy(
        &mut self,
        shared: &Arc<Shared>,
        ours: &Branch,
        until: Option<u64>,
        round_bytes: usize,
    ) -> Result<bool> {
        self.write_format(shared)?;
        let end = self.tips[&ours.of].end.count;
        // With the event at an earlier seal, by which its branch is told.
        let end = until.map_or(end, |until| (until + 1).min(end));
        let tip = self.tips.get(&ours.stream);
        let mut at = tip.map_or(ours.base.count, |tip| tip.end.count);
        let mut copied = 0;
        while at < end {
            if copied >= round_bytes {
                return Ok(false);
            }
            let (mut body, mut ranges, mut bytes) = (Body::default(), Vec::new(), 0);
            if self.windows.get(&ours.stream).is_none() {
                let row = ForkRow { sealed: None, branch: Some(ours.clone()), hidden: true };
                body.forks.push((ours.stream, row));
            }
            while at < end && bytes < RECORD_BYTES {
                let mut range = shared.range_to_copy(&ours.of, at)?;
                range.head = range.head.on(ours.stream);
                at = range.head.count;
                bytes += range_bytes(&range);
                ranges.push(range);
            }
            self.write(shared, body, ranges)?;
            copied += bytes;
        }
        Ok(true)
    }

    /// Keeps who does not know of forks from reading the store.
    fn write_format(&self, shared: &Shared) -> Result<()> {
        if !self.windows.is_empty() {
            return Ok(());
        }
        shared.update_store_row(|row| row.format = FORMAT_VERSION_FORKS)
    }

    /// Writes these in one record, and shows them.
    fn write(
        &mut self,
        shared: &Arc<Shared>,
        mut body: Body,
        ranges: Vec<EventRange>,
    ) -> Result<()> {
        let mut tips: BTreeMap<StreamId, Tip> = BTreeMap::new();
        let mut lamport = self.lamport;
        for range in &ranges {
            let stream = range.stream();
            let held = tips.get(&stream).or_else(|| self.tips.get(&stream));
            let mut seal = held.map_or(SealRule::new(), |tip| tip.seal);
            for record in range.records() {
                seal.push(record.as_bytes().len());
            }
            lamport = lamport.max(range.head.lamport);
            tips.insert(stream, Tip { end: StreamEnd::from(&range.head), seal });
        }
        let bytes = ranges.iter().map(range_bytes).sum();
        body.ranges = ranges;
        self.write_and_sync(shared, body, tips, lamport, bytes, true)
    }
}

impl Shared {
    /// Events from `at` on up to the end of their block, as one block where that is possible.
    fn range_to_copy(&self, stream: &StreamId, at: u64) -> Result<EventRange> {
        if let Some(packed) = self.read_block(stream, at)? {
            return packed.unpack();
        }
        let range = self.read_range(stream, at)?;
        range.ok_or_else(|| Error::new(ErrorKind::Corrupt, "events that are held are missing"))
    }
}

/// The chains of a range before and after the event at `offset`.
fn chains_at(range: &EventRange, base: &StreamEnd, offset: u64) -> (Option<Chain>, Option<Chain>) {
    let mut chain = base.chain;
    for (record, own) in range.records().iter().zip(range.first..) {
        let before = chain;
        chain = chain.extend(&record.leaf());
        if own == offset {
            return (Some(before), Some(chain));
        }
    }
    (None, None)
}

fn moved(of: &StreamId, at: u64) -> Error {
    let message = format!("stream {of} does not show an event {at} any more; look again");
    Error::new(ErrorKind::Conflict, message)
}

fn no_fork(of: &StreamId, at: u64) -> Error {
    let message = format!("stream {of} has not two histories from event {at} on");
    Error::new(ErrorKind::PeerMisbehaved, message).with_reason("forged")
}

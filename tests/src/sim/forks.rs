//! Forks in the model log: which part of each stream is visible, and how one stream becomes
//! branches, as core/src/log/disk/{fork,windows}.rs have it.
//!
//! Not here: when it becomes durable (`disk`). Begin with [`ModelLog::fork`].

use crate::sim::group::{Answer, Group, Request};
use crate::sim::log::ModelLog;
use millpond::event::limits::BRANCHES_PER_TRUNK_MAX;
use millpond::event::{Branch, Chain, EventRange, HeldFork, OffsetMap, SignedHead, StreamId};
use millpond::{Error, ErrorKind, planted};
use std::collections::BTreeMap;

/// What forks did to a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// From where on it is not visible, and the branch that goes on with what it holds.
    pub(super) sealed: Option<(u64, StreamId)>,
    /// Of a branch what it is.
    pub(super) branch: Option<Branch>,
}

/// All streams that have to do with forks.
#[derive(Clone, Debug, Default)]
pub(super) struct Windows {
    rows: BTreeMap<StreamId, Row>,
    /// Counts the forks.
    version: u64,
}

/// A fork whose branches are held.
#[derive(Clone, Debug)]
pub(super) struct Forked {
    pub(super) of: StreamId,
    pub(super) at: u64,
    /// What was asked for.
    pub(super) branch: StreamId,
    /// The own stream was the one that was sealed, and this is the next.
    pub(super) own: Option<StreamId>,
}

impl Windows {
    pub(super) fn is_sealed(&self, stream: &StreamId) -> bool {
        self.seal(stream).is_some()
    }

    fn seal(&self, stream: &StreamId) -> Option<(u64, StreamId)> {
        self.rows.get(stream)?.sealed
    }

    pub(super) fn branch(&self, stream: &StreamId) -> Option<&Branch> {
        self.rows.get(stream)?.branch.as_ref()
    }

    /// From where to where a stream of `held` events is visible.
    pub(super) fn visible(&self, stream: &StreamId, held: u64) -> (u64, u64) {
        let floor = self.branch(stream).map_or(0, |branch| branch.floor);
        let hidden = u64::from(planted!("fork_hides_one_event_more"));
        let end = self.seal(stream).map_or(held, |(at, _)| at.saturating_sub(hidden).min(held));
        (floor.min(end), end)
    }

    /// The stream that shows this offset of the path, or is sealed there.
    fn home(&self, stream: StreamId, offset: u64) -> StreamId {
        let mut own = stream;
        while let Some(branch) = self.branch(&own).filter(|branch| offset <= branch.floor) {
            own = branch.of;
        }
        while let Some((_, heir)) = self.seal(&own).filter(|(at, _)| *at < offset) {
            own = heir;
        }
        own
    }

    pub(super) fn forks(&self) -> Vec<HeldFork> {
        let mut forks: BTreeMap<(StreamId, u64), Vec<Branch>> = BTreeMap::new();
        for branch in self.rows.values().filter_map(|row| row.branch.as_ref()) {
            forks.entry((branch.of, branch.floor)).or_default().push(branch.clone());
        }
        let held = |((of, at), mut branches): ((StreamId, u64), Vec<Branch>)| {
            let heir = self.seal(&of).map(|(_, heir)| heir);
            branches.sort_by_key(|branch| Some(branch.stream) != heir);
            HeldFork { of, at, branches }
        };
        forks.into_iter().map(held).collect()
    }

    /// Seals `of` at `at`: what it holds from there on is now that of `ours`.
    fn seal_at(&mut self, of: StreamId, at: u64, ours: Branch) {
        let heir = ours.stream;
        let former = self.seal(&of);
        self.rows.entry(of).or_default().sealed = Some((at, heir));
        for branch in self.rows.values_mut().filter_map(|row| row.branch.as_mut()) {
            if branch.of == of {
                branch.of = heir;
            }
        }
        self.rows.insert(heir, Row { sealed: former, branch: Some(ours) });
    }
}

impl ModelLog {
    /// Makes both histories branches, in the group that is being written.
    pub(super) fn fork(
        &mut self,
        branch: Branch,
        range: EventRange,
        step: u64,
        group: &mut Group,
    ) -> Answer {
        match self.try_fork(&branch, &range, step, group) {
            Ok(forked) => Answer::Forked(forked),
            Err(error) => {
                let request = Request::Fork { branch, range, step };
                Answer::Refused(request, error)
            }
        }
    }

    fn try_fork(
        &mut self,
        branch: &Branch,
        range: &EventRange,
        step: u64,
        group: &mut Group,
    ) -> Result<Forked, Error> {
        let conflict = |message: &str| Error::new(ErrorKind::Conflict, message);
        let (name, at) = (branch.stream, branch.floor);
        if let Some(held) = self.windows.branch(&name) {
            return Ok(Forked { of: held.of, at: held.floor, branch: name, own: None });
        }
        let of = self.windows.home(branch.of, at);
        let branch = &Branch { of, ..branch.clone() };
        let chain_of = |count| self.written_chain(&of, count);
        let (Some(before), Some(after)) = (chain_of(at), chain_of(at + 1)) else {
            return Err(conflict("the stream does not show this event any more"));
        };
        let (base, end) = (branch.base.count, self.count_written(&of));
        let theirs = chains(branch.base.chain, range);
        let place = (at - base) as usize;
        let is_fork = theirs.get(place) == Some(&before)
            && theirs
                .get(place + 1)
                .is_some_and(|other| *other != after && of.branch(other) == name)
            && branch.proof.iter().all(|head| head.count > at && head.verify(&self.swarm).is_ok());
        if !is_fork || range.first != base || chain_of(base) != Some(branch.base.chain) {
            return Err(Error::new(ErrorKind::PeerMisbehaved, "no fork").with_reason("forged"));
        }
        let former = self.windows.seal(&of);
        let is_new = former.is_none_or(|(seal, _)| at < seal);
        if self.branch_count(&of.trunk()) + 1 + usize::from(is_new) > BRANCHES_PER_TRUNK_MAX {
            let error = Error::new(ErrorKind::LimitExceeded, "too many branches of one trunk");
            return Err(error.with_reason("branches_per_trunk"));
        }
        let mut own = None;
        if is_new {
            let ours = Branch { stream: of.branch(&after), ..branch.clone() };
            let until = former.map_or(end, |(seal, _)| (seal + 1).min(end));
            self.copy(&of, &ours, until, group);
            if of == self.own_stream() {
                self.begin_stream(0, step);
                own = Some(self.own_stream());
            }
            self.windows.seal_at(of, at, ours);
        }
        self.windows.rows.insert(name, Row { sealed: None, branch: Some(branch.clone()) });
        self.windows.version += 1;
        self.begin_branch(branch);
        self.push_range(range.clone(), group);
        Ok(Forked { of, at, branch: name, own })
    }

    /// Copies events of `of` into the branch `ours`, up to the first head at `until` or beyond.
    fn copy(&mut self, of: &StreamId, ours: &Branch, until: u64, group: &mut Group) {
        self.begin_branch(ours);
        for mut range in self.written_ranges(of, ours.base.count, until) {
            range.head = range.head.on(ours.stream);
            self.push_range(range, group);
        }
    }

    /// Forks that are durable.
    pub(super) fn forks(&self) -> Vec<HeldFork> {
        self.durable_windows.forks()
    }

    /// Another one whenever a fork has become durable.
    pub(super) fn fork_version(&self) -> u64 {
        self.durable_windows.version
    }

    /// The branches of this fork.
    pub(super) fn branches(&self, of: &StreamId, at: u64) -> Vec<Branch> {
        let fork = self.forks().into_iter().find(|fork| fork.of == *of && fork.at == at);
        fork.map_or_else(Vec::new, |fork| fork.branches)
    }

    /// Streams with their floors and the ends of what they show, rising; only what shows something.
    pub(super) fn visible(&self) -> impl Iterator<Item = (StreamId, u64, u64)> {
        let windows = self.counts().map(|(stream, count)| {
            let (floor, end) = self.durable_windows.visible(&stream, count);
            (stream, floor, end)
        });
        windows.filter(|(_, floor, end)| floor < end)
    }

    /// Up to where a stream is visible.
    pub(super) fn visible_end(&self, stream: &StreamId) -> u64 {
        self.durable_windows.visible(stream, self.count(stream)).1
    }

    /// What counts from before forks mean now, as core/src/log/disk/windows.rs has it.
    pub(super) fn translate(&self, counts: &mut OffsetMap) {
        let rows = &self.durable_windows.rows;
        for (stream, row) in rows {
            let (Some((at, _)), named) = (row.sealed, counts.count(stream)) else { continue };
            let of_family = |(own, row): &(&StreamId, &Row)| {
                let floor = row.branch.as_ref().map(|branch| branch.floor);
                let is_beyond = floor.is_some_and(|floor| floor >= at && floor < named);
                own.trunk() == stream.trunk() && is_beyond
            };
            let family = || rows.iter().filter(of_family).map(|(own, _)| *own);
            if named <= at || !family().any(|own| self.count(&own) >= named) {
                continue;
            }
            counts.set(*stream, at);
            family().for_each(|own| counts.raise(own, named.min(self.count(&own))));
        }
    }

    /// True when some stream of the family has this chain after `count` events.
    pub(super) fn holds(&self, stream: &StreamId, count: u64, chain: &Chain) -> bool {
        let trunk = stream.trunk();
        let mut family = self.counts().filter(|(own, _)| own.trunk() == trunk);
        family.any(|(own, _)| self.chain(&own, count).as_ref() == Some(chain))
    }

    fn branch_count(&self, trunk: &StreamId) -> usize {
        let branches = self.windows.rows.values().filter_map(|row| row.branch.as_ref());
        branches.filter(|branch| branch.stream.trunk() == *trunk).count()
    }
}

/// What each fork is, apart from its proof.
pub(super) fn outline(forks: &[HeldFork]) -> Vec<(StreamId, u64, Vec<StreamId>)> {
    let one = |fork: &HeldFork| {
        let mut branches: Vec<_> = fork.branches.iter().map(|branch| branch.stream).collect();
        branches.sort_unstable();
        (fork.of, fork.at, branches)
    };
    forks.iter().map(one).collect()
}

/// The chain before each event of a range, and after the last.
fn chains(first: Chain, range: &EventRange) -> Vec<Chain> {
    let mut chains = vec![first];
    for record in range.records() {
        chains.push(chains[chains.len() - 1].extend(&record.leaf()));
    }
    chains
}

/// Heads of the branches that a fork made, as the driver tells them.
pub(super) fn heads(log: &ModelLog, branches: &[Branch]) -> Vec<SignedHead> {
    branches.iter().filter_map(|branch| log.head(&branch.stream)).collect()
}

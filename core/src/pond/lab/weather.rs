//! What befalls the nodes of a lab while time passes.

use crate::error::Result;
use crate::event::OffsetMap;
use crate::pond::fold::Prospect;
use crate::pond::lab::lab::Lab;
use crate::pond::lab::member::Member;
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two deliveries passes at most this.
const STEP_MICROS_MAX: u64 = 50_000;

/// Who lacks what: good until what nodes hold by themselves, or reach, has changed.
pub(super) struct Reach {
    /// What the nodes of each group hold together.
    known: BTreeMap<usize, OffsetMap>,
    /// Nodes that do not hold all of it.
    lacking: Vec<usize>,
}

impl Lab {
    /// One step on the way to `until`: some time passes, what was published becomes durable,
    /// requests are answered, and something is delivered. True when there is nothing more to come:
    /// then all of the time has passed, if there is an end.
    ///
    /// # Errors
    /// `internal`: an account or a claim breaks its promise.
    pub(super) fn step(&mut self, until: Option<Duration>) -> Result<bool> {
        for member in &mut self.members {
            if self.weather.one_in(3) {
                member.disk.sync();
            }
        }
        self.hear_of_each_other();
        self.answer_what_is_due()?;
        let to = self.lacking();
        let to = self.weather.pick(&to);
        let due = self.next_due().into_iter().chain(self.next_turn()).min();
        let next = match (to, due) {
            (Some(_), _) => {
                self.elapsed + Duration::from_micros(self.weather.between(1, STEP_MICROS_MAX))
            }
            (None, Some(due)) => due.max(self.elapsed),
            (None, None) => {
                self.elapsed = self.elapsed.max(until.unwrap_or_default());
                return Ok(true);
            }
        };
        let is_over = until.is_some_and(|until| until < next);
        self.elapsed = until.filter(|_| is_over).unwrap_or(next);
        self.sync_due();
        if let Some(to) = to.filter(|_| !is_over) {
            self.deliver(to)?;
        }
        Ok(is_over)
    }

    /// When something of a node that runs becomes durable next.
    fn next_due(&self) -> Option<Duration> {
        let up = self.members.iter().filter(|member| member.is_up);
        up.filter_map(|member| member.unsynced.front()).map(|(_, due)| *due).min()
    }

    /// What is due becomes durable, where the node runs.
    fn sync_due(&mut self) {
        for member in self.members.iter_mut().filter(|member| member.is_up) {
            while let Some((end, due)) = member.unsynced.front().copied()
                && due <= self.elapsed
            {
                member.unsynced.pop_front();
                member.held.raise(member.stream(), end);
                self.reach = None;
            }
        }
    }

    /// What the node can know of what will come.
    pub(super) fn prospect(&self, node: usize, looked_at: u64) -> Prospect {
        let member = &self.members[node];
        let known = self.held_by_group(member);
        let behind = known.beyond(&member.held).map(|(_, range)| range.end - range.start);
        let pending = (member.held.total() as u64).saturating_sub(looked_at);
        Prospect { coming: behind.sum(), pending }
    }

    /// A node and one of its folds, if one is at work.
    pub(super) fn some_fold(&mut self) -> Option<(usize, usize)> {
        let of = |(node, member): (usize, &Member)| {
            let fish: Vec<usize> = member.folds.keys().copied().collect();
            fish.into_iter().map(move |fish| (node, fish))
        };
        let folds: Vec<(usize, usize)> = self.members.iter().enumerate().flat_map(of).collect();
        self.works.pick(&folds)
    }

    /// Nodes that lack something which one that they reach holds.
    fn lacking(&mut self) -> Vec<usize> {
        if self.reach.is_none() {
            let mut known = BTreeMap::<usize, OffsetMap>::new();
            for member in self.members.iter().filter(|member| member.is_up) {
                known.entry(member.group).or_default().join(&member.held);
            }
            let lacks = |member: &Member| {
                member.is_up && known.get(&member.group).is_some_and(|all| !member.held.covers(all))
            };
            let lacking = self.those(lacks);
            self.reach = Some(Reach { known, lacking });
        }
        self.reach.as_ref().map_or_else(Vec::new, |reach| reach.lacking.clone())
    }

    pub(super) fn those(&self, is_meant: impl Fn(&Member) -> bool) -> Vec<usize> {
        (0..self.members.len()).filter(|node| is_meant(&self.members[*node])).collect()
    }

    pub(super) fn held_by_group(&self, of: &Member) -> OffsetMap {
        let mut held = OffsetMap::new();
        let group = self.members.iter().filter(|member| member.is_up && member.group == of.group);
        group.for_each(|member| held.join(&member.held));
        held
    }

    /// Delivers the next events of one stream, all or some of what is there.
    fn deliver(&mut self, to: usize) -> Result<()> {
        let receiver = &self.members[to];
        let senders = self.those(|member| {
            let reaches = member.is_up && member.group == receiver.group;
            reaches && !receiver.held.covers(&member.held)
        });
        let from = self.weather.pick(&senders).expect("a node of its group has more");
        let beyond: Vec<_> = self.members[from].held.beyond(&self.members[to].held).collect();
        let (stream, range) = beyond[self.weather.index(beyond.len())].clone();
        let count = range.end - range.start;
        let count = if self.weather.one_in(3) { count } else { self.weather.between(1, count) };
        let end = range.start + count;
        let lamport = self.streams.event(&stream, end - 1).key.lamport.value();
        let receiver = &mut self.members[to];
        receiver.held.raise(stream, end);
        receiver.lamport = receiver.lamport.max(lamport);
        // Who has received something is all that changes by it.
        if let Some(reach) = &mut self.reach
            && reach.known.get(&receiver.group).is_some_and(|all| receiver.held.covers(all))
        {
            reach.lacking.retain(|node| *node != to);
        }
        self.note(format!("node {to} got {count} from node {from}: {} to {end}", stream));
        self.delivered(to, stream, range.start..end)
    }
}

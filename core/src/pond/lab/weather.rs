//! What befalls the nodes of a lab while time passes.

use crate::error::Result;
use crate::event::OffsetMap;
use crate::pond::fold::Prospect;
use crate::pond::lab::lab::Lab;
use crate::pond::lab::member::Member;
use std::time::Duration;

/// Between two deliveries passes at most this.
const STEP_MICROS_MAX: u64 = 50_000;

impl Lab {
    /// One step on the way to `until`: what was published becomes durable, some time passes, and
    /// something is delivered. True when there is nothing more to deliver and no request to answer:
    /// then all of the time has passed, if there is an end.
    ///
    /// # Errors
    /// `internal`: an account or a claim breaks its promise.
    pub(super) fn step(&mut self, until: Option<Duration>) -> Result<bool> {
        for node in 0..self.members.len() {
            if self.members[node].is_up {
                self.sync(node);
            }
            if self.chance.one_in(3) {
                self.members[node].disk.sync();
            }
        }
        self.hear_of_each_other();
        self.answer_what_is_due()?;
        let lacking = self.lacking();
        let Some(to) = self.chance.pick(&lacking) else {
            let turn = self.next_turn().filter(|turn| until.is_none_or(|until| *turn < until));
            self.elapsed = self.elapsed.max(turn.or(until).unwrap_or_default());
            return Ok(turn.is_none());
        };
        self.elapsed += Duration::from_micros(self.chance.between(1, STEP_MICROS_MAX));
        if let Some(until) = until.filter(|until| *until < self.elapsed) {
            self.elapsed = until;
            return Ok(true);
        }
        self.deliver(to)?;
        Ok(false)
    }

    /// Cuts, heals, crashes or starts something, or lets some time pass: then for how long.
    pub(super) fn befall(&mut self) -> Option<Duration> {
        match self.chance.below(12) {
            0 | 1 => {
                let mut groups = vec![Vec::new(); 2 + self.chance.index(2)];
                for node in 0..self.members.len() {
                    let group = self.chance.index(groups.len());
                    groups[group].push(node);
                }
                groups.retain(|group| !group.is_empty());
                self.cut(&groups).expect("each node is in one group");
            }
            2 => self.heal(),
            3 | 4 => {
                let up = self.those(|member| member.is_up);
                // One goes on, so that there is somebody to publish.
                if up.len() > 1 {
                    let node = self.chance.pick(&up).expect("there are two");
                    let done = match self.chance.one_in(2) {
                        true => self.crash(node),
                        false => self.cut_power(node),
                    };
                    done.expect("the node is there");
                }
            }
            5 | 6 => {
                let down = self.those(|member| !member.is_up);
                if let Some(node) = self.chance.pick(&down) {
                    self.start(node).expect("the node is there");
                }
            }
            7 => return Some(Duration::from_millis(self.chance.between(1_000, 60_000))),
            _ => return Some(Duration::from_millis(self.chance.between(1, 300))),
        }
        None
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
        self.chance.pick(&folds)
    }

    /// Nodes that lack something which one that they reach holds.
    pub(super) fn lacking(&self) -> Vec<usize> {
        let lacks =
            |member: &Member| member.is_up && !member.held.covers(&self.held_by_group(member));
        self.those(lacks)
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
        let from = self.chance.pick(&senders).expect("a node of its group has more");
        let beyond: Vec<_> = self.members[from].held.beyond(&self.members[to].held).collect();
        let (stream, range) = beyond[self.chance.index(beyond.len())].clone();
        let count = range.end - range.start;
        let count = if self.chance.one_in(3) { count } else { self.chance.between(1, count) };
        let end = range.start + count;
        let lamport = self.streams.event(&stream, end - 1).key.lamport.value();
        let receiver = &mut self.members[to];
        receiver.held.raise(stream, end);
        receiver.lamport = receiver.lamport.max(lamport);
        self.note(format!("node {to} got {count} from node {from}: {} to {end}", stream));
        self.delivered(to, stream, range.start..end)
    }
}

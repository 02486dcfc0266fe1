//! The ends and beginnings of a node's process in a lab, and what they leave on its disk.

use crate::error::{Error, ErrorKind, Result};
use crate::planted;
use crate::pond::lab::chance::Chance;
use crate::pond::lab::lab::Lab;

impl Lab {
    /// The node's process ends without warning, if it runs: what it has in memory is lost, all
    /// folds among it. What it has acknowledged stays, unless a power cut takes it before the node
    /// runs again: what was published with the durability `process` may be with the system only.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn crash(&mut self, node: usize) -> Result<()> {
        self.member(node)?;
        self.stop(node, "crashed");
        Ok(())
    }

    /// As [`Lab::crash`], and by a power cut: of what was not durable some is lost, too, that is
    /// the last of the events that were published with the durability `process`, and of the latest
    /// snapshots.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn cut_power(&mut self, node: usize) -> Result<()> {
        let mut chance = self.weather.branch();
        self.lose_power(node, &mut chance)
    }

    pub(super) fn lose_power(&mut self, node: usize, chance: &mut Chance) -> Result<()> {
        let stream = self.member(node)?.stream();
        let skew = self.some_skew(chance);
        let member = &mut self.members[node];
        let unsynced = std::mem::take(&mut member.unsynced);
        let kept = chance.index(unsynced.len() + 1);
        let kept = if planted!("lab_power_cut_loses_no_event") { unsynced.len() } else { kept };
        if let Some((end, _)) = kept.checked_sub(1).map(|last| unsynced[last]) {
            member.held.raise(stream, end);
        }
        let durable = member.held.count(&stream);
        self.streams.cut(&stream, durable);
        member.skew_after_power = Some(skew);
        member.disk.lose(&mut self.works);
        member.disk.sync();
        if self.works.one_in(8) {
            member.disk.damage(&mut self.works);
        }
        self.reach = None;
        member.lamport = self.streams.lamport(&member.held);
        let remembered = &mut self.desks.nodes[node].remembered;
        remembered.retain(|_, (_, own)| own.key.stream != stream || own.first.value() < durable);
        let lost = unsynced.len() - kept;
        self.stop(node, &format!("lost its power, and {lost} of its publishes"));
        Ok(())
    }

    /// The node runs again, if it does not.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn start(&mut self, node: usize) -> Result<()> {
        if !self.member(node)?.is_up {
            self.members[node].is_up = true;
            if let Some(skew) = self.members[node].skew_after_power.take() {
                self.set_clock(node, skew);
            }
            self.members[node].disk.sync();
            self.sync(node);
            self.reach = None;
            self.note(format!("node {node} started"));
        }
        Ok(())
    }

    /// All that the node has published is durable from now on.
    pub(super) fn sync(&mut self, node: usize) {
        let member = &mut self.members[node];
        let stream = member.stream();
        member.held.raise(stream, self.streams.count(&stream));
        member.unsynced.clear();
        self.reach = None;
    }

    /// The node's process ends in the middle of a call: what that ends with.
    pub(super) fn dead(&mut self, node: usize) -> Error {
        self.stop(node, "died");
        self.befalls.in_hand = None;
        let message = format!("node {node} died before it could say what became of its events");
        Error::new(ErrorKind::Closed, message)
    }

    pub(super) fn stop(&mut self, node: usize, how: &str) {
        self.desks.end(node);
        let member = &mut self.members[node];
        member.folds.clear();
        self.reach = None;
        if member.is_up {
            member.is_up = false;
            member.life += 1;
            self.note(format!("node {node} {how}"));
        }
    }
}

//! Blocks that rot on simulated disks: they cannot be read, and come back from peers.
//!
//! As core/src/log/disk/repair.rs has it: events are taken when they lead from the head before the
//! block to the one behind it. Not here: who is asked for them (core). Begin with `World::rot`.

use crate::sim::log::ModelLog;
use crate::sim::world::{Event, World};
use millpond::event::{EventRange, StreamId};
use millpond::sync::Input;
use millpond::{Error, ErrorKind, Result};
use std::time::Duration;

/// Mean time between two blocks that rot, of all disks.
const ROTS_EVERY: Duration = Duration::from_secs(5);
/// Share of attempts to put a block back at which the disk gives an error, before all is quiet.
const FAILS: f64 = 0.2;

impl ModelLog {
    /// Durable blocks that are full: a stream, the first offset, and the one behind it.
    fn full_blocks(&self) -> Vec<(StreamId, u64, u64)> {
        let blocks = self.counts().flat_map(|(stream, count)| {
            let base = self.base(&stream);
            let seals = self.seals(&stream).iter().copied().take_while(move |end| *end <= count);
            let begins = [base].into_iter().chain(seals.clone());
            begins.zip(seals).map(move |(first, end)| (stream, first, end))
        });
        blocks.filter(|(_, first, end)| first < end).collect()
    }

    /// What has rotted: as `Input::Damaged` has it.
    pub(super) fn rotten(&self) -> Vec<(StreamId, u64, u64)> {
        self.damaged.iter().map(|((stream, first), end)| (*stream, *first, *end)).collect()
    }

    /// True when this log has the same events there and can read them.
    fn can_give(&self, other: &ModelLog, (stream, first, end): (StreamId, u64, u64)) -> bool {
        let chain = self.chain(&stream, end);
        chain.is_some()
            && chain == other.chain(&stream, end)
            && self.base(&stream) <= first
            && self.check_intact(&stream, first, end).is_ok()
    }

    /// Puts a block back, if these are its events; true when they are the same, byte for byte, and
    /// none when it is whole already.
    fn put_back(&mut self, range: &EventRange) -> Result<Option<bool>> {
        let (stream, first) = (range.stream(), range.first);
        let misfit = |reason| {
            let message = format!("these are not the events from {first} on of {stream}");
            Err(Error::new(ErrorKind::PeerMisbehaved, message).with_reason(reason))
        };
        let Some(end) = self.damaged.get(&(stream, first)).copied() else { return Ok(None) };
        let Some(records) = range.records().get(..(end - first) as usize) else {
            return misfit("gap");
        };
        let (Some(start), reached) = (self.chain(&stream, first), self.chain(&stream, end)) else {
            return misfit("gap");
        };
        let chain = records.iter().fold(start, |chain, record| chain.extend(&record.leaf()));
        if Some(chain) != reached {
            return misfit("forged");
        }
        self.damaged.remove(&(stream, first));
        Ok(Some(self.events(&stream, first).get(..records.len()) == Some(records)))
    }
}

impl World {
    /// A block rots that somebody else holds, too.
    pub(super) fn rot(&mut self) {
        if self.is_quiet {
            return;
        }
        let again = self.rot_random.around(ROTS_EVERY);
        self.schedule(self.now + again, Event::Rot);
        let node = self.rot_random.below(self.plan.honest as u64) as usize;
        let mut blocks = self.nodes[node].log.full_blocks();
        blocks.retain(|block| {
            let is_open = !block.0.is_branch() && !self.nodes[node].log.windows.is_sealed(&block.0);
            is_open && self.has_holder(node, *block)
        });
        if blocks.is_empty() {
            return;
        }
        let (stream, first, end) = *self.rot_random.pick(&blocks);
        self.figures.faults += 1;
        self.note(node, format_args!("events {first} to {end} of {stream} rot"));
        self.nodes[node].log.damaged.insert((stream, first), end);
        self.tell_rotten(node);
    }

    /// True when an honest node that stays can give this block of `node`.
    fn has_holder(&self, node: usize, block: (StreamId, u64, u64)) -> bool {
        let ours = &self.nodes[node].log;
        self.members().any(|(index, log)| index != node && log.can_give(ours, block))
    }

    /// The swarm of `node` hears of what has rotted, if anything has.
    pub(super) fn tell_rotten(&mut self, node: usize) {
        let rotten = self.nodes[node].log.rotten();
        if !rotten.is_empty() {
            self.give(node, Input::Damaged(rotten));
        }
    }

    /// The log of `node` is given events for a block; it writes them, and then answers.
    pub(super) fn repair(&mut self, node: usize, range: EventRange) {
        let (least, most) = self.plan.sync_time;
        let (run, after) = (self.nodes[node].run, self.rot_random.time(least, most));
        self.schedule(self.now + after, Event::Repaired { node, run, range: Box::new(range) });
    }

    pub(super) fn repaired(&mut self, node: usize, range: &EventRange) {
        let (stream, first) = (range.stream(), range.first);
        let fails = self.rot_random.chance(FAILS) && !self.is_quiet;
        let result = match fails {
            true => Err(Error::new(ErrorKind::StorageFailed, "injected: a write failed")),
            false => self.nodes[node].log.put_back(range),
        };
        self.observe(node, 8, &first.to_le_bytes());
        match &result {
            Ok(Some(true)) => self.figures.repairs += 1,
            Ok(Some(false)) => {
                let what = format!("puts other events back at {first} of {stream}");
                return self.violated(Some(node), what);
            }
            Ok(None) | Err(_) => {}
        }
        let result = result.map(|_| ());
        self.give(node, Input::Repaired { stream, first, result });
    }

    /// A block that has rotted and that another node could give.
    pub(super) fn first_rotten(&self) -> Option<(usize, StreamId, u64)> {
        self.members().find_map(|(node, log)| {
            let mut rotten = log.rotten().into_iter();
            let block = rotten.find(|block| self.has_holder(node, *block))?;
            Some((node, block.0, block.1))
        })
    }
}

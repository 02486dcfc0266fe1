//! The disk of a simulated node: one group commit after the other, each synced after a drawn time,
//! and what faults leave of it.
//!
//! Order as in core/src/log/disk/commit.rs: written, synced, visible, acknowledged, announced.
//! Not here: what a group holds (`log`). Begin with `World::request`.

use crate::sim::forks;
use crate::sim::group::{Answer, Group, Request};
use crate::sim::node::Node;
use crate::sim::world::{Event, World};
use millpond::event::{SignedHead, WallTime};
use millpond::sync::Input;
use millpond::{Error, ErrorKind, planted};
use std::time::Duration;

/// 2026-01-01 in microseconds.
const BEGIN_MICROS: i64 = 1_767_225_600_000_000;
/// Longest time from a sync's end to the loop's hearing of it.
const HEARD_MAX: Duration = Duration::from_millis(2);

impl Node {
    /// The group is on the disk; it may yet turn out to be torn.
    fn settle(&mut self, group: &Group) -> Vec<SignedHead> {
        let counts = group.streams.iter().map(|stream| (*stream, self.log.count(stream)));
        let last = (counts.collect(), group.receipts.clone());
        // A fork that was seen is not torn: what it copied was synced before.
        let is_fork = group.answers.iter().any(|answer| matches!(answer, Answer::Forked(_)));
        self.last = (!is_fork).then_some(last);
        self.log.synced(group)
    }
}

impl World {
    /// Something for the log of `node` to do.
    pub(super) fn request(&mut self, node: usize, request: Request) {
        let at = &mut self.nodes[node];
        let Some(live) = &mut at.live else { return };
        live.waiting.push(request);
        self.commit(node);
    }

    /// Writes what waits as one group, unless one is being synced.
    fn commit(&mut self, node: usize) {
        let time = self.wall_time(node);
        let at = &mut self.nodes[node];
        let Some(live) = &mut at.live else { return };
        if live.writing.is_some() || live.waiting.is_empty() {
            return;
        }
        // A fork is a group of its own, after all that was asked for before it.
        let is_fork = |request: &Request| matches!(request, Request::Fork { .. });
        let before = live.waiting.iter().position(is_fork).unwrap_or(live.waiting.len());
        let requests: Vec<_> = live.waiting.drain(..before.max(1)).collect();
        // The next number goes to the tables, where there is room for it.
        let (begun, rest): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .partition(|request| !at.is_full || matches!(request, Request::NewStream { .. }));
        let refuse = |request| {
            let error = Error::new(ErrorKind::StorageFull, "injected: the disk is full");
            Answer::Refused(request, error)
        };
        at.ghost = None;
        let mut group = at.log.draft(begun, &at.key, time);
        group.answers.extend(rest.into_iter().map(refuse));
        live.writing = Some(group);
        if planted!("told_before_durable") {
            let group = live.writing.as_ref().expect("it was just written");
            let heads = at.log.written_heads(group);
            live.fresh.extend(heads.into_iter().map(|head| (head.stream, head)));
            self.announce(node);
        }
        if planted!("acknowledged_before_durable") {
            let live = self.nodes[node].live.as_ref().expect("it is running");
            let answers = live.writing.as_ref().map(|group| group.answers.clone());
            let appended = |answer: &Answer| matches!(answer, Answer::Appended(..));
            for answer in answers.unwrap_or_default().into_iter().filter(appended) {
                self.answer_app(node, answer);
            }
        }
        self.show_early(node);
        let (least, most) = self.plan.sync_time;
        let (run, after) = (self.nodes[node].run, self.random.time(least, most));
        self.schedule(self.now + after, Event::Synced { node, run });
    }

    /// A sync ends, well or not.
    pub(super) fn synced(&mut self, node: usize) {
        let fails = self.random.chance(self.plan.faults.sync_failure) && !self.is_quiet;
        let at = &mut self.nodes[node];
        let Some(live) = &mut at.live else { return };
        let Some(group) = live.writing.take() else { return };
        if fails && !group.streams.is_empty() {
            self.figures.faults += 1;
            self.fail(node, group);
        } else {
            let heads = at.settle(&group);
            self.grew(node, &heads);
            for answer in group.answers {
                self.answer(node, answer);
            }
            let Some(live) = &mut self.nodes[node].live else { return };
            for head in heads {
                if !planted!("older_head_told_in_place_of_the_latest") {
                    live.fresh.remove(&head.stream);
                }
                live.fresh.entry(head.stream).or_insert(head);
            }
            self.announce(node);
        }
        self.commit(node);
    }

    /// Nothing of the group counts; what the disk made of it shows when the process ends.
    fn fail(&mut self, node: usize, group: Group) {
        self.note(node, format_args!("a sync fails"));
        let at = &mut self.nodes[node];
        let mut ghost = at.log.clone();
        ghost.synced(&group);
        at.ghost = Some(Box::new(ghost));
        if planted!("failed_sync_is_acknowledged") {
            at.log.take_back();
            for answer in group.answers {
                self.answer(node, answer);
            }
            return;
        }
        at.log.take_back();
        self.lose_early(node);
        for answer in group.answers {
            let error = Error::new(ErrorKind::StorageFailed, "injected: the sync failed");
            let answer = match answer {
                // The next number is in the tables, which were written before.
                Answer::Moved(stream) => Answer::Moved(stream),
                Answer::Refused(request, error) => Answer::Refused(request, error),
                Answer::Appended(key, _) => Answer::NotAppended(key),
                Answer::Stored(stream, end) => Answer::NotStored(stream, end, error),
                Answer::Forked(forked) => Answer::NotForked(forked, error),
                failed => failed,
            };
            self.answer(node, answer);
        }
    }

    fn answer(&mut self, node: usize, answer: Answer) {
        match answer {
            Answer::Moved(stream) => self.give(node, Input::OwnStream(stream)),
            Answer::Stored(..) => {}
            Answer::NotStored(..) if planted!("failed_store_not_told") => {}
            Answer::NotStored(stream, end, error) => {
                self.give(node, Input::StoreFailed { stream, end, error });
            }
            Answer::Refused(Request::Store { range, .. }, error) => {
                let (stream, end) = (range.stream(), range.head.count);
                self.give(node, Input::StoreFailed { stream, end, error });
            }
            Answer::Refused(Request::Fork { branch, .. }, error) => {
                self.give(node, Input::ForkFailed { branch: branch.stream, error });
            }
            Answer::NotForked(forked, error) => {
                if let Some(own) = forked.own {
                    self.give(node, Input::OwnStream(own));
                }
                self.give(node, Input::ForkFailed { branch: forked.branch, error });
            }
            Answer::Forked(forked) => self.tell_forked(node, &forked),
            app => self.answer_app(node, app),
        }
    }

    /// As the driver: our new stream first, then the branches, then how far each is held.
    fn tell_forked(&mut self, node: usize, forked: &forks::Forked) {
        if let Some(own) = forked.own {
            self.give(node, Input::OwnStream(own));
        }
        self.figures.forks += 1;
        let (of, at) = (forked.of, forked.at);
        let branches = self.nodes[node].log.branches(&of, at);
        let heads = forks::heads(&self.nodes[node].log, &branches);
        self.give(node, Input::Forked { of, at, branches });
        heads.into_iter().for_each(|head| self.give(node, Input::Durable(head)));
    }

    fn announce(&mut self, node: usize) {
        let (run, after) = (self.nodes[node].run, self.random.time(Duration::ZERO, HEARD_MAX));
        self.schedule(self.now + after, Event::Durable { node, run });
        self.schedule(self.now + after, Event::Deliver { node, run });
    }

    fn grew(&mut self, node: usize, heads: &[SignedHead]) {
        for head in heads {
            self.check_growth(node, head);
        }
    }

    /// The process ends: a group that was not synced is on the disk, in part, or not at all.
    pub(super) fn lose_unsynced(&mut self, node: usize) {
        let torn = self.random.chance(self.plan.faults.torn);
        let kept = self.random.chance(0.4);
        let at = &mut self.nodes[node];
        let writing = at.live.as_mut().and_then(|live| live.writing.take());
        match writing.filter(|group| !group.streams.is_empty()) {
            Some(group) if kept => {
                let heads = at.settle(&group);
                self.grew(node, &heads);
            }
            Some(_) => {
                at.log.take_back();
                if torn {
                    self.figures.faults += 1;
                    at.log.move_on(true);
                }
            }
            None => {
                at.log.take_back();
                if let Some(ghost) = at.ghost.take().filter(|_| kept) {
                    (at.log, at.last) = (*ghost, None);
                    let heads = at.log.heads();
                    self.grew(node, &heads);
                }
            }
        }
        self.nodes[node].ghost = None;
        self.lose_early(node);
    }

    /// A power cut shows that the disk had lied: the last group that it said was synced is torn.
    /// The node sees a torn end and cannot tell that it was acknowledged.
    pub(super) fn tear(&mut self, node: usize) {
        let Some((before, receipts)) = self.nodes[node].last.take() else { return };
        self.figures.faults += 1;
        self.note(node, format_args!("its disk tore the last group"));
        let at = &mut self.nodes[node];
        at.log.tear(&before, &receipts);
        if !planted!("torn_tail_goes_on_under_the_same_number") {
            at.log.move_on(true);
        }
        self.oracle.may_repeat.extend(receipts.iter().map(|(key, _)| *key));
        let id = self.nodes[node].id;
        self.oracle.went_back.insert(id);
        self.disk_went_back(node);
    }

    /// The disk of `node` holds less than it did.
    pub(super) fn disk_went_back(&mut self, node: usize) {
        let at = &mut self.nodes[node];
        at.seen.restart(&at.log);
        at.subscriber.go_back(&at.log);
        at.pond.go_back();
        self.excuse_lost();
    }

    /// Notes what is on no disk that stays.
    pub(super) fn excuse_lost(&mut self) {
        let stays = |node: &&Node| node.is_honest() && !node.is_clone;
        let disks: Vec<_> = self.nodes.iter().filter(stays).map(|node| &node.log).collect();
        let all = self.nodes.iter().filter(|node| node.is_honest() && node.has_disk());
        let all: Vec<_> = all.map(|node| &node.log).collect();
        self.oracle.excuse_lost(&disks, &all);
    }

    /// What the wall clock of `node` says.
    fn wall_time(&self, node: usize) -> WallTime {
        let passed = self.now.as_micros() as i64;
        WallTime::from_micros(BEGIN_MICROS + passed + self.nodes[node].skew)
    }
}

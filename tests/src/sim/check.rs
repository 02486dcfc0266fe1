//! What one node must keep to, checked at each step it takes, and all of them at the end.
//!
//! Not here: what the world knows (`oracle`).

use crate::sim::forks::outline;
use crate::sim::hostile::Trait;
use crate::sim::log::ModelLog;
use crate::sim::world::World;
use bytes::Bytes;
use millpond::event::codec::Reader;
use millpond::event::{EventRange, NodeId, SignedHead, StreamEnd, StreamId};
use millpond::sync::{
    Decoded, Lane, LinkState, Message, RefusalReason, SEND_QUEUE_BYTES_BULK, SEND_QUEUE_BYTES_MAX,
    SwarmEvent, SwarmStatus,
};
use std::collections::BTreeMap;

/// Type bytes of messages that carry events: docs/protocol.md, "Messages".
pub(super) const RANGE: u8 = 0x08;
pub(super) const BLOCK: u8 = 0x0a;
/// More events than any run publishes, with the slack and the relief of core/src/sync/bound.rs.
const LAMPORT_LIKELY_MAX: u64 = 1 << 26;
/// Bytes that may wait on the backlog lane, beside one frame.
/// Source: core/src/sync/constants.rs, `SEND_QUEUE_BYTES_BACKLOG`.
const BACKLOG_BYTES_MAX: usize = 512 << 10;
const SUMMARY: u8 = 0x05;
const PROGRESS: u8 = 0x06;
/// Where the head begins in a message that carries events: after its type and the chain before.
pub(super) const HEAD_AT: usize = 1 + 32;

/// How far a node's log was checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    counts: BTreeMap<StreamId, u64>,
}

/// What a node shows.
struct Shown<'a> {
    node: usize,
    log: &'a ModelLog,
    /// Streams, each from where to where.
    windows: Vec<(StreamId, u64, u64)>,
}

impl Shown<'_> {
    /// The first place that both show, and not the same there.
    fn first_unlike(&self, other: &Shown<'_>) -> Option<(StreamId, u64)> {
        self.windows.iter().find_map(|(stream, floor, end)| {
            let (_, their_floor, their_end) = other.windows.iter().find(|own| own.0 == *stream)?;
            let (from, to) = (*floor.max(their_floor), *end.min(their_end));
            let pairs = self.log.events(stream, from).iter().zip(other.log.events(stream, from));
            let mut places = pairs.zip(from..to);
            places.find(|((own, their), _)| own != their).map(|(_, at)| (*stream, at))
        })
    }
}

impl Seen {
    /// Everything on the disk counts as checked.
    pub(super) fn restart(&mut self, log: &ModelLog) {
        self.counts = log.counts().collect();
    }
}

impl World {
    /// What is told is durable.
    pub(super) fn check_frame(&mut self, node: usize, frame: &Bytes) {
        let at = &self.nodes[node];
        let kind = frame.first().copied().unwrap_or(0);
        if !at.is_honest() || ![RANGE, BLOCK, SUMMARY, PROGRESS].contains(&kind) {
            return;
        }
        let Some(told) = told_in(kind, frame) else {
            return self.violated(
                Some(node),
                format!("sends a head that nobody can read, in {kind:#04x}"),
            );
        };
        for (stream, count) in told {
            let held = self.nodes[node].log.count(&stream);
            if count > held {
                let what = format!("told a peer of {count} events of {stream}; {held} are durable");
                return self.violated(Some(node), what);
            }
        }
    }

    /// What the swarm gives to the log is what its author signed.
    pub(super) fn check_store(&mut self, node: usize, range: &EventRange, before: &StreamEnd) {
        if !self.nodes[node].is_honest() {
            return;
        }
        let stream = range.stream();
        let author = self.nodes.iter().find(|node| node.id == stream.node);
        let known = author.and_then(|author| author.log.head_at(&stream, range.head.count));
        let genuine =
            known == Some(&range.head) || range.head.verify(&self.nodes[node].log.swarm).is_ok();
        if !genuine || range.verify_chain(before).is_err() {
            let what = format!("was given events of {stream} that their author did not sign");
            return self.violated(Some(node), what);
        }
        if stream == self.nodes[node].log.own_stream() {
            self.violated(Some(node), "was given events of its own stream");
        }
    }

    /// A stream grew on a disk: no gap, a chain that fits, lamports that rise, a clock beyond them.
    pub(super) fn check_growth(&mut self, node: usize, head: &SignedHead) {
        let at = &mut self.nodes[node];
        let stream = head.stream;
        let before = at.seen.counts.insert(stream, head.count);
        let before = before.unwrap_or_else(|| at.log.base(&stream));
        if !at.is_honest() {
            return;
        }
        let by_author = stream.node == at.id;
        let mut last = before
            .checked_sub(1)
            .filter(|at_before| *at_before >= at.log.base(&stream))
            .and_then(|at_before| at.log.events(&stream, at_before).first())
            .map_or(0, |record| record.lamport().value());
        let mut wrong = None;
        for record in at.log.events(&stream, before) {
            let lamport = record.lamport().value();
            if lamport <= last {
                wrong = Some(format!("{stream} has lamport {lamport} after {last}"));
            }
            last = lamport;
        }
        if at.log.lamport > LAMPORT_LIKELY_MAX {
            wrong = Some(format!("its clock was poisoned: {}", at.log.lamport));
        }
        if at.log.lamport < last {
            wrong = Some(format!("its clock is {} and {stream} has {last}", at.log.lamport));
        }
        if at.log.chain(&stream, head.count) != Some(head.chain) || head.lamport.value() != last {
            wrong = Some(format!("the head of {stream} at {} does not fit", head.count));
        }
        let told = self.oracle.grew(&self.nodes[node].log, &stream, before, by_author);
        if let Some(what) = wrong.or(told.err()) {
            self.violated(Some(node), what);
        }
        self.check_shown(node, head, before);
    }

    pub(super) fn check_unsent(&mut self, node: usize, lane: Lane, unsent: usize) {
        let most = match lane {
            Lane::Live => SEND_QUEUE_BYTES_MAX,
            Lane::Backlog => BACKLOG_BYTES_MAX,
            Lane::Bulk => SEND_QUEUE_BYTES_BULK,
        };
        if unsent > most + lane.frame_bytes_max() {
            self.violated(Some(node), format!("{unsent} bytes wait for one peer, {lane:?}"));
        }
    }

    /// What the swarm tells its application is true.
    pub(super) fn check_told(&mut self, node: usize, event: &SwarmEvent) {
        if !self.nodes[node].is_honest() {
            return;
        }
        let is_poisoned = self.plan.is_poisoned();
        let oracle = &self.oracle;
        let has_forked = |stream: &StreamId| {
            oracle.forked.contains(&stream.trunk()) || oracle.hostile.contains(&stream.node)
        };
        let what = match event {
            SwarmEvent::Misbehaved { peer, error } if !oracle.hostile.contains(peer) => {
                format!("blames an honest peer: {error}")
            }
            SwarmEvent::Forked(fork) if !has_forked(&fork.of) => {
                format!("sees a fork of {}, which has one history", fork.of)
            }
            SwarmEvent::Quarantined { stream, required }
                if !oracle.hostile.contains(&stream.node) && !is_poisoned =>
            {
                format!("holds back {stream} for lamport {required}")
            }
            SwarmEvent::PeerUp(peer) if self.is_stranger(peer) => "lets a stranger in".to_owned(),
            SwarmEvent::PeerDown { peer, reason }
                if self.is_settled_for_good
                    && !oracle.hostile.contains(peer)
                    // Who learns of others may come to more peers than it needs.
                    && *reason != Some(RefusalReason::EnoughPeers) =>
            {
                format!("loses an honest peer when all is quiet: {reason:?}")
            }
            SwarmEvent::TooNew(stream) if !oracle.hostile.contains(&stream.node) => {
                format!("takes {stream} for a later version's")
            }
            SwarmEvent::OwnStreamElsewhere { head, .. }
                if !oracle.may_fork.contains(&head.stream.node) =>
            {
                format!("believes that {} was written elsewhere", head.stream)
            }
            SwarmEvent::OwnStreamElsewhere { head, .. }
                if head.stream.trunk().number > self.nodes[node].log.own_number =>
            {
                format!("would leave its stream because {} was written", head.stream)
            }
            _ => return,
        };
        self.violated(Some(node), what);
    }

    fn is_stranger(&self, peer: &NodeId) -> bool {
        let swarm = self.nodes[0].log.swarm;
        self.nodes.iter().any(|node| node.id == *peer && node.log.swarm != swarm)
    }

    /// After a crash, what the node acknowledged is on its disk.
    pub(super) fn check_disk(&mut self, node: usize) {
        let at = &self.nodes[node];
        let is_asked = at.is_honest() && !self.oracle.may_lose(&at.id);
        if is_asked && let Err(what) = self.oracle.check_held(&at.log, at.id) {
            self.violated(Some(node), what);
        }
    }

    /// Honest nodes whose processes run to the end.
    pub(super) fn members(&self) -> impl Iterator<Item = (usize, &ModelLog)> {
        let nodes = self.nodes.iter().enumerate();
        let honest = nodes.filter(|(_, node)| node.is_honest() && !node.is_clone);
        honest.map(|(index, node)| (index, &node.log))
    }

    /// True when all honest nodes hold the same, and nothing is under way.
    pub(super) fn is_settled(&self) -> bool {
        let mut members = self.members();
        let Some((_, first)) = members.next() else { return true };
        let held = self.comparable(first);
        members.all(|(_, log)| self.comparable(log) == held)
            && self.first_rotten().is_none()
            && self.has_freight_left().is_none()
            && self.members().all(|(index, _)| {
                let node = &self.nodes[index];
                node.publisher.outstanding.is_empty()
                    && node.live.as_ref().is_some_and(|live| live.writing.is_none())
            })
    }

    /// What two nodes must agree on: streams, and what they show.
    fn comparable(&self, log: &ModelLog) -> Vec<(StreamId, u64, u64)> {
        log.visible().filter(|shown| !self.oracle.incomparable.contains(&shown.0.node)).collect()
    }

    /// In what two nodes differ, or what keeps them from being settled.
    pub(super) fn difference(&self) -> String {
        if let Some((node, stream, first)) = self.first_rotten() {
            return format!("node {node} has a block that has rotted, at {first} of {stream}");
        }
        if let Some(node) = self.has_freight_left() {
            return format!("node {node} has cargo that does not leave");
        }
        let mut text = "the nodes do not come to the same:".to_owned();
        for (index, log) in self.members() {
            let node = &self.nodes[index];
            let held: u64 = self.comparable(log).iter().map(|(_, floor, end)| end - floor).sum();
            let waiting = node.publisher.outstanding.len();
            let is_writing = node.live.as_ref().is_none_or(|live| live.writing.is_some());
            let rest = if is_writing { ", writing" } else { "" };
            text.push_str(&format!(" node {index} holds {held}, {waiting} unanswered{rest};"));
            let first = self.members().next().map(|(_, log)| self.comparable(log));
            let ours = self.comparable(log);
            let mut other =
                ours.iter().filter(|shown| !first.iter().flatten().any(|it| it == *shown));
            if let Some((stream, floor, end)) = other.next() {
                text.push_str(&format!(" {floor}..{end} of {stream};"));
            }
        }
        if let Some(what) = self.silent_fork() {
            text.push_str(&format!(" {what}"));
        }
        text
    }

    /// Two nodes that show different events at the same place, and where: a fork that both miss.
    fn silent_fork(&self) -> Option<String> {
        let shown = |(node, log)| Shown { node, log, windows: self.comparable(log) };
        let members: Vec<Shown<'_>> = self.members().map(shown).collect();
        members.iter().enumerate().find_map(|(at, one)| {
            members[at + 1..].iter().find_map(|other| {
                let (stream, offset) = one.first_unlike(other)?;
                let (one, other) = (one.node, other.node);
                Some(format!(
                    "nodes {one} and {other} show different events at the same place, {offset} of \
                     {stream}"
                ))
            })
        })
    }

    /// Everything that must hold when all is quiet and the nodes hold the same.
    pub(super) fn check_end(&mut self) {
        let members: Vec<usize> = self.members().map(|(index, _)| index).collect();
        let logs: Vec<&ModelLog> = self.members().map(|(_, log)| log).collect();
        if let Err(what) = self.oracle.check_not_lost(&logs) {
            return self.violated(None, what);
        }
        for node in members {
            let at = &self.nodes[node];
            let log = &at.log;
            let all = self.check_same(log).and_then(|()| self.oracle.check_once(log));
            let all = match at.log.own_number >= at.number_min {
                true => all,
                false => Err("goes on in a stream that was written elsewhere".to_owned()),
            };
            let all = all.and_then(|()| at.subscriber.check(log));
            let status = at.live.as_ref().map(|live| live.swarm.status());
            let all = all.and_then(|()| self.check_status(node, &status.expect("it is running")));
            if let Err(what) = all {
                return self.violated(Some(node), what);
            }
        }
        self.check_pond();
    }

    fn check_status(&self, node: usize, status: &SwarmStatus) -> Result<(), String> {
        let counts = |stream: &StreamId| !self.oracle.hostile.contains(&stream.node);
        let held_back = status.quarantined.iter().find(|held| counts(&held.stream));
        if let Some(held) = held_back {
            return Err(format!("still holds back {}", held.stream));
        }
        let may_lose = |stream: &StreamId| self.oracle.may_lose(&stream.node);
        // Which branch a head is of is not signed: who alters frames can name one that is nowhere.
        let is_made_up = |stream: &StreamId| {
            let flips = self.plan.hostile.iter().flatten().any(|one| *one == Trait::Flips);
            flips && stream.is_branch() && !self.oracle.forked.contains(&stream.trunk())
        };
        let mut missing = status.missing.iter();
        let missing =
            missing.find(|(stream, _)| counts(stream) && !may_lose(stream) && !is_made_up(stream));
        if let Some((stream, count)) = missing {
            return Err(format!("says that {count} events of {stream} are missing"));
        }
        for to in &self.nodes[node].links {
            let id = self.nodes[*to].id;
            let is_asked = self.nodes[*to].is_honest() && !self.nodes[*to].is_clone;
            let peer = status.peers.iter().find(|peer| peer.peer == id);
            let state = peer.map(|peer| peer.state);
            if is_asked && id != self.nodes[node].id && state != Some(LinkState::Connected) {
                return Err(format!("is not connected with node {to}: {state:?}"));
            }
        }
        self.check_forks_shown(node, status)
    }

    /// Every node shows the same events in the same places, and so in the same total order.
    fn check_same(&self, log: &ModelLog) -> Result<(), String> {
        let Some((first, other)) = self.members().next() else { return Ok(()) };
        for (stream, floor, end) in self.comparable(log) {
            let (ours, theirs) = (log.events(&stream, floor), other.events(&stream, floor));
            let shown = (end - floor) as usize;
            if ours.get(..shown) != theirs.get(..shown) {
                return Err(format!(
                    "shows different events at the same place of {stream} than node {first}"
                ));
            }
        }
        Ok(())
    }

    /// All nodes know the same forks, and say so.
    fn check_forks_shown(&self, node: usize, status: &SwarmStatus) -> Result<(), String> {
        let counts = |of: &StreamId| !self.oracle.incomparable.contains(&of.node);
        let held = |log: &ModelLog| {
            let mut forks = outline(&log.forks());
            forks.retain(|(of, ..)| counts(of));
            forks
        };
        let ours = held(&self.nodes[node].log);
        let Some((first, other)) = self.members().next() else { return Ok(()) };
        if ours != held(other) {
            return Err(format!("knows other forks than node {first}"));
        }
        let shown = status.forks.iter().filter(|fork| counts(&fork.of));
        let shown = shown.map(|fork| {
            let mut branches: Vec<_> = fork.branches.iter().map(|branch| branch.0).collect();
            branches.sort_unstable();
            (fork.of, fork.at, branches)
        });
        if shown.collect::<Vec<_>>() != ours {
            return Err("shows other forks than its log holds".to_owned());
        }
        match status.crowded.iter().find(|stream| counts(stream)) {
            Some(stream) => Err(format!("has too many branches of {stream}")),
            None => Ok(()),
        }
    }
}

/// How far a frame of type `kind` says that streams are held; `None` when it cannot be read.
fn told_in(kind: u8, frame: &Bytes) -> Option<Vec<(StreamId, u64)>> {
    let count = |head: &SignedHead| (head.stream, head.count);
    if kind == RANGE || kind == BLOCK {
        let mut reader = Reader::new(frame.get(HEAD_AT..)?);
        return Some(vec![count(&SignedHead::read(&mut reader).ok()?)]);
    }
    let Ok(Decoded::Message(message)) = Message::decode(frame) else { return None };
    match *message {
        Message::Summary { heads, .. } => Some(heads.iter().map(count).collect()),
        Message::Progress { held, .. } => Some(held),
        _ => None,
    }
}

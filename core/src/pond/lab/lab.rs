//! A lab: nodes that hold events of each other, and a network that does as it is told.

use crate::error::{Error, ErrorKind, Result};
use crate::event::limits::BATCH_EVENTS_MAX;
use crate::event::{
    AppId, Event, EventBatch, EventKey, EventKind, Lamport, NewEvent, NodeId, Offset, OffsetMap,
    WallTime,
};
use crate::pond::definition::Definition;
use crate::pond::emission::Emission;
use crate::pond::lab::chance::Chance;
use crate::pond::lab::desk::Desks;
use crate::pond::lab::member::Member;
use crate::pond::lab::options::{LAB_NODES_MAX, LabOptions, LabPublished};
use crate::pond::lab::reader::View;
use crate::pond::lab::streams::Streams;
use crate::pond::lab::task::Move;
use crate::pond::lab::typed::Code;
use crate::pond::name::RESERVED_TAG_PREFIX;
use crate::query::Query;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What happened last is kept, so many lines.
const TRACE_LINES_MAX: usize = 1_000;
/// As many of them are in an error.
const SHOWN_LINES_MAX: usize = 8;
/// Where virtual wall clocks begin: 2026-01-01T00:00:00Z.
const WALL_START_MICROS: i64 = 1_767_225_600_000_000;
/// How the environment names a seed to replay.
pub(super) const SEED_VARIABLE: &str = "MILLPOND_SEED";

/// A swarm in memory, with virtual time and all chance from a seed.
///
/// Nodes are named by their index; the first is 0. Equal options and equal calls give equal
/// results. Fish are given to [`Lab::state`], [`Lab::run`] and [`Lab::check`], which judge each
/// state: it must be what the sorted log of its node gives from nothing. Where it is not, they
/// fail with `user_code` and say what is wrong with the fish.
///
/// Not in it: forks, erasing, limits of a store.
pub struct Lab {
    pub(super) seed: u64,
    pub(super) app_id: AppId,
    pub(super) members: Vec<Member>,
    pub(super) streams: Streams,
    start: Instant,
    /// Since the lab began.
    pub(super) elapsed: Duration,
    pub(super) chance: Chance,
    /// What a scenario draws changes nothing else.
    drawn: Chance,
    trace: VecDeque<String>,
    pub(super) fish: Vec<Arc<Definition>>,
    /// What is left of the task in hand.
    pub(super) moves: VecDeque<Move>,
    pub(super) state: Option<Emission>,
    /// What the judge found in this task, and at which node.
    pub(super) judged: BTreeMap<Vec<EventKey>, (usize, Bytes)>,
    pub(super) code: Code,
    pub(super) desks: Desks,
}

impl Lab {
    /// A lab whose time begins at `start`; only differences to it matter.
    ///
    /// # Errors
    /// `invalid_argument`: no node. `limit_exceeded`: more than [`LAB_NODES_MAX`].
    pub fn at(options: &LabOptions, start: Instant) -> Result<Lab> {
        if options.nodes == 0 {
            return Err(invalid("a lab has at least one node"));
        }
        if options.nodes > LAB_NODES_MAX {
            let message = format!("a lab has at most {LAB_NODES_MAX} nodes");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let app_id = options.app_id.clone().map_or_else(|| AppId::parse("com.example.lab"), Ok)?;
        let mut chance = Chance::new(options.seed);
        let drawn = chance.branch();
        let skew = u64::try_from(options.skew_max.as_micros()).unwrap_or(u64::MAX).min(1 << 52);
        let member = |_| {
            let mut node = [0; 32];
            node.chunks_mut(8).for_each(|part| part.copy_from_slice(&chance.bits().to_be_bytes()));
            let skew = chance.between(0, skew * 2) as i64 - skew as i64;
            Member::new(NodeId::from_bytes(node), skew)
        };
        let members = (0..options.nodes).map(member).collect();
        Ok(Lab {
            seed: options.seed,
            app_id,
            members,
            streams: Streams::default(),
            start,
            elapsed: Duration::ZERO,
            chance,
            drawn,
            trace: VecDeque::new(),
            fish: Vec::new(),
            moves: VecDeque::new(),
            state: None,
            judged: BTreeMap::new(),
            code: Code::default(),
            desks: Desks::new(options.nodes),
        })
    }

    /// The seed that all of it follows from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.members.len()
    }

    /// The node's id.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such node.
    pub fn node_id(&self, node: usize) -> Result<NodeId> {
        Ok(self.member(node)?.node)
    }

    /// Whether the node runs.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn is_up(&self, node: usize) -> Result<bool> {
        Ok(self.member(node)?.is_up)
    }

    /// The node's wall clock.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn time(&self, node: usize) -> Result<WallTime> {
        Ok(self.wall(self.member(node)?))
    }

    /// How much virtual time has passed.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// What is durable at the node.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn offsets(&self, node: usize) -> Result<OffsetMap> {
        Ok(self.member(node)?.held.clone())
    }

    /// A number below `end` by the seed, for a scenario to do as chance has it. `end` is at least
    /// 1; below 0 there is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.drawn.below(end.max(1))
    }

    /// What happened, in order; the last 1,000 lines.
    pub fn trace(&self) -> impl ExactSizeIterator<Item = &str> {
        self.trace.iter().map(String::as_str)
    }

    /// The node publishes: what it gives is durable there.
    ///
    /// # Errors
    /// As [`Lab::node_id`]. `closed`: the node does not run. `limit_exceeded`: more than
    /// `BATCH_EVENTS_MAX` events. `invalid_argument`: no event, or one with a tag that is reserved.
    pub fn publish(&mut self, node: usize, events: Vec<NewEvent>) -> Result<LabPublished> {
        self.append(node, events, true)
    }

    /// As [`Lab::publish`], with the durability `process`: nobody sees the events before they are
    /// durable a moment later, and a power cut before that takes them back.
    ///
    /// # Errors
    /// As [`Lab::publish`].
    pub fn publish_unsynced(&mut self, node: usize, events: Vec<NewEvent>) -> Result<LabPublished> {
        self.append(node, events, false)
    }

    /// The events that the node holds durably and the query selects, by rising key.
    ///
    /// # Errors
    /// As [`Lab::node_id`]. `closed`: the node does not run.
    pub fn query(&self, node: usize, query: &Query) -> Result<EventBatch> {
        let member = self.running(node)?;
        let (streams, held, own_node) = (&self.streams, &member.held, &member.node);
        Ok(View { streams, held, query, own_node }.all(held))
    }

    /// Parts the network: nodes of one group reach each other and no others. Nodes that are in none
    /// are one more group.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such node, or it is in two groups.
    pub fn cut(&mut self, groups: &[Vec<usize>]) -> Result<()> {
        let mut places = vec![0; self.members.len()];
        for (number, node) in
            groups.iter().enumerate().flat_map(|(i, group)| group.iter().map(move |node| (i, node)))
        {
            let place = places.get_mut(*node).ok_or_else(|| no_node(*node))?;
            if *place != 0 {
                return Err(invalid(format!("node {node} stands in two groups")));
            }
            *place = number + 1;
        }
        self.members.iter_mut().zip(places).for_each(|(member, place)| member.group = place);
        self.note(format!("cut into {groups:?}"));
        Ok(())
    }

    /// All nodes reach each other again.
    pub fn heal(&mut self) {
        self.members.iter_mut().for_each(|member| member.group = 0);
        self.note("healed".to_owned());
    }

    /// The node's process ends without warning, if it runs: what it has in memory is lost, all
    /// folds among it. What it has acknowledged stays.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn crash(&mut self, node: usize) -> Result<()> {
        self.member(node)?;
        self.sync(node);
        self.members[node].disk.sync();
        self.stop(node, "crashed");
        Ok(())
    }

    /// As [`Lab::crash`], and by a power cut: what was not durable is lost, too, that is events of
    /// [`Lab::publish_unsynced`], and some of the latest snapshots.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn cut_power(&mut self, node: usize) -> Result<()> {
        let stream = self.member(node)?.stream();
        let durable = self.members[node].held.count(&stream);
        self.streams.cut(&stream, durable);
        let member = &mut self.members[node];
        member.disk.lose(&mut self.chance);
        member.disk.sync();
        if self.chance.one_in(8) {
            member.disk.damage(&mut self.chance);
        }
        member.lamport = self.streams.lamport(&member.held);
        self.stop(node, "lost its power");
        Ok(())
    }

    /// The node runs again, if it does not.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn start(&mut self, node: usize) -> Result<()> {
        if !self.member(node)?.is_up {
            self.members[node].is_up = true;
            self.note(format!("node {node} started"));
        }
        Ok(())
    }

    pub(super) fn member(&self, node: usize) -> Result<&Member> {
        self.members.get(node).ok_or_else(|| no_node(node))
    }

    pub(super) fn running(&self, node: usize) -> Result<&Member> {
        let member = self.member(node)?;
        if member.is_up {
            return Ok(member);
        }
        Err(Error::new(ErrorKind::Closed, format!("node {node} does not run; start it first")))
    }

    pub(super) fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    pub(super) fn note(&mut self, line: String) {
        if self.trace.len() == TRACE_LINES_MAX {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:>9.3} s  {line}", self.elapsed.as_secs_f64()));
    }

    /// An error in a fish, with how to see it again.
    pub(super) fn blame(&self, fish: &Definition, reason: &'static str, what: &str) -> Error {
        let message = format!(
            "{fish} {what}; {SEED_VARIABLE}={} replays it. What happened last:\n{}",
            self.seed,
            self.happened_last()
        );
        Error::new(ErrorKind::UserCode, message).with_reason(reason)
    }

    pub(super) fn happened_last(&self) -> String {
        let shown = self.trace.len().saturating_sub(SHOWN_LINES_MAX);
        let last: Vec<&str> = self.trace.iter().skip(shown).map(String::as_str).collect();
        last.join("\n")
    }

    /// All that the node has published is durable from now on.
    pub(super) fn sync(&mut self, node: usize) {
        let member = &mut self.members[node];
        let stream = member.stream();
        member.held.raise(stream, self.streams.count(&stream));
    }

    fn append(
        &mut self,
        node: usize,
        events: Vec<NewEvent>,
        is_durable: bool,
    ) -> Result<LabPublished> {
        self.running(node)?;
        check(&events)?;
        self.write(node, events, is_durable)
    }

    /// As [`Lab::append`], also with tags that are ours.
    pub(super) fn write(
        &mut self,
        node: usize,
        events: Vec<NewEvent>,
        is_durable: bool,
    ) -> Result<LabPublished> {
        let member = self.running(node)?;
        let (stream, time, count) = (member.stream(), self.wall(member), events.len());
        let first = self.streams.count(&stream);
        let lamport = member.lamport;
        let mut keys = Vec::with_capacity(count);
        for (index, event) in (0u64..).zip(events) {
            let key = EventKey { lamport: Lamport::new(lamport + 1 + index)?, stream };
            keys.push(key);
            self.streams.push(Event {
                key,
                offset: Offset::new(first + index),
                time,
                app_id: self.app_id.clone(),
                kind: EventKind::Application,
                tags: event.tags,
                payload: event.payload,
            });
        }
        self.members[node].lamport = lamport + count as u64;
        if is_durable {
            self.sync(node);
        }
        let how = if is_durable { "" } else { ", not durable yet" };
        self.note(format!("node {node} published {count} from offset {first}{how}"));
        let mut offsets = self.members[node].held.clone();
        offsets.raise(stream, first + count as u64);
        Ok(LabPublished { keys, first: Offset::new(first), time, offsets })
    }

    pub(super) fn stop(&mut self, node: usize, how: &str) {
        self.desks.end(node);
        let member = &mut self.members[node];
        member.folds.clear();
        if member.is_up {
            member.is_up = false;
            self.note(format!("node {node} {how}"));
        }
    }

    fn wall(&self, member: &Member) -> WallTime {
        let elapsed = i64::try_from(self.elapsed.as_micros()).unwrap_or(i64::MAX / 4);
        WallTime::from_micros(WALL_START_MICROS + elapsed + member.skew_micros)
    }
}

fn check(events: &[NewEvent]) -> Result<()> {
    if events.is_empty() {
        return Err(invalid("there is no event to publish"));
    }
    if events.len() > BATCH_EVENTS_MAX {
        let message = format!("{} events; the limit is {BATCH_EVENTS_MAX}", events.len());
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    let mut tags = events.iter().flat_map(|event| event.tags.iter());
    match tags.find(|tag| tag.as_str().starts_with(RESERVED_TAG_PREFIX)) {
        None => Ok(()),
        Some(tag) => Err(invalid(format!(
            "the tag {:?} begins with {RESERVED_TAG_PREFIX:?}, which is for accounts and claims",
            tag.as_str()
        ))),
    }
}

fn no_node(node: usize) -> Error {
    invalid(format!("there is no node {node}; the first is 0"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

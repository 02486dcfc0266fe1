//! A lab: nodes that hold events of each other, and a network that does as it is told.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{
    AppId, Event, EventBatch, EventKey, EventKind, Lamport, NewEvent, NodeId, Offset, OffsetMap,
    Once, WallTime, check_batch,
};
use crate::pond::definition::Definition;
use crate::pond::emission::Emission;
use crate::pond::lab::befall::Befalls;
use crate::pond::lab::chance::Chance;
use crate::pond::lab::desk::Desks;
use crate::pond::lab::member::Member;
use crate::pond::lab::options::{LAB_NODES_MAX, LAB_SCHEDULE, LabOptions, LabPublished, TIME_MAX};
use crate::pond::lab::reader::View;
use crate::pond::lab::streams::Streams;
use crate::pond::lab::task::Move;
use crate::pond::lab::typed::Code;
use crate::pond::lab::weather::Reach;
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
/// What is published with the durability `process` is durable so much later at most.
const UNSYNCED_MICROS_MAX: u64 = 50_000;

/// A swarm in memory, with virtual time and all chance from a seed.
///
/// Nodes are named by their index; the first is 0. Equal options and equal calls give equal
/// results. Here is what befalls them; what they do is said to a node, `Lab::node`. Each state that
/// it gives and [`Lab::check`] are judged: a state must be what the sorted log of its node gives
/// from nothing. Where it is not, they fail with `user_code` and say what is wrong with the fish.
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
    /// What befalls the nodes while time passes. Nothing else draws from it, so a look changes
    /// nothing of that.
    pub(super) weather: Chance,
    /// What befalls them beside that.
    pub(super) befalls: Befalls,
    /// When folds go on, and what of them is lost.
    pub(super) works: Chance,
    /// Wall clocks are wrong by at most this.
    pub(super) skew_micros: u64,
    /// When what was published becomes durable.
    syncs: Chance,
    /// One in so many publishes is the last; 0 for none.
    pub(super) faults: u64,
    /// What a scenario draws.
    drawn: Chance,
    /// Who lacks what, while that is known.
    pub(super) reach: Option<Reach>,
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
    /// `invalid_argument`: no node. `limit_exceeded`: more than [`LAB_NODES_MAX`], or clocks that
    /// are wrong by more than a century.
    pub fn at(options: &LabOptions, start: Instant) -> Result<Lab> {
        if options.nodes == 0 {
            return Err(invalid("a lab has at least one node"));
        }
        if options.nodes > LAB_NODES_MAX {
            let message = format!("a lab has at most {LAB_NODES_MAX} nodes");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        if options.skew_max > TIME_MAX {
            return Err(too_long("a wall clock is wrong"));
        }
        let app_id = options.app_id.clone().map_or_else(|| AppId::parse("com.example.lab"), Ok)?;
        let mut chance = Chance::new(options.seed);
        let (drawn, weather) = (chance.branch(), chance.branch());
        let (works, syncs) = (chance.branch(), chance.branch());
        let skew = options.skew_max.as_micros() as u64;
        let member = |_| {
            let mut node = [0; 32];
            node.chunks_mut(8).for_each(|part| part.copy_from_slice(&chance.bits().to_be_bytes()));
            let skew = chance.between(0, skew * 2) as i64 - skew as i64;
            Member::new(NodeId::from_bytes(node), skew)
        };
        let members = (0..options.nodes).map(member).collect();
        let mut lab = Lab {
            seed: options.seed,
            app_id,
            members,
            streams: Streams::default(),
            start,
            elapsed: Duration::ZERO,
            weather,
            befalls: Befalls::new(options.without.clone()),
            works,
            syncs,
            skew_micros: skew,
            faults: options.faults,
            drawn,
            reach: None,
            trace: VecDeque::new(),
            fish: Vec::new(),
            moves: VecDeque::new(),
            state: None,
            judged: BTreeMap::new(),
            code: Code::default(),
            desks: Desks::new(options.nodes),
        };
        lab.note(lab.name());
        Ok(lab)
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

    /// Which life of the node this is: another one after each end of its process.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn life(&self, node: usize) -> Result<u64> {
        Ok(self.member(node)?.life)
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

    /// The node publishes; with `once` that is remembered. Not `is_durable`: nobody sees the events
    /// before they are durable a moment later, and a power cut before that may take them back.
    ///
    /// # Errors
    /// As [`Lab::node_id`]. `closed`: the node does not run, or dies in the middle of it
    /// ([`LabOptions::faults`]): then they are stored or not. `limit_exceeded`,
    /// `invalid_argument`: that cannot be appended together.
    pub(crate) fn publish_as(
        &mut self,
        node: usize,
        events: Vec<NewEvent>,
        is_durable: bool,
        once: Option<Once>,
    ) -> Result<LabPublished> {
        self.running(node)?;
        check_batch(&events)?;
        let death = self.death(node);
        if death == Some(false) {
            self.note(format!("node {node} dies before it stores {} events", events.len()));
            return Err(self.dead(node));
        }
        let appended = self.append(node, events, is_durable);
        if appended.is_err() {
            self.befalls.in_hand = None;
        }
        let published = appended?;
        if let Some(once) = once {
            let remembered = &mut self.desks.nodes[node].remembered;
            remembered.insert(once.key, (once, published.clone()));
        }
        if death.is_some() {
            self.note(format!("node {node} dies before it says that they are stored"));
            return Err(self.dead(node));
        }
        Ok(published)
    }

    /// What the key stands for that something was published with.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub(crate) fn remembered(
        &self,
        node: usize,
        key: &[u8; 32],
    ) -> Result<Option<&(Once, LabPublished)>> {
        self.running(node)?;
        Ok(self.desks.nodes[node].remembered.get(key))
    }

    /// How many events the node's stream has, durable or not.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub(crate) fn own_count(&self, node: usize) -> Result<u64> {
        Ok(self.streams.count(&self.running(node)?.stream()))
    }

    /// Who publishes.
    pub(crate) fn app_id(&self) -> &AppId {
        &self.app_id
    }

    /// The events that the node holds durably and the query selects, by rising key.
    ///
    /// # Errors
    /// As [`Lab::node_id`]. `closed`: the node does not run.
    pub(crate) fn query(&self, node: usize, query: &Query) -> Result<EventBatch> {
        let member = self.running(node)?;
        let (streams, held, own_node) = (&self.streams, &member.held, &member.node);
        Ok(View { streams, held, query, own_node }.all(held))
    }

    /// The events that any node holds durably and the query selects, by rising key; `isLocal` is
    /// what the first node published. For checks of what is declared of a fish.
    pub fn events(&self, query: &Query) -> EventBatch {
        let mut held = OffsetMap::new();
        self.members.iter().for_each(|member| held.join(&member.held));
        let (streams, own_node) = (&self.streams, &self.members[0].node);
        View { streams, held: &held, query, own_node }.all(&held)
    }

    /// Parts the network, in the place of what parted it before: nodes of one group reach each
    /// other and no others. Nodes that are in none are one more group.
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
        self.reach = None;
        self.note(format!("cut into {groups:?}"));
        Ok(())
    }

    /// All nodes reach each other again.
    pub fn heal(&mut self) {
        self.members.iter_mut().for_each(|member| member.group = 0);
        self.reach = None;
        self.note("healed".to_owned());
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
        let by = self.befalls.in_hand.map_or_else(String::new, |number| format!("[{number}] "));
        self.trace.push_back(format!("{:>9.3} s  {by}{line}", self.elapsed.as_secs_f64()));
    }

    /// An error in a fish, with how to see it again.
    pub(super) fn blame(&self, fish: &Definition, reason: &'static str, what: &str) -> Error {
        let message = format!(
            "{fish} {what}; this is {}. What happened last:\n{}",
            self.name(),
            self.happened_last()
        );
        Error::new(ErrorKind::UserCode, message).with_reason(reason)
    }

    /// Which run this is, for people.
    pub(super) fn name(&self) -> String {
        format!("seed {} of the lab, schedule {LAB_SCHEDULE}", self.seed)
    }

    pub(super) fn happened_last(&self) -> String {
        let shown = self.trace.len().saturating_sub(SHOWN_LINES_MAX);
        let last: Vec<&str> = self.trace.iter().skip(shown).map(String::as_str).collect();
        last.join("\n")
    }

    pub(super) fn append(
        &mut self,
        node: usize,
        events: Vec<NewEvent>,
        is_durable: bool,
    ) -> Result<LabPublished> {
        self.running(node)?;
        check_batch(&events)?;
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
        let key_of = |index| Ok(EventKey { lamport: Lamport::new(lamport + 1 + index)?, stream });
        for (index, event) in (0u64..).zip(events) {
            let key = key_of(index)?;
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
        } else {
            let member = &mut self.members[node];
            let wait = Duration::from_micros(self.syncs.between(0, UNSYNCED_MICROS_MAX));
            let last = member.unsynced.back().map_or(Duration::ZERO, |(_, due)| *due);
            let due = last.max(self.elapsed + wait);
            member.unsynced.push_back((first + count as u64, due));
        }
        let how = if is_durable { "" } else { ", not durable yet" };
        self.note(format!("node {node} published {count} from offset {first}{how}"));
        let mut offsets = self.members[node].held.clone();
        offsets.raise(stream, first + count as u64);
        let (key, count, first) = (key_of(0)?, count as u64, Offset::new(first));
        Ok(LabPublished { key, count, first, time, offsets })
    }

    fn wall(&self, member: &Member) -> WallTime {
        let elapsed = i64::try_from(self.elapsed.as_micros()).unwrap_or(i64::MAX / 4);
        WallTime::from_micros(WALL_START_MICROS + elapsed + member.skew_micros)
    }
}

pub(super) fn too_long(what: &str) -> Error {
    Error::new(ErrorKind::LimitExceeded, format!("{what} by at most a century in a lab"))
}

fn no_node(node: usize) -> Error {
    invalid(format!("there is no node {node}; the first is 0"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

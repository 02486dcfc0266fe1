//! What connects the nodes: pipes with a delay that keep order, until they break.

use super::{Event, PART_EVERY, Pipe, World, connection_of, pair, pipe_end};
use crate::sync::message::{RangeClaims, peek_range};
use crate::sync::{ConnectionId, Input, Lane};
use bytes::Bytes;
use std::time::Duration;

impl World {
    pub(super) fn send(&mut self, node: usize, connection: ConnectionId, lane: Lane, bytes: Bytes) {
        let (number, end) = pipe_end(connection);
        self.trace.update(&(self.elapsed().as_nanos() as u64).to_le_bytes());
        self.trace.update(&(node as u64).to_le_bytes());
        self.trace.update(&bytes);
        let at = &mut self.nodes[node];
        let unsent = at.unsent.entry((connection, lane)).or_default();
        *unsent += bytes.len();
        at.unsent_max = at.unsent_max.max(*unsent);
        let jitter = Duration::from_micros(self.draw(500));
        let Some(pipe) = self.pipes.get_mut(&number) else { return };
        let to = 1 - end;
        let begin = (self.now + self.latency + jitter).max(pipe.last[to][lane.index()]);
        let rate = self.bandwidth.get(&(node, pipe.ends[to])).copied();
        let nanos = rate.map_or(0, |rate| bytes.len() as u64 * 1_000_000_000 / rate);
        let arrival = begin + Duration::from_nanos(nanos);
        pipe.last[to][lane.index()] = arrival;
        if let Some(bytes) = rate.map(|rate| rate as usize / 4).filter(|_| nanos > 250_000_000) {
            let part = Event::Part { pipe: number, to, bytes, until: arrival };
            self.schedule(begin + PART_EVERY, part);
        }
        self.schedule(arrival, Event::Frame { pipe: number, to, lane, bytes });
    }

    /// Ends a connection. Frames on their way are lost, unless `by` ended it.
    pub(super) fn close(&mut self, number: u64, by: Option<usize>, code: Option<u64>) {
        let in_flight =
            |event: &Event| matches!(event, Event::Frame { pipe, .. } if *pipe == number);
        let flying: Vec<_> =
            self.queue.iter().filter(|(_, event)| in_flight(event)).map(|(at, _)| *at).collect();
        let frames: Vec<Event> = flying.iter().filter_map(|at| self.queue.remove(at)).collect();
        let Some(pipe) = self.pipes.get(&number) else { return };
        let ends = pipe.ends;
        if let Some(by) = by {
            let to = usize::from(ends[0] == by);
            for event in frames {
                if let Event::Frame { to: end, lane, bytes, .. } = event
                    && end == to
                {
                    self.arrive(number, ends, end, lane, bytes);
                }
            }
        }
        self.pipes.remove(&number);
        for (end, node) in ends.into_iter().enumerate() {
            if Some(node) != by {
                let connection = connection_of(number, end);
                self.give(node, Input::Disconnected { connection, code });
            }
        }
    }

    /// `node` gives up its connection with `other`, which hears nothing of that.
    pub(in super::super) fn give_up(&mut self, node: usize, other: usize) {
        let between =
            |pipe: &Pipe| !pipe.is_dead && pair(pipe.ends[0], pipe.ends[1]) == pair(node, other);
        let mut pipes = self.pipes.iter_mut();
        let (number, pipe) = pipes.find(|(_, pipe)| between(pipe)).expect("they are connected");
        pipe.is_dead = true;
        let connection = connection_of(*number, usize::from(pipe.ends[1] == node));
        self.give(node, Input::Disconnected { connection, code: None });
    }

    /// The ends of a pipe, if what is on its way to the end `to` gets there.
    pub(super) fn ends_in_touch(&mut self, pipe: u64, to: usize) -> Option<[usize; 2]> {
        let state = self.pipes.get_mut(&pipe)?;
        let ends = state.ends;
        state.is_dead |= self.muted.contains(&pair(ends[0], ends[1]));
        (!state.is_dead && !self.slow.contains(&ends[to])).then_some(ends)
    }

    pub(super) fn arrive(
        &mut self,
        pipe: u64,
        ends: [usize; 2],
        to: usize,
        lane: Lane,
        bytes: Bytes,
    ) {
        let (sender, receiver) = (ends[1 - to], ends[to]);
        let bytes = match &mut self.tamper {
            Some(tamper) => tamper(sender, receiver, &bytes),
            None => bytes,
        };
        let node = &mut self.nodes[receiver];
        if let Some(RangeClaims { head, first, .. }) = peek_range(&bytes) {
            node.events_received += head.count - first;
        }
        if node.keeps_frames {
            node.frames_received.push(bytes.clone());
        }
        let connection = connection_of(pipe, to);
        self.give(receiver, Input::Frame { connection, lane, bytes });
    }

    pub(in super::super) fn connect(&mut self, from: usize, to: usize) {
        if self.cut.contains(&pair(from, to)) {
            let peer = self.id(to);
            return self.give(from, Input::DialFailed { peer });
        }
        let number = self.pipe_count;
        self.pipe_count += 1;
        self.pipes
            .insert(number, Pipe { ends: [from, to], last: [[self.now; 2]; 2], is_dead: false });
        let binding = *blake3::hash(&number.to_le_bytes()).as_bytes();
        for (end, (node, other)) in [(from, to), (to, from)].into_iter().enumerate() {
            let (connection, peer) = (connection_of(number, end), self.id(other));
            self.give(node, Input::Connected { connection, peer, binding, dialed: end == 0 });
        }
    }
}

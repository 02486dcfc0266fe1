//! The applications on a simulated node: one that publishes and tries again until it is answered,
//! and one that reads in arrival order and keeps its place.
//!
//! Both keep what they need over a crash. Not here: the log. Begin with `World::publish`.

use crate::sim::group::{Answer, Publish, Request};
use crate::sim::log::ModelLog;
use crate::sim::world::{Event, World};
use millpond::event::StreamId;
use millpond::planted;
use std::collections::BTreeMap;
use std::time::Duration;

/// An application that publishes.
#[derive(Clone, Debug, Default)]
pub(super) struct Publisher {
    /// What it was not answered yet, by key.
    pub(super) outstanding: BTreeMap<u64, Publish>,
}

/// An application that reads everything once.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscriber {
    position: BTreeMap<StreamId, u64>,
    saved: BTreeMap<StreamId, u64>,
    /// How often each event was delivered.
    delivered: BTreeMap<StreamId, Vec<u8>>,
    since_save: u64,
    /// Times that it went back to its saved place.
    restarts: u8,
}

impl Subscriber {
    /// The process began anew.
    pub(super) fn restart(&mut self) {
        self.position = self.saved.clone();
        self.restarts = self.restarts.saturating_add(1);
        if planted!("subscriber_skips_at_the_seam") {
            self.position.values_mut().for_each(|count| *count += 1);
        }
    }

    /// The disk holds less than it did.
    pub(super) fn go_back(&mut self, log: &ModelLog) {
        for (stream, count) in &mut self.saved {
            *count = (*count).min(log.visible_end(stream));
        }
        for (stream, times) in &mut self.delivered {
            times.truncate(log.visible_end(stream) as usize);
        }
        self.position = self.saved.clone();
    }

    /// Takes what a stream shows, from `floor` on. A place beyond what it shows is before a fork.
    fn take(&mut self, stream: StreamId, floor: u64, count: u64) {
        let position = self.position.entry(stream).or_default();
        *position = (*position).max(floor).min(count);
        let times = self.delivered.entry(stream).or_default();
        times.resize((count as usize).max(times.len()), 0);
        for offset in *position..count {
            times[offset as usize] = times[offset as usize].saturating_add(1);
            self.since_save += 1;
        }
        *position = count;
    }

    /// Every event of `log` was delivered, and again only after a restart.
    ///
    /// # Errors
    /// A sentence: one was not, or too often.
    pub(super) fn check(&self, log: &ModelLog) -> Result<(), String> {
        for (stream, floor, count) in log.visible() {
            let times = self.delivered.get(&stream).map_or(&[][..], |times| times);
            let shown = times.get(floor as usize..count as usize).unwrap_or(&[]);
            if shown.len() as u64 != count - floor {
                return Err(format!("{} of {count} events of {stream} delivered", times.len()));
            }
            if let Some(offset) = shown.iter().position(|times| *times == 0) {
                let offset = floor + offset as u64;
                return Err(format!("event {offset} of {stream} was not delivered"));
            }
            if shown.iter().any(|times| *times > self.restarts) {
                return Err(format!("an event of {stream} was delivered too often"));
            }
        }
        Ok(())
    }
}

impl World {
    /// A process has begun: its applications go on.
    pub(super) fn after_start(&mut self, node: usize) {
        let run = self.nodes[node].run;
        let keys: Vec<u64> = self.nodes[node].publisher.outstanding.keys().copied().collect();
        for key in keys {
            let after = self.random.time(Duration::from_millis(10), Duration::from_secs(1));
            self.schedule(self.now + after, Event::Retry { node, run, key });
        }
        let after = self.random.around(self.plan.publish_every);
        self.schedule(self.now + after, Event::Publish { node, run });
        self.schedule(self.now + Duration::from_millis(5), Event::Deliver { node, run });
        if self.nodes[node].personality.is_some() {
            self.schedule(self.now + Duration::from_secs(1), Event::Mischief { node, run });
        }
    }

    pub(super) fn publish(&mut self, node: usize) {
        if self.is_quiet {
            return;
        }
        let key = self.next_key;
        self.next_key += 1;
        let (events, padding) = (self.plan.events_max, self.plan.padding_max);
        let many = self.random.chance(0.1);
        let count = if many { self.random.between(1, events) } else { 1 } as u32;
        let padding =
            if self.random.chance(self.plan.padded) { self.random.below(padding + 1) } else { 0 };
        let publish = Publish { key, count, padding: padding as u32, deed: None };
        if self.random.chance(self.plan.retries) {
            self.nodes[node].publisher.outstanding.insert(key, publish.clone());
        }
        self.request(node, Request::Append(publish));
        let (run, after) = (self.nodes[node].run, self.random.around(self.plan.publish_every));
        self.schedule(self.now + after, Event::Publish { node, run });
    }

    pub(super) fn retry(&mut self, node: usize, key: u64) {
        let publish = self.nodes[node].publisher.outstanding.get(&key).cloned();
        if let Some(publish) = publish {
            self.request(node, Request::Append(publish));
        }
    }

    /// The log answers a publish.
    pub(super) fn answer_app(&mut self, node: usize, answer: Answer) {
        let key = match answer {
            Answer::Appended(key, receipt) => {
                self.nodes[node].publisher.outstanding.remove(&key);
                self.landed(node, key);
                self.figures.events += receipt.count;
                self.observe(node, 5, &key.to_le_bytes());
                if self.nodes[node].is_honest()
                    && let Err(what) = self.oracle.acknowledge(key, receipt, &self.nodes[node].log)
                {
                    return self.violated(Some(node), what);
                }
                return self.session_wrote(node, key, receipt);
            }
            Answer::NotAppended(key) => key,
            Answer::Refused(Request::Append(publish), _) => publish.key,
            _ => return,
        };
        self.landed(node, key);
        let after = self.random.time(Duration::from_millis(200), Duration::from_secs(3));
        let run = self.nodes[node].run;
        self.schedule(self.now + after, Event::Retry { node, run, key });
    }

    /// The subscriber takes what is there, and sometimes saves its place.
    pub(super) fn deliver(&mut self, node: usize) {
        let saves = self.random.chance(0.3);
        let at = &mut self.nodes[node];
        let shown: Vec<(StreamId, u64, u64)> = at.log.visible().collect();
        for (stream, floor, count) in shown {
            at.subscriber.take(stream, floor, count);
        }
        if saves && at.subscriber.since_save > 0 {
            at.subscriber.saved = at.subscriber.position.clone();
            at.subscriber.since_save = 0;
        }
        self.pond_looks(node);
    }
}

//! A node's figures as text in the exposition format of Prometheus, version 0.0.4.
//!
//! Rule: names are `millpond_`, what, unit; what only grows ends in `_total` and begins anew when
//! the node opens. Labels are few: states, reasons, and at most `PEERS_MAX` peers by short node id.

use crate::driver::contact::Tally;
use crate::driver::status::{PeerStatus, Status};
use crate::log::LogCounts;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::time::Duration;

/// Most peers that have figures of their own; connected ones come first.
const PEERS_MAX: usize = 64;

const STATES: [&str; 5] = ["connected", "greeting", "dialing", "waiting", "idle"];

/// The text.
pub(crate) fn text(status: &Status, tally: &Tally, counts: &LogCounts) -> String {
    let mut page = Page(String::new());
    page.events(status, tally, counts);
    page.network(status, tally);
    page.peers(&status.peers);
    page.store(status, counts);
    page.0
}

struct Page(String);

impl Page {
    fn events(&mut self, status: &Status, tally: &Tally, counts: &LogCounts) {
        let forked = status.forked.len();
        self.gauge("events_held", "Events that are durable here.", status.events);
        self.gauge("streams_held", "Streams held.", status.store.stream_count);
        self.counter("events_published", "Events published and durable.", counts.published);
        self.counter("events_received", "Events received and durable.", counts.received);
        let help = "Events received that were held already.";
        self.counter("events_duplicate", help, tally.duplicates);
        self.gauge("lag_events", "Events known of and not held.", status.lag);
        self.gauge("streams_forked", "Streams with two histories.", forked);
        let help = "Streams held back for their lamport.";
        self.gauge("streams_quarantined", help, status.quarantined.len());
        let help = "Streams that wait for an upgrade of this node.";
        self.gauge("streams_too_new", help, status.too_new.len());
        self.gauge("cursors_open", "Cursors that are open.", counts.cursors);
        self.gauge("subscriptions_open", "Subscriptions that are open.", counts.subscriptions);
    }

    fn network(&mut self, status: &Status, tally: &Tally) {
        let help = "1 while the node is on the network.";
        self.gauge("network_enabled", help, u8::from(status.network));
        let help = "Nodes that were heard of and are not in reach.";
        self.gauge("nodes_unheard", help, status.unheard.len());
        self.family("peers", "gauge", "Peers by state.");
        for state in STATES {
            let count = status.peers.iter().filter(|peer| peer.state == state).count();
            self.sample("peers", &[("state", state)], count);
        }
        self.counter("received_bytes", "Bytes of frames received.", tally.bytes_in);
        self.counter("sent_bytes", "Bytes of frames sent.", tally.bytes_out);
        self.counter("dials", "Dials.", tally.dials);
        self.counter("sessions_begun", "Sessions that began.", tally.sessions);
        self.family("sessions_refused_total", "counter", "Sessions refused, by reason and side.");
        for ((reason, by_us), count) in &tally.refused {
            let by = if *by_us { "us" } else { "peer" };
            let labels = [("reason", reason.name()), ("by", by)];
            self.sample("sessions_refused_total", &labels, count);
        }
    }

    fn peers(&mut self, peers: &[PeerStatus]) {
        let is_connected = |peer: &&PeerStatus| peer.state == "connected";
        let others = peers.iter().filter(|peer| !is_connected(peer));
        let mut shown = BTreeMap::new();
        for peer in peers.iter().filter(is_connected).chain(others).take(PEERS_MAX) {
            // Two short ids that are equal would be one series.
            shown.entry(peer.node.short()).or_insert(peer);
        }
        type Value = fn(&PeerStatus) -> Option<String>;
        let figures: [(&str, &str, &str, Value); 7] = [
            ("peer_connected", "gauge", "1 while there is a session.", |peer| {
                Some(u8::from(peer.state == "connected").to_string())
            }),
            ("peer_round_trip_seconds", "gauge", "A small message there and back.", |peer| {
                peer.round_trip.map(seconds)
            }),
            ("peer_silent_seconds", "gauge", "Since the peer was last heard.", |peer| {
                peer.last_contact.map(seconds)
            }),
            ("peer_lag_events", "gauge", "Events that it has and we lack.", |peer| {
                Some(peer.lag.to_string())
            }),
            ("peer_behind_events", "gauge", "Events that we have and it lacks.", |peer| {
                Some(peer.behind.to_string())
            }),
            ("peer_received_bytes_total", "counter", "Bytes received from it.", |peer| {
                Some(peer.total_bytes_in.to_string())
            }),
            ("peer_sent_bytes_total", "counter", "Bytes sent to it.", |peer| {
                Some(peer.total_bytes_out.to_string())
            }),
        ];
        for (name, kind, help, value) in figures {
            self.family(name, kind, help);
            for (id, peer) in &shown {
                if let Some(value) = value(peer) {
                    self.sample(name, &[("peer", id)], value);
                }
            }
        }
    }

    fn store(&mut self, status: &Status, counts: &LogCounts) {
        let store = &status.store;
        self.counter("commits", "Records written to the journal.", counts.commits);
        self.family("sync_seconds", "summary", "Syncs of the journal.");
        self.sample("sync_seconds_sum", &[], seconds(counts.sync_time));
        self.sample("sync_seconds_count", &[], counts.syncs);
        self.counter("checkpoints", "Checkpoints.", counts.checkpoints);
        self.gauge(
            "tail_bytes",
            "Memory of events that are only in the journal.",
            store.tail_bytes,
        );
        self.gauge("table_bytes", "The file of tables.", store.table_bytes);
        self.gauge("journal_bytes", "The files of the journal.", store.journal_bytes);
        if let Some(free) = store.free_bytes {
            self.gauge("disk_free_bytes", "What the file system has left.", free);
        }
        let help = "1 while publishes are refused for lack of room.";
        self.gauge("disk_full", help, u8::from(store.full));
        let help = "1 while the last commit has failed.";
        self.gauge("storage_trouble", help, u8::from(store.trouble.is_some()));
        self.gauge("damages", "Damaged places of the store.", store.damages.len());
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        let name = format!("{name}_total");
        self.family(&name, "counter", help);
        self.sample(&name, &[], value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let lines = format!("# HELP millpond_{name} {help}\n# TYPE millpond_{name} {kind}\n");
        self.0.push_str(&lines);
    }

    /// Values of labels are ours and need no escape.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        writeln!(self.0, "millpond_{name}{labels} {value}").expect("text takes everything");
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}

//! One machine of a lab: its network, its store, and the node that runs there, or does not.

use crate::netlab::lab::PORT;
use crate::netlab::namespace::Namespace;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest wait for the answer to an order.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine with a millpond node on it.
pub struct Host {
    namespace: Namespace,
    number: u8,
    program: PathBuf,
    store: PathBuf,
    discovery: bool,
    cap: u64,
    node_id: String,
    process: Option<Process>,
}

struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Events of its own streams.
    pub own: u64,
    /// All events.
    pub total: u64,
    /// The same of two nodes when they hold the same events.
    pub map: String,
}

/// What a node says of a peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Who.
    pub node: String,
    /// As in `PeerStatus`.
    pub state: String,
    /// Bytes of frames received in this session.
    pub bytes_in: u64,
    /// Bytes of frames sent in this session.
    pub bytes_out: u64,
    /// How long the session stands.
    pub connected_for: Duration,
}

impl Host {
    pub(crate) fn new(namespace: Namespace, number: u8, program: &Path, folder: &Path) -> Host {
        let store = folder.join(format!("host-{number}"));
        let (program, node_id) = (program.to_owned(), String::new());
        Host { namespace, number, program, store, discovery: false, cap: 0, node_id, process: None }
    }

    /// From 1 on; the last byte of its addresses.
    pub fn number(&self) -> u8 {
        self.number
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its nodes will send each peer so many bytes a second at most.
    pub fn sends_at_most(mut self, bytes_per_second: u64) -> Host {
        self.cap = bytes_per_second;
        self
    }

    /// Its nodes will look for others by multicast.
    pub fn discovers(mut self) -> Host {
        self.discovery = true;
        self
    }

    /// Runs a shell script in its network; gives what it printed.
    ///
    /// # Panics
    /// When the script fails.
    pub fn shell(&self, script: &str) -> String {
        self.namespace.shell(script).expect("the script runs")
    }

    /// Replaces what is filtered: `incoming` and `outgoing` are lines of nftables, which may name
    /// `counter name a`, `b`, and `c`. Those begin at 0.
    pub fn filter(&self, incoming: &str, outgoing: &str) {
        self.shell(&format!(
            "nft -f - <<'RULES'
            add table inet lab
            delete table inet lab
            table inet lab {{
                counter a {{ }}
                counter b {{ }}
                counter c {{ }}
                chain incoming {{
                    type filter hook input priority 0
                    {incoming}
                }}
                chain outgoing {{
                    type filter hook output priority 0
                    {outgoing}
                }}
            }}
RULES
            "
        ));
    }

    /// Packets and bytes of IP that a counter of the filter has counted.
    pub fn counted(&self, counter: &str) -> (u64, u64) {
        let said = self.shell(&format!("nft list counter inet lab {counter}"));
        let after = |word: &str| {
            let mut words = said.split_whitespace().skip_while(|found| *found != word);
            words.nth(1).and_then(|number| number.parse().ok()).expect("nft tells a number")
        };
        (after("packets"), after("bytes"))
    }

    /// Starts the node, on the store that is there.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let program = self.program.to_str().expect("its path is UTF-8");
        let mut command = self.namespace.command(program);
        command.arg(&self.store).arg(PORT.to_string());
        if self.discovery {
            command.arg("discovery");
        }
        if self.cap > 0 {
            command.arg(format!("cap={}", self.cap));
        }
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.expect("the node starts");
        let orders = child.stdin.take().expect("it is piped");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let (say, answers) = channel();
        // Ends with the process.
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        self.process = Some(Process { child, orders, answers });
        let said = self.answer();
        self.node_id = said.strip_prefix("N ").expect("its node id comes first").to_owned();
    }

    /// Ends the node with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Both fail only when it has ended already.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }

    /// Gives an order without waiting for the answer.
    pub fn order(&mut self, order: &str) {
        let process = self.process.as_mut().expect("the node runs");
        writeln!(process.orders, "{order}").expect("the node takes orders");
    }

    /// Gives an order and waits for the answer.
    ///
    /// # Panics
    /// When none comes within a minute, or the node has ended.
    pub fn ask(&mut self, order: &str) -> String {
        self.order(order);
        self.answer()
    }

    /// The next line of the node that is no mere sign of progress.
    pub fn answer(&mut self) -> String {
        let process = self.process.as_mut().expect("the node runs");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match process.answers.recv_timeout(left) {
                Ok(line) if line == "a" => {}
                Ok(line) => return line,
                Err(error) => panic!("host {}: no answer: {error}", self.number),
            }
        }
    }

    /// Publishes events that nothing can make smaller, and waits until they are durable.
    pub fn publish(&mut self, count: u64, bytes: u64) {
        self.publish_as("lab", count, bytes);
    }

    /// As [`Host::publish`], with another tag than `lab`.
    pub fn publish_as(&mut self, tag: &str, count: u64, bytes: u64) {
        assert_eq!(self.ask(&format!("publish {tag} {count} {bytes}")), "A");
    }

    /// Number of events that it holds with this tag.
    pub fn count(&mut self, tag: &str) -> u64 {
        let said = self.ask(&format!("count {tag}"));
        said.strip_prefix("Q ").and_then(|number| number.parse().ok()).expect("a number")
    }

    /// Tells the node to stay connected to the one at `address` of `other`, which must run.
    pub fn connect_at(&mut self, other: &Host, address: &str) {
        let order = format!("connect {}@{address}:{PORT}", other.node_id);
        assert_eq!(self.ask(&order), "C");
    }

    /// As [`Host::connect_at`], in network 0.
    pub fn connect(&mut self, other: &Host) {
        self.connect_at(other, &format!("10.77.0.{}", other.number));
    }

    /// What it holds now.
    pub fn held(&mut self) -> Held {
        let said = self.ask("held");
        let words: Vec<&str> = said.split(' ').collect();
        let ["H", own, total, map] = words[..] else { panic!("not what was asked: {said}") };
        let number = |text: &str| text.parse().expect("a number");
        Held { own: number(own), total: number(total), map: map.to_owned() }
    }

    /// Number of events and their digest in the one order, after the node has checked its store.
    pub fn digest(&mut self) -> String {
        self.ask("digest")
    }

    /// Every peer that the node knows.
    pub fn peers(&mut self) -> Vec<Peer> {
        let said = self.ask("peers");
        let peer = |text: &str| {
            let words: Vec<&str> = text.split(':').collect();
            let number = |index: usize| words[index].parse().expect("a number");
            Peer {
                node: words[0].to_owned(),
                state: words[1].to_owned(),
                bytes_in: number(2),
                bytes_out: number(3),
                connected_for: Duration::from_millis(number(4)),
            }
        };
        said.split(' ').skip(1).map(peer).collect()
    }

    /// What the node says of the one on `other`; nothing when it does not know it.
    pub fn peer(&mut self, other: &Host) -> Option<Peer> {
        self.peers().into_iter().find(|peer| peer.node == other.node_id)
    }

    /// A figure without labels, by its name, as docs/status.md has them.
    pub fn figure(&mut self, name: &str) -> u64 {
        let said = self.ask(&format!("figure {name}"));
        said.strip_prefix("M ").and_then(|number| number.parse().ok()).expect("a number")
    }

    /// The node's id, once it has run.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// KiB of memory that belong to the running node alone.
    pub fn memory(&self) -> u64 {
        let process = self.process.as_ref().expect("the node runs");
        let path = format!("/proc/{}/status", process.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("Linux says");
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// True while there is a session with the node on `other`.
    pub fn is_connected(&mut self, other: &Host) -> bool {
        self.peer(other).is_some_and(|peer| peer.state == "connected")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
    }
}

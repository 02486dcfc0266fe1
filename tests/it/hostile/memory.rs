//! What a peer can make a node hold, as the kernel counts it: the node is a process of its own.

use super::puppet::{Line, Puppet, fresh_key};
use crate::nodes::PATIENCE;
use crate::support::Scratch;
use millpond::PeerAddress;
use millpond::event::limits::FRAME_BYTES_MAX;
use millpond::event::{NodeId, StreamId, SwarmSecret};
use millpond::sync::Message;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// That of the program's node.
const SECRET: SwarmSecret = SwarmSecret::from_bytes([0x1a; 32]);
/// What a stranger costs beside its connection, and a member beside its own.
const STRANGER_KIB_MAX: i64 = 64;
const MEMBER_KIB_MAX: i64 = 2048;
/// While nothing more is taken for so long, nothing more will be.
const STANDSTILL: Duration = Duration::from_millis(300);

/// A node in another process.
struct Apart {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    address: PeerAddress,
}

impl Apart {
    fn start(scratch: &Scratch) -> Apart {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lab_node"))
            .arg(scratch.path().join("store"))
            .arg("127.0.0.1:0")
            // One arena: what is measured is what is held, not what threads keep for themselves.
            .env("MALLOC_ARENA_MAX", "1")
            .env("MALLOC_MMAP_THRESHOLD_", "65536")
            .env("MALLOC_TRIM_THRESHOLD_", "65536")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built");
        let orders = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let address = PeerAddress { node: NodeId::from_bytes([0; 32]), addresses: Vec::new() };
        let mut node = Apart { child, orders, answers, address };
        let name = node.answer();
        let addresses = node.ask("addresses");
        let text =
            format!("{}@{}", name.trim_start_matches("N "), addresses.trim_start_matches("T "));
        node.address = text.parse().expect("it says where it is");
        node
    }

    fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").expect("it listens");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        line.trim().to_owned()
    }

    /// KiB of memory that belong to it alone.
    fn memory(&mut self) -> i64 {
        self.ask("held");
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("Linux says");
        let number: String = line.chars().filter(char::is_ascii_digit).collect();
        number.parse().expect("a number")
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_stranger_costs_at_most_64_kib_and_what_the_connection_itself_takes() {
    const STRANGERS: usize = 192;
    let scratch = Scratch::new("strangers");
    let mut node = Apart::start(&scratch);
    // The first connections make the node get what it needs once.
    drop(strangers(&node.address, 8, &[]));
    let before = node.memory();
    let silent = strangers(&node.address, STRANGERS, &[]);
    let bare = node.memory() - before;
    drop(silent);
    let mut bytes = Vec::new();
    for _ in 0..100 {
        bytes.extend_from_slice(&4096u32.to_le_bytes());
        bytes.resize(bytes.len() + 4096, 0xff);
    }
    // A frame that must wait for the admission stops the node from reading on.
    let blocked = [&100_000u32.to_le_bytes()[..], &bytes].concat();
    let crowd = strangers(&node.address, STRANGERS, &blocked);
    // From the same beginning: what the silent ones gave back is used again.
    let full = node.memory() - before;
    let each = (full - bare) / STRANGERS as i64;
    println!(
        "{STRANGERS} strangers: {} KiB each when silent, {each} KiB more when they send",
        bare / STRANGERS as i64
    );
    assert!(each <= STRANGER_KIB_MAX, "{each} KiB a stranger");
    drop(crowd);
}

/// So many connections that were not greeted, each of which sent what was taken of `bytes`.
fn strangers(to: &PeerAddress, count: usize, bytes: &[u8]) -> Vec<(Puppet, Vec<Line>)> {
    let crowd = (0..count / 8).map(|group| {
        let address = Ipv4Addr::new(127, 0, 9, 1 + (group / 3) as u8);
        let puppet = Puppet::with(fresh_key(), address);
        let lines = (0..8).map(|_| {
            // Those before are not forgotten at once.
            let deadline = Instant::now() + PATIENCE;
            let mut line = loop {
                match puppet.try_dial(to) {
                    Ok(line) => break line,
                    Err(error) => assert!(Instant::now() < deadline, "{error}"),
                }
            };
            line.push_now(bytes);
            line
        });
        let lines = lines.collect();
        (puppet, lines)
    });
    crowd.collect()
}

#[test]
fn a_member_that_never_ends_the_largest_frame_costs_at_most_2_mib() {
    const MEMBERS: usize = 12;
    let scratch = Scratch::new("members");
    let mut node = Apart::start(&scratch);
    let before = node.memory();
    let (members, bare) = unfinished(&mut node, MEMBERS);
    let full = node.memory();
    let held = (full - bare) / MEMBERS as i64;
    println!("{held} KiB a member that never ends its frame");
    assert!(held <= MEMBER_KIB_MAX, "{held} KiB a member");
    // When they are gone, most of it is given back; what the allocator keeps is used again: as many
    // more do not need more than two more of them.
    drop(members);
    let few = (full - before) / 4;
    let deadline = Instant::now() + PATIENCE;
    let mut left = node.memory() - before;
    while left > few && Instant::now() < deadline {
        park_timeout(STANDSTILL);
        left = node.memory() - before;
    }
    println!("{left} KiB are left of {MEMBERS} members");
    assert!(left <= few, "{left} KiB are left of {} KiB", full - before);
    let (members, _) = unfinished(&mut node, MEMBERS);
    let again = node.memory() - full;
    println!("{again} KiB more for as many once more");
    assert!(again <= 2 * FRAME_BYTES_MAX as i64 / 1024, "{again} KiB more");
    drop(members);
}

/// So many members that sent all but the last byte of the largest frame, which the node must hold
/// and cannot use; and its memory before they sent it.
fn unfinished(node: &mut Apart, count: usize) -> (Vec<(Puppet, Line)>, i64) {
    let mut members: Vec<(Puppet, Line)> = (0..count)
        .map(|_| {
            let puppet = Puppet::start();
            let mut line = puppet.dial(&node.address);
            line.greet(&SECRET);
            (puppet, line)
        })
        .collect();
    let bare = node.memory();
    let mut frame = (FRAME_BYTES_MAX as u32).to_le_bytes().to_vec();
    frame.resize(4 + FRAME_BYTES_MAX - 1, 0xff);
    for (_, line) in &mut members {
        assert_eq!(line.push_some(&frame, STANDSTILL), frame.len());
    }
    (members, bare)
}

/// Gets everything once, so that the node's caches are as full as they get.
fn read_all(from: &PeerAddress, stream: StreamId) {
    let puppet = Puppet::start();
    let mut line = puppet.dial(from);
    line.greet(&SECRET);
    line.tell(&Message::Progress { credit: 1 << 40, held: Vec::new() });
    line.tell(&Message::Want { stream, from: 0, to: 8192 });
    while line.hear(STANDSTILL).is_some() {}
}

#[test]
fn a_member_that_asks_for_everything_and_reads_nothing_costs_at_most_2_mib() {
    const MEMBERS: usize = 6;
    let scratch = Scratch::new("readers");
    let mut node = Apart::start(&scratch);
    assert_eq!(node.ask("publish grain 8192 4096").chars().last(), Some('a'));
    while node.answer() != "A" {}
    let mut members: Vec<(Puppet, Line)> = (0..MEMBERS)
        .map(|_| {
            let puppet = Puppet::start();
            let mut line = puppet.dial_deaf(&node.address);
            let hello = line.hello(&SECRET);
            line.say(&hello);
            line.tell(&Message::Summary { is_last: true, heads: Vec::new() });
            (puppet, line)
        })
        .collect();
    let stream = StreamId { node: node.address.node, number: 0 };
    read_all(&node.address, stream);
    let before = node.memory();
    for _ in 0..8 {
        for (_, line) in &mut members {
            line.tell(&Message::Progress { credit: 1 << 40, held: Vec::new() });
            line.tell(&Message::Want { stream, from: 0, to: 8192 });
            line.breathe();
            line.hear(STANDSTILL / 6);
        }
    }
    let held = (node.memory() - before) / MEMBERS as i64;
    println!("{held} KiB a member that reads nothing");
    assert!(held <= MEMBER_KIB_MAX, "{held} KiB a member");
}

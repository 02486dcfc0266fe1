//! A path with faults between hosts: each packet passes through the simulator's model of a link.
//!
//! Every host gets an interface `eth0` whose packets come to us. A thread looks at where they want
//! to go, asks the model when they arrive, if ever, and hands them over then. Equal seeds draw the
//! same fates, for packets that come at the same times.

use crate::netlab::{Host, tun};
use crate::sim::link::{Link, LinkProfile};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How soon the thread sees that it is to end.
const PAUSE_MAX: Duration = Duration::from_millis(10);
const PACKET_BYTES_MAX: usize = 65_536;

/// The path between some hosts.
pub struct Ether {
    shared: Arc<Shared>,
    pump: Option<JoinHandle<()>>,
}

struct Shared {
    paths: Mutex<BTreeMap<(usize, usize), Path>>,
    is_over: AtomicBool,
}

struct Path {
    link: Link,
    carried: Carried,
}

/// What went from one host to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Packets sent.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Packets that did not arrive.
    pub lost: u64,
}

/// What has a time to arrive: the time, the order of coming, for whom, what.
type Waiting = BinaryHeap<Reverse<(Duration, u64, usize, Vec<u8>)>>;

impl Ether {
    /// Connects `hosts`, which have no `eth0` yet, by paths of this profile: its first direction is
    /// from those that come earlier. Addresses are as in network 0 of a lab.
    ///
    /// # Errors
    /// Why that cannot be done here: for instance, there is no /dev/net/tun.
    pub fn between(hosts: &[Host], profile: &[LinkProfile; 2], seed: u64) -> Result<Ether, String> {
        let paths = Mutex::new(paths(hosts.len(), profile, seed));
        let shared = Arc::new(Shared { paths, is_over: AtomicBool::new(false) });
        let open = |host: &Host| host.namespace().open().map_err(|error| error.to_string());
        let networks = hosts.iter().map(open).collect::<Result<Vec<File>, String>>()?;
        let (say, said) = sync_channel(1);
        let of_pump = Arc::clone(&shared);
        let pump = std::thread::spawn(move || match ports(&networks) {
            Ok(ports) => {
                // Whoever asked is waiting.
                let _ = say.send(Ok(()));
                run(&of_pump, &ports);
            }
            Err(error) => {
                let _ = say.send(Err(format!("no interface can be made: {error}")));
            }
        });
        said.recv().expect("the thread says whether it can")?;
        for (index, host) in hosts.iter().enumerate() {
            assert_eq!(usize::from(host.number()), index + 1, "packets find hosts by number");
            let address = format!("10.77.0.{}/24", host.number());
            host.shell(&format!("ip addr add {address} dev eth0; ip link set eth0 up"));
        }
        Ok(Ether { shared, pump: Some(pump) })
    }

    /// Gives all paths another profile. What is on its way arrives as it would have.
    pub fn change(&self, profile: &[LinkProfile; 2], seed: u64) {
        for (between, path) in self.shared.paths().iter_mut() {
            path.link = link(*between, profile, seed);
        }
    }

    /// What was carried in all directions together.
    pub fn carried(&self) -> Carried {
        let mut sum = Carried::default();
        for path in self.shared.paths().values() {
            sum.packets += path.carried.packets;
            sum.bytes += path.carried.bytes;
            sum.lost += path.carried.lost;
        }
        sum
    }
}

impl Drop for Ether {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        if let Some(pump) = self.pump.take() {
            // What went wrong there has been said there.
            let _ = pump.join();
        }
    }
}

impl Shared {
    fn paths(&self) -> MutexGuard<'_, BTreeMap<(usize, usize), Path>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn paths(hosts: usize, profile: &[LinkProfile; 2], seed: u64) -> BTreeMap<(usize, usize), Path> {
    let pairs = (0..hosts).flat_map(|from| (0..hosts).map(move |to| (from, to)));
    let path = |pair| Path { link: link(pair, profile, seed), carried: Carried::default() };
    pairs.filter(|(from, to)| from != to).map(|pair| (pair, path(pair))).collect()
}

fn link((from, to): (usize, usize), profile: &[LinkProfile; 2], seed: u64) -> Link {
    let direction = usize::from(from > to);
    Link::new(profile[direction].clone(), seed ^ (from as u64) << 8 ^ (to as u64) << 16)
}

/// One interface in each network; this thread ends in the last of them.
fn ports(networks: &[File]) -> rustix::io::Result<Vec<OwnedFd>> {
    let port = |network: &File| {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        tun::open("eth0")
    };
    networks.iter().map(port).collect()
}

fn run(shared: &Shared, ports: &[OwnedFd]) {
    let begun = Instant::now();
    let mut waiting = Waiting::new();
    let (mut order, mut packet) = (0, vec![0; PACKET_BYTES_MAX]);
    while !shared.is_over.load(Ordering::Acquire) {
        let next = waiting.peek().map_or(PAUSE_MAX, |Reverse((at, ..))| {
            at.saturating_sub(begun.elapsed()).min(PAUSE_MAX)
        });
        let mut fds: Vec<PollFd<'_>> =
            ports.iter().map(|port| PollFd::new(port, PollFlags::IN)).collect();
        let pause = Timespec { tv_sec: 0, tv_nsec: next.subsec_nanos().into() };
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, Some(&pause));
        for (from, port) in ports.iter().enumerate() {
            while let Ok(bytes @ 1..) = rustix::io::read(port, &mut packet) {
                let now = begun.elapsed();
                take(shared, &packet[..bytes], (from, ports.len()), now, &mut order, &mut waiting);
            }
        }
        while waiting.peek().is_some_and(|Reverse((at, ..))| *at <= begun.elapsed()) {
            let Some(Reverse((_, _, to, packet))) = waiting.pop() else { break };
            // An interface that is down takes nothing, as a cable that is out.
            let _ = rustix::io::write(&ports[to], &packet);
        }
    }
}

/// Draws the fate of a packet that one of the hosts sent.
fn take(
    shared: &Shared,
    packet: &[u8],
    (from, hosts): (usize, usize),
    now: Duration,
    order: &mut u64,
    waiting: &mut Waiting,
) {
    let mut paths = shared.paths();
    for to in (0..hosts).filter(|to| *to != from && goes_to(packet, *to)) {
        let Some(path) = paths.get_mut(&(from, to)) else { continue };
        path.carried.packets += 1;
        path.carried.bytes += packet.len() as u64;
        let arrivals = path.link.pass(now, packet.len());
        path.carried.lost += u64::from(arrivals.iter().all(Option::is_none));
        for arrival in arrivals.into_iter().flatten() {
            let mut packet = packet.to_vec();
            if let Some(bit) = arrival.flip {
                let bit = bit as usize % (packet.len() * 8);
                packet[bit / 8] ^= 1 << (bit % 8);
            }
            *order += 1;
            waiting.push(Reverse((arrival.at, *order, to, packet)));
        }
    }
}

/// True when the packet is of IPv4 and for host `to`, or for several.
fn goes_to(packet: &[u8], to: usize) -> bool {
    match packet {
        [0x40..=0x4f, ..] if packet.len() >= 20 => {
            let is_multicast = packet[16] >= 224;
            is_multicast || usize::from(packet[19]) == to + 1 || packet[19] == 255
        }
        _ => false,
    }
}

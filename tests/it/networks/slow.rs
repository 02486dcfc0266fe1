//! A link that is full: what is live waits for no backlog.

use super::profiles::on_path_of;
use super::{DIALLED, LOOK_EVERY, NOTICED, lab, until, until_within};
use crate::support::Scratch;
use millpond_tests::netlab::Host;
use millpond_tests::sim::link::LinkProfile;
use std::fmt;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// What is live is there within this time, 99 of 100 times.
const LIVE_MAX: Duration = Duration::from_secs(3);
const LIVE_EVERY: Duration = Duration::from_millis(500);
const BYTES_PER_SECOND: u64 = 8000;
/// What waits at the path when it is full, which is 8 s.
const QUEUE_BYTES: usize = 64 << 10;

/// 64 kbit/s, 100 ms there and back.
fn modem() -> [LinkProfile; 2] {
    let way = LinkProfile {
        rate: Some(BYTES_PER_SECOND),
        queue_bytes: QUEUE_BYTES,
        ..LinkProfile::perfect(Duration::from_millis(50))
    };
    [way.clone(), way]
}

/// The first holds a backlog of the third, and publishes now and then; the second lacks both. The
/// backlog is as large as the test is long, a minute or, with MILLPOND_LONG, ten: what follows it
/// would change nothing.
#[test]
fn a_live_event_waits_for_no_backlog_on_a_link_of_64_kbit() {
    let is_long = std::env::var_os("MILLPOND_LONG").is_some();
    let backlog: u64 = if is_long { 12_000 } else { 1600 };
    let scratch = Scratch::new("modem");
    let lan = LinkProfile::named("lan").expect("there is such a profile");
    let Some((mut hosts, ether)) = on_path_of(&scratch, &lan, 3) else { return };
    let [hub, remote, author] = &mut hosts[..] else { unreachable!("three were asked for") };
    hub.connect(author);
    author.publish(backlog, 400);
    until("the hub has the backlog", || hub.held().total == backlog);
    author.kill();
    ether.change(&modem(), 2);
    hub.publish_as("live", 1, 8);
    hub.connect(remote);
    until_within(DIALLED, "they are connected", || hub.is_connected(remote));
    let begun = Instant::now();
    until_within(DIALLED, "live events are there", || remote.count("live") == 1);
    println!("networks: modem: the first live event after {:?}", begun.elapsed());
    let least = Duration::from_secs(backlog * 400 / BYTES_PER_SECOND);
    let times = live_events(hub, remote, backlog, least * 3);
    let drained = begun.elapsed();
    let standing = hub.peer(remote).expect("it is a peer").connected_for;
    let all = Times::of(times.iter());
    println!(
        "networks: modem: {} live events, two a second, beside a backlog of {} kB that took \
         {drained:?}: {all}; {:?}",
        times.len(),
        backlog * 400 / 1000,
        ether.carried()
    );
    assert!(standing >= drained, "it was one session throughout: {standing:?}");
    assert!(drained >= least * 3 / 4, "there was a backlog to wait for");
    assert!(all.p99 <= LIVE_MAX, "{times:?}");
    let full = Duration::from_secs(QUEUE_BYTES as u64 / BYTES_PER_SECOND);
    assert!(all.most <= full, "less than the queue of the path: {times:?}");
    until_within(NOTICED, "both hold the same", || hub.held().map == remote.held().map);
}

/// Publishes an event every `LIVE_EVERY`, whatever becomes of those before, until the backlog has
/// gone by and all of them are there: when each was due, and how long it took from then on.
fn live_events(
    hub: &mut Host,
    remote: &mut Host,
    backlog: u64,
    limit: Duration,
) -> Vec<(Duration, Duration)> {
    let begun = Instant::now();
    let (mut times, mut published) = (Vec::new(), 0u32);
    // One came before these.
    let (mut is_over, mut there) = (false, 1);
    while !is_over || there < published + 1 {
        assert!(begun.elapsed() < limit, "{:?}", remote.held());
        if !is_over && begun.elapsed() >= LIVE_EVERY * published {
            hub.publish_as("live", 1, 8);
            published += 1;
        }
        there = remote.count("live") as u32;
        while times.len() + 1 < there as usize {
            let due = LIVE_EVERY * times.len() as u32;
            times.push((due, begun.elapsed() - due));
        }
        is_over |= remote.held().total >= backlog + u64::from(there);
        park_timeout(LOOK_EVERY);
    }
    times
}

/// What is told of times: the middle one, the 99th of a hundred, the longest.
struct Times {
    median: Duration,
    p99: Duration,
    most: Duration,
}

impl Times {
    fn of<'a>(times: impl Iterator<Item = &'a (Duration, Duration)>) -> Times {
        let mut times: Vec<Duration> = times.map(|(_, took)| *took).collect();
        times.sort();
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        Times { median: at(50), p99: at(99), most: at(100) }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {:?}, p99 {:?}, at most {:?}", self.median, self.p99, self.most)
    }
}

/// The first may send no more than this, on a cable that would carry it at once.
#[test]
fn a_cap_is_kept_and_holds_up_no_live_event() {
    const CAP: u64 = 50_000;
    let scratch = Scratch::new("cap");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts = [lab.host(&[0]).sends_at_most(CAP), lab.host(&[0]), lab.host(&[0])];
    hosts.iter_mut().for_each(Host::start);
    let [hub, remote, author] = &mut hosts;
    hub.connect(author);
    // Blocks end after 1,024 events, so there are several frames to hold back.
    author.publish(8192, 40);
    until("the hub has the backlog", || hub.held().total == 8192);
    author.kill();
    hub.connect(remote);
    until_within(DIALLED, "they are connected", || hub.is_connected(remote));
    let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
    for number in 1.. {
        let published = Instant::now();
        hub.publish_as("live", 1, 8);
        until("it is there", || remote.count("live") == number);
        slowest = slowest.max(published.elapsed());
        if remote.held().total == 8192 + number {
            break;
        }
        until("a while has passed", || published.elapsed() >= LIVE_EVERY);
    }
    let (took, sent) = (begun.elapsed(), hub.peer(remote).expect("it is a peer").bytes_out);
    let rate = sent as f64 / took.as_secs_f64();
    println!(
        "networks: a cap of {CAP} bytes a second: {sent} bytes in {took:?}, {rate:.0} a second; \
         the slowest live event took {slowest:?}"
    );
    // The last frame goes out before its time.
    let frame = sent / 8;
    assert!(sent - frame <= (CAP as f64 * (took.as_secs_f64() + 1.0)) as u64, "too fast");
    assert!(took >= Duration::from_secs(3), "there was something to hold back");
    assert!(slowest <= LIVE_MAX);
}

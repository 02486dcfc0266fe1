//! A link that is full: what is live waits for no backlog.

use super::profiles::on_path_of;
use super::{DIALLED, NOTICED, lab, until, until_within};
use crate::support::Scratch;
use millpond_tests::netlab::Host;
use millpond_tests::sim::link::LinkProfile;
use std::time::{Duration, Instant};

/// What is live is there within this time, 99 of 100 times,
const LIVE_MAX: Duration = Duration::from_secs(3);
/// once a session has lasted so long: at first it looks for the rate of the path by filling it.
const RATE_IS_KNOWN: Duration = Duration::from_secs(15);
const LIVE_EVERY: Duration = Duration::from_millis(500);

/// 64 kbit/s, 100 ms there and back, and a queue of 64 KB, which is 8 s.
fn modem() -> [LinkProfile; 2] {
    let way = LinkProfile {
        rate: Some(8000),
        queue_bytes: 64 << 10,
        ..LinkProfile::perfect(Duration::from_millis(50))
    };
    [way.clone(), way]
}

/// The first holds a backlog of the third, and publishes now and then; the second lacks both.
#[test]
fn a_live_event_waits_for_no_backlog_on_a_link_of_64_kbit() {
    let scratch = Scratch::new("modem");
    let lan = LinkProfile::named("lan").expect("there is such a profile");
    let Some((mut hosts, ether)) = on_path_of(&scratch, &lan, 3) else { return };
    let [hub, remote, author] = &mut hosts[..] else { unreachable!("three were asked for") };
    hub.connect(author);
    author.publish(1600, 400);
    until("the hub has the backlog", || hub.held().total == 1600);
    author.kill();
    ether.change(&modem(), 2);
    hub.publish_as("live", 1, 8);
    hub.connect(remote);
    until_within(DIALLED, "they are connected", || hub.is_connected(remote));
    let begun = Instant::now();
    until_within(DIALLED, "live events are there", || remote.count("live") == 1);
    println!("networks: modem: the first live event after {:?}", begun.elapsed());
    let (mut times, mut next) = (Vec::new(), Instant::now());
    while remote.held().total < 1600 {
        assert!(begun.elapsed() < Duration::from_secs(240), "{:?}", remote.held());
        until("it is time for the next", || Instant::now() >= next);
        next = Instant::now() + LIVE_EVERY;
        let published = Instant::now();
        hub.publish_as("live", 1, 8);
        let wanted = times.len() as u64 + 2;
        until("it is there", || remote.count("live") == wanted);
        times.push((published - begun, published.elapsed()));
    }
    let drained = begun.elapsed();
    let slowest = times.iter().map(|(_, took)| *took).max().expect("there were some");
    let of_those_later = times.iter().filter(|(at, _)| *at > RATE_IS_KNOWN);
    let count = times.len();
    let mut times: Vec<Duration> = of_those_later.map(|(_, took)| *took).collect();
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let standing = hub.peer(remote).expect("it is a peer").connected_for;
    println!(
        "networks: modem: {} live events in {drained:?} beside a backlog of 640 kB: median {:?}, \
         p99 {:?} after {RATE_IS_KNOWN:?}, the slowest of all {slowest:?}; {:?}",
        count,
        at(50),
        at(99),
        ether.carried()
    );
    assert!(standing >= drained, "it was one session throughout");
    assert!(drained >= Duration::from_secs(60), "there was a backlog to wait for");
    assert!(at(99) <= LIVE_MAX, "{times:?}");
    assert!(slowest <= Duration::from_secs(8), "less than the queue of the path: {slowest:?}");
    until_within(NOTICED, "both hold the same", || hub.held().map == remote.held().map);
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

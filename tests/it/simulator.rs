//! The simulator's own parts, where they could be wrong, and a few of its seeds.
//!
//! The ordinary run of thousands of seeds, and the planted bugs, are the stage `sim` of
//! `./dev test`.

use crate::support::Scratch;
use millpond::sync::Lane;
use millpond_tests::sim::campaign::{PLANTED, PLANTED_IN_STAND_INS};
use millpond_tests::sim::carrier::{Ack, Flow, Sent};
use millpond_tests::sim::link::{BurstLength, Link, LinkProfile, Loss};
use millpond_tests::sim::random::Random;
use millpond_tests::sim::{Figures, Outcome, RunOptions, run};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PACKETS: u32 = 40_000;

/// The share of packets that a profile loses when one is sent in each `step`, bursts and all.
fn expected_loss(profile: &LinkProfile, step: Duration) -> f64 {
    let Loss { alone, burst, length } = profile.loss;
    let burst_packets = match length {
        BurstLength::Packets(packets) => packets,
        // The first, and one more as long as it goes on for another step.
        BurstLength::Time(mean) => 1.0 / (1.0 - (-step.as_secs_f64() / mean.as_secs_f64()).exp()),
    };
    let in_bursts = burst * burst_packets / (1.0 + burst * burst_packets);
    let gone = profile.flap.map_or(0.0, |flap| flap.gone.as_secs_f64() / flap.every.as_secs_f64());
    1.0 - (1.0 - in_bursts) * (1.0 - alone) * (1.0 - gone)
}

#[test]
fn a_simulated_path_loses_delays_and_doubles_as_its_profile_says() {
    const STEP: Duration = Duration::from_millis(20);
    for name in LinkProfile::NAMES {
        let both = [LinkProfile::named(name), LinkProfile::named_by_packets(name)];
        for profile in both.into_iter().flatten().flatten() {
            let mut link = Link::new(profile.clone(), 7);
            let (mut lost, mut twice, mut most) = (0, 0, Duration::ZERO);
            for number in 0..PACKETS {
                let now = STEP * number;
                let [first, second] = link.pass(now, 500);
                lost += u32::from(first.is_none());
                twice += u32::from(second.is_some());
                if let Some(first) = first {
                    assert!(first.at >= now + profile.delay, "{name}: too early");
                    most = most.max(first.at - now);
                }
            }
            let share = f64::from(lost) / f64::from(PACKETS);
            let expected = expected_loss(&profile, STEP);
            let differs = (share - expected).abs() > 0.01 + expected / 4.0;
            assert!(!differs, "{name}: lost {share}, expected {expected}");
            let doubled = f64::from(twice) / f64::from(PACKETS);
            assert!((doubled - profile.duplicate).abs() < 0.01, "{name}: doubled {doubled}");
            // Also behind another packet, and held back so that others overtake it.
            let bound = profile.delay + profile.jitter + profile.reorder_by;
            assert!(most <= bound + STEP, "{name}: took {most:?}");
        }
    }
}

#[test]
fn losses_in_bursts_are_as_long_as_the_profile_says() {
    let step = Duration::from_millis(1);
    let mean = mean_burst(BurstLength::Packets(20.0), step);
    assert!((17.0..24.0).contains(&mean), "bursts of {mean} packets");
    let mean = mean_burst(BurstLength::Time(step * 20), step);
    assert!((17.0..24.0).contains(&mean), "bursts of {mean} packets");
}

#[test]
fn who_sends_slowly_is_out_of_a_burst_as_soon_as_who_sends_fast() {
    let time = Duration::from_millis(20);
    let mean = mean_burst(BurstLength::Time(time), Duration::from_millis(200));
    assert!((1.0..1.1).contains(&mean), "bursts of {mean} packets");
}

/// How many packets are lost one after the other when one is sent in each `step`.
fn mean_burst(length: BurstLength, step: Duration) -> f64 {
    let loss = Loss { alone: 0.0, burst: 0.01, length };
    let profile = LinkProfile { loss, ..LinkProfile::perfect(Duration::from_millis(1)) };
    let mut link = Link::new(profile, 3);
    let (mut bursts, mut lost, mut before) = (0u32, 0u32, false);
    for number in 0..200_000 {
        let is_lost = link.pass(step * number, 100)[0].is_none();
        bursts += u32::from(is_lost && !before);
        lost += u32::from(is_lost);
        before = is_lost;
    }
    f64::from(lost) / f64::from(bursts)
}

#[test]
fn a_rate_spaces_packets_and_a_full_queue_drops_them() {
    let profile = LinkProfile {
        rate: Some(1_000_000),
        queue_bytes: 100_000,
        ..LinkProfile::perfect(Duration::ZERO)
    };
    let mut link = Link::new(profile, 1);
    let arrivals: Vec<Duration> =
        (0..1000).filter_map(|_| link.pass(Duration::ZERO, 1000)[0].map(|it| it.at)).collect();
    assert_eq!(arrivals.len(), 100);
    assert_eq!(arrivals.last(), Some(&Duration::from_millis(100)));
    assert!(link.pass(Duration::from_millis(50), 1000)[0].is_some(), "room comes with time");
}

/// Both directions of a path, and what is on its way.
struct Wire {
    there: Link,
    back: Link,
    queue: BTreeMap<(Duration, u64), Parcel>,
    sequence: u64,
}

#[derive(Clone, Copy)]
enum Parcel {
    Packet(Sent),
    Ack(Ack),
}

impl Wire {
    /// Takes in what is there by now at either end; the frames that are whole with it.
    fn arrive(&mut self, flow: &mut Flow, now: Duration) -> Vec<(Lane, bytes::Bytes)> {
        let mut frames = Vec::new();
        while self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
            match self.queue.pop_first().unwrap().1 {
                Parcel::Packet(packet) => {
                    let (ack, received) = flow.receive(packet, now);
                    frames.extend(received.frames);
                    self.pass(now, Parcel::Ack(ack), 45);
                }
                Parcel::Ack(ack) => {
                    for (packet, bytes) in flow.acknowledge(ack, now) {
                        self.pass(now, Parcel::Packet(packet), bytes);
                    }
                }
            }
        }
        frames
    }

    fn pass(&mut self, now: Duration, parcel: Parcel, bytes: usize) {
        let link = match parcel {
            Parcel::Packet(_) => &mut self.there,
            Parcel::Ack(_) => &mut self.back,
        };
        for arrival in link.pass(now, bytes).into_iter().flatten() {
            if arrival.flip.is_none() {
                self.sequence += 1;
                self.queue.insert((arrival.at.max(now), self.sequence), parcel);
            }
        }
    }
}

#[test]
fn frames_arrive_whole_and_in_order_whatever_happens_to_packets() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let profile = LinkProfile {
            loss: Loss { alone: 0.1, burst: 0.02, length: BurstLength::Packets(5.0) },
            duplicate: 0.1,
            reorder: 0.2,
            reorder_by: Duration::from_millis(80),
            flip: 0.05,
            rate: Some(2_000_000),
            queue_bytes: 50_000,
            ..LinkProfile::perfect(Duration::from_millis(15))
        };
        let there = Link::new(profile.clone(), random.next());
        let back = Link::new(profile, random.next());
        let mut wire = Wire { there, back, queue: BTreeMap::new(), sequence: 0 };
        let sizes: Vec<usize> = (0..100).map(|_| random.below(30_000) as usize).collect();
        let frames: Vec<bytes::Bytes> =
            (0..).zip(&sizes).map(|(at, size)| vec![at as u8; *size].into()).collect();
        let mut flow = Flow::new(Duration::ZERO);
        flow.grant_bulk();
        let lane_of = |at: usize| Lane::ALL[at / 3 % 3];
        frames.iter().enumerate().for_each(|(at, frame)| flow.push(lane_of(at), frame.clone()));
        let (mut now, mut got, mut sent) = (Duration::ZERO, Vec::new(), Vec::new());
        while got.len() < frames.len() || !flow.is_done() {
            while let Some((number, bytes)) = flow.next_packet(now) {
                wire.pass(now, Parcel::Packet(number), bytes);
            }
            for lane in Lane::ALL {
                while let Some(bytes) = flow.next_sent(lane) {
                    sent.push((lane, bytes));
                }
            }
            let probe = flow.probe_at().unwrap();
            let next = wire.queue.first_key_value().map(|((at, _), _)| *at);
            now = now.max(next.map_or(probe, |at| at.min(probe)));
            assert!(now < Duration::from_secs(600), "seed {seed} comes to no end");
            if next.is_none_or(|at| at > now) {
                let lost = flow.probe(now);
                lost.into_iter().for_each(|(at, size)| wire.pass(now, Parcel::Packet(at), size));
                continue;
            }
            match wire.queue.pop_first().unwrap().1 {
                Parcel::Packet(number) => {
                    let (ack, received) = flow.receive(number, now);
                    got.extend(received.frames);
                    wire.pass(now, Parcel::Ack(ack), 45);
                }
                Parcel::Ack(ack) => {
                    for (number, bytes) in flow.acknowledge(ack, now) {
                        wire.pass(now, Parcel::Packet(number), bytes);
                    }
                }
            }
        }
        for lane in Lane::ALL {
            let on_lane = |at: &usize| lane_of(*at) == lane;
            let sizes: Vec<usize> = (0..100).filter(on_lane).map(|at| frames[at].len()).collect();
            let frames: Vec<_> = (0..100).filter(on_lane).map(|at| frames[at].clone()).collect();
            let got: Vec<_> = got.iter().filter(|(of, _)| *of == lane).collect();
            let is_whole = got.iter().map(|(_, frame)| frame).eq(&frames);
            assert!(is_whole, "seed {seed}: {} of {} frames", got.len(), frames.len());
            let sent = sent.iter().filter(|(of, _)| *of == lane).map(|(_, bytes)| *bytes);
            assert!(sent.eq(sizes), "each frame is told to be sent once");
        }
        the_urgent_come_first(&got);
    }
}

fn the_urgent_come_first(got: &[(Lane, bytes::Bytes)]) {
    let is_live = |(lane, _): &(Lane, bytes::Bytes)| *lane == Lane::Live;
    let (first, last) = got.split_at(got.len() / 2);
    let live = |half: &[(Lane, bytes::Bytes)]| half.iter().filter(|it| is_live(it)).count();
    assert!(live(first) > 4 * live(last), "the live lane goes first");
    let mean_place = |of: Lane| {
        let places = got.iter().enumerate().filter(|(_, (lane, _))| *lane == of);
        let places: Vec<usize> = places.map(|(at, _)| at).collect();
        places.iter().sum::<usize>() / places.len()
    };
    assert!(mean_place(Lane::Backlog) + 20 < mean_place(Lane::Bulk), "the bulk lane goes last");
}

/// Packets are repeated before the first answer can be there: what answers a first copy was once
/// taken to answer the second, so the way seemed short and full, and two packets went at a time.
#[test]
fn a_long_round_trip_is_not_taken_for_a_queue() {
    let jitter = Duration::from_millis(20);
    let profile = LinkProfile { jitter, ..LinkProfile::perfect(Duration::from_millis(310)) };
    let (there, back) = (Link::new(profile.clone(), 1), Link::new(profile, 2));
    let mut wire = Wire { there, back, queue: BTreeMap::new(), sequence: 0 };
    let mut flow = Flow::new(Duration::ZERO);
    flow.push(Lane::Live, vec![0; 100_000].into());
    let (mut now, mut got) = (Duration::ZERO, Vec::new());
    while got.is_empty() {
        while let Some((packet, bytes)) = flow.next_packet(now) {
            wire.pass(now, Parcel::Packet(packet), bytes);
        }
        let next = wire.queue.first_key_value().map(|((at, _), _)| *at);
        now = now.max([next, flow.probe_at()].into_iter().flatten().min().expect("it goes on"));
        while let Some((packet, bytes)) = flow.probe(now) {
            wire.pass(now, Parcel::Packet(packet), bytes);
        }
        got = wire.arrive(&mut flow, now);
    }
    println!("simulated satellite: 100 kB in {now:?}");
    assert!(now < Duration::from_secs(12), "not there after twenty round trips: {now:?}");
}

#[test]
fn a_live_frame_waits_for_no_backlog_on_a_simulated_link_of_64_kbit() {
    live_beside(Lane::Backlog);
}

#[test]
fn a_live_frame_waits_for_no_bulk_on_a_simulated_link_of_64_kbit() {
    live_beside(Lane::Bulk);
}

/// Sends live frames beside 480 kB on another lane, which take a minute, at 64 kbit/s with a queue
/// of 64 KB, which is 8 s.
fn live_beside(other: Lane) {
    const LIVE_EVERY: Duration = Duration::from_millis(500);
    let profile = LinkProfile {
        rate: Some(8000),
        queue_bytes: 64 << 10,
        ..LinkProfile::perfect(Duration::from_millis(50))
    };
    let (there, back) = (Link::new(profile.clone(), 1), Link::new(profile, 2));
    let mut wire = Wire { there, back, queue: BTreeMap::new(), sequence: 0 };
    let mut flow = Flow::new(Duration::ZERO);
    flow.grant_bulk();
    flow.push(other, vec![0; 480_000].into());
    let (mut now, mut pushed, mut times, mut drained) =
        (Duration::ZERO, Vec::new(), Vec::new(), None);
    while drained.is_none() {
        if now >= LIVE_EVERY * pushed.len() as u32 {
            flow.push(Lane::Live, vec![1; 200].into());
            pushed.push(now);
        }
        while let Some((number, bytes)) = flow.next_packet(now) {
            wire.pass(now, Parcel::Packet(number), bytes);
        }
        let next = wire.queue.first_key_value().map(|((at, _), _)| *at);
        let next_live = LIVE_EVERY * pushed.len() as u32;
        let steps = [next, flow.probe_at(), Some(next_live)];
        now = now.max(steps.into_iter().flatten().min().expect("there is always a next"));
        while let Some(lost) = flow.probe(now) {
            wire.pass(now, Parcel::Packet(lost.0), lost.1);
        }
        for (lane, _) in wire.arrive(&mut flow, now) {
            match lane {
                Lane::Live => times.push(now - pushed[times.len()]),
                Lane::Backlog | Lane::Bulk => drained = Some(now),
            }
        }
    }
    times.sort();
    let slow = times[times.len() * 99 / 100];
    let drained = drained.expect("the loop ends with it");
    println!(
        "simulated modem: 480 kB {} in {drained:?}; of {} live frames p99 {slow:?}",
        other.name(),
        times.len()
    );
    assert!(slow <= Duration::from_secs(3), "{slow:?}");
    // It would take 60 s with nothing else on the link, and nothing lost.
    assert!(drained <= Duration::from_secs(139), "the link is used: {drained:?}");
}

#[test]
fn chaos_ends_in_one_log_and_nothing_acknowledged_is_lost() {
    let outcomes: Vec<Outcome> = (0..25).map(|seed| run(seed, RunOptions::default())).collect();
    let violations = outcomes.iter().filter_map(|outcome| outcome.violation.as_ref());
    let violations: Vec<String> = violations.map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{violations:#?}");
    let sum = |figure: fn(&Figures) -> u64| -> u64 {
        outcomes.iter().map(|outcome| figure(&outcome.figures)).sum()
    };
    // Otherwise nothing was shown.
    assert!(sum(|figures| figures.events) > 1000 && sum(|figures| figures.crashes) > 20);
    assert!(sum(|figures| figures.faults) > 1000 && sum(|figures| figures.restores) >= 5);
}

#[test]
fn equal_seeds_of_the_simulator_give_equal_traces() {
    let trace = |seed| run(seed, RunOptions::default()).trace;
    for seed in [1, 2, 3] {
        assert_eq!(trace(seed), trace(seed));
    }
    assert_ne!(trace(1), trace(2));
}

#[test]
fn a_seed_can_be_stopped_at_a_step() {
    let outcome = run(1, RunOptions { until: 100, ..RunOptions::default() });
    assert_eq!(outcome.figures.steps, 100);
}

/// What `sim` ends with.
fn sim(words: &[&str]) -> Option<i32> {
    let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(words).output();
    output.expect("the program starts").status.code()
}

/// A program that prints `text` and ends with `status`. Another process writes it: what this one
/// has open for writing could not be run.
fn program(path: &Path, text: &str, status: u32) {
    let body = format!("#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n");
    let mut command = Command::new("sh");
    command.args(["-ec", "printf %s \"$1\" > \"$0\"; chmod +x \"$0\""]).arg(path).arg(body);
    assert!(command.status().expect("a shell runs").success());
}

#[test]
fn a_campaign_that_ran_nothing_fails() {
    let scratch = Scratch::new("kept");
    let kept = scratch.path().join("seeds.txt");
    std::fs::write(&kept, "# no seed\n").unwrap();
    assert_eq!(sim(&["--kept", kept.to_str().unwrap()]), Some(1));
    std::fs::write(&kept, "1 a seed\n").unwrap();
    assert_eq!(sim(&["--kept", kept.to_str().unwrap()]), Some(0));
    assert_eq!(sim(&["--seeds", "5..5"]), Some(2));
}

#[test]
fn a_hunt_for_planted_bugs_that_stops_half_way_fails() {
    let scratch = Scratch::on_disk("hunt");
    let names = PLANTED.iter().chain(PLANTED_IN_STAND_INS).map(|bug| bug.name);
    let lines: Vec<String> =
        names.map(|name| format!("planted {name}: found with seed 1, 0.01 s")).collect();
    let asked = |name: &str, text: &str, status| {
        let path = scratch.path().join(name);
        program(&path, text, status);
        sim(&["--planted-by", path.to_str().unwrap()])
    };
    assert_eq!(asked("whole", &lines.join("\n"), 0), Some(0));
    assert_eq!(asked("half", &lines[1..].join("\n"), 0), Some(1), "one was not looked for");
    assert_eq!(asked("died", &lines.join("\n"), 101), Some(1), "it did not end well");
    let missed = lines.join("\n").replacen("found with seed 1", "NOT FOUND", 1);
    assert_eq!(asked("missed", &missed, 1), Some(1));
}

//! Claims about what befalls a lab by chance, and about leaving some of it out.

use crate::error::Result;
use crate::pond::lab::tests::{event, lab, numbers};
use crate::pond::lab::{
    LAB_SCHEDULE, Lab, LabBefall, LabOptions, LabShrink, numbers_from, numbers_text,
};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn lab_without(options: LabOptions, without: &BTreeSet<u64>) -> Lab {
    let options = LabOptions { without: without.clone(), ..options };
    #[allow(clippy::disallowed_methods, reason = "some instant to begin with")]
    Lab::at(&options, Instant::now()).unwrap()
}

fn of(lab: &Lab) -> Vec<LabBefall> {
    lab.befell().to_vec()
}

/// Shrinks what fails with `fails`; how many runs that took, and what is left.
fn shrunk(run: impl Fn(&BTreeSet<u64>) -> (Lab, bool)) -> (u32, Vec<LabBefall>, LabShrink) {
    let (lab, has_failed) = run(&BTreeSet::new());
    assert!(has_failed);
    let (mut left, mut runs) = (of(&lab), 0);
    let mut shrink = LabShrink::new(BTreeSet::new(), left.clone());
    while let Some(without) = shrink.next_run() {
        runs += 1;
        match run(without) {
            (lab, true) => {
                left = of(&lab);
                shrink.failed(left.clone());
            }
            _ => shrink.passed(),
        }
    }
    (runs, left, shrink)
}

/// Whether node 1 lost its power while it was cut off from all others.
fn has_lost_power_cut_off(lab: &Lab) -> bool {
    let mut is_cut_off = false;
    lab.befell().iter().any(|LabBefall { what, .. }| {
        match what.as_str() {
            "the network is healed" => is_cut_off = false,
            "node 1 loses its power" => return is_cut_off,
            cut if cut.contains("is cut into") => is_cut_off = cut.contains("[1]"),
            _ => {}
        }
        false
    })
}

#[test]
fn a_failure_that_takes_two_befalls_shrinks_to_those_two() {
    let mut shrunk_seeds = 0;
    for seed in 1..=200 {
        let run = |without: &BTreeSet<u64>| {
            let mut lab = lab_without(LabOptions::new(3, seed), without);
            for round in 0..20 {
                lab.chaos(2).unwrap();
                for node in 0..3 {
                    if lab.is_up(node).unwrap() {
                        lab.publish(node, vec![event("number", round)]).unwrap();
                    }
                }
            }
            let has_failed = has_lost_power_cut_off(&lab);
            (lab, has_failed)
        };
        if !run(&BTreeSet::new()).1 {
            continue;
        }
        shrunk_seeds += 1;
        let (runs, left, shrink) = shrunk(run);
        assert!(runs <= 64, "{runs} runs");
        let whats: Vec<&str> = left.iter().map(|befall| befall.what.as_str()).collect();
        let [cut, power] = whats[..] else { panic!("seed {seed}: {whats:?} are left") };
        assert!(cut.contains("[1]") && power == "node 1 loses its power", "{whats:?}");
        let said = shrink.summary(seed).unwrap();
        assert!(said.starts_with("2 of the ") && said.contains(power), "{said}");
        // What it says to replay it with does so.
        let without = said.rsplit_once("MILLPOND_WITHOUT=").unwrap().1;
        let without = numbers_from(without.split_once(' ').unwrap().0).unwrap();
        let (lab, has_failed) = run(&without);
        assert!(has_failed && of(&lab) == left);
    }
    assert!(shrunk_seeds > 10, "only {shrunk_seeds} seeds fail");
}

#[test]
fn what_befalls_is_the_same_whatever_else_is_left_out() {
    let befell = |seed, without: &BTreeSet<u64>| {
        let mut lab = lab_without(LabOptions::new(4, seed), without);
        lab.chaos(60).unwrap();
        of(&lab)
    };
    let mut compared = 0;
    for seed in 1..=20 {
        let all = befell(seed, &BTreeSet::new());
        assert!(all.windows(2).all(|pair| pair[0].number < pair[1].number));
        for left_out in all.chunks(3) {
            let without = left_out.iter().map(|befall| befall.number).collect();
            let others = befell(seed, &without);
            assert!(others.iter().all(|befall| !without.contains(&befall.number)));
            for befall in &others {
                if let Some(own) = all.iter().find(|own| own.number == befall.number) {
                    assert_eq!(own, befall, "seed {seed}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 1_000, "{compared}");
}

#[test]
pub(super) fn nothing_befalls_where_all_of_it_is_left_out() {
    for seed in 1..=10 {
        let mut lab = lab_without(LabOptions::new(3, seed), &(1..200).collect());
        let clocks = |lab: &Lab| -> Vec<i64> {
            let elapsed = lab.elapsed().as_micros() as i64;
            (0..3).map(|node| lab.time(node).unwrap().micros() - elapsed).collect()
        };
        let before = clocks(&lab);
        lab.chaos(150).unwrap();
        assert!(lab.befell().is_empty());
        assert!((0..3).all(|node| lab.is_up(node).unwrap() && lab.life(node).unwrap() == 0));
        assert_eq!(clocks(&lab), before);
        assert!(lab.trace().any(|line| line.contains("left out: ")));
    }
}

#[test]
fn a_death_in_a_publish_is_left_out_by_its_number_and_the_others_stay() {
    for seed in 1..=10 {
        let deaths = |without: &BTreeSet<u64>| {
            let options = LabOptions { faults: 4, ..LabOptions::new(2, seed) };
            let mut lab = lab_without(options, without);
            for turn in 0..40 {
                let node = turn % 2;
                lab.start(node).unwrap();
                let _ = lab.publish_as(node, vec![event("number", 1)], true, None);
            }
            of(&lab)
        };
        let all = deaths(&BTreeSet::new());
        assert!(
            all.len() > 2 && all.iter().all(|death| death.what.contains("dies in its publish"))
        );
        let others = deaths(&[all[1].number].into());
        let wanted: Vec<LabBefall> = all.iter().filter(|own| **own != all[1]).cloned().collect();
        assert_eq!(others, wanted);
    }
}

#[test]
fn numbers_are_written_as_ranges_and_read_again() {
    for (numbers, text) in [
        (vec![], ""),
        (vec![7], "7"),
        (vec![1, 2, 3, 4, 7, 1_000_003], "1-4,7,1000003"),
        (vec![0, u64::MAX - 1, u64::MAX], "0,18446744073709551614-18446744073709551615"),
    ] {
        let numbers: BTreeSet<u64> = numbers.into_iter().collect();
        assert_eq!(numbers_text(&numbers), text);
        assert_eq!(numbers_from(&format!(" {text} ")).unwrap(), numbers);
    }
    assert_eq!(numbers_from("3, 1-2").unwrap(), [1, 2, 3].into());
    for wrong in ["-", "1-", "4-1", "1,,2", "one", "1;2", "0-18446744073709551615", "-7"] {
        assert!(numbers_from(wrong).is_err(), "{wrong}");
    }
}

/// Whoever changes what a seed makes gives it another number, and this its trace.
#[test]
fn a_schedule_has_the_number_that_the_trace_and_errors_say() {
    let mut lab = lab(3, 7);
    let first = lab.trace().next().unwrap().to_owned();
    assert!(first.ends_with(&format!("seed 7 of the lab, schedule {LAB_SCHEDULE}")), "{first}");
    for round in 0..12 {
        lab.chaos(3).unwrap();
        for node in 0..3 {
            if lab.is_up(node).unwrap() {
                lab.publish(node, vec![event("number", round)]).unwrap();
                lab.state(node, &numbers()).unwrap();
            }
        }
    }
    lab.calm().unwrap();
    let text = lab.trace().collect::<Vec<&str>>().join("\n");
    let known = "";
    let found = blake3::hash(text.as_bytes()).to_hex();
    assert_eq!((LAB_SCHEDULE, &found[..16]), (1, known), "{text}");
}

#[test]
pub(super) fn a_power_cut_takes_some_of_the_latest_snapshots_and_a_crash_none() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 1..=60 {
        let snapshots = |ends: fn(&mut Lab, usize) -> Result<()>| {
            let mut lab = lab(1, seed);
            for turn in 0..12 {
                lab.publish(0, (0..4).map(|own| event("number", turn * 4 + own)).collect())
                    .unwrap();
                lab.state(0, &numbers()).unwrap();
            }
            ends(&mut lab, 0).unwrap();
            lab.start(0).unwrap();
            let count = lab.members[0].disk.snapshots(numbers().definition().hash()).len();
            assert_eq!(lab.state(0, &numbers()).unwrap(), (0..48).collect::<Vec<u64>>());
            count
        };
        let (crashed, cut) = (snapshots(Lab::crash), snapshots(Lab::cut_power));
        // One that is damaged is gone, too.
        match cut + 1 < crashed {
            true => lost += 1,
            false => kept += 1,
        }
    }
    assert!(lost > 5 && kept > 5, "lost in {lost} runs, kept in {kept}");
}

#[test]
fn events_have_the_time_of_their_nodes_wall_clock() {
    let mut lab = lab(2, 1);
    let mut times = vec![];
    for wait in [0, 60, 3_600] {
        lab.advance(Duration::from_secs(wait)).unwrap();
        let published = lab.publish(1, vec![event("number", wait)]).unwrap();
        assert_eq!(published.time, lab.time(1).unwrap());
        times.push(published.time.micros());
    }
    assert_eq!([times[1] - times[0], times[2] - times[1]], [60_000_000, 3_600_000_000]);
    let skew = times[0] - 1_767_225_600_000_000;
    assert!(skew != 0 && skew.abs() <= 300_000_000, "{skew} µs");
}

//! `sim`: runs seeds of the simulator. `./dev sim` is how people call it.
//!
//! Exit status 0: everything held. 1: something did not. 2: the words make no sense.

use millpond_tests::sim::campaign::{
    Campaign, HAS_PLANTED, PLANTED, PLANTED_IN_STAND_INS, Planted, hours, hunt, twins,
};
use millpond_tests::sim::heal;
use millpond_tests::sim::mesh::SCENES;
use millpond_tests::sim::{Figures, Outcome, RunOptions, run};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

const HELP: &str = "\
sim [--seeds A..B] [--kept FILE] [--twice N] [--mesh | --mesh-all] [--heals PROFILE] [--hours N]
    [--planted | --planted-by PROGRAM]
sim --seed S [--until STEP] [--log] [--bare]
  --seeds A..B         runs these seeds, A to B - 1
  --kept FILE          runs the seeds that a file names, one at the start of each line
  --twice N            runs seeds 0..N twice and compares their traces
  --mesh               plays the scenes of large swarms; --mesh-all the long ones, too
  --heals PROFILE      heals on a path of this profile, and what of it takes how long
  --hours N            runs new seeds for N hours
  --planted            looks for every planted bug; only in the build that has them
  --planted-by PROGRAM has that build look for them
  --seed S             runs one seed; --until stops it after a step, --log shows what happens,
                       --bare leaves the applications of the Pond out";

/// How many times real time the seeds of five nodes should run on one processor.
const TIMES_REAL: f64 = 1000.0;
/// Of so many seeds on there must be so many disks in a hundred that go back or are copied: else
/// that there was no silent fork would say little.
const RESTORES_SEEDS_MIN: u64 = 1000;
const RESTORES_PER_100: u64 = 20;

/// What was asked for.
#[derive(Default)]
struct Task {
    seeds: Option<Range<u64>>,
    kept: Option<PathBuf>,
    twice: u64,
    mesh: bool,
    mesh_all: bool,
    heals: Option<String>,
    hours: f64,
    planted: bool,
    planted_by: Option<PathBuf>,
    seed: Option<u64>,
    until: Option<u64>,
    log: bool,
    bare: bool,
}

/// What came of it.
#[derive(Default)]
struct Result {
    all: Campaign,
    passed: u64,
    failed: u64,
    found: usize,
    planted: usize,
}

fn main() -> ExitCode {
    let Some(task) = Task::read(std::env::args().skip(1)) else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    // A panic is a violation, which says what the panic said; where it was, says a seed alone.
    if task.seed.is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    match task.seed {
        Some(seed) => run_one(seed, &task),
        None => run_all(&task),
    }
}

impl Task {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Task> {
        let mut task = Task::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seeds" => {
                    let text = words.next()?;
                    let (from, to) = text.split_once("..")?;
                    let seeds: Range<u64> = from.parse().ok()?..to.parse().ok()?;
                    task.seeds = Some(seeds).filter(|seeds| !seeds.is_empty());
                    task.seeds.as_ref()?;
                }
                "--kept" => task.kept = Some(words.next()?.into()),
                "--twice" => task.twice = words.next()?.parse().ok()?,
                "--mesh" => task.mesh = true,
                "--mesh-all" => task.mesh_all = true,
                "--heals" => task.heals = Some(words.next()?),
                "--hours" => task.hours = words.next()?.parse().ok()?,
                "--planted" => task.planted = true,
                "--planted-by" => task.planted_by = Some(words.next()?.into()),
                "--seed" => task.seed = Some(words.next()?.parse().ok()?),
                "--until" => task.until = Some(words.next()?.parse().ok()?),
                "--log" => task.log = true,
                "--bare" => task.bare = true,
                _ => return None,
            }
        }
        Some(task)
    }
}

fn run_one(seed: u64, task: &Task) -> ExitCode {
    let until = task.until.unwrap_or(u64::MAX);
    let outcome = run(seed, RunOptions { until, is_shown: task.log, is_bare: task.bare });
    if outcome.violation.is_some() {
        tell(&outcome, task.bare);
        return ExitCode::FAILURE;
    }
    println!("seed {seed}: {} steps, trace {:016x}", outcome.figures.steps, outcome.trace);
    ExitCode::SUCCESS
}

fn run_all(task: &Task) -> ExitCode {
    let mut result = Result::default();
    if let Some(path) = &task.kept {
        let text = std::fs::read_to_string(path).expect("the file of kept seeds can be read");
        let number = |line: &str| line.split_whitespace().next()?.parse::<u64>().ok();
        let is_bare = |line: &&str| line.split_whitespace().nth(1) == Some("bare:");
        let (bare, kept): (Vec<&str>, Vec<&str>) = text.lines().partition(is_bare);
        for (lines, is_bare, what) in [(bare, true, " without the Pond"), (kept, false, "")] {
            let seeds: Vec<u64> = lines.into_iter().filter_map(number).collect();
            if !seeds.is_empty() {
                result.add(&format!("{} kept seeds{what}", seeds.len()), &seeds, is_bare);
            }
        }
        result.failed += u64::from(result.all.passed + result.all.failed.len() as u64 == 0);
    }
    if let Some(seeds) = task.seeds.clone() {
        let name = format!("seeds {}..{}", seeds.start, seeds.end);
        result.add(&name, &seeds.collect::<Vec<_>>(), false);
    }
    if task.hours > 0.0 {
        run_hours(task.hours, &mut result);
    }
    if task.twice > 0 {
        let differ = twins(0..task.twice);
        println!("{} seeds run twice: {} traces differ {differ:?}", task.twice, differ.len());
        result.failed += differ.len() as u64;
        result.passed += task.twice - differ.len() as u64;
    }
    if task.mesh || task.mesh_all {
        play_scenes(task.mesh_all, &mut result);
    }
    if let Some(name) = &task.heals {
        // What was given up shows how bad a path is, and nothing else.
        let outcome = heal::play(name);
        result.passed += u64::from(outcome.as_ref().is_ok_and(|heals| heals.given_up == 0));
        result.failed += u64::from(outcome.is_err());
        println!("heals on {name}: {}", outcome.map_or_else(|said| said, |heals| heals.said));
    }
    if task.planted {
        hunt_all(&mut result);
    }
    if let Some(program) = &task.planted_by {
        ask(program, &mut result);
    }
    result.close()
}

fn run_hours(count: f64, result: &mut Result) {
    let end = Instant::now() + Duration::from_secs_f64(count * 3600.0);
    // Seeds that no other run takes: the time is the only chance there is.
    let since = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
    let mut from = since << 20;
    while Instant::now() < end {
        result.add(&format!("seeds {from}.."), &(from..from + 500).collect::<Vec<_>>(), false);
        from += 500;
    }
}

/// Plays the scenes of large swarms, and says what each measured.
fn play_scenes(all: bool, result: &mut Result) {
    for scene in SCENES.iter().filter(|scene| all || !scene.is_long) {
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(scene.play);
        let outcome = outcome.unwrap_or_else(|_| Err("a panic".to_owned()));
        let time = start.elapsed().as_secs_f64();
        let failed = if outcome.is_err() { "FAILED: " } else { "" };
        result.passed += u64::from(outcome.is_ok());
        result.failed += u64::from(outcome.is_err());
        let said = outcome.unwrap_or_else(|said| said);
        println!("mesh: {}: {failed}{said} ({time:.1} s)", scene.name);
    }
}

fn hunt_all(result: &mut Result) {
    if !HAS_PLANTED {
        println!("this build has no planted bugs; build it with --cfg millpond_planted");
        result.failed += 1;
        return;
    }
    for bug in all_planted() {
        let (start, name) = (Instant::now(), bug.name);
        let found = hunt(bug);
        let time = start.elapsed().as_secs_f64();
        result.planted += 1;
        match found.and_then(|outcome| outcome.violation.map(|what| (outcome.seed, what))) {
            Some((seed, violation)) => {
                println!("planted {name}: found with seed {seed}, {time:.2} s: {violation}");
                result.found += 1;
                result.passed += 1;
            }
            None => {
                println!("planted {name}: NOT FOUND in {time:.2} s");
                result.failed += 1;
            }
        }
    }
}

fn all_planted() -> impl Iterator<Item = &'static Planted> {
    PLANTED.iter().chain(PLANTED_IN_STAND_INS)
}

/// Has the planted build look for its bugs, and takes over its numbers. It fails unless each bug
/// of this build was looked for, to the end.
fn ask(program: &PathBuf, result: &mut Result) {
    let output = Command::new(program).arg("--planted").output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let before = result.failed;
    for line in text.lines() {
        if line.starts_with("planted ") {
            println!("{line}");
            result.planted += 1;
            let is_found = !line.contains("NOT FOUND");
            result.found += usize::from(is_found);
            result.passed += u64::from(is_found);
            result.failed += u64::from(!is_found);
        }
    }
    let (wanted, status) = (all_planted().count(), output.status);
    if result.planted != wanted || (result.failed == before && !status.success()) {
        let complaint = String::from_utf8_lossy(&output.stderr);
        println!("the planted build looked for {} of {wanted} bugs: {status}", result.planted);
        println!("{complaint}");
        result.failed += 1;
    }
}

impl Result {
    fn add(&mut self, name: &str, seeds: &[u64], is_bare: bool) {
        let start = Instant::now();
        let options = RunOptions { is_bare, ..RunOptions::default() };
        let part = Campaign::seeds(seeds, options, |outcome| tell(outcome, is_bare));
        let (time, simulated) = (start.elapsed(), part.figures.time);
        println!(
            "{name}: {:.1} simulated hours in {:.1} s, {:.0} times real time",
            hours(simulated),
            time.as_secs_f64(),
            simulated.as_secs_f64() / time.as_secs_f64()
        );
        self.passed += part.passed;
        self.failed += part.failed.len() as u64;
        self.all.join(part);
    }

    fn close(&self) -> ExitCode {
        let Figures { time, events, crashes, faults, restores, forks, frames, .. } =
            self.all.figures;
        let Figures { early, repairs, cargo, .. } = self.all.figures;
        let (simulated, real) = self.all.of_five;
        if real > Duration::ZERO {
            let times = simulated.as_secs_f64() / real.as_secs_f64();
            // Told and not failed: it is the machine's, too.
            let verdict = if times >= TIMES_REAL { "holds" } else { "missed" };
            println!(
                "five nodes: {times:.0} times real time on one processor, floor {TIMES_REAL}: \
                 {verdict}"
            );
        }
        let seeds = self.all.passed + self.all.failed.len() as u64;
        let are_few = seeds >= RESTORES_SEEDS_MIN && restores * 100 < RESTORES_PER_100 * seeds;
        if are_few {
            println!(
                "{restores} restores and clones in {seeds} seeds: fewer than {RESTORES_PER_100} in \
                 a hundred"
            );
        }
        let failed = self.failed + u64::from(are_few);
        println!("{early} events shown before they were durable, {repairs} blocks put back");
        println!("{cargo} frames of cargo");
        println!("{} passed, {failed} failed", self.passed);
        println!(
            "simulated hours {:.1}, frames {frames}, events {events}, crashes {crashes}, \
             restores and clones {restores}, forks {forks}, faults injected {faults}, \
             violations {}, planted bugs found {} of {}",
            hours(time),
            self.all.failed.len(),
            self.found,
            self.planted
        );
        match failed {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }
}

fn tell(outcome: &Outcome, is_bare: bool) {
    let Outcome { seed, violation: Some(violation), .. } = outcome else { return };
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!(
        "seed {seed}, commit {}, {violation}\n  ./dev sim --seed {seed} --until {} --log{}",
        commit.unwrap_or_default(),
        violation.step,
        if is_bare { " --bare" } else { "" }
    );
}

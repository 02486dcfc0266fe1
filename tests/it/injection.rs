//! SIGKILL in every call of a run that can change a file, in each thread, at each occurrence.
//!
//! One run is listed; then it is done again for every call on the list, and dies entering it.
//! strace counts a call in each thread apart, and the thread that is ahead dies: the first where
//! every call is stopped, the committer where only this one is. The checkpointer is traced alone.
//! Which thread commits is never decided, so a call of a commit may come later than it was listed,
//! or not at all; hence the commits in which a run died are counted too.

use crate::crash::{CHILD, COMMITS, check, next_count};
use crate::nodes::PATIENCE;
use crate::support::{Scratch, skip_without};
use millpond_tests::calls::changes_files;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const MAIN: &str = "crash_child";
/// As the kernel cuts the names.
const COMMITTER: &str = "millpond-commit";
const CHECKPOINTER: &str = "millpond-checkp";
/// More occurrences of a call than this in one thread are a run that never ends.
const OCCURRENCES_MAX: u64 = 2_000;

/// A call of one thread: thread, call.
type Point = (String, String);

#[test]
fn nothing_acknowledged_is_lost_when_the_process_dies_in_any_system_call() {
    if skip_without("strace") {
        return;
    }
    let scratch = Scratch::new("inject");
    let listed = listed_calls(&scratch);
    let points: Vec<(&Point, &u64)> = listed.iter().collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut reached = Vec::new();
        while let Some((point, listed)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
            reached.push((*point, **listed, kill_at_each(&scratch, point, **listed)));
        }
        reached
    };
    let reached: Vec<_> = std::thread::scope(|scope| {
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker panicked")).collect()
    });
    for ((thread, call), listed, deaths) in &reached {
        println!("{thread} {call}: {} kills, {listed} listed", deaths.len());
        assert!(!deaths.is_empty(), "{thread} was never killed in {call}, listed {listed} times");
        // These are the same in every run.
        if ["fsync", "ftruncate", "mkdir", "openat", "write"].contains(&call.as_str()) {
            assert!(deaths.len() as u64 >= *listed, "{thread} {call}: {} kills", deaths.len());
        }
    }
    for of_commits in ["pwrite64", "fdatasync"] {
        let here = reached.iter().filter(|((_, call), ..)| call == of_commits);
        let mut commits: BTreeSet<u64> = here.flat_map(|(.., deaths)| deaths.clone()).collect();
        for thread in [MAIN, COMMITTER].repeat(2) {
            if commits.len() as u64 * 4 < COMMITS * 3 {
                let point = (thread.to_owned(), of_commits.to_owned());
                commits.extend(kill_at_each(&scratch, &point, COMMITS));
            }
        }
        println!("{of_commits}: died in {} of {COMMITS} commits", commits.len());
        assert!(commits.len() as u64 * 4 >= COMMITS * 3, "too few commits died in {of_commits}");
    }
    println!("killed at {} system calls", reached.iter().map(|r| r.2.len()).sum::<usize>());
}

/// How often each thread makes each call that can change a file.
fn listed_calls(scratch: &Scratch) -> BTreeMap<Point, u64> {
    let (list, store) = (scratch.path().join("list"), scratch.path().join("listed"));
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-y", "-Y", "-o"]).arg(&list).args(["--", CHILD]);
    let status = child_arguments(&mut command, &store)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .expect("strace starts");
    assert!(status.success(), "the listed run ended with {status}");
    let list = std::fs::read_to_string(list).expect("the list can be read");
    let mut calls = BTreeMap::new();
    let mut journals = Vec::new();
    for line in list.lines() {
        // `123<thread> call(arguments) = result`; what resumes was listed when it began.
        let Some((thread, rest)) = line.split_once("> ") else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        if call.contains(' ') || call.contains('<') {
            continue;
        }
        // The C library looks up the number of processors whenever a thread needs memory.
        let opens_for_writing = ["O_CREAT", "O_RDWR", "O_WRONLY"];
        let only_reads =
            call == "openat" && !opens_for_writing.iter().any(|flag| arguments.contains(flag));
        if only_reads || !changes_files(call).expect("every call is known") {
            continue;
        }
        let thread = thread.rsplit('<').next().expect("one part at least");
        *calls.entry((thread.to_owned(), call.to_owned())).or_default() += 1;
        let journal =
            ["journal-a>", "journal-b>"].into_iter().find(|name| arguments.contains(name));
        journals.extend(journal.filter(|_| call == "pwrite64"));
    }
    journals.dedup();
    let in_background = (CHECKPOINTER.to_owned(), "writev".to_owned());
    assert!(journals.len() >= 3, "no segment was recycled: {journals:?}");
    assert!(calls.contains_key(&in_background), "no checkpoint in the background: {calls:?}");
    calls
}

/// Does the run again and again, and kills it at the first, second, … occurrence of one call, up to
/// the number listed and on until it comes through; checks what is left each time. Returns for each
/// kill how many commits had been acknowledged.
fn kill_at_each(scratch: &Scratch, (thread, call): &Point, listed: u64) -> Vec<u64> {
    let mut deaths = Vec::new();
    for when in 1..OCCURRENCES_MAX {
        let store = scratch.path().join(format!("{thread}-{call}-{when}"));
        let inject = format!("inject={call}:signal=SIGKILL:when={when}");
        let (said, status) = match thread.as_str() {
            MAIN => run_traced(&store, call, &inject, &["-f"]),
            COMMITTER => run_traced(&store, call, &inject, &["-f", "--seccomp-bpf"]),
            CHECKPOINTER => run_with_traced_thread(&store, thread, call, &inject),
            _ => panic!("{thread} is not a thread that is known here"),
        };
        if store.exists() {
            let held = check(&store, 7).unwrap_or_else(|e| panic!("{thread} {inject}: {e}"));
            let acknowledged = said.iter().max().copied().unwrap_or(0);
            let told = format!("{thread} {inject}: {held} held, {acknowledged} acknowledged");
            assert!(held >= acknowledged, "{told}");
            std::fs::remove_dir_all(&store).expect("the store can be removed");
        }
        if !status.success() {
            assert_eq!(status.signal(), Some(9), "{thread} {inject}: the run ended with {status}");
            deaths.push(said.len() as u64);
        } else if when >= listed {
            return deaths;
        }
    }
    panic!("{thread} {call}: the run never gets past the injected calls");
}

/// strace starts the run and ends as it does.
fn run_traced(store: &Path, call: &str, inject: &str, how: &[&str]) -> (Vec<u64>, ExitStatus) {
    let mut command = strace(call, inject);
    let command = child_arguments(command.args(how).args(["--", CHILD]), store);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().expect("standard output is piped"));
    (counts(out), child.wait().expect("the run has ended"))
}

/// strace takes hold of one thread of the open log, and then the run goes on.
fn run_with_traced_thread(
    store: &Path,
    thread: &str,
    call: &str,
    inject: &str,
) -> (Vec<u64>, ExitStatus) {
    let mut command = Command::new(CHILD);
    let command = child_arguments(&mut command, store);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().expect("standard output is piped"));
    next_count(&mut out).expect("the child opens the store");
    let task = task_of(&child, thread);
    let mut tracer = strace(call, inject).args(["-p", &task]).spawn().expect("strace starts");
    let deadline = Instant::now() + PATIENCE;
    while !is_traced(&child, &task) {
        assert!(Instant::now() < deadline, "strace never took hold of {thread}");
        std::thread::yield_now();
    }
    child.stdin.take().expect("it is piped").write_all(b"\n").expect("the child waits");
    let said = (counts(out), child.wait().expect("the run has ended"));
    tracer.wait().expect("the tracer ends with the run");
    said
}

fn strace(call: &str, inject: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", inject]);
    command.stderr(Stdio::null());
    command
}

fn child_arguments<'a>(command: &'a mut Command, store: &Path) -> &'a mut Command {
    command.arg(store).args(["7", &COMMITS.to_string(), "power"])
}

/// What the child says it holds, line by line.
fn counts(mut out: BufReader<std::process::ChildStdout>) -> Vec<u64> {
    std::iter::from_fn(|| next_count(&mut out)).collect()
}

/// The id of the thread with this name; a thread gives itself its name when it runs first.
fn task_of(child: &Child, thread: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).expect("it runs");
        for task in tasks {
            let task = task.expect("it waits").path();
            if std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == thread) {
                return task.file_name().expect("a number").to_string_lossy().into_owned();
            }
        }
        std::thread::yield_now();
    }
    panic!("there is no thread {thread}");
}

fn is_traced(child: &Child, task: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/task/{task}/status", child.id()));
    status.is_ok_and(|text| text.contains("TracerPid:") && !text.contains("TracerPid:\t0\n"))
}

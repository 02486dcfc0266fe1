//! A panic at a wall that only folds and groups pass, which C does not reach by itself.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use millpond_facade::{FacadeError, FishJob, FishSpec, JobAnswer, ReadOptions, fault};
use std::process::Command;
use support::{Mill, soon};

const WALLS: [&str; 7] = [
    "fold_close",
    "fold_next_job",
    "fold_work",
    "group_close",
    "group_next_step",
    "node_observe_group",
    "node_observe_group_work",
];

/// The environment says where the panic is, so each wall is tried in a process of its own.
#[test]
fn a_panic_at_a_wall_of_a_fold_or_a_group_is_internal() {
    if !fault::is_compiled_in() {
        return;
    }
    if let Ok(wall) = std::env::var("MILLPOND_WALL") {
        let error = pass(&wall);
        assert_eq!((error.name, error.reason), ("internal", Some("panic")), "{error}");
        return;
    }
    for wall in WALLS {
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new(own);
        child.args(["a_panic_at_a_wall_of_a_fold_or_a_group_is_internal", "--exact"]);
        child.env("MILLPOND_WALL", wall).env("MILLPOND_PANIC_AT", wall).env("RUST_BACKTRACE", "0");
        let done = child.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "a panic at {wall}: {said}");
    }
}

/// Passes the wall once.
fn pass(wall: &str) -> FacadeError {
    let mill = Mill::open();
    if wall.starts_with("fold") {
        let fish = FishSpec::code("orders", 1, "FROM 'grain'");
        let observed = mill.node.observe(fish, ReadOptions::default(), &soon()).unwrap();
        let fold = observed.fold.unwrap();
        let work = |_: FishJob| JobAnswer::Loaded;
        return match wall {
            "fold_close" => fold.close().unwrap_err(),
            "fold_work" => fold.work_on_thread(Box::new(work)).unwrap_err(),
            _ => fold.next_job(None, &soon()).unwrap_err(),
        };
    }
    let group = mill.node.observe_group("FROM 'grain'", false, ReadOptions::default(), &soon());
    match (wall, group) {
        (_, Err(error)) => error,
        ("group_close", Ok(group)) => group.close().unwrap_err(),
        (_, Ok(group)) => group.next_step(None, &soon()).unwrap_err(),
    }
}

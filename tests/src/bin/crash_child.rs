//! A process that publishes until it is killed, for the crash campaigns.
//!
//! `crash_child PATH SEED COMMITS power|process`: opens the store at PATH, verifies what is there,
//! waits for a line or the end of standard input, so that a tracer can look at all threads,
//! publishes COMMITS batches, and closes. Says on standard output, each line in one write:
//! `O <count>` after opening (events held), `A <count>` after each acknowledgement, `C` after
//! close. Rule: a line is written only after what it says is true, so the last line is a lower
//! bound.

use millpond_tests::crash::{self, Acknowledged};
use std::io::Write;
use std::path::PathBuf;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, seed, commits, durability] = &arguments[..] else {
        eprintln!("usage: crash_child PATH SEED COMMITS power|process");
        std::process::exit(2);
    };
    let seed: u64 = seed.parse().expect("SEED is a number");
    let commits: u64 = commits.parse().expect("COMMITS is a number");
    let node = crash::open(&PathBuf::from(path)).expect("the store opens");
    let mut held = crash::verify(&node, seed).expect("what is there is right");
    say(&format!("O {held}\n"));
    std::io::stdin().read_line(&mut String::new()).expect("standard input can be read");
    for commit in 0..commits {
        let batch = crash::batch(seed, held, commit);
        held += batch.len() as u64;
        match crash::publish(&node, batch, commit, durability == "power") {
            Acknowledged::Yes => say(&format!("A {held}\n")),
            Acknowledged::No(error) => {
                eprintln!("not acknowledged: {error}");
                std::process::exit(3);
            }
        }
    }
    node.close(std::time::Duration::from_secs(10)).expect("the node closes");
    say("C\n");
}

/// One write, so that a kill never leaves half a line that says too much.
fn say(line: &str) {
    let mut out = std::io::stdout();
    out.write_all(line.as_bytes()).expect("standard output takes a line");
    out.flush().expect("standard output takes a line");
}

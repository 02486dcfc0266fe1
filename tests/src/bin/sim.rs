//! `sim`: runs seeds of the simulator. See `./dev sim`.

use millpond_tests::sim::{RunOptions, run};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (a, b): (u64, u64) = (words[0].parse().expect("a seed"), words[1].parse().expect("a seed"));
    let is_shown = words.len() > 2;
    let start = std::time::Instant::now();
    let mut total = 0.0;
    for seed in a..b {
        let outcome = run(seed, RunOptions { is_shown, ..RunOptions::default() });
        total += outcome.figures.time.as_secs_f64();
        if let Some(violation) = outcome.violation {
            println!("seed {seed}: {violation}");
        }
    }
    println!("{total} s in {:?}", start.elapsed());
}

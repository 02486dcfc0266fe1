//! Every fuzz target takes its seeds, and what is nearly one of them: a short replay, in every run,
//! of what `./dev fuzz` does for long.

use crate::support::repository;
use millpond_tests::crash::mix;
use millpond_tests::fuzz::TARGETS;
use std::fs;

/// The seeds of a target, by rising name.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = repository().join("tests/fuzz/seeds").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_fuzz_target_is_one_that_the_fuzzer_runs() {
    let manifest = fs::read_to_string(repository().join("tests/fuzz/Cargo.toml")).unwrap();
    let named = manifest.split("[[bin]]").skip(1).filter_map(|part| part.split('"').nth(1));
    assert!(named.eq(TARGETS.iter().map(|target| target.name)), "{manifest}");
}

#[test]
fn every_fuzz_target_takes_its_seeds_and_what_is_nearly_one() {
    for target in TARGETS {
        let seeds = seeds(target.name);
        assert!(!seeds.is_empty(), "{} has no seed", target.name);
        for (number, seed) in seeds.iter().enumerate() {
            (target.run)(seed);
            for variation in 0..target.variations {
                (target.run)(&altered(seed, mix(number as u64, variation)));
            }
        }
    }
}

/// `seed` with one byte changed, one repeated, or the end cut off.
fn altered(seed: &[u8], chance: u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    if bytes.is_empty() {
        return chance.to_le_bytes().to_vec();
    }
    let at = (chance >> 16) as usize % bytes.len();
    match chance % 4 {
        0 => bytes[at] ^= 1 << (chance >> 8 & 7),
        1 => bytes[at] = (chance >> 8) as u8,
        2 => bytes.insert(at, bytes[at]),
        _ => bytes.truncate(at),
    }
    bytes
}

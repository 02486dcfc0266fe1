//! See `millpond_tests::fuzz::range`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millpond_tests::fuzz::range::run(bytes));

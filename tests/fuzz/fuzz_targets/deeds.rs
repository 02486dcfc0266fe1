//! See `millpond_tests::fuzz::deeds`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millpond_tests::fuzz::deeds::run(bytes));

//! See `millpond_tests::fuzz::journal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millpond_tests::fuzz::journal::run(bytes));

//! See `millpond_tests::fuzz::ticket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millpond_tests::fuzz::ticket::run(bytes));

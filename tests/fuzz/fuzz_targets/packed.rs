//! See `millpond_tests::fuzz::packed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millpond_tests::fuzz::packed::run(bytes));

//! See `millpond_tests::fuzz::text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millpond_tests::fuzz::text::run(bytes));

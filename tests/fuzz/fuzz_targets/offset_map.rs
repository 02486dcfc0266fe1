//! See `millpond_tests::fuzz::offset_map`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millpond_tests::fuzz::offset_map::run(bytes));

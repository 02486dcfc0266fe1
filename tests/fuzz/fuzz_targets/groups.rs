//! See `millpond_tests::fuzz::groups`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millpond_tests::fuzz::groups::run_often(bytes));

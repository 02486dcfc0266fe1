//! See `millpond_tests::fuzz::blob_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| millpond_tests::fuzz::blob_frame::run(bytes));

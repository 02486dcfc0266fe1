//! The committed error table for languages is the one of the code.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

use millpond_facade::errors;
use std::path::Path;

fn check_or_bless(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("MILLPOND_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{} is not what the code makes; run the tests once with MILLPOND_BLESS=1 and commit it",
        path.display()
    );
}

#[test]
fn the_error_table_for_languages_is_the_one_of_the_code() {
    check_or_bless("ffi/errors.json", &errors::table_json());
}

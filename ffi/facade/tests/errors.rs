//! The committed error tables are those of the code.

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

#[test]
fn the_error_page_is_the_one_of_the_code() {
    check_or_bless("docs/errors.md", &errors::table_markdown());
}

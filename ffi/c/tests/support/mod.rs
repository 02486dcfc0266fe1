//! What the tests of the C interface share.

use std::path::{Path, PathBuf};

/// The folder of the package.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    package().join("../..")
}

/// Compares `text` with the committed file, or replaces that when `MILLPOND_BLESS` is set.
pub(crate) fn check_or_bless(path: &Path, text: &str) {
    if std::env::var_os("MILLPOND_BLESS").is_some() {
        std::fs::write(path, text).expect("a committed file can be written");
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == text,
        "{} is not what the code makes; run the tests once with MILLPOND_BLESS=1 and commit it",
        path.display()
    );
}

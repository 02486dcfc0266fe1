//! What the tests of the bindings share.
#![allow(dead_code)] // Each test program uses some of it.

use std::path::{Path, PathBuf};

/// The folder of the package.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The library as it was built beside this test, with its symbols.
pub(crate) fn library() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it is");
    let folder = own.parent().expect("a test is in a folder");
    let suffix = std::env::consts::DLL_SUFFIX;
    let prefix = std::env::consts::DLL_PREFIX;
    let library = folder.join(format!("{prefix}millpond_ffi{suffix}"));
    assert!(library.exists(), "{} is not there", library.display());
    library
}

/// Compares `text` with the committed file, or replaces that when `MILLPOND_BLESS` is set.
pub(crate) fn check_or_bless(path: &Path, text: &str) {
    if std::env::var_os("MILLPOND_BLESS").is_some() {
        let folder = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder).expect("a folder can be made");
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

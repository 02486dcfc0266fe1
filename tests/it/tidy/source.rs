//! The files of the repository, each with its comments and strings told apart.

use super::Finding;
use super::lexer;
use crate::support::repository;
use std::path::Path;
use std::process::Command;

/// What a file is written in; files of no language of ours are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    C,
    Script,
    Python,
    Kotlin,
    Swift,
    Shell,
    Toml,
    Prose,
}

/// One file.
pub(super) struct Source {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    pub(super) language: Language,
    pub(super) text: String,
    /// The text with comments and the contents of strings blanked, line by line as long as before.
    pub(super) code: String,
    /// The text with only the contents of strings blanked.
    pub(super) prose: String,
}

/// Made by a program, and held against that program by a test of their own.
const GENERATED: &[&str] = &[
    "include/millpond.h",
    "bindings/swift/Sources/CMillpond/include/millpond_ffi.h",
    "node/package-lock.json",
    "Cargo.lock",
];

/// A folder of this name below `bindings` holds nothing else.
const GENERATED_FOLDER: &str = "generated";

fn is_generated(path: &str) -> bool {
    let in_folder = || path.split('/').rev().skip(1).any(|part| part == GENERATED_FOLDER);
    GENERATED.contains(&path) || (path.starts_with("bindings/") && in_folder())
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Source {
        let language = language_of(path).expect("a language of ours");
        let (code, prose) = lexer::split(language, text);
        Source { path: path.to_owned(), language, text: text.to_owned(), code, prose }
    }

    /// A finding at this byte of the file.
    pub(super) fn at(&self, byte: usize, what: impl std::fmt::Display) -> Finding {
        let line = self.text.as_bytes()[..byte].iter().filter(|&&b| b == b'\n').count() + 1;
        format!("{}:{line}: {what}", self.path)
    }

    /// True in tests, benches and instruments, where no product code lives.
    pub(super) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.split('/').any(|part| matches!(part, "tests" | "test" | "Tests"))
            || name.starts_with("test_")
            || name.contains(".test.")
            || name == "tests.rs"
    }

    /// True in `folder` and below.
    pub(super) fn is_below(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Every file that git knows or would know, in a language of ours, except generated ones.
pub(super) fn all() -> Vec<Source> {
    let root = repository();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .expect("git lists the files");
    assert!(listed.status.success(), "git ls-files failed");
    let names = String::from_utf8(listed.stdout).expect("file names are UTF-8");
    let mut names: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let wanted = |name: &&str| !is_generated(name) && language_of(name).is_some();
    let read =
        |name: &str| Some(Source::new(name, &std::fs::read_to_string(root.join(name)).ok()?));
    let sources: Vec<Source> = names.into_iter().filter(wanted).filter_map(read).collect();
    assert!(sources.iter().any(|source| source.path == "core/src/lib.rs"), "nothing to look at");
    sources
}

fn language_of(path: &str) -> Option<Language> {
    let name = Path::new(path).file_name()?.to_str()?;
    let Some((_, extension)) = name.rsplit_once('.') else {
        return matches!(path, "dev" | ".ci/run").then_some(Language::Shell);
    };
    match extension {
        "rs" => Some(Language::Rust),
        "c" | "h" | "hpp" | "cpp" => Some(Language::C),
        "ts" | "mts" | "cts" | "js" | "mjs" | "cjs" => Some(Language::Script),
        "py" | "pyi" => Some(Language::Python),
        "kt" | "kts" => Some(Language::Kotlin),
        "swift" => Some(Language::Swift),
        "sh" | "awk" | "cmake" => Some(Language::Shell),
        "toml" => Some(Language::Toml),
        "md" | "txt" => Some(Language::Prose),
        _ => None,
    }
}

#[test]
fn what_a_generator_wrote_is_told_from_what_people_write() {
    for path in [
        "bindings/kotlin/src/main/kotlin/io/millpond/internal/generated/millpond_ffi.kt",
        "bindings/swift/Sources/MillpondGenerated/generated/MillpondGenerated.swift",
        "bindings/swift/Sources/CMillpond/include/millpond_ffi.h",
    ] {
        assert!(language_of(path).is_some() && is_generated(path), "{path}");
    }
    for path in ["bindings/tests/generated.rs", "bindings/src/batch.rs", "core/src/generated/a.rs"]
    {
        assert!(!is_generated(path), "{path}");
    }
}

//! Every Rust file is part of a program: one that no `mod` reaches is dead, however green it looks.

use super::Finding;
use super::source::{Language, Source};
use std::collections::{BTreeMap, BTreeSet};

/// Rust files that no crate root reaches.
pub(super) fn unreachable_files(sources: &[Source]) -> Vec<Finding> {
    let files: BTreeMap<&str, &Source> = sources
        .iter()
        .filter(|source| source.language == Language::Rust)
        .map(|source| (source.path.as_str(), source))
        .collect();
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<String> = roots(sources);
    while let Some(path) = waiting.pop() {
        let Some(source) = files.get(path.as_str()) else { continue };
        if reached.insert(path.clone()) {
            waiting.extend(children(source));
        }
    }
    let lost = files.keys().filter(|path| !reached.contains(**path));
    lost.map(|path| format!("{path}:1: no `mod` leads here")).collect()
}

/// What cargo compiles by itself: the usual places beside each Cargo.toml, and each `path = "…rs"`.
fn roots(sources: &[Source]) -> Vec<String> {
    let mut roots = Vec::new();
    for manifest in sources.iter().filter(|source| source.path.ends_with("Cargo.toml")) {
        let folder = manifest.path.trim_end_matches("Cargo.toml");
        for usual in ["src/lib.rs", "src/main.rs", "build.rs"] {
            roots.push(format!("{folder}{usual}"));
        }
        for line in manifest.text.lines().filter(|line| line.trim_start().starts_with("path")) {
            roots.extend(line.split('"').nth(1).map(|path| format!("{folder}{path}")));
        }
        let found_by_cargo = |path: &&str| {
            let Some(rest) = path.strip_prefix(folder) else { return false };
            let parts: Vec<&str> = rest.split('/').collect();
            matches!(parts[..], ["tests" | "examples" | "benches", _] | ["src", "bin", _])
        };
        let paths = sources.iter().map(|source| source.path.as_str()).filter(found_by_cargo);
        roots.extend(paths.filter(|path| path.ends_with(".rs")).map(str::to_owned));
    }
    roots
}

/// The files that this one's `mod name;` lines mean.
fn children(source: &Source) -> Vec<String> {
    let (folder, name) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = name.trim_end_matches(".rs");
    // A crate root is known by its name or, named by a `path`, by the folder of modules beside it.
    let owns_folder = matches!(stem, "mod" | "lib" | "main");
    let mut children = Vec::new();
    let mut attribute: Option<String> = None;
    for (line, code) in source.text.lines().zip(source.code.lines()) {
        let code = code.trim();
        if code.starts_with("#[path") {
            attribute = line.split('"').nth(1).map(str::to_owned);
        }
        let Some(name) = declared(code) else { continue };
        if let Some(path) = attribute.take() {
            children.push(format!("{folder}/{path}"));
            continue;
        }
        for inside in if owns_folder { vec![folder.to_owned()] } else { both(folder, stem) } {
            children.push(format!("{inside}/{name}.rs"));
            children.push(format!("{inside}/{name}/mod.rs"));
        }
    }
    children
}

/// Modules of `folder/stem.rs` are in `folder/stem/`, or beside it when it is a crate root.
fn both(folder: &str, stem: &str) -> Vec<String> {
    vec![format!("{folder}/{stem}"), folder.to_owned()]
}

fn declared(code: &str) -> Option<&str> {
    let rest = code.strip_suffix(';')?;
    let (before, name) = rest.rsplit_once("mod ")?;
    (before.is_empty() || before.starts_with("pub")).then_some(name.trim())
}

#[test]
fn a_file_that_nothing_declares_is_found() {
    let manifest = Source::new("core/Cargo.toml", "[package]\n");
    let root = Source::new("core/src/lib.rs", "pub mod event;\n");
    let room = Source::new("core/src/event/mod.rs", "mod ids;\n");
    let child = Source::new("core/src/event/ids.rs", "");
    let lost = Source::new("core/src/event/lost.rs", "");
    let findings = unreachable_files(&[manifest, root, room, child, lost]);
    assert_eq!(findings, ["core/src/event/lost.rs:1: no `mod` leads here"]);
}

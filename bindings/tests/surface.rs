//! What the library gives to languages: all that the facade has, in forms that every generator and
//! every compiler behind it can take.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{library, package};

/// `(file name, text)` of each source of a folder.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_str()?.to_owned();
        name.ends_with(".rs").then(|| (name, fs::read_to_string(path).unwrap()))
    };
    let mut sources: Vec<_> = fs::read_dir(folder).unwrap().filter_map(read).collect();
    sources.sort();
    sources
}

fn own() -> Vec<(String, String)> {
    sources(&package().join("src"))
}

/// The signatures of the public functions of a text, each on one line.
fn signatures(text: &str) -> Vec<String> {
    let begun = text.match_indices("pub fn ").map(|(at, _)| &text[at + "pub fn ".len()..]);
    let whole = begun.filter_map(|rest| rest.split(" {\n").next());
    whole.map(one_line).collect()
}

fn one_line(head: &str) -> String {
    let words = head.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace("( ", "(").replace(", )", ")")
}

fn name_of(signature: &str) -> &str {
    signature.split(['(', '<']).next().unwrap_or_default()
}

/// A comment's end in a docstring would end the comment that it becomes.
#[test]
fn no_docstring_ends_the_comment_that_it_becomes() {
    for (file, text) in own() {
        let docs = text.lines().filter(|line| line.trim_start().starts_with("///"));
        for line in docs {
            assert!(!line.contains("/*") && !line.contains("*/"), "{file}: {line}");
        }
    }
}

/// Each would bring a thread of ours into a JVM, or a compiler down.
#[test]
fn nothing_is_asynchronous_and_nothing_calls_back() {
    for (file, text) in own() {
        for refused in ["async fn", "callback_interface", "foreign", "async_runtime"] {
            let at = text
                .lines()
                .find(|line| !line.trim_start().starts_with("//") && line.contains(refused));
            assert_eq!(at, None, "{file}");
        }
    }
}

#[test]
fn every_call_takes_a_ticket_first_and_its_limit_last() {
    let mut starts = 0;
    for (file, text) in own() {
        for signature in signatures(&text) {
            let is_start = signature.contains("limit_ms");
            assert_eq!(
                is_start,
                signature.contains("-> Option<Completion>"),
                "{file}: {signature}"
            );
            if !is_start {
                continue;
            }
            starts += 1;
            let (name, parameters) = signature.split_once('(').unwrap();
            let parameters = parameters.split(") ->").next().unwrap().trim_end_matches([',', ' ']);
            assert!(parameters.starts_with("&self, ticket: u64, "), "{file}: {signature}");
            assert!(parameters.ends_with("limit_ms: Option<u64>"), "{file}: {signature}");
            let wall = format!("self.start(\"bridge_{name}\", ticket, limit_ms, ");
            assert!(text.contains(&wall), "{file}: {name} has no wall of its name");
        }
    }
    assert!(starts > 35, "{starts} calls are found");
}

/// Java's and the generator's own names, and what the generator makes of them.
#[test]
fn no_name_is_one_that_a_language_has_already() {
    const METHODS: [&str; 8] =
        ["wait", "notify", "close", "destroy", "clone", "finalize", "hash_code", "to_string"];
    for (file, text) in own() {
        for signature in signatures(&text) {
            assert!(!METHODS.contains(&name_of(&signature)), "{file}: {signature}");
        }
        for field in ["pub message:", "        message:", "    Unit,"] {
            assert!(!text.contains(&format!("\n{field}")), "{file}: {field}");
        }
        assert!(!text.contains("    pub message:"), "{file}: a field `message`");
    }
}

/// What the facade can be asked without waiting is asked here, but for what other shells need.
#[test]
fn every_call_of_the_facade_can_be_made() {
    let facade = sources(&package().join("../ffi/facade/src"));
    let ours: String = own().into_iter().map(|(_, text)| text).collect();
    let mut missing = BTreeSet::new();
    let mut seen = 0;
    // No language that stands on this starts work on blobs yet.
    for (file, text) in facade.iter().filter(|(file, _)| !file.starts_with("blob")) {
        let product = text.split("#[cfg(test)]").next().unwrap();
        let is_lab = ["lab.rs", "lab_scarce.rs", "shrink.rs", "lint.rs"].contains(&file.as_str());
        for signature in signatures(product) {
            let name = name_of(&signature);
            if !(name.ends_with("_start") || is_lab && signature.contains("&self")) {
                continue;
            }
            seen += 1;
            let is_asked = [".", "::"].iter().any(|call| ours.contains(&format!("{call}{name}(")));
            if !is_asked {
                missing.insert(name.to_owned());
            }
        }
    }
    assert!(seen > 60, "{seen} calls of the facade are found");
    assert!(missing.is_empty(), "calls that no language can make: {missing:?}");
}

/// Nothing else may be found under a name: a process can hold the C library, too.
#[cfg(target_os = "linux")]
#[test]
fn only_what_the_generated_code_asks_for_is_exported() {
    let listed = Command::new("nm").args(["-D", "--defined-only"]).arg(library()).output().unwrap();
    assert!(listed.status.success(), "nm fails");
    let names = String::from_utf8(listed.stdout).unwrap();
    let names: Vec<&str> = names.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    assert!(names.len() > 100, "{} names are found", names.len());
    let known = ["uniffi_", "ffi_", "UNIFFI_META_"];
    let other: Vec<&&str> =
        names.iter().filter(|name| !known.iter().any(|known| name.starts_with(known))).collect();
    assert!(other.is_empty(), "{} names: {other:?}", other.len());
}

/// The generator is a tool of the tests.
#[cfg(target_os = "linux")]
#[test]
fn the_generator_is_not_in_the_library() {
    let listed = Command::new("nm").arg(library()).output().unwrap();
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    for refused in ["uniffi_bindgen", "askama", "goblin"] {
        assert!(!names.contains(refused), "{refused}");
    }
}

/// Where pages are of 16 KiB, others do not load.
#[cfg(target_os = "linux")]
#[test]
fn the_library_loads_where_pages_are_of_16_kib() {
    let listed = Command::new("readelf").args(["-lW"]).arg(library()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let loads: Vec<&str> =
        listed.lines().filter(|line| line.trim_start().starts_with("LOAD")).collect();
    assert!(!loads.is_empty(), "no segment is found");
    for load in loads {
        assert!(load.trim_end().ends_with("0x4000"), "{load}");
    }
}

//! What we depend on: how much, and under which licences. Asks cargo, offline.

use crate::support::repository;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::process::Command;

/// Licences under which a dependency may come. Every one lets a closed product ship with us.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OpenLDAP",
    "OLDAP-2.8",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// How many crates the core may stand on, counted for this platform without tests.
const CRATES_WITHOUT_NET_MAX: usize = 90;
const CRATES_WITH_NET_MAX: usize = 360;

#[test]
fn every_dependency_comes_under_a_licence_that_we_accept() {
    let metadata = metadata();
    let mut refused = Vec::new();
    for package in metadata["packages"].as_array().expect("cargo lists packages") {
        let licence = package["license"].as_str().unwrap_or_default();
        if !package["source"].is_null() && !is_accepted(licence) {
            refused.push(format!("{} {}: {licence:?}", package["name"], package["version"]));
        }
    }
    assert!(refused.is_empty(), "licences that we do not accept:\n{}", refused.join("\n"));
}

/// True when the expression can be met with accepted licences. `/` is the old way to write `OR`.
fn is_accepted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut words: Vec<&str> = Vec::new();
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    words.extend(spaced.split_whitespace());
    let mut at = 0;
    !words.is_empty() && any_of(&words, &mut at) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut accepted = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        accepted |= all_of(words, at);
    }
    accepted
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut accepted = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        accepted &= one(words, at);
    }
    accepted
}

fn one(words: &[&str], at: &mut usize) -> bool {
    if words.get(*at) == Some(&"(") {
        *at += 1;
        let accepted = any_of(words, at);
        *at += 1;
        return accepted;
    }
    let mut name = words.get(*at).copied().unwrap_or_default().to_owned();
    *at += 1;
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).copied().unwrap_or_default());
        *at += 2;
    }
    LICENCES.contains(&name.as_str())
}

#[test]
fn licence_expressions_are_read_as_they_are_meant() {
    for accepted in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0"]
    {
        assert!(is_accepted(accepted), "{accepted}");
    }
    for refused in ["", "GPL-3.0", "MIT AND GPL-3.0", "AGPL-3.0 OR GPL-2.0", "MIT)"] {
        assert!(!is_accepted(refused), "{refused}");
    }
}

#[test]
fn the_core_stands_on_few_crates() {
    for (arguments, most) in
        [(&["--no-default-features"][..], CRATES_WITHOUT_NET_MAX), (&[][..], CRATES_WITH_NET_MAX)]
    {
        let crates = crates(arguments);
        let list = || crates.iter().cloned().collect::<Vec<_>>().join(", ");
        assert!(crates.len() > 5, "cargo tree says nothing");
        assert!(
            crates.len() <= most,
            "{} crates {arguments:?}, {most} at most: {}",
            crates.len(),
            list()
        );
        println!("{} crates {arguments:?}", crates.len());
    }
}

/// The crates that the core pulls in with these features, for this platform, itself left out.
fn crates(features: &[&str]) -> BTreeSet<String> {
    let tree = ["tree", "-p", "millpond", "--edges", "normal,build", "--prefix", "none"];
    let text = cargo(&[&tree[..], &["--format", "{p}"], features].concat());
    let name_and_version = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let crates = text.lines().filter(|line| !line.is_empty()).map(name_and_version);
    crates.filter(|name| !name.starts_with("millpond ")).collect()
}

fn metadata() -> Json {
    let host = Command::new("rustc").arg("-vV").output().expect("rustc runs").stdout;
    let host = String::from_utf8(host).expect("rustc speaks UTF-8");
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let text = cargo(&["metadata", "--format-version", "1", "--filter-platform", host]);
    serde_json::from_str(&text).expect("cargo writes JSON")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .current_dir(repository())
        .output()
        .expect("cargo starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("cargo speaks UTF-8")
}

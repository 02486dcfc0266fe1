//! The committed Kotlin and Swift are the ones that the library makes.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use std::fs;
use std::path::Path;
use support::{check_or_bless, library, package};
use uniffi_bindgen::BindgenPaths;
use uniffi_bindgen::bindings::{GenerateOptions, TargetLanguage, generate_with_bindgen_paths};

const KOTLIN: &str = "kotlin/src/main/kotlin/io/millpond/internal/generated/millpond_ffi.kt";
const SWIFT: &str = "swift/Sources/MillpondGenerated/generated/MillpondGenerated.swift";
const HEADER: &str = "swift/Sources/CMillpond/include/millpond_ffi.h";

#[test]
fn the_committed_kotlin_and_swift_are_the_ones_that_the_library_makes() {
    let made = tempfile::tempdir().unwrap();
    generate(made.path());
    let read = |name: &str| fs::read_to_string(made.path().join(name)).unwrap();
    let kotlin = private(&read("io/millpond/internal/generated/millpond_ffi.kt"));
    check_or_bless(&package().join(KOTLIN), &kotlin);
    check_or_bless(&package().join(SWIFT), &read("MillpondGenerated.swift"));
    check_or_bless(&package().join(HEADER), &read("millpond_ffi.h"));
}

fn generate(folder: &Path) {
    let path = |path: &Path| path.to_str().expect("a path of UTF-8").into();
    let options = GenerateOptions {
        languages: vec![TargetLanguage::Kotlin, TargetLanguage::Swift],
        source: path(&library()),
        out_dir: path(folder),
        config_override: Some(path(&package().join("uniffi.toml"))),
        format: false,
        crate_filter: None,
        metadata_no_deps: true,
    };
    generate_with_bindgen_paths(options, BindgenPaths::default()).unwrap();
}

/// What the generator says of warnings; ours fail the build.
const NAMED: &str = "@file:Suppress(\"NAME_SHADOWING\")";
const ALL: &str = "@file:Suppress(\"warnings\")";

/// Kotlin that nobody outside the package can name.
fn private(kotlin: &str) -> String {
    assert!(kotlin.contains(NAMED), "the generator suppresses something else");
    let mut text = String::new();
    for (line, is_outermost) in outermost(&apart(&kotlin.replace(NAMED, ALL))) {
        let begun = line.trim_start();
        let open = begun.strip_prefix("public ").unwrap_or(begun);
        if is_outermost && is_declaration(open) {
            text += "internal ";
            text += open;
        } else {
            text += line;
        }
        text.push('\n');
    }
    text
}

/// Declarations on lines of their own: the generator puts some behind what is said of them.
fn apart(kotlin: &str) -> String {
    let mut text = String::new();
    for line in kotlin.lines() {
        let said = ["*/", "@Throws(BridgeException::class)"];
        let end = said.iter().find_map(|said| Some(line.find(said)? + said.len()));
        match end.map(|end| line.split_at(end)).filter(|(_, rest)| !rest.trim().is_empty()) {
            Some((said, rest)) => {
                text += said;
                text.push('\n');
                text += rest.trim_start();
            }
            None => text += line,
        }
        text.push('\n');
    }
    text
}

/// Each line, and whether it begins outside of all brackets.
fn outermost(kotlin: &str) -> Vec<(&str, bool)> {
    let mut depth = 0;
    let mut lines = Vec::new();
    for line in kotlin.lines().map(str::trim_end) {
        lines.push((line, depth == 0));
        let is_comment = ["//", "*", "/*"].iter().any(|mark| line.trim_start().starts_with(mark));
        for letter in line.chars().filter(|_| !is_comment) {
            match letter {
                '{' | '(' => depth += 1,
                '}' | ')' => depth -= 1,
                _ => {}
            }
        }
        assert!(depth >= 0, "brackets that nobody opened: {line}");
    }
    assert_eq!(depth, 0, "brackets that nobody closes");
    lines
}

/// What a declaration may begin with that says nothing of who sees it.
const BEGINNINGS: &[&str] = &[
    "abstract ",
    "class ",
    "const ",
    "data ",
    "enum ",
    "fun ",
    "fun<",
    "inline ",
    "interface ",
    "object ",
    "open ",
    "sealed ",
    "suspend ",
    "typealias ",
    "val ",
    "var ",
];

fn is_declaration(line: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

#[test]
fn nothing_of_the_generated_kotlin_can_be_named_elsewhere() {
    let kotlin = fs::read_to_string(package().join(KOTLIN)).unwrap();
    let mut hidden = 0;
    for (line, is_outermost) in outermost(&kotlin) {
        if !is_outermost || line.is_empty() {
            continue;
        }
        let known =
            ["internal ", "private ", "@", "//", "/*", " *", "package ", "import ", "{", "}"];
        let begun = known.iter().any(|known| line.starts_with(known));
        // What goes on from the line before.
        let is_rest = line.starts_with(char::is_whitespace) && !is_declaration(line.trim_start());
        assert!(begun || is_rest, "can be named elsewhere: {line}");
        hidden += usize::from(line.starts_with("internal "));
    }
    assert!(hidden > 200, "{hidden} declarations are found");
}

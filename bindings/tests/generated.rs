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

/// Kotlin that nobody outside the package can name. What the generator lets be seen is told by its
/// first column: there every declaration begins that is in no other.
fn private(kotlin: &str) -> String {
    let mut lines = vec!["@file:Suppress(\"all\")".to_owned()];
    for line in kotlin.lines().map(str::trim_end) {
        let open = line.strip_prefix("public ").unwrap_or(line);
        lines.push(match is_declaration(open) {
            true => format!("internal {open}"),
            false => line.to_owned(),
        });
    }
    lines.join("\n") + "\n"
}

/// What a declaration may begin with that says nothing of who sees it.
const BEGINNINGS: &[&str] = &[
    "abstract ",
    "annotation ",
    "class ",
    "const ",
    "data ",
    "enum ",
    "fun ",
    "inline ",
    "interface ",
    "lateinit ",
    "object ",
    "open ",
    "sealed ",
    "suspend ",
    "typealias ",
    "val ",
    "value ",
    "var ",
];

fn is_declaration(line: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

#[test]
fn nothing_of_the_generated_kotlin_can_be_named_elsewhere() {
    let kotlin = fs::read_to_string(package().join(KOTLIN)).unwrap();
    let annotated = |line: &&str| {
        let mut rest = *line;
        while let Some((annotation, after)) = rest.strip_prefix('@').and_then(|r| r.split_once(' '))
        {
            let _ = annotation;
            rest = after;
        }
        is_declaration(rest) || rest.starts_with("public ")
    };
    let open: Vec<&str> = kotlin.lines().filter(annotated).collect();
    assert!(open.is_empty(), "{} declarations: {open:?}", open.len());
    assert!(kotlin.matches("\ninternal ").count() > 100, "the declarations are not found");
}

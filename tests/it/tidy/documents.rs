//! Documents against the code: what a page names exists, and what the code knows a page says.

use super::source::{self, Language, Source};
use crate::support::repository;
use millpond::ErrorKind;
use std::collections::BTreeSet;

/// Each promise of docs/guarantees.md is a line `- promise … — shown by `test` and `test``. What is
/// not promised follows under "Losses".
#[test]
fn every_promise_names_a_test_that_exists() {
    let page = read("docs/guarantees.md");
    let tests = test_names(&source::all());
    let (promises, _) = page.split_once("\n## Losses\n").expect("losses follow the promises");
    let promises = promises.lines().filter(|line| line.starts_with("- "));
    let broken: Vec<&str> = promises.filter(|line| !names_its_test(line, &tests)).collect();
    assert!(broken.is_empty(), "promises without a test that exists:\n{}", broken.join("\n"));
}

fn names_its_test(promise: &str, tests: &BTreeSet<String>) -> bool {
    let Some((_, proof)) = promise.rsplit_once("— shown by ") else { return false };
    let mut names = proof.split('`').skip(1).step_by(2).peekable();
    names.peek().is_some() && names.all(|name| tests.contains(name))
}

/// The names of what runs as a test: Rust functions under the test attribute, scenarios, Python's
/// `test_…` in files that pytest reads, what is marked in Kotlin and Swift, and the titles given to
/// `run` in C, `test` and `it` in scripts.
fn test_names(sources: &[Source]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources {
        match source.language {
            Language::Rust => names.extend(rust_tests(source)),
            Language::Python => names.extend(python_tests(source)),
            Language::C => names.extend(titles(source, &["run("])),
            Language::Script => names.extend(titles(source, &["test(", "it("])),
            Language::Kotlin => names.extend(marked_tests(source, "fun ")),
            Language::Swift => names.extend(marked_tests(source, "func ")),
            Language::Prose => names.extend(scenario(source)),
            _ => {}
        }
    }
    names
}

/// A scenario is called what its file is called; that each is played is a test beside their reader.
fn scenario(source: &Source) -> Option<String> {
    let name = source.path.strip_prefix("tests/scenarios/")?.strip_suffix(".txt")?;
    Some(name.to_owned())
}

/// A function is a test when only attributes and comments stand between it and `#[test]`.
fn rust_tests(source: &Source) -> Vec<String> {
    let attribute = ["#[", "test]"].concat();
    let mut names = Vec::new();
    for (at, _) in source.code.match_indices(&attribute) {
        let rest = &source.code[at + attribute.len()..];
        let next = rest.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with("#["));
        let name = next.and_then(|line| line.split_once("fn ")).map(|(_, rest)| word(rest));
        names.extend(name);
    }
    names
}

/// The functions of Kotlin and Swift that begin after `@Test`, on the same line or a later one; a
/// name in backticks is a sentence.
fn marked_tests(source: &Source, keyword: &str) -> Vec<String> {
    let after = source.code.match_indices("@Test").map(|(at, mark)| at + mark.len());
    let name = |at: usize| {
        let head = source.code[at..].split(['{', '}']).next()?;
        let name = head.split_once(keyword)?.1.trim_start();
        match name.strip_prefix('`') {
            Some(sentence) => sentence.split('`').next().map(str::to_owned),
            None => Some(word(name)),
        }
    };
    after.filter_map(name).collect()
}

/// What pytest reads, and the claims that the second reader lists, one a line.
fn python_tests(source: &Source) -> Vec<String> {
    let is_pytest = source.path.rsplit('/').next().unwrap_or_default().starts_with("test_");
    let is_listed = |name: &str| {
        let line = format!("    {name},");
        source.is_below("tests/reference") && source.code.lines().any(|listed| listed == line)
    };
    let defined = source.code.lines().filter_map(|line| line.strip_prefix("def "));
    let is_test = |name: &String| (is_pytest && name.starts_with("test_")) || is_listed(name);
    defined.map(word).filter(is_test).collect()
}

/// First arguments of these calls, where they are strings.
fn titles(source: &Source, calls: &[&str]) -> Vec<String> {
    let mut titles = Vec::new();
    for call in calls {
        for (at, _) in source.code.match_indices(call) {
            let before = source.code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let title = source.text[at + call.len()..].trim_start();
            let quote = title.chars().next().filter(|c| "\"'`".contains(*c));
            titles.extend(quote.and_then(|q| title.split(q).nth(1)).map(str::to_owned));
        }
    }
    titles
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn a_promise_without_a_test_is_found() {
    let sources = [
        Source::new("tests/it/a.rs", "#[test]\nfn nothing_is_lost() {}\n"),
        Source::new("node/a.test.ts", "test('a promise resolves', () => {})\n"),
        Source::new("core/src/a.rs", "fn grind() {}\n/// #[test] in a comment.\nfn three() {}\n"),
        Source::new("core/src/b.rs", "#[test]\n// Why.\n#[cfg(unix)]\nfn two_mills() {}\n"),
        Source::new("python/tests/test_a.py", "def test_three():\n    pass\ndef helper(): ...\n"),
        Source::new(
            "tests/reference/a.py",
            "def five(): ...\ndef six(): ...\nT = (\n    five,\n)\n",
        ),
        Source::new("python/tests/support.py", "def fixture():\n    pass\n"),
        Source::new(
            "bindings/kotlin/src/test/A.kt",
            "@Test\nfun `no grain is lost`() {}\nfun no() {}",
        ),
        Source::new(
            "bindings/swift/Tests/A.swift",
            "@Test(.serialized) func seven() {}\nfunc no() {}",
        ),
        Source::new("tests/c/a.c", "void mill(void) { run(\"four turn\", turn); rerun(\"two\"); }"),
    ];
    let tests = test_names(&sources);
    let holds = |line: &str| names_its_test(line, &tests);
    assert!(holds("- Nothing is lost — shown by `nothing_is_lost`"));
    assert!(holds("- Both — shown by `nothing_is_lost` and `a promise resolves`."));
    assert!(holds("- All — shown by `two_mills` and `test_three` and `four turn` and `five`"));
    assert!(holds("- Both — shown by `no grain is lost` and `seven`"));
    assert!(!holds("- Something — shown by `something_else`"));
    for helper in ["grind", "three", "helper", "fixture", "mill", "turn", "two", "six", "no"] {
        assert!(!holds(&format!("- Something — shown by `{helper}`")), "{helper} is no test");
    }
    assert!(!holds("- Something — shown by `nothing_is_lost` and `something_else`"));
    assert!(!holds("- Nothing is lost"));
    assert!(!holds("- Nothing is lost — shown by all of them"));
}

/// The page is generated with the facade's words; here its kinds are held against the code's.
#[test]
fn the_table_of_errors_has_the_kinds_that_the_code_knows() {
    let page = read("docs/errors.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(rows.len(), ErrorKind::ALL.len());
    for (kind, row) in ErrorKind::ALL.iter().zip(rows) {
        let retryable = if kind.is_retryable() { "yes" } else { "no" };
        let start = format!("| {} | `{}` | {retryable} |", kind.number(), kind.name());
        assert!(row.starts_with(&start), "{row} should begin with {start}");
    }
}

/// Where a file names a page and a section as its source, the page has that heading.
#[test]
fn every_source_that_a_file_names_is_a_section_of_the_page() {
    let missing: Vec<String> = source::all().iter().flat_map(missing_sections).collect();
    assert!(missing.is_empty(), "sections that no page has:\n{}", missing.join("\n"));
}

fn missing_sections(source: &Source) -> Vec<String> {
    let mut missing = Vec::new();
    // Taken apart, so that this file does not find itself.
    for (at, _) in source.text.match_indices(["Source: ", "docs/"].concat().as_str()) {
        let rest = &source.text[at + "Source: ".len()..];
        let line = rest.lines().next().unwrap_or_default();
        let Some((page, title)) = line.split_once(", \"") else { continue };
        let title = title.split('"').next().unwrap_or_default();
        let text = read(page);
        let is_it = |line: &str| line.trim_start_matches('#').trim() == title;
        if !text.lines().any(|line| line.starts_with('#') && is_it(line)) {
            missing.push(source.at(at, format!("{page} has no section {title:?}")));
        }
    }
    missing
}

#[test]
fn a_source_that_is_no_section_is_found() {
    let comment = |title: &str| format!("//! {} docs/format.md, \"{title}\".\n", "Source:");
    let found = |title| missing_sections(&Source::new("core/src/a.rs", &comment(title)));
    assert!(found("Journal bodies").is_empty());
    assert_eq!(found("Journals").len(), 1);
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

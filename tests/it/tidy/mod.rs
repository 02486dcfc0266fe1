//! The house rules, as tests: what is not checked here is not a rule.
//!
//! Not here: what the compiler, rustfmt and clippy check already.
//! Rule: each rule is a small function from a [`Source`] to findings, and each is shown to bite by
//! a violation planted in a snippet. Begin with `the_house_keeps_its_rules`.

mod budgets;
mod dependencies;
mod documents;
mod lexer;
mod modules;
mod planted;
mod rooms;
mod shells;
mod source;
mod text;
mod unsafety;

use source::Source;

/// One breach of one rule, as a line that an editor can jump to.
type Finding = String;

#[test]
fn the_house_keeps_its_rules() {
    let sources = source::all();
    let mut findings = Vec::new();
    for source in &sources {
        for rule in RULES {
            findings.extend(rule(source));
        }
    }
    findings.extend(modules::unreachable_files(&sources));
    findings.extend(rooms::upward_imports(&sources));
    findings.extend(planted::planted_and_not_hunted(&sources));
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// The rules that look at one file.
const RULES: &[fn(&Source) -> Vec<Finding>] = &[
    text::wide_lines,
    text::leftovers,
    text::foreign_letters_in_code,
    text::places_of_one_machine,
    text::sleeping_tests,
    budgets::long_files,
    budgets::long_functions,
    rooms::allowances_below_the_rim,
    shells::dependency_on_the_core,
    shells::decisions_in_shells,
    unsafety::unsafe_in_the_wrong_place,
    unsafety::unsafe_without_a_reason,
];

/// Holds `rule` against a planted violation and against its mended form.
#[cfg(test)]
fn bites(rule: fn(&Source) -> Vec<Finding>, path: &str, planted: &str, mended: &str) {
    assert_ne!(rule(&Source::new(path, planted)), Vec::<Finding>::new(), "not seen: {planted}");
    assert_eq!(rule(&Source::new(path, mended)), Vec::<Finding>::new(), "wrongly seen");
}

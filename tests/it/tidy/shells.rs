//! Rules about shells: they give a language its idiom, and hold no decision.
//!
//! A default value is a decision that the other languages would not share; it belongs in
//! `ffi/facade`. What counts as one is written down below, pattern by pattern: a number, a text, a
//! truth value or a duration that stands in for what the caller did not say. `None`, `null` and
//! `undefined` are how a shell passes that on. A value that only looks like one says so in
//! its line or in one of the two above: `Not a default:` and why.

use super::Finding;
use super::source::{Language, Source};

/// The shells, and the facade that they all stand on.
const SHELLS: &[&str] = &["python", "node", "bindings", "ffi/c"];

fn is_shell_code(source: &Source) -> bool {
    SHELLS.iter().any(|shell| source.is_below(shell))
        && !source.is_test()
        && !source
            .path
            .split('/')
            .any(|part| matches!(part, "examples" | "bench" | "scripts" | "build.rs"))
}

/// A shell reaches the core through `ffi/facade` only.
pub(super) fn dependency_on_the_core(source: &Source) -> Vec<Finding> {
    let manifest = source.path.ends_with("/Cargo.toml");
    if !manifest || !SHELLS.iter().any(|shell| source.is_below(shell)) {
        return Vec::new();
    }
    let mut at = 0;
    let mut findings = Vec::new();
    for line in source.text.split_inclusive('\n') {
        let name = line.trim_start_matches('[').split(['.', '=', ' ', ']']).next();
        let table = line.trim().trim_matches(['[', ']']);
        let package = line.contains("package = \"millpond\"");
        let named = name == Some("millpond") && line.contains(['=', '.']);
        if named || package || table.ends_with("dependencies.millpond") {
            findings.push(source.at(at, "a shell depends on the core; use ffi/facade"));
        }
        at += line.len();
    }
    findings
}

/// No default value in a shell.
pub(super) fn decisions_in_shells(source: &Source) -> Vec<Finding> {
    if !is_shell_code(source) {
        return Vec::new();
    }
    let mut findings = match source.language {
        Language::Rust => decisions_in_rust(source),
        Language::Script => decisions_in_script(source),
        Language::Python => decisions_in_python(source),
        Language::Kotlin | Language::Swift => decisions_in_typed_lists(source),
        _ => Vec::new(),
    };
    let lines: Vec<&str> = source.text.lines().collect();
    findings.retain(|finding| !says_why(source, finding, &lines));
    findings
}

/// True where the found line or one of the two above says that it is no default, and why.
fn says_why(source: &Source, finding: &str, lines: &[&str]) -> bool {
    let place = finding.strip_prefix(&source.path).and_then(|rest| rest.split(':').nth(1));
    let Some(line) = place.and_then(|line| line.parse::<usize>().ok()) else { return false };
    lines[line.saturating_sub(3)..line].iter().any(|line| line.contains("Not a default: "))
}

/// `unwrap_or(5)`, `unwrap_or(true)`, `unwrap_or_default()`, `Duration::from_secs(5)`, and
/// `signature = (limit=5)`.
fn decisions_in_rust(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |at: usize, what: &str| findings.push(source.at(at, what));
    for call in ["unwrap_or(", "unwrap_or_else(||", "map_or("] {
        for (at, _) in source.code.match_indices(call) {
            if is_value(&source.text[at + call.len()..]) {
                say(at, "a default value in a shell");
            }
        }
    }
    for (at, _) in source.code.match_indices("unwrap_or_default()") {
        say(at, "a default value in a shell");
    }
    for (at, _) in source.code.match_indices("Duration::from_") {
        let argument = source.code[at..].split_once('(').map_or("", |(_, rest)| rest);
        if is_value(argument) {
            say(at, "a duration decided in a shell");
        }
    }
    for (at, _) in source.code.match_indices("signature = (") {
        let list = parenthesised(&source.text[at + "signature = ".len()..]);
        if list.split(',').any(has_python_default) {
            say(at, "a default value in a shell");
        }
    }
    findings
}

/// `?? 5`, `|| "x"`, and parameters or fields such as `limit = 5` or `limit: number = 5`.
fn decisions_in_script(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for operator in ["??", "||"] {
        for (at, _) in source.code.match_indices(operator) {
            // `a || true` in a condition is no default; numbers and texts are.
            let value = source.text[at + 2..].trim_start_matches('=').trim_start();
            if value.starts_with(|c: char| c.is_ascii_digit() || "\"'`".contains(c)) {
                findings.push(source.at(at, "a default value in a shell"));
            }
        }
    }
    for (at, _) in source.code.match_indices(" = ") {
        let takes_a_default = may_hold_a_default(&source.code[..at]);
        if takes_a_default && is_value(&source.text[at + 3..]) {
            findings.push(source.at(at, "a default value in a shell"));
        }
    }
    findings
}

/// In Kotlin and Swift: `?: 5`, `?? 5`, and parameters with a type such as `limit: Int = 5`. What a
/// call names (`f(limit = 5)`) has no type.
fn decisions_in_typed_lists(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, operator) in source.code.match_indices("?: ").chain(source.code.match_indices("?? ")) {
        if is_value(&source.text[at + operator.len()..]) {
            findings.push(source.at(at, "a default value in a shell"));
        }
    }
    for (at, _) in source.code.match_indices(" = ") {
        let Some(open) = nearest_open_bracket(&source.code[..at]) else { continue };
        let inside = &source.code[open..at];
        let item = inside.rsplit(',').next().unwrap_or_default();
        let has_type = item.contains(": ") && inside.starts_with('(');
        if has_type && is_value(&source.text[at + 3..]) {
            findings.push(source.at(at, "a default value in a shell"));
        }
    }
    findings
}

/// True when what follows `before` stands in a list of parameters or in a destructuring pattern.
fn may_hold_a_default(before: &str) -> bool {
    let Some(open) = nearest_open_bracket(before) else { return false };
    let (outside, inside) = before.split_at(open);
    let item = inside[1..].rsplit(',').next().unwrap_or_default().trim_start();
    match inside.as_bytes()[0] {
        b'(' => !["let ", "const ", "var "].iter().any(|word| item.starts_with(word)),
        b'{' => ["(", ",", "const", "let"].iter().any(|end| outside.trim_end().ends_with(end)),
        _ => false,
    }
}

/// Where the nearest bracket stands that is still open at the end of `before`.
fn nearest_open_bracket(before: &str) -> Option<usize> {
    let mut closed = 0;
    for (at, letter) in before.char_indices().rev() {
        match letter {
            ')' | '}' | ']' => closed += 1,
            '(' | '{' | '[' if closed > 0 => closed -= 1,
            '(' | '{' | '[' => return Some(at),
            _ => {}
        }
    }
    None
}

/// `def f(limit=5)`; `None`, `...` and names of sentinels are no values.
fn decisions_in_python(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, _) in source.code.match_indices("def ") {
        let Some(open) = source.code[at..].find('(') else { continue };
        let list = parenthesised(&source.code[at + open..]);
        let mut position = at + open + 1;
        for parameter in list.split(',') {
            // Contents of strings are blank in `code`, so ask the text.
            let text = &source.text[position..position + parameter.len()];
            if has_python_default(text) {
                findings.push(source.at(position, "a default value in a shell"));
            }
            position += parameter.len() + 1;
        }
    }
    findings
}

fn has_python_default(parameter: &str) -> bool {
    let default = parameter.split_once('=').map(|(_, default)| default);
    default.is_some_and(is_value)
}

/// True when `text` begins with a number, a text, a truth value or a duration.
fn is_value(text: &str) -> bool {
    let text = text.trim_start().trim_start_matches(['-', '+']);
    let words = ["true", "false", "True", "False", "Duration::", "Duration."];
    text.starts_with(|c: char| c.is_ascii_digit() || "\"'`".contains(c))
        || words.iter().any(|word| text.starts_with(word))
}

/// What stands between the parenthesis that `text` begins with and the one that closes it.
fn parenthesised(text: &str) -> &str {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(1..at).unwrap_or_default();
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::super::bites;
    use super::*;

    #[test]
    fn a_shell_that_depends_on_the_core_is_found() {
        for planted in [
            "[dependencies]\nmillpond.workspace = true\n",
            "[dependencies]\nmillpond = { path = \"../core\" }\n",
            "[dependencies]\ncore = { package = \"millpond\", path = \"../core\" }\n",
            "[dependencies.millpond]\npath = \"../core\"\n",
        ] {
            let mended =
                "[lib]\nname = \"millpond\"\n[dependencies]\nmillpond-facade.workspace = true\n";
            bites(dependency_on_the_core, "python/Cargo.toml", planted, mended);
        }
    }

    #[test]
    fn a_default_in_a_rust_shell_is_found() {
        let mended = "a.unwrap_or(b); a.map_or(ptr::null(), f); // unwrap_or(5)\n";
        for planted in [
            "a.unwrap_or(256)\n",
            "a.unwrap_or(true)\n",
            "a.unwrap_or_default()\n",
            "a.unwrap_or_else(|| 5)\n",
            "a.unwrap_or(\"power\")\n",
            "wait(Duration::from_secs(5))\n",
            "#[pyo3(signature = (path, limit=5))]\n",
        ] {
            bites(decisions_in_shells, "node/src/lib.rs", planted, mended);
        }
        let said = "// Not a default: no batch, no events.\na.map_or(0, f)\n";
        bites(decisions_in_shells, "ffi/c/src/a.rs", "// Why\na.map_or(0, f)\n", said);
        let none = "#[pyo3(signature = (path, *, limit=None))]\nDuration::from_millis(ms)\n";
        bites(decisions_in_shells, "python/src/a.rs", "a.unwrap_or(1.5)", none);
    }

    #[test]
    fn a_default_in_typescript_is_found() {
        let mended = "const a = 5;\nfunction f(a?: number, b = undefined) { x = 5; }\n\
            let b = c ?? null;\nfor (let i = 0; ; ) {}\nclass A {\n  open = true;\n}\n";
        for planted in [
            "function f(limit = 5) {}\n",
            "function f(a: string, limit: number = 5) {}\n",
            "function f(\n  limit: number = 5,\n) {}\n",
            "const { limit = 5 } = a;\n",
            "f(options ?? 'power')\n",
            "f(a.limit || 256)\n",
        ] {
            bites(decisions_in_shells, "node/lib/a.ts", planted, mended);
        }
    }

    #[test]
    fn a_default_in_kotlin_or_swift_is_found() {
        let mended = "fun f(a: Int? = null, b: List<Int> = emptyList()) {\n    val c: Int = 5\n    \
            g(d = 5)\n}\n";
        for planted in [
            "fun f(limit: Int = 5) {}\n",
            "class A(\n    val mode: String = \"power\",\n)\n",
            "fun f(a: Int, on: Boolean = true) {}\n",
            "fun f(wait: Duration = 5.seconds) {}\n",
            "f(a.limit ?: 256)\n",
        ] {
            bites(decisions_in_shells, "bindings/kotlin/src/main/A.kt", planted, mended);
        }
        let mended = "func f(a: Int? = nil, b: [Int] = [], c: C = .init()) { let d: Int = 5 }\n";
        for planted in ["func f(limit: Int = 5) {}\n", "f(a.limit ?? 256)\n"] {
            bites(decisions_in_shells, "bindings/swift/Sources/A.swift", planted, mended);
        }
    }

    #[test]
    fn a_default_in_python_is_found() {
        let mended =
            "def f(a, *, limit=None, b: int | None = None, c=...):\n    x = 5\n    g(a=5)\n";
        for planted in [
            "def f(limit=5): pass\n",
            "def f(\n    self,\n    limit: int = 5,\n): pass\n",
            "async def f(mode: str = 'power'): pass\n",
            "def f(a: dict[str, int], on=True): pass\n",
        ] {
            bites(decisions_in_shells, "python/millpond/a.py", planted, mended);
        }
        let test = Source::new("python/tests/test_a.py", "def f(limit=5): pass\n");
        assert!(decisions_in_shells(&test).is_empty());
    }
}

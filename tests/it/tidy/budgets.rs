//! Rules about size: a file is read in one sitting, a function fits a screen.

use super::Finding;
use super::source::{Language, Source};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// What a longer file says in its first lines, followed by the reason.
const REASON: &str = "onger than 500 lines because";

/// A file has at most 500 lines, or says in its first 15 why it has more.
pub(super) fn long_files(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let says_why = source.text.lines().take(15).any(|line| line.contains(REASON));
    if lines <= FILE_LINES_MAX || says_why || source.language == Language::Prose {
        return Vec::new();
    }
    vec![format!("{}:1: {lines} lines; the limit is 500, or a reason", source.path)]
}

/// A function has at most 70 lines, in Rust, C, Python, Kotlin and Swift.
pub(super) fn long_functions(source: &Source) -> Vec<Finding> {
    let functions = match source.language {
        Language::Rust => braced_functions(source, "fn "),
        Language::C => c_functions(source),
        Language::Kotlin => typed_functions(source, "fun "),
        Language::Swift => typed_functions(source, "func "),
        Language::Python => indented_functions(source),
        _ => Vec::new(),
    };
    let long = |(line, lines): (usize, usize)| {
        (lines > FUNCTION_LINES_MAX).then(|| {
            format!("{}:{line}: a function of {lines} lines; the limit is 70", source.path)
        })
    };
    functions.into_iter().filter_map(long).collect()
}

/// `(first line, lines)` of each function that begins with `keyword` and has a body in braces.
fn braced_functions(source: &Source, keyword: &str) -> Vec<(usize, usize)> {
    let mut functions = Vec::new();
    for (at, _) in source.code.match_indices(keyword) {
        let own_word = source.code[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let body = source.code[at..].find(['{', ';']).filter(|_| own_word);
        if let Some(body) = body.filter(|body| source.code.as_bytes()[at + body] == b'{') {
            functions.push(extent(&source.code, at, at + body));
        }
    }
    functions
}

/// The same where a body may be an expression behind `=`, or none: only what stands between the
/// parameters and a brace tells.
fn typed_functions(source: &Source, keyword: &str) -> Vec<(usize, usize)> {
    let begins = |&(line, _): &(usize, usize)| {
        let begun: String =
            source.code.lines().skip(line - 1).map(|line| line.to_owned() + "\n").collect();
        let Some((_, head)) = begun.split_once(keyword) else { return false };
        let mut depth = 0;
        for letter in head.chars() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                '{' if depth == 0 => return true,
                '=' | '}' | '\n' if depth == 0 => return false,
                _ => {}
            }
        }
        false
    };
    braced_functions(source, keyword).into_iter().filter(begins).collect()
}

/// In C a function's body is a `{` in the first column, or one that follows `) ` at its line's end.
fn c_functions(source: &Source) -> Vec<(usize, usize)> {
    let mut functions = Vec::new();
    let mut at = 0;
    for line in source.code.split_inclusive('\n') {
        let opens = line.trim_end().ends_with(") {") && !line.starts_with([' ', '\t']);
        if opens || line.starts_with('{') {
            functions.push(extent(&source.code, at, at + line.rfind('{').unwrap_or(0)));
        }
        at += line.len();
    }
    functions
}

/// The lines from byte `at` to the brace that closes the one at `open`.
fn extent(code: &str, at: usize, open: usize) -> (usize, usize) {
    let mut depth = 0;
    let mut end = code.len();
    for (index, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            end = index;
            break;
        }
    }
    let newlines = |text: &str| text.bytes().filter(|&byte| byte == b'\n').count();
    (newlines(&code[..at]) + 1, newlines(&code[at..end]) + 1)
}

fn indented_functions(source: &Source) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut functions = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let head = line.trim_start();
        if !(head.starts_with("def ") || head.starts_with("async def ")) {
            continue;
        }
        let outside = |next: &&str| {
            !next.trim().is_empty() && indent(next) <= indent(line) && !next.starts_with([')', ']'])
        };
        let body: Vec<&&str> =
            lines[index + 1..].iter().take_while(|next| !outside(next)).collect();
        let blank = body.iter().rev().take_while(|line| line.trim().is_empty()).count();
        functions.push((index + 1, 1 + body.len() - blank));
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::super::bites;
    use super::*;

    #[test]
    fn a_long_file_is_found_unless_it_says_why() {
        let planted = "x\n".repeat(501);
        let mended = format!("//! Longer than 500 lines because it is one table.\n{planted}");
        bites(long_files, "core/src/a.rs", &planted, &mended);
    }

    #[test]
    fn a_long_function_is_found_in_each_language() {
        let body = |lines: usize, line: &str| line.repeat(lines);
        let rust = |lines| format!("fn a() {{\n{}}}\nfn b() {{}}\n", body(lines, "    x();\n"));
        bites(long_functions, "core/src/a.rs", &rust(69), &rust(68));
        let c = |lines| format!("int a(void) {{\n{}}}\nint b;\n", body(lines, "    x();\n"));
        bites(long_functions, "ffi/c/a.c", &c(69), &c(68));
        let python = |lines| format!("def a():\n{}\n\nb = 1\n", body(lines, "    x()\n"));
        let kotlin = |lines| format!("fun a() {{\n{}}}\nval b = 1\n", body(lines, "    x()\n"));
        bites(long_functions, "bindings/kotlin/A.kt", &kotlin(69), &kotlin(68));
        let none = format!("fun a() = 1\nfun b(c: () -> Unit): Int\n{}", body(80, "    x {}\n"));
        assert!(long_functions(&Source::new("bindings/kotlin/A.kt", &none)).is_empty());
        let swift = |lines| format!("func a() {{\n{}}}\nlet b = 1\n", body(lines, "    x()\n"));
        bites(long_functions, "bindings/swift/A.swift", &swift(69), &swift(68));
        bites(long_functions, "python/a.py", &python(70), &python(69));
    }
}

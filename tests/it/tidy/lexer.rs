//! Tells code from comments and strings, well enough for the rules and no better.
//!
//! Every byte that is taken out becomes a space, and newlines stay, so positions are those of the
//! file. Non-ASCII bytes that are taken out become one space each.

use super::source::Language;

/// `(code, prose)`: without comments and string contents, and without string contents only.
pub(super) fn split(language: Language, text: &str) -> (String, String) {
    if language == Language::Prose {
        return (String::new(), text.to_owned());
    }
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut prose = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (kind, end) = token(language, bytes, at);
        match kind {
            Token::Code => {}
            Token::Comment => blank(&mut code[at..end]),
            Token::Text => {
                blank(&mut code[at..end]);
                blank(&mut prose[at..end]);
            }
        }
        at = end;
    }
    let string = |bytes| String::from_utf8(bytes).expect("whole tokens were blanked");
    (string(code), string(prose))
}

enum Token {
    Code,
    Comment,
    Text,
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// What begins at `at`, and where it ends.
fn token(language: Language, bytes: &[u8], at: usize) -> (Token, usize) {
    let rest = &bytes[at..];
    let until = |needle: &[u8], from: usize| find(bytes, needle, from).unwrap_or(bytes.len());
    let hash_comments = matches!(language, Language::Python | Language::Shell | Language::Toml);
    if hash_comments {
        if rest[0] == b'#' && (at == 0 || bytes[at - 1].is_ascii_whitespace()) {
            return (Token::Comment, until(b"\n", at));
        }
        for quote in [b"\"\"\"".as_slice(), b"'''"] {
            if language == Language::Python && rest.starts_with(quote) {
                // A docstring is prose that readers see, like a comment.
                return (Token::Comment, (until(quote, at + 3) + 3).min(bytes.len()));
            }
        }
        if language == Language::Shell {
            return (Token::Code, at + 1);
        }
    } else {
        if rest.starts_with(b"//") {
            return (Token::Comment, until(b"\n", at));
        }
        if rest.starts_with(b"/*") {
            return (Token::Comment, (until(b"*/", at + 2) + 2).min(bytes.len()));
        }
    }
    if matches!(language, Language::Kotlin | Language::Swift) && rest.starts_with(b"\"\"\"") {
        return (Token::Text, (until(b"\"\"\"", at + 3) + 3).min(bytes.len()));
    }
    if language == Language::Rust {
        if let Some(end) = raw_string(bytes, at) {
            return (Token::Text, end);
        }
        if rest[0] == b'\'' {
            return character(bytes, at);
        }
    }
    match rest[0] {
        b'"' => (Token::Text, quoted(bytes, at, b'"')),
        b'\'' if language != Language::Rust => (Token::Text, quoted(bytes, at, b'\'')),
        b'`' if language == Language::Script => (Token::Text, quoted(bytes, at, b'`')),
        _ => (Token::Code, at + 1),
    }
}

/// The end of a string that begins with `quote` at `at` and knows `\` escapes.
fn quoted(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != quote {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// The end of a Rust raw string at `at`, if one begins there.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    if at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_') {
        return None;
    }
    let rest = &bytes[at..];
    let rest = rest.strip_prefix(b"b").unwrap_or(rest).strip_prefix(b"r")?;
    let hashes = rest.iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let start = bytes.len() - rest.len() + hashes + 1;
    Some(find(bytes, &close, start).map_or(bytes.len(), |found| found + close.len()))
}

/// A character literal, or the quote of a lifetime.
fn character(bytes: &[u8], at: usize) -> (Token, usize) {
    if bytes.get(at + 1) == Some(&b'\\') {
        return (Token::Text, quoted(bytes, at, b'\''));
    }
    let width = bytes.get(at + 1).map_or(1, |&first| match first {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    });
    match bytes.get(at + 1 + width) {
        Some(b'\'') => (Token::Text, at + width + 2),
        _ => (Token::Code, at + 1),
    }
}

fn find(bytes: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.windows(needle.len()).position(|window| window == needle)?;
    Some(from + found)
}

#[test]
fn comments_and_strings_are_told_from_code() {
    let text = "let a = \"x // \\\" y\"; // why\nlet c = '\"'; fn f<'a>() {} r#\"in\"#;\n";
    let (code, prose) = split(Language::Rust, text);
    assert_eq!(code.len(), text.len());
    assert!(!code.contains('x') && !code.contains("why") && !code.contains("in\""));
    assert!(prose.contains("// why") && !prose.contains('x'));
    assert!(code.contains("fn f<'a>() {}"));
    let (code, prose) =
        split(Language::Python, "def f():\n    \"\"\"Says.\"\"\"\n    return '# no'\n");
    assert!(code.contains("return") && !code.contains("Says") && !code.contains("no"));
    assert!(prose.contains("Says."));
    let (code, _) = split(Language::Script, "const a = `b ${c}` // d\n/* e */ f('g')\n");
    assert!(code.contains("f(") && !code.contains(['b', 'd', 'e', 'g']));
    let text = "val a = \"\"\"b \"c\" // d\n\"\"\" // e\nf('\\'', \"g\")\n";
    let (code, _) = split(Language::Kotlin, text);
    assert!(code.contains("f(") && !code.contains(['b', 'c', 'd', 'e', 'g']), "{code}");
}

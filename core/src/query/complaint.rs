//! What an error about a query text looks like: a sentence, a place, and a picture of the place.
//!
//! Not here: what is wrong (`parser`).
//! Rule: the caret stands under the character at the error's byte position, counted in
//! characters, whatever the text holds before it.

use crate::error::{Error, ErrorKind};

/// Longest part of a line that is shown, in characters, without the marks for what is left out.
const WINDOW_CHARS: usize = 72;
/// Characters kept before the caret when a long line is cut.
const BEFORE_CARET_CHARS: usize = 48;

/// An error of `kind` at byte position `at` of `text`: `sentence`, the place, and the picture.
///
/// `at` must lie on a character boundary, at most at the end of `text`.
pub(super) fn complain(kind: ErrorKind, text: &str, at: usize, sentence: &str) -> Error {
    assert!(text.is_char_boundary(at), "an error points at a character of the text or its end");
    let line_start = text[..at].rfind(['\n', '\r']).map_or(0, |index| index + 1);
    let line_end = text[at..].find(['\n', '\r']).map_or(text.len(), |index| at + index);
    let line_number = line_number(&text[..at]);
    let before = text[line_start..at].chars().count();
    let picture = picture(&text[line_start..line_end], before);
    let column = before + 1;
    let message = format!("{sentence} (line {line_number}, column {column})\n{picture}");
    Error::new(kind, message).with_position(at)
}

/// 1 plus the line ends in `before`; `\r\n` is one.
fn line_number(before: &str) -> usize {
    let bytes = before.as_bytes();
    let ends = bytes.iter().enumerate().filter(|&(index, &byte)| match byte {
        b'\n' => index == 0 || bytes[index - 1] != b'\r',
        byte => byte == b'\r',
    });
    1 + ends.count()
}

/// The line and a caret under its character number `caret` (from 0, may be the line's length).
fn picture(line: &str, caret: usize) -> String {
    let length = line.chars().count();
    let first = match length > WINDOW_CHARS {
        true => caret.saturating_sub(BEFORE_CARET_CHARS).min(length - WINDOW_CHARS),
        false => 0,
    };
    let shown = line.chars().skip(first).take(WINDOW_CHARS);
    // A tab or another control character would move what follows it away from the caret.
    let shown: String = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
    let cut_before = if first > 0 { "…" } else { "" };
    let cut_after = if length > first + WINDOW_CHARS { "…" } else { "" };
    let indent = caret - first + cut_before.chars().count();
    let line = format!("  {cut_before}{shown}{cut_after}");
    format!("{}\n  {}^", line.trim_end(), " ".repeat(indent))
}

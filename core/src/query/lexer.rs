//! A query text as tokens, one at a time, each with its byte position.
//!
//! Not here: which token may follow which (`parser`).
//! Rule: white space and `--` comments separate tokens and mean nothing else. What stands between
//! the parentheses of `from(..)`, `to(..)` and `appId(..)` is no token: the parser takes it with
//! `argument` or `app_id` while the lexer stands right before it.

use std::borrow::Cow;

use super::node::Comparison;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// Letters, digits and `_`: a keyword, or nothing we know.
    Word(&'t str),
    /// A quoted text, its doubled quotes already single.
    Quoted(Cow<'t, str>),
    /// A quote that is never closed.
    Unclosed,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `&`
    And,
    /// `|`
    Or,
    /// `<`, `<=`, `>`, `>=` and their one-character forms.
    Comparison(Comparison),
    /// Any other character.
    Other(char),
    /// The end of the text.
    End,
}

/// A position in a query text.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    /// Stands before the first character of `text`.
    pub(super) fn new(text: &'t str) -> Lexer<'t> {
        Lexer { text, at: 0 }
    }

    /// Takes the next token; gives its byte position. After the last one gives `End` for ever.
    pub(super) fn token(&mut self) -> (usize, Token<'t>) {
        self.skip_space_and_comments();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return (start, Token::End);
        };
        let token = match first {
            '\'' | '"' => self.quoted(first),
            _ if is_word(first) => Token::Word(self.take_while(is_word)),
            _ => {
                self.at += first.len_utf8();
                self.sign(first)
            }
        };
        (start, token)
    }

    /// Takes an event key, date or time: up to white space, a token's sign or a comment. May be
    /// empty. Gives its byte position.
    pub(super) fn argument(&mut self) -> (usize, &'t str) {
        self.skip_space_and_comments();
        let start = self.at;
        let taken = self.take_while(is_argument);
        let kept = taken.find("--").unwrap_or(taken.len());
        self.at = start + kept;
        (start, &taken[..kept])
    }

    /// Takes an app id: like `argument`, but `--` is a part of it, because an app id may have it.
    pub(super) fn app_id(&mut self) -> (usize, &'t str) {
        self.take_while(char::is_whitespace);
        (self.at, self.take_while(is_argument))
    }

    fn skip_space_and_comments(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if !self.rest().starts_with("--") {
                return;
            }
            self.take_while(|character| !matches!(character, '\n' | '\r'));
        }
    }

    fn quoted(&mut self, quote: char) -> Token<'t> {
        let inside = &self.rest()[1..];
        let mut doubled = false;
        let mut from = 0;
        while let Some(found) = inside[from..].find(quote) {
            let end = from + found;
            if !inside[end + 1..].starts_with(quote) {
                self.at += end + 2;
                let raw = &inside[..end];
                return Token::Quoted(if doubled {
                    let pair: String = [quote, quote].iter().collect();
                    Cow::Owned(raw.replace(&pair, &pair[1..]))
                } else {
                    Cow::Borrowed(raw)
                });
            }
            doubled = true;
            from = end + 2;
        }
        self.at = self.text.len();
        Token::Unclosed
    }

    /// The token of the sign `first`, which is already taken.
    fn sign(&mut self, first: char) -> Token<'t> {
        let or_equal = matches!(first, '<' | '>') && self.rest().starts_with('=');
        self.at += usize::from(or_equal);
        match first {
            '(' => Token::Open,
            ')' => Token::Close,
            '&' | '∧' => Token::And,
            '|' | '∨' => Token::Or,
            '<' if !or_equal => Token::Comparison(Comparison::Before),
            '<' | '≤' => Token::Comparison(Comparison::AtOrBefore),
            '>' if !or_equal => Token::Comparison(Comparison::After),
            '>' | '≥' => Token::Comparison(Comparison::AtOrAfter),
            other => Token::Other(other),
        }
    }

    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|character| !accepts(character)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn is_argument(character: char) -> bool {
    !character.is_whitespace()
        && !matches!(character, '(' | ')' | '&' | '∧' | '|' | '∨' | '\'' | '"')
}

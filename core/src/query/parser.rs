//! A query text to its tree, by recursive descent.
//!
//! Not here: tokens (`lexer`), what an error looks like (`complaint`), the bound on the canonical
//! text (`expression`).
//! Rule: every error points at a place in the text and says what was expected there.
//! Source: docs/query.md, "Grammar"; each function below is one of its rules.

use super::complaint::complain;
use super::lexer::{Lexer, Token};
use super::moment::{begins_like_moment, parse_moment};
use super::node::{Comparison, Node, least_key_at};
use super::{QUERY_BYTES_MAX, QUERY_NESTING_MAX, QUERY_TERMS_MAX};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{AppId, EventKey, Lamport, Tag};

const ATOM: &str = "a tag, `allEvents`, `isLocal`, `from(`, `to(`, `appId(`, `KEY`, `TIME` or `(`";
const KEY: &str = "an event key: `<lamport>/<stream id>` or `<lamport>`";
const BOUND: &str = "an event key, a date or a date-time";

/// Reads a whole query text.
///
/// # Errors
/// `query_invalid` or `limit_exceeded`, as [`super::Query::parse`] says.
pub(super) fn parse(text: &str) -> Result<Node> {
    if text.len() > QUERY_BYTES_MAX {
        let message =
            format!("a query text has {} bytes; the limit is {QUERY_BYTES_MAX}", text.len());
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    let mut lexer = Lexer::new(text);
    let (start, token) = lexer.token();
    let mut parser = Parser { text, lexer, token, start, terms: 0 };
    parser.query()
}

struct Parser<'t> {
    text: &'t str,
    /// Stands right after `token`.
    lexer: Lexer<'t>,
    /// The token to be judged next.
    token: Token<'t>,
    /// Byte position of `token`.
    start: usize,
    /// Atoms begun so far.
    terms: usize,
}

impl<'t> Parser<'t> {
    fn query(&mut self) -> Result<Node> {
        if self.token != Token::Word("FROM") {
            return Err(self.expected("`FROM`"));
        }
        self.advance();
        let events = self.alternatives(0)?;
        match self.token {
            Token::End => Ok(events),
            _ => Err(self.expected("`&`, `|` or the end of the query")),
        }
    }

    fn alternatives(&mut self, depth: usize) -> Result<Node> {
        let mut children = vec![self.conditions(depth)?];
        while self.token == Token::Or {
            self.advance();
            children.push(self.conditions(depth)?);
        }
        Ok(Node::or(children))
    }

    fn conditions(&mut self, depth: usize) -> Result<Node> {
        let mut children = vec![self.atom(depth)?];
        while self.token == Token::And {
            self.advance();
            children.push(self.atom(depth)?);
        }
        Ok(Node::and(children))
    }

    fn atom(&mut self, depth: usize) -> Result<Node> {
        if self.token == Token::Open {
            return self.parenthesised(depth + 1);
        }
        self.terms += 1;
        if self.terms > QUERY_TERMS_MAX {
            let sentence = format!("a query has at most {QUERY_TERMS_MAX} tags and other atoms");
            return Err(self.complain(ErrorKind::LimitExceeded, self.start, &sentence));
        }
        match &self.token {
            Token::Quoted(tag) => {
                let tag = Tag::new(tag).map_err(|error| self.refused_tag(&error))?;
                self.advance();
                Ok(Node::Tag(tag))
            }
            Token::Word("allEvents") => self.keyword(Node::All),
            Token::Word("isLocal") => self.keyword(Node::Local),
            Token::Word("from") => self.bound_in_parentheses(Comparison::AtOrAfter),
            Token::Word("to") => self.bound_in_parentheses(Comparison::Before),
            Token::Word("appId") => self.app_id(),
            Token::Word("KEY") => self.comparison(Bounded::Key),
            Token::Word("TIME") => self.comparison(Bounded::Time),
            _ => Err(self.expected(ATOM)),
        }
    }

    fn parenthesised(&mut self, depth: usize) -> Result<Node> {
        if depth > QUERY_NESTING_MAX {
            let sentence = format!("parentheses nest at most {QUERY_NESTING_MAX} deep");
            return Err(self.complain(ErrorKind::LimitExceeded, self.start, &sentence));
        }
        self.advance();
        let inside = self.alternatives(depth)?;
        match self.token {
            Token::Close => self.keyword(inside),
            _ => Err(self.expected("`&`, `|` or `)`")),
        }
    }

    fn keyword(&mut self, node: Node) -> Result<Node> {
        self.advance();
        Ok(node)
    }

    /// `from(..)` and `to(..)`, whose keyword is the token.
    fn bound_in_parentheses(&mut self, comparison: Comparison) -> Result<Node> {
        self.open()?;
        let (start, argument) = self.lexer.argument();
        let node = self.bound(Bounded::Either, comparison, start, argument)?;
        self.close(node)
    }

    /// `appId(..)`, whose keyword is the token.
    fn app_id(&mut self) -> Result<Node> {
        self.open()?;
        let (start, argument) = self.lexer.app_id();
        let app_id = AppId::parse(argument)
            .map_err(|error| self.complain(ErrorKind::QueryInvalid, start, error.message()))?;
        self.close(Node::App(app_id))
    }

    /// `KEY < ..` and `TIME < ..`, whose keyword is the token.
    fn comparison(&mut self, subject: Bounded) -> Result<Node> {
        self.advance();
        let Token::Comparison(comparison) = self.token else {
            return Err(self.expected("`<`, `<=`, `>` or `>=`"));
        };
        let (start, argument) = self.lexer.argument();
        let node = self.bound(subject, comparison, start, argument)?;
        self.keyword(node)
    }

    /// Goes from the keyword to right after its `(`, where an argument begins.
    fn open(&mut self) -> Result<()> {
        self.advance();
        if self.token == Token::Open { Ok(()) } else { Err(self.expected("`(`")) }
    }

    /// Takes the `)` that follows an argument.
    fn close(&mut self, node: Node) -> Result<Node> {
        self.advance();
        if self.token == Token::Close { self.keyword(node) } else { Err(self.expected("`)`")) }
    }

    fn bound(
        &self,
        subject: Bounded,
        comparison: Comparison,
        start: usize,
        argument: &str,
    ) -> Result<Node> {
        let begins_like_moment = begins_like_moment(argument);
        let bound = match subject {
            Bounded::Either | Bounded::Time if begins_like_moment => {
                parse_moment(argument).map(|moment| Node::Time(comparison, moment))
            }
            Bounded::Either | Bounded::Key if !begins_like_moment => {
                parse_key(argument).map(|key| Node::Key(comparison, key))
            }
            _ => Err((0, subject.expects())),
        };
        bound.map_err(|(at, expected)| {
            // What is no number at all may have been meant as any kind of bound.
            let expected = if at == 0 && expected == KEY { subject.expects() } else { expected };
            self.unexpected_at(start + at, &format!("expected {expected}"))
        })
    }

    fn advance(&mut self) {
        (self.start, self.token) = self.lexer.token();
    }

    fn refused_tag(&self, error: &Error) -> Error {
        let kind = match error.kind() {
            ErrorKind::LimitExceeded => ErrorKind::LimitExceeded,
            _ => ErrorKind::QueryInvalid,
        };
        self.complain(kind, self.start, error.message())
    }

    /// The error of a token that is not what the grammar wants next.
    fn expected(&self, expected: &str) -> Error {
        let found = match &self.token {
            Token::Unclosed => {
                let sentence = "this quote is never closed; a quote inside a tag is doubled";
                return self.unexpected_at(self.start, sentence);
            }
            Token::Word(word) => format!("`{}`{}", shortened(word), advice(word)),
            Token::Other('`') => "a backtick; a tag stands in single or double quotes".into(),
            Token::Other(other) => format!("`{}`", other.escape_debug()),
            Token::Quoted(_) => "a tag".into(),
            Token::Open => "`(`".into(),
            Token::Close => "`)`".into(),
            Token::And => "`&`".into(),
            Token::Or => "`|`".into(),
            Token::Comparison(_) => "a comparison".into(),
            Token::End => "the end of the text".into(),
        };
        self.unexpected_at(self.start, &format!("expected {expected}, found {found}"))
    }

    fn unexpected_at(&self, at: usize, sentence: &str) -> Error {
        self.complain(ErrorKind::QueryInvalid, at, sentence)
    }

    fn complain(&self, kind: ErrorKind, at: usize, sentence: &str) -> Error {
        complain(kind, self.text, at, sentence)
    }
}

/// What a bound may limit.
#[derive(Clone, Copy)]
enum Bounded {
    Key,
    Time,
    Either,
}

impl Bounded {
    fn expects(self) -> &'static str {
        match self {
            Bounded::Key => KEY,
            Bounded::Time => "a date or a date-time, such as 2026-03-01T06:00:00Z",
            Bounded::Either => BOUND,
        }
    }
}

/// An event key, or a lamport alone for the least key that has it.
///
/// The error is the byte position in `text` of what is wrong, and what was expected there.
fn parse_key(text: &str) -> std::result::Result<EventKey, (usize, &'static str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    if number.is_empty() {
        return Err((0, KEY));
    }
    let lamport = number.parse().ok().and_then(|value| Lamport::new(value).ok());
    let lamport = lamport.ok_or((0, "a lamport of at most 9007199254740991"))?;
    match rest.strip_prefix('/') {
        Some(stream) => {
            let expected = "a stream id: 64 lower-case hex digits, `-` and a number";
            let stream = stream.parse().map_err(|_| (digits + 1, expected))?;
            Ok(EventKey { lamport, stream })
        }
        None if rest.is_empty() => Ok(least_key_at(lamport)),
        None => Err((digits, "`/` and a stream id")),
    }
}

/// What helps somebody who wrote `word` where it does not belong.
fn advice(word: &str) -> String {
    const KEYWORDS: [&str; 8] =
        ["FROM", "allEvents", "isLocal", "from", "to", "appId", "KEY", "TIME"];
    const LATER: [&str; 9] =
        ["PRAGMA", "FEATURES", "ORDER", "FILTER", "SELECT", "AGGREGATE", "LIMIT", "LET", "END"];
    if word.eq_ignore_ascii_case("and") {
        return "; write `&`".into();
    }
    if word.eq_ignore_ascii_case("or") {
        return "; write `|`".into();
    }
    if LATER.contains(&word) {
        return ", which this version of the language does not have".into();
    }
    let meant = KEYWORDS.iter().find(|known| known.eq_ignore_ascii_case(word) && **known != word);
    meant.map(|known| format!("; capitals matter, write `{known}`")).unwrap_or_default()
}

fn shortened(word: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    match word.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &word[..end]),
        None => word.to_owned(),
    }
}

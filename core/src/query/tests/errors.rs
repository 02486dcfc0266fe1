//! What refused texts look like, all in one table: errors.golden.txt beside this file.
//!
//! After a change on purpose, run the test with `UPDATE=1` and read the difference.

use super::super::*;
use std::fmt::Write;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/query/tests/errors.golden.txt");

/// Refused texts; what stands between `{` and `}` is repeated by `expand`.
const REFUSED: &[&str] = &[
    "",
    "   -- only a comment",
    "'a'",
    "from 'a'",
    "FROM",
    "FROM 'a' & | 'b'",
    "FROM 'a' 'b'",
    "FROM 'a' &",
    "FROM ('a' | 'b'",
    "FROM 'a')",
    "FROM ()",
    "FROM ''",
    "FROM 'never closed",
    "FROM \"it''s",
    "FROM `machine:{x}`",
    "FROM 'a' AND 'b'",
    "FROM 'a' or 'b'",
    "FROM allevents",
    "FROM islocal & 'a'",
    "FROM 'a' FILTER _.x > 3",
    "FROM 'a' ORDER DESC",
    "PRAGMA features := aggregate\nFROM 'a'",
    "FROM 'a' & !'b'",
    "FROM machine",
    "FROM 'a' & from",
    "FROM from()",
    "FROM from(",
    "FROM from(yesterday)",
    "FROM from(12/abc-0)",
    "FROM from(12x)",
    "FROM from(9007199254740992)",
    "FROM from(2021-02-29)",
    "FROM from(2021-07-20T09:53)",
    "FROM from(2021-07-20T09:53:07.462Z 'a'",
    "FROM to(2021-07-20T25:00Z)",
    "FROM to(1969-12-31)",
    "FROM from(1970-01-01+00:01)",
    "FROM KEY = 5",
    "FROM KEY > 2021-07-20",
    "FROM TIME > 5",
    "FROM TIME > 1M ago",
    "FROM TIME >",
    "FROM appId()",
    "FROM appId(com.example/press)",
    "FROM appId com.example",
    "FROM 'größe:ä' & 'łódź' | & 'b'",
    "FROM 'a' -- first\r\n  & 'b'\r\n\t& & 'c'",
    "FROM 'a\u{7}' \u{0} 'b'",
    "FROM {'machine:M-017' | *10}& 'b'",
    "FROM & {'machine:M-017' | *10}'b'",
    "FROM 'a' | {'machine:M-017' | *5}, {'machine:M-017' | *5}'b'",
    "FROM {(*33}'a'",
    "FROM '{x*256}'",
    "FROM supercalifragilistic{expialidocious*4}",
];

#[test]
fn refused_texts_are_pictured_as_the_table_shows() {
    let mut table = String::from("Texts that are refused, and the messages. Made by a test.\n");
    for pattern in REFUSED {
        let error = Query::parse(&expand(pattern)).unwrap_err();
        let at = error.position().map_or("nowhere".into(), |at| format!("byte {at}"));
        let escaped = |c: char| if c.is_control() { c.escape_debug().collect() } else { c.into() };
        let shown: Vec<String> = pattern.chars().map(escaped).collect();
        write!(table, "\n> {}\n{} at {at}\n{}\n", shown.concat(), error.kind(), error.message())
            .unwrap();
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(GOLDEN, &table).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert_eq!(table, golden, "run with UPDATE=1 if this is meant");
}

#[test]
fn the_message_of_a_misplaced_sign_points_at_it() {
    let error = Query::parse("FROM 'a' & | 'b'").unwrap_err();
    let expected = "expected a tag, `allEvents`, `isLocal`, `from(`, `to(`, `appId(`, `KEY`, \
                    `TIME` or `(`, found `|` (line 1, column 12)\n\
                    \x20 FROM 'a' & | 'b'\n\
                    \x20            ^";
    assert_eq!(error.message(), expected);
    assert_eq!(error.position(), Some(11));
}

/// Writes `{part*count}` out.
fn expand(pattern: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        text += before;
        let Some((part, count)) = after.split_once('}').and_then(|(p, _)| p.split_once('*')) else {
            text.push('{');
            rest = after;
            continue;
        };
        text += &part.repeat(count.parse().unwrap());
        rest = after.split_once('}').unwrap().1;
    }
    text + rest
}

//! What the query language promises, example by example. Laws over random queries: `properties`.

mod errors;
mod properties;

use super::subject::Subject;
use super::*;
use crate::error::ErrorKind;
use crate::event::{
    AppId, EventKey, EventKind, Header, Lamport, NodeId, Offset, Payload, Record, StreamId, TagSet,
    WallTime,
};
use std::collections::BTreeSet;
use std::ops::Bound;

/// One event, by what a query may ask about it.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) key: EventKey,
    pub(super) time: WallTime,
    pub(super) app_id: String,
    pub(super) is_local: bool,
    pub(super) tags: BTreeSet<String>,
}

impl Subject for Sample {
    fn key(&self) -> EventKey {
        self.key
    }

    fn time(&self) -> WallTime {
        self.time
    }

    fn app_id(&self) -> &str {
        &self.app_id
    }

    fn is_local(&self) -> bool {
        self.is_local
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.tags.contains(tag)
    }
}

pub(super) fn key(lamport: u64, node: u8, number: u64) -> EventKey {
    let stream = StreamId { node: NodeId::from_bytes([node; 32]), number };
    EventKey { lamport: Lamport::new(lamport).unwrap(), stream }
}

fn event(tags: &[&str]) -> Sample {
    Sample {
        key: key(7, 1, 0),
        time: WallTime::from_micros(1_000_000),
        app_id: "mill".into(),
        is_local: false,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    }
}

fn parse(text: &str) -> Query {
    Query::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn canonical(text: &str) -> String {
    parse(text).to_string()
}

fn normal(text: &str) -> String {
    parse(text).normal_form().to_string()
}

fn tag(text: &str) -> TagExpression {
    TagExpression::tag(text).unwrap()
}

#[test]
fn and_binds_tighter_than_or() {
    let query = parse("FROM 'machine:M-017' & 'kind:fault' | 'alarm'");
    assert!(query.matches(&event(&["alarm"])));
    assert!(query.matches(&event(&["machine:M-017", "kind:fault"])));
    assert!(!query.matches(&event(&["machine:M-017"])));
    let query = parse("FROM 'machine:M-017' & ('kind:fault' | 'alarm')");
    assert!(!query.matches(&event(&["alarm"])));
    assert!(query.matches(&event(&["machine:M-017", "alarm"])));
}

#[test]
fn space_comments_and_needless_parentheses_mean_nothing() {
    let text = "  FROM -- which?\r\n ((\t'a')&('b' &'c'))--both\n|'d'--";
    assert_eq!(canonical(text), "FROM 'a' & 'b' & 'c' | 'd'");
    assert_eq!(canonical("FROM'a'|(('b'|'c'))"), "FROM 'a' | 'b' | 'c'");
    assert_eq!(canonical("FROM ('a' | 'b') & 'c'"), "FROM ('a' | 'b') & 'c'");
    assert_eq!(canonical("FROM 'a' ∧ 'b' ∨ 'c'"), "FROM 'a' & 'b' | 'c'");
}

#[test]
fn a_sign_ends_a_key_a_moment_and_an_app_id_in_either_of_its_forms() {
    for (sign, plain) in [('∧', '&'), ('∨', '|')] {
        for bound in ["KEY > 5", "TIME < 2026-11-22", "from(5)", "appId(mill)"] {
            let close = format!("FROM {bound}{sign}'a'");
            assert_eq!(canonical(&close), canonical(&format!("FROM {bound} {plain} 'a'")));
        }
        let error = Query::parse(&format!("FROM appId(mill{sign}x)")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QueryInvalid);
    }
}

#[test]
fn a_quote_inside_a_tag_is_doubled() {
    assert_eq!(parse("FROM 'o''clock'"), parse("FROM \"o'clock\""));
    assert_eq!(canonical("FROM \"say \"\"o'clock\"\"\""), "FROM 'say \"o''clock\"'");
    assert_eq!(canonical("FROM '-- no comment & no ( sign'"), "FROM '-- no comment & no ( sign'");
    assert!(parse("FROM ''''").matches(&event(&["'"])));
}

#[test]
fn a_tag_is_found_in_whichever_form_it_was_typed() {
    assert!(parse("FROM 'cafe\u{301}'").matches(&event(&["caf\u{e9}"])));
    assert_eq!(parse("FROM 'cafe\u{301}'"), parse("FROM 'caf\u{e9}'"));
}

#[test]
fn each_atom_asks_about_its_own_part_of_an_event() {
    let mut local = event(&[]);
    local.is_local = true;
    assert!(parse("FROM allEvents").matches(&event(&[])));
    assert!(parse("FROM isLocal").matches(&local) && !parse("FROM isLocal").matches(&event(&[])));
    assert!(parse("FROM appId(mill)").matches(&event(&[])));
    assert!(!parse("FROM appId(mill.x)").matches(&event(&[])));
    assert_eq!(canonical("FROM appId( com--x.Y_1 )"), "FROM appId(com--x.Y_1)");
}

#[test]
fn from_includes_its_bound_and_to_does_not() {
    let own = event(&[]).key;
    for (text, selected) in [
        (format!("FROM from({own})"), true),
        (format!("FROM to({own})"), false),
        (format!("FROM KEY > {own}"), false),
        (format!("FROM KEY >= {own}"), true),
        (format!("FROM KEY <= {own} -- or before"), true),
        (format!("FROM KEY ≤ {own}"), true),
        (format!("FROM KEY < {own}"), false),
        ("FROM from(7) & to(8)".into(), true),
        ("FROM to(7)".into(), false),
        ("FROM from(1970-01-01T00:00:01Z)".into(), true),
        ("FROM from(1970-01-01T01:00:01+01:00)".into(), true),
        ("FROM to(1970-01-01T00:00:01Z)".into(), false),
        ("FROM TIME > 1970-01-01T00:00:01Z".into(), false),
        ("FROM TIME <= 1970-01-01T00:00:01Z".into(), true),
        ("FROM TIME < 1970-01-01T00:00:01.000001Z".into(), true),
        ("FROM from(1970-01-01) & to(1970-01-02)".into(), true),
    ] {
        assert_eq!(parse(&text).matches(&event(&[])), selected, "{text}");
    }
}

#[test]
fn a_lamport_alone_is_the_least_key_that_has_it() {
    let least = TagExpression::from_key(key(7, 0, 0));
    assert_eq!(parse("FROM from(7)"), Query::new(least).unwrap());
    let zero = "0".repeat(64);
    assert_eq!(canonical(&format!("FROM from(7/{zero}-0)")), "FROM from(7)");
    assert_eq!(canonical(&format!("FROM to(7/{zero}-1)")), format!("FROM to(7/{zero}-1)"));
}

#[test]
fn the_builder_makes_the_tree_of_the_text() {
    let time = WallTime::from_micros(1_626_774_787_462_000);
    let built = tag("a")
        .and(tag("b").or(TagExpression::is_local()))
        .or(TagExpression::app_id(AppId::parse("mill").unwrap()))
        .or(TagExpression::from_time(time).unwrap().and(TagExpression::to_time(time).unwrap()))
        .or(TagExpression::after_key(key(5, 0, 0)).and(TagExpression::to_key(key(9, 0, 0))))
        .or(TagExpression::all_events());
    let text = "FROM 'a' & ('b' | isLocal) | appId(mill) | from(2021-07-20T09:53:07.462Z) & \
                to(2021-07-20T09:53:07.462Z) | KEY > 5 & to(9) | allEvents";
    let query = Query::new(built).unwrap();
    assert_eq!(query, parse(text));
    assert_eq!(query.to_string(), text);
    assert_eq!(Query::all(), parse("FROM allEvents"));
}

#[test]
fn normal_forms_of_queries_with_one_meaning_are_equal() {
    for (text, expected) in [
        ("FROM 'b' & 'a' & 'b'", "FROM 'a' & 'b'"),
        ("FROM 'a' | allEvents", "FROM allEvents"),
        ("FROM 'a' & allEvents", "FROM 'a'"),
        ("FROM 'a' & ('b' | 'a')", "FROM 'a'"),
        ("FROM 'a' & 'b' | 'a'", "FROM 'a'"),
        ("FROM ('c' | 'b') & 'a'", "FROM 'a' & 'b' | 'a' & 'c'"),
        ("FROM appId(x) & appId(y) | 'a'", "FROM 'a'"),
        ("FROM appId(x) & appId(y)", "FROM to(0)"),
        ("FROM from(9) & to(9)", "FROM to(0)"),
        ("FROM from(0)", "FROM allEvents"),
        ("FROM from(3) & from(5) & to(9) & 'a'", "FROM 'a' & from(5) & to(9)"),
        ("FROM 'a' & from(5) | from(3)", "FROM from(3)"),
    ] {
        assert_eq!(normal(text), expected, "{text}");
    }
}

#[test]
fn a_plan_names_what_an_index_needs() {
    let plan = parse("FROM 'b' & 'a' & isLocal & from(5) & KEY <= 9 | appId(mill)").plan();
    assert!(plan.is_exact);
    let [local, app] = &plan.conjunctions[..] else { panic!("{plan:?}") };
    assert_eq!(local.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(local.local_only && local.app_id.is_none());
    assert_eq!(local.keys.lower, Bound::Included(key(5, 0, 0)));
    assert_eq!(local.keys.upper, Bound::Included(key(9, 0, 0)));
    assert_eq!(app, &Conjunction { app_id: AppId::parse("mill").ok(), ..Conjunction::all() });
    assert!(parse("FROM to(0) | from(2) & to(1)").plan().conjunctions.is_empty());
}

#[test]
fn a_plan_that_would_grow_too_large_is_an_envelope() {
    let alternatives = |count: usize| {
        let tags: Vec<String> = (0..count).map(|index| format!("'t{index}'")).collect();
        tags.join(" | ")
    };
    let exact = parse(&format!("FROM {}", alternatives(PLAN_CONJUNCTIONS_MAX))).plan();
    assert!(exact.is_exact && exact.conjunctions.len() == PLAN_CONJUNCTIONS_MAX);
    let many = alternatives(PLAN_CONJUNCTIONS_MAX + 1);
    let plan = parse(&format!("FROM 'all' & from(5) & isLocal & ({many})")).plan();
    let [envelope] = &plan.conjunctions[..] else { panic!("{plan:?}") };
    assert!(!plan.is_exact && envelope.local_only);
    assert_eq!(envelope.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["all"]);
    assert_eq!(envelope.keys.lower, Bound::Included(key(5, 0, 0)));
    assert_eq!(envelope.keys.upper, Bound::Unbounded);
}

#[test]
fn a_product_of_alternatives_stops_at_the_bound() {
    let factor = |index: usize| format!("('a{index}' | 'b{index}')");
    let product = |count: usize| (0..count).map(factor).collect::<Vec<_>>().join(" & ");
    assert_eq!(parse(&format!("FROM {}", product(8))).plan().conjunctions.len(), 256);
    let plan = parse(&format!("FROM 'x' & {}", product(500))).plan();
    assert!(!plan.is_exact && plan.conjunctions.len() == 1);
    let text = format!("FROM {}", product(9));
    assert_eq!(parse(&text).normal_form(), parse(&text), "too large to flatten, already tidy");
}

#[test]
fn alternatives_that_cover_each_other_keep_a_plan_small() {
    let covered: Vec<String> = (0..440).map(|index| format!("('t' | 'y{index}')")).collect();
    let plan = parse(&format!("FROM ('x' | 'z') & {}", covered.join("&"))).plan();
    assert!(plan.is_exact);
    let counts: Vec<usize> = plan.conjunctions.iter().map(|one| one.tags.len()).collect();
    assert_eq!(counts, [2, 441, 2, 441]);
}

#[test]
fn a_plan_gives_up_before_it_takes_long() {
    let pairs = (0..500).map(|index| format!("('a{0}' | 'b{0}')", index % 7));
    let plan = parse(&format!("FROM {}", pairs.collect::<Vec<_>>().join("&"))).plan();
    assert!(!plan.is_exact && plan.conjunctions == [Conjunction::all()]);
}

#[test]
fn an_event_and_its_record_are_judged_alike() {
    let own_node = NodeId::from_bytes([1; 32]);
    let header = Header {
        lamport: Lamport::new(7).unwrap(),
        time: WallTime::from_micros(1_000_000),
        app_id: AppId::parse("mill").unwrap(),
        kind: EventKind::Application,
        tags: TagSet::new(["kind:fault", "machine:M-017"]).unwrap(),
    };
    let record = Record::encode(&header, &Payload::from_cbor(vec![0xf6]).unwrap());
    let stream = key(7, 1, 0).stream;
    let event = record.to_event(stream, Offset::new(0));
    for (text, selected) in [
        ("FROM 'machine:M-017' & 'kind:fault'", true),
        ("FROM 'machine:M-017' & 'kind'", false),
        ("FROM isLocal & appId(mill)", true),
        ("FROM appId(mil)", false),
        ("FROM from(7) & to(8) & TIME <= 1970-01-01T00:00:01Z", true),
        ("FROM to(7) | TIME > 1970-01-01T00:00:01Z", false),
    ] {
        let query = parse(text);
        let by_event = query.matches(&EventSubject { event: &event, own_node: &own_node });
        let subject = RecordSubject { record: &record, stream: &stream, own_node: &own_node };
        assert_eq!((by_event, query.matches(&subject)), (selected, selected), "{text}");
    }
    let other = NodeId::from_bytes([2; 32]);
    assert!(!parse("FROM isLocal").matches(&EventSubject { event: &event, own_node: &other }));
}

#[test]
fn the_bounds_hold_for_texts_and_for_builders() {
    let kind = |text: &str| Query::parse(text).unwrap_err().kind();
    let tags = |count: usize| format!("FROM {}", vec!["'a'"; count].join("|"));
    assert!(Query::parse(&tags(QUERY_TERMS_MAX)).is_ok());
    assert_eq!(kind(&tags(QUERY_TERMS_MAX + 1)), ErrorKind::LimitExceeded);
    let nested = |depth| format!("FROM {}'a'{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Query::parse(&nested(QUERY_NESTING_MAX)).is_ok());
    assert_eq!(kind(&nested(QUERY_NESTING_MAX + 1)), ErrorKind::LimitExceeded);
    let padded = |bytes: usize| format!("FROM 'a'{}", " ".repeat(bytes - 8));
    assert!(Query::parse(&padded(QUERY_BYTES_MAX)).is_ok());
    assert_eq!(kind(&padded(QUERY_BYTES_MAX + 1)), ErrorKind::LimitExceeded);
    assert_eq!(kind(&format!("FROM '{}'", "x".repeat(256))), ErrorKind::LimitExceeded);
    let long: Vec<String> = (0..400).map(|index| format!("'{index:-<160}'")).collect();
    let tight = format!("FROM {}", long.join("|"));
    assert!(tight.len() <= QUERY_BYTES_MAX && kind(&tight) == ErrorKind::LimitExceeded);

    let built = |expression| Query::new(expression).map_err(|error| error.kind());
    let chain = |count| (1..count).fold(tag("a"), |chain, _| chain.or(tag("a")));
    assert!(built(chain(QUERY_TERMS_MAX)).is_ok());
    assert_eq!(built(chain(QUERY_TERMS_MAX + 1)), Err(ErrorKind::LimitExceeded));
    let tower = |depth| (0..depth).fold(tag("a"), |tower, _| tower.or(tag("b")).and(tag("c")));
    assert!(built(tower(QUERY_NESTING_MAX)).is_ok());
    assert_eq!(built(tower(QUERY_NESTING_MAX + 1)), Err(ErrorKind::LimitExceeded));
    assert_eq!(built(tower(100_000)), Err(ErrorKind::LimitExceeded));
    assert!(TagExpression::tag("").is_err());
    assert!(TagExpression::from_time(WallTime::from_micros(-1)).is_err());
}

//! Laws that hold for random queries, texts and events.

use super::super::*;
use super::{Sample, key};
use crate::event::{AppId, EventKey, WallTime};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Keys from a small set, so that queries and events meet.
fn keys() -> impl Strategy<Value = EventKey> {
    (0_u64..6, 0_u8..3, 0_u64..2).prop_map(|(lamport, node, number)| key(lamport, node, number))
}

fn times() -> impl Strategy<Value = WallTime> {
    prop_oneof![Just(0), 0_i64..4, Just(253_402_300_799_999_999)].prop_map(WallTime::from_micros)
}

fn apps() -> impl Strategy<Value = AppId> {
    "[ab]|--".prop_map(|text| AppId::parse(&text).unwrap())
}

fn tags() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[abc]", 1 => "['\"ä& |(){}-]{1,4}", 1 => "\\PC{1,8}"]
}

fn atoms() -> impl Strategy<Value = TagExpression> {
    prop_oneof![
        6 => tags().prop_map(|tag| TagExpression::tag(&tag).unwrap()),
        1 => Just(TagExpression::all_events()),
        1 => Just(TagExpression::is_local()),
        1 => apps().prop_map(TagExpression::app_id),
        1 => keys().prop_map(TagExpression::from_key),
        1 => keys().prop_map(TagExpression::after_key),
        1 => keys().prop_map(TagExpression::to_key),
        1 => times().prop_map(|time| TagExpression::from_time(time).unwrap()),
        1 => times().prop_map(|time| TagExpression::to_time(time).unwrap()),
        1 => keys().prop_map(TagExpression::through_key),
        1 => times().prop_map(|time| TagExpression::after_time(time).unwrap()),
        1 => times().prop_map(|time| TagExpression::through_time(time).unwrap()),
    ]
}

fn queries() -> impl Strategy<Value = Query> {
    queries_of(atoms())
}

/// Queries whose atoms are either met or not, independently of each other.
fn plain_queries() -> impl Strategy<Value = Query> {
    queries_of(prop_oneof![
        6 => "[abc]".prop_map(|tag| TagExpression::tag(&tag).unwrap()),
        2 => Just(TagExpression::is_local()),
        1 => Just(TagExpression::all_events()),
    ])
}

/// Every event that plain queries can tell apart.
fn plain_events() -> Vec<Sample> {
    let event = |bits: u32| Sample {
        key: key(1, 0, 0),
        time: WallTime::from_micros(0),
        app_id: "a".into(),
        is_local: bits & 8 != 0,
        tags: (0..3)
            .filter(|bit| bits >> bit & 1 != 0)
            .map(|bit| "abc"[bit..=bit].into())
            .collect(),
    };
    (0..16).map(event).collect()
}

fn queries_of(
    atoms: impl Strategy<Value = TagExpression> + 'static,
) -> impl Strategy<Value = Query> {
    let trees = atoms.prop_recursive(6, 40, 4, |inner| {
        (vec(inner, 2..5), any::<bool>()).prop_map(|(parts, and)| {
            let join =
                |left: TagExpression, right| if and { left.and(right) } else { left.or(right) };
            parts.into_iter().reduce(join).unwrap()
        })
    });
    trees.prop_map(|tree| Query::new(tree).unwrap())
}

fn events() -> impl Strategy<Value = Sample> {
    let tags = btree_set("[abc]", 0..4);
    (keys(), times(), apps(), any::<bool>(), tags).prop_map(|(key, time, app, is_local, tags)| {
        let tags: BTreeSet<String> = tags;
        Sample { key, time, app_id: app.to_string(), is_local, tags }
    })
}

/// Texts that look like queries and mostly are none.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("FROM ".to_owned()),
        "'[a-cä]{0,3}'?",
        "[&|()<>=,`!]",
        "(allEvents|isLocal|from\\(|to\\(|appId\\(|KEY|TIME| |--|\n|\r\n|\t)",
        "[0-9]{1,4}(-[0-9]{2}){0,2}(T[0-9:.]{0,8})?[Z+/-]?",
        "\\PC{0,3}",
    ];
    let pieces = vec(piece, 0..20).prop_map(|pieces| pieces.concat());
    prop_oneof![pieces.clone(), pieces.prop_map(|text| format!("FROM {text}")), any::<String>()]
}

proptest! {
    #[test]
    fn the_canonical_text_reads_back_as_the_same_query(query in queries()) {
        let text = query.to_string();
        let read = Query::parse(&text).unwrap();
        prop_assert_eq!(&read, &query);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn a_plan_selects_what_the_query_selects(query in queries(), event in events()) {
        let plan = query.plan();
        let found = plan.conjunctions.iter().any(|one| one.matches(&event));
        if plan.is_exact {
            prop_assert_eq!(found, query.matches(&event));
        } else {
            prop_assert!(found || !query.matches(&event));
        }
    }

    #[test]
    fn a_plan_holds_no_alternative_twice(query in queries()) {
        let plan = query.plan();
        prop_assert!(plan.conjunctions.len() <= PLAN_CONJUNCTIONS_MAX);
        for one in &plan.conjunctions {
            prop_assert!(one.tags.windows(2).all(|pair| pair[0] < pair[1]));
            let covering = plan.conjunctions.iter().filter(|other| other.covers(one)).count();
            prop_assert_eq!(covering, 1);
        }
    }

    #[test]
    fn a_normal_form_selects_the_same_and_is_its_own(query in queries(), event in events()) {
        let normal = query.normal_form();
        prop_assert_eq!(normal.matches(&event), query.matches(&event));
        prop_assert_eq!(normal.normal_form(), normal.clone());
        prop_assert_eq!(Query::parse(&normal.to_string()).unwrap(), normal);
    }

    #[test]
    fn equal_meaning_and_equal_normal_form_are_the_same(queries in vec(plain_queries(), 2..16)) {
        let events = plain_events();
        let meaning = |query: &Query| -> Vec<bool> {
            events.iter().map(|event| query.matches(event)).collect()
        };
        for (one, two) in queries.iter().flat_map(|one| queries.iter().map(move |two| (one, two))) {
            let same = one.normal_form() == two.normal_form();
            prop_assert_eq!(same, meaning(one) == meaning(two), "{} and {}", one, two);
        }
    }

    #[test]
    fn the_order_of_parts_does_not_change_the_normal_form(parts in vec(atoms(), 2..6)) {
        let join = |parts: &[TagExpression]| {
            let first = parts[0].clone();
            parts[1..].iter().fold(first, |all, part| all.and(part.clone()))
        };
        let reversed: Vec<TagExpression> = parts.iter().rev().cloned().collect();
        let forward = Query::new(join(&parts)).unwrap().normal_form();
        prop_assert_eq!(forward, Query::new(join(&reversed)).unwrap().normal_form());
    }

    #[test]
    fn no_text_panics_and_errors_point_into_it(text in texts()) {
        match Query::parse(&text) {
            Ok(query) => prop_assert_eq!(Query::parse(&query.to_string()).unwrap(), query),
            Err(error) => {
                let at = error.position().unwrap();
                prop_assert!(at <= text.len() && text.is_char_boundary(at));
                let message = error.message();
                let lines: Vec<&str> = message.rsplitn(3, '\n').collect();
                let (caret, shown) = (lines[0], lines[1]);
                prop_assert!(caret.ends_with('^') && caret.trim_start() == "^");
                let column = caret.chars().count() - 1;
                let under = shown.chars().nth(column).filter(|c| !matches!(c, ' ' | '…'));
                if let Some(under) = under {
                    prop_assert_eq!(Some(under), text[at..].chars().next());
                }
            }
        }
    }
}

use super::histories::holding;
use super::*;
use crate::error::ErrorKind;
use crate::event::{Behind, not_yet_visible};

#[test]
fn what_is_missing_is_named_by_stream_and_only_where_it_can_match() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let log = open(directories[0].path());
    let other = Log::open(options(directories[1].path(), 2)).unwrap();
    append(&other, events(0..10));
    send_all(&other, &log);
    let mut token = append(&other, events(10..15)).token();
    token.join(&append(&log, events(0..3)).token());
    let missing = |query: Option<&str>| {
        let query = query.map(|text| Query::parse(text).unwrap());
        log.missing(&token, query.as_ref()).unwrap()
    };
    let five = vec![Behind { stream: other.own_stream(), missing: 5 }];
    assert_eq!(missing(None), five);
    assert_eq!(missing(Some("FROM 'grain'")), five);
    assert_eq!(missing(Some("FROM isLocal & 'grain'")), []);
    assert_eq!(missing(Some("FROM isLocal | 'grain'")), five);
    // Ten are held, so the next one has a lamport of 11 at least.
    assert_eq!(missing(Some("FROM to(11)")), []);
    assert_eq!(missing(Some("FROM to(12)")), five);
    assert_eq!(missing(Some("FROM to(5) | isLocal")), []);
    let error = not_yet_visible(&five);
    assert_eq!((error.kind(), error.kind().is_retryable()), (ErrorKind::NotYetVisible, true));
    assert_eq!(error.missing(), [(other.own_stream().to_string(), 5)]);
    assert!(error.message().contains(&format!("5 of {}", other.own_stream())));
    send_all(&other, &log);
    assert_eq!(missing(None), []);
    close(log.clone());
    assert_eq!(log.missing(&token, None).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_token_of_before_a_fork_is_covered_by_the_branches_that_it_can_have_meant() {
    let directory = tempfile::tempdir().unwrap();
    let (log, mut held, trunk) = holding(directory.path(), 1_200);
    let token: OffsetMap = [(trunk, 1_200)].into_iter().collect();
    assert_eq!(log.missing(&token, None).unwrap(), []);
    let other = held.forked(700, "wheat", 100);
    other.fork(&log, trunk, &held);
    assert_eq!(log.missing(&token, None).unwrap(), []);
    let beyond: OffsetMap = [(trunk, 1_300)].into_iter().collect();
    assert_eq!(log.missing(&beyond, None).unwrap(), [Behind { stream: trunk, missing: 600 }]);
    held.write("rye", 100);
    held.send(&log, trunk.branch(&held.chains[701]));
    assert_eq!(log.missing(&beyond, None).unwrap(), []);
}

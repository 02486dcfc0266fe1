//! What readers leave out is neither there nor taken for empty, and changes nothing else.

use super::{append, event, events, everything, open, query_all};
use crate::error::ErrorKind;
use crate::event::{Columns, EventBatch};
use crate::log::{CursorOptions, Log};
use crate::query::{Order, Query};
use std::panic::{AssertUnwindSafe, catch_unwind};

const ALL: [Columns; 4] = [
    Columns { tags: true, payload: true },
    Columns { tags: true, payload: false },
    Columns { tags: false, payload: true },
    Columns { tags: false, payload: false },
];

fn read(log: &Log, text: &str, order: Order, columns: Columns) -> Vec<EventBatch> {
    let options = CursorOptions { order, columns, ..CursorOptions::default() };
    let mut cursor = log.cursor(&Query::parse(text).unwrap(), options).unwrap();
    let next = || Some(cursor.next_batch(100).unwrap()).filter(|batch| !batch.is_empty());
    std::iter::from_fn(next).collect()
}

/// Events in full blocks, in an open block, and in memory only.
fn log_of_all_kinds(path: &std::path::Path) -> Log {
    let log = open(path);
    append(&log, events(0..2_100));
    log.checkpoint_now().unwrap();
    append(&log, events(2_100..2_200));
    append(&log, vec![event("untagged", &[])]);
    log
}

#[test]
fn what_is_left_out_changes_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let log = log_of_all_kinds(directory.path());
    // More alternatives than a plan holds: each event found is judged by its tags.
    let judged = (0..9).map(|n| format!("('lot:{}' | 'grain' | 'other:{n}')", n % 7));
    let judged = format!("FROM {}", judged.collect::<Vec<_>>().join(" & "));
    assert!(!Query::parse(&judged).unwrap().plan().is_exact);
    for text in ["FROM allEvents", "FROM 'lot:3' | 'lot:5'", &judged] {
        for order in [Order::Ascending, Order::Descending, Order::Stream] {
            let whole = query_all(&log, text, order);
            assert!(whole.len() > 600);
            for columns in ALL {
                let batches = read(&log, text, order, columns);
                assert!(batches.iter().all(|batch| batch.columns() == columns));
                let views: Vec<_> = batches.iter().flat_map(EventBatch::iter).collect();
                assert_eq!(views.len(), whole.len());
                for (view, event) in views.iter().zip(&whole) {
                    let place = (view.key(), view.offset(), view.time(), view.app_id());
                    let wanted = (event.key, event.offset, event.time, event.app_id.as_str());
                    assert_eq!(place, wanted);
                    if columns.tags {
                        assert!(view.tags().eq(event.tags.iter().map(|tag| tag.as_str())));
                    }
                    if columns.payload {
                        assert_eq!(view.payload(), event.payload);
                    }
                }
            }
        }
    }
}

#[test]
fn a_column_that_was_left_out_cannot_be_taken_for_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    let log = log_of_all_kinds(directory.path());
    for columns in ALL {
        let batches = read(&log, "FROM allEvents", Order::Descending, columns);
        let newest = batches[0].get(0).unwrap();
        let can = |look: &dyn Fn()| catch_unwind(AssertUnwindSafe(look)).is_ok();
        assert_eq!(can(&|| assert_eq!(newest.tags().len(), 0)), columns.tags);
        assert_eq!(can(&|| assert!(newest.tags_bytes().is_empty())), columns.tags);
        assert_eq!(can(&|| assert!(!newest.has_tag("grain"))), columns.tags);
        assert_eq!(can(&|| drop(newest.payload())), columns.payload);
        assert_eq!(can(&|| assert!(!newest.payload_bytes().is_empty())), columns.payload);
        assert_eq!(can(&|| drop(newest.to_event())), columns == Columns::default());
        assert!(format!("{newest:?}").contains("key"), "whoever traces it gets no panic");
        let bytes: usize = batches.iter().map(EventBatch::byte_count).sum();
        assert_eq!(bytes == 0, !columns.tags && !columns.payload);
    }
}

#[test]
fn the_bytes_of_some_events_are_their_tags_and_payloads() {
    let directory = tempfile::tempdir().unwrap();
    let log = log_of_all_kinds(directory.path());
    for columns in ALL {
        for batch in read(&log, "FROM allEvents", Order::Ascending, columns) {
            assert_eq!(batch.bytes_of(0..batch.len()).len(), batch.byte_count());
            assert!(batch.bytes_of(1..1).is_empty());
            let mut one_by_one = Vec::new();
            for (at, view) in batch.iter().enumerate() {
                let tags = if columns.tags { view.tags_bytes() } else { &[] };
                let payload = if columns.payload { view.payload_bytes() } else { &[] };
                assert_eq!(batch.bytes_of(at..at + 1), [tags, payload].concat());
                one_by_one.extend_from_slice(tags);
                one_by_one.extend_from_slice(payload);
            }
            assert_eq!(batch.bytes_of(0..batch.len()), one_by_one);
        }
    }
}

#[test]
fn columns_have_names_and_there_are_no_others() {
    assert_eq!(Columns::from_names(["payload", "tags", "tags"]).unwrap(), Columns::default());
    let none = Columns::from_names([]).unwrap();
    assert!(!none.tags && !none.payload);
    let error = Columns::from_names(["tags", "Payload"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().ends_with("there is no column \"Payload\"; there are tags, payload"));
}

#[test]
fn a_follower_gets_all_columns() {
    let directory = tempfile::tempdir().unwrap();
    let log = log_of_all_kinds(directory.path());
    let mut follower = log.subscribe(&Query::all(), everything()).unwrap();
    assert_eq!(follower.next_batch(10).unwrap().events.columns(), Columns::default());
}

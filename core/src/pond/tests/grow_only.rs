//! Claims about fish that are declared to grow only.

use super::source::numbered;
use crate::error::ErrorKind;
use crate::event::EventView;
use crate::event::cbor::{Integer, Value};
use crate::pond::{CodeError, Fish};
use crate::query::{Query, Verdict};
use std::collections::BTreeMap;

type Seen = BTreeMap<String, bool>;

fn number(event: EventView<'_>) -> Result<u64, CodeError> {
    match Value::decode(event.payload_bytes())? {
        Value::Integer(number) => Ok(u64::try_from(Integer::value(number))?),
        other => Err(format!("{other:?} is no number").into()),
    }
}

fn union(one: &Seen, other: &Seen) -> Seen {
    one.iter().chain(other).map(|(key, value)| (key.clone(), *value)).collect()
}

#[test]
fn a_set_keeps_what_it_is_declared_to_and_a_count_is_found_not_to() {
    let events = numbered(&[5, 1, 5, 9]);
    let seen = |state: &mut Seen, event: EventView<'_>| {
        state.insert(number(event)?.to_string(), true);
        Ok(())
    };
    let seen = Fish::new("seen", 1, Query::all(), Seen::new, seen).unwrap();
    let undeclared = seen.check_grow_only(&events).unwrap_err();
    assert_eq!(undeclared.reason(), Some("grow_only"));
    assert_eq!(seen.definition().monotonicity(Some(4)).verdict(), Verdict::NotMonotone);
    let seen = seen.grow_only(union).unwrap();
    assert!(!seen.definition().monotonicity(None).is_monotone());
    assert_eq!(seen.check_grow_only(&events).unwrap(), 4);
    assert!(seen.definition().monotonicity(Some(4)).is_monotone());
    let none = seen.check_grow_only(&numbered(&[5])).unwrap_err();
    assert_eq!((none.kind(), none.reason()), (ErrorKind::InvalidArgument, Some("no_examples")));
    let count = |state: &mut u64, _: EventView<'_>| {
        *state += 1;
        Ok(())
    };
    let count = Fish::new("count", 1, Query::all(), || 0, count).unwrap();
    let broken = count.grow_only(|a, b| *a.max(b)).unwrap().check_grow_only(&events).unwrap_err();
    assert_eq!((broken.kind(), broken.reason()), (ErrorKind::InvalidArgument, Some("grow_only")));
    assert!(broken.message().contains("an event counts once"), "{broken}");
    let failing = |state: &mut u64, event: EventView<'_>| match number(event)? {
        9 => Err("cannot take 9".into()),
        number => {
            *state = (*state).max(number);
            Ok(())
        }
    };
    let failing = Fish::new("greatest", 1, Query::all(), || 0, failing).unwrap();
    let failed = failing.grow_only(|a, b| *a.max(b)).unwrap();
    let failed = failed.check_grow_only(&events).unwrap_err();
    assert_eq!((failed.kind(), failed.reason()), (ErrorKind::UserCode, Some("step")));
    assert!(failed.message().contains("cannot take 9"), "{failed}");
}

#[test]
fn who_has_resets_cannot_be_declared_to_grow_only() {
    let greatest = || {
        let step = |state: &mut u64, event: EventView<'_>| {
            *state = (*state).max(number(event)?);
            Ok(())
        };
        Fish::new("greatest", 1, Query::all(), || 0, step).unwrap()
    };
    let merge = |one: &u64, other: &u64| *one.max(other);
    let first = greatest().with_reset(|_| false).unwrap().grow_only(merge);
    let last = greatest().grow_only(merge).unwrap().with_reset(|_| false);
    for refused in [first, last] {
        let Err(error) = refused else { panic!("it is not refused") };
        assert_eq!((error.kind(), error.reason()), (ErrorKind::InvalidArgument, Some("grow_only")));
        assert!(error.message().contains("has resets"), "{error}");
    }
}

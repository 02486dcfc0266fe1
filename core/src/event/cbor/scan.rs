//! Steps over values of a payload without looking into them.
//!
//! For payloads that were checked: nothing is judged here. Bytes that are no payload lead nowhere,
//! or somewhere within their bounds, in as many steps as there are bytes.

/// The values or pairs of an array or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    /// Its pairs begin with keys; else its values follow each other.
    pub(crate) is_map: bool,
    /// Number of values or pairs.
    pub(crate) count: u64,
    /// Where the first one begins.
    pub(crate) first: usize,
}

/// The array or map that begins at this byte; `None` for any other value.
pub(crate) fn container(bytes: &[u8], at: usize) -> Option<Container> {
    let Head { major, argument, next } = head(bytes, at)?;
    matches!(major, 4 | 5).then_some(Container { is_map: major == 5, count: argument, first: next })
}

/// Where the value ends that begins at this byte.
pub(crate) fn end_of(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut left = 1u64;
    while left > 0 {
        left -= 1;
        let Head { major, argument, next } = head(bytes, at)?;
        at = next;
        match major {
            2 | 3 => at = at.checked_add(usize::try_from(argument).ok()?)?,
            4 => left = left.checked_add(argument)?,
            5 => left = left.checked_add(argument.checked_mul(2)?)?,
            _ => {}
        }
    }
    (at <= bytes.len()).then_some(at)
}

struct Head {
    major: u8,
    argument: u64,
    /// Where what is in the value begins.
    next: usize,
}

fn head(bytes: &[u8], at: usize) -> Option<Head> {
    let (first, rest) = bytes.get(at..)?.split_first()?;
    let (argument, length) = match first & 31 {
        small @ 0..=23 => (u64::from(small), 0),
        24 => (u64::from(*rest.first()?), 1),
        25 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
        26 => (u64::from(u32::from_be_bytes(*rest.first_chunk()?)), 4),
        27 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
        _ => return None,
    };
    Some(Head { major: first >> 5, argument, next: at + 1 + length })
}

#[cfg(test)]
mod tests {
    use super::super::{Reader, Value, check};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_of_a_payload_ends_where_the_reader_says(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            at in 0usize..50,
        ) {
            if let Some(end) = end_of(&bytes, at) {
                prop_assert!(at < end && end <= bytes.len());
                if check(&bytes).is_ok() && at == 0 {
                    prop_assert_eq!(end, bytes.len());
                }
            }
            let _ = container(&bytes, at);
        }
    }

    #[test]
    fn values_and_containers_are_stepped_over_by_their_heads() {
        let inner = Value::Array(vec![Value::from("text"), Value::Float(1.5), Value::Null]);
        let value = Value::map([("a", inner), ("bb", Value::from(1_000u64))]);
        let bytes = value.encode().unwrap();
        assert_eq!(end_of(&bytes, 0), Some(bytes.len()));
        let map = container(&bytes, 0).unwrap();
        assert_eq!((map.is_map, map.count, map.first), (true, 2, 1));
        let key_end = end_of(&bytes, map.first).unwrap();
        let list = container(&bytes, key_end).unwrap();
        assert_eq!((list.is_map, list.count), (false, 3));
        assert_eq!(container(&bytes, list.first), None);
        let mut reader = Reader::new(&bytes);
        (0..6).for_each(|_| assert!(reader.next_item().unwrap().is_some()));
        assert_eq!(end_of(&bytes, key_end), Some(reader.position()));
    }
}

//! Where a received range stands to what is held.

use crate::event::EventRange;

/// How events `first..end` stand to the `held` first events of their stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// All of them are held.
    Duplicate,
    /// They go on from what is held; some of them may be held.
    Follows,
    /// Events are missing in between.
    Gap,
}

/// The place of events `first..end` when `held` are held.
pub(crate) fn place(first: u64, end: u64, held: u64) -> Place {
    if end <= held {
        Place::Duplicate
    } else if first <= held {
        Place::Follows
    } else {
        Place::Gap
    }
}

/// Takes off the front of `range` what is held. The range must follow `held`.
pub(crate) fn trim(mut range: EventRange, held: u64) -> EventRange {
    assert_eq!(place(range.first, range.head.count, held), Place::Follows);
    range.drop_front((held - range.first) as usize);
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_held_follows_or_leaves_a_gap() {
        assert_eq!(place(0, 5, 5), Place::Duplicate);
        assert_eq!(place(0, 5, 9), Place::Duplicate);
        assert_eq!(place(5, 6, 5), Place::Follows);
        assert_eq!(place(3, 6, 5), Place::Follows);
        assert_eq!(place(6, 7, 5), Place::Gap);
        assert_eq!(place(0, 1, 0), Place::Follows);
    }
}

//! A range of keys or times with each end open, closed or absent.

use std::ops::{Bound, RangeBounds};

/// A range of keys or times; `Bound::Unbounded` at both ends holds every value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval<T> {
    /// The lower end.
    pub lower: Bound<T>,
    /// The upper end.
    pub upper: Bound<T>,
}

impl<T: Ord + Copy> Interval<T> {
    /// Every value.
    pub const ALL: Interval<T> = Interval { lower: Bound::Unbounded, upper: Bound::Unbounded };

    /// True when no end excludes the value.
    pub fn contains(&self, value: &T) -> bool {
        RangeBounds::contains(self, value)
    }

    /// True when the ends alone show that nothing lies between them.
    pub fn is_empty(&self) -> bool {
        match (self.lower, self.upper) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
            (Bound::Included(lower) | Bound::Excluded(lower), Bound::Excluded(upper))
            | (Bound::Excluded(lower), Bound::Included(upper)) => lower >= upper,
        }
    }

    /// The values in both.
    pub(crate) fn intersection(&self, other: &Interval<T>) -> Interval<T> {
        let lower = if lower_admits(&self.lower, &other.lower) { other.lower } else { self.lower };
        let upper = if upper_admits(&self.upper, &other.upper) { other.upper } else { self.upper };
        Interval { lower, upper }
    }

    /// The least interval with the values of both.
    pub(super) fn hull(&self, other: &Interval<T>) -> Interval<T> {
        let lower = if lower_admits(&self.lower, &other.lower) { self.lower } else { other.lower };
        let upper = if upper_admits(&self.upper, &other.upper) { self.upper } else { other.upper };
        Interval { lower, upper }
    }

    /// True when every value of `other` is in `self`.
    pub(super) fn covers(&self, other: &Interval<T>) -> bool {
        lower_admits(&self.lower, &other.lower) && upper_admits(&self.upper, &other.upper)
    }
}

impl<T: Ord> RangeBounds<T> for Interval<T> {
    fn start_bound(&self) -> Bound<&T> {
        self.lower.as_ref()
    }

    fn end_bound(&self) -> Bound<&T> {
        self.upper.as_ref()
    }
}

/// True when the lower end `wide` lets in all that the lower end `narrow` lets in.
fn lower_admits<T: Ord>(wide: &Bound<T>, narrow: &Bound<T>) -> bool {
    match (wide, narrow) {
        (Bound::Unbounded, _) => true,
        (_, Bound::Unbounded) => false,
        (Bound::Excluded(wide), Bound::Included(narrow)) => wide < narrow,
        (Bound::Included(wide) | Bound::Excluded(wide), Bound::Excluded(narrow))
        | (Bound::Included(wide), Bound::Included(narrow)) => wide <= narrow,
    }
}

/// True when the upper end `wide` lets in all that the upper end `narrow` lets in.
fn upper_admits<T: Ord>(wide: &Bound<T>, narrow: &Bound<T>) -> bool {
    match (wide, narrow) {
        (Bound::Unbounded, _) => true,
        (_, Bound::Unbounded) => false,
        (Bound::Excluded(wide), Bound::Included(narrow)) => wide > narrow,
        (Bound::Included(wide) | Bound::Excluded(wide), Bound::Excluded(narrow))
        | (Bound::Included(wide), Bound::Included(narrow)) => wide >= narrow,
    }
}

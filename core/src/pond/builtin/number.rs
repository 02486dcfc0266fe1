//! Numbers as built-in folds add and compare them.

use crate::event::cbor::{Integer, Item};
use std::cmp::Ordering;

/// A number of a payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    pub(super) fn of(item: Item<'_>) -> Option<Number> {
        match item {
            Item::Integer(value) => Some(Number::Integer(value.value())),
            Item::Float(value) => Some(Number::Float(value)),
            _ => None,
        }
    }

    /// By value, whole numbers and floats together, exactly.
    pub(super) fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Integer(own), Number::Integer(other)) => own.cmp(&other),
            (Number::Float(own), Number::Float(other)) => {
                own.partial_cmp(&other).unwrap_or(Ordering::Equal)
            }
            (Number::Integer(own), Number::Float(other)) => compare_mixed(own, other),
            (Number::Float(own), Number::Integer(other)) => compare_mixed(other, own).reverse(),
        }
    }
}

/// Payloads hold whole numbers of 64 bits and finite floats.
fn compare_mixed(integer: i128, float: f64) -> Ordering {
    // Exact below 2^127, and beyond it `as` gives the nearest end.
    let whole = float.trunc();
    let fraction = float - whole;
    let by_fraction = || 0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal);
    integer.cmp(&(whole as i128)).then_with(by_fraction)
}

/// A sum. Whole numbers are added exactly until a float comes; from there on floats are added, in
/// key order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sum {
    /// Cannot overflow: a log has fewer than 2^53 lamports of fewer than 2^53 streams.
    Integer(i128),
    Float(f64),
    /// It was infinite once, and says nothing since.
    Infinite,
}

impl Sum {
    pub(super) fn add(self, number: Number) -> Sum {
        let float = match (self, number) {
            (Sum::Integer(sum), Number::Integer(number)) => {
                return Sum::Integer(sum.saturating_add(number));
            }
            (Sum::Integer(sum), Number::Float(number)) => sum as f64 + number,
            (Sum::Float(sum), Number::Integer(number)) => sum + number as f64,
            (Sum::Float(sum), Number::Float(number)) => sum + number,
            (Sum::Infinite, _) => return Sum::Infinite,
        };
        if float.is_finite() { Sum::Float(float) } else { Sum::Infinite }
    }

    /// The whole number as payloads hold it, if it is one that fits.
    pub(super) fn integer(self) -> Option<Integer> {
        match self {
            Sum::Integer(sum) => Integer::new(sum).ok(),
            Sum::Float(_) | Sum::Infinite => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Number::{Float, Integer};

    #[test]
    fn whole_numbers_and_floats_compare_by_value_exactly() {
        for (less, greater) in [
            (Integer(1), Float(1.5)),
            (Float(-1.5), Integer(-1)),
            (Integer((1 << 53) - 1), Float(9_007_199_254_740_992.0)),
            (Float(9_007_199_254_740_992.0), Integer((1 << 53) + 1)),
            (Integer(u64::MAX.into()), Float(1e300)),
            (Float(-1e300), Integer(i64::MIN.into())),
            (Float(0.1), Float(0.2)),
            (Integer(0), Float(f64::MIN_POSITIVE)),
        ] {
            assert_eq!(less.compare(greater), Ordering::Less, "{less:?} {greater:?}");
            assert_eq!(greater.compare(less), Ordering::Greater, "{less:?} {greater:?}");
        }
        assert_eq!(Integer(3).compare(Float(3.0)), Ordering::Equal);
        assert_eq!(Float(-0.0).compare(Integer(0)), Ordering::Equal);
    }

    #[test]
    fn a_sum_is_exact_until_a_float_comes_and_says_nothing_once_it_was_infinite() {
        let sum = |numbers: &[Number]| numbers.iter().fold(Sum::Integer(0), |s, n| s.add(*n));
        let most = Integer(u64::MAX.into());
        assert_eq!(sum(&[most, most, Integer(-1)]), Sum::Integer(2 * i128::from(u64::MAX) - 1));
        assert_eq!(sum(&[Integer(1), Float(0.5), Integer(2)]), Sum::Float(3.5));
        assert_eq!(sum(&[Float(f64::MAX), Float(f64::MAX), Float(f64::MIN)]), Sum::Infinite);
    }
}

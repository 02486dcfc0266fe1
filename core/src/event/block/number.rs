//! A column of whole numbers: a straight line, and the distance of each number from it.
//!
//! ```text
//! column = varint folded base ‖ varint folded step ‖ width (1 byte, 0 to 64)
//! value  = base + step × position + packed         (modulo 2^64; position counts in the block)
//! ```
//! No I/O. Source: docs/format.md, "Blocks on disk".

use super::bits;
use crate::error::Result;
use crate::event::codec::{Reader, bad, put_varint, unzigzag, zigzag};

/// How a column's numbers are coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Number {
    base: i64,
    step: i64,
    /// Bits of each packed distance.
    pub(super) width: u32,
}

impl Number {
    /// Numbers 0 to `max`, packed as they are.
    pub(super) fn up_to(max: u64) -> Number {
        Number { base: 0, step: 0, width: bits::width_of(max) }
    }

    /// The narrowest line for these (position, value) pairs; none need be in order.
    pub(super) fn fit(points: &[(u32, i64)]) -> Number {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Number::default();
        };
        let flat = Number::around(points, 0);
        let run = i128::from(last.0) - i128::from(first.0);
        if run == 0 || flat.width == 0 {
            return flat;
        }
        let rise = i128::from(last.1) - i128::from(first.1);
        match i64::try_from(rise / run) {
            Ok(step) if step != 0 => {
                let sloped = Number::around(points, step);
                // A slope must pay for its own bytes.
                if sloped.width < flat.width { sloped } else { flat }
            }
            _ => flat,
        }
    }

    fn around(points: &[(u32, i64)], step: i64) -> Number {
        let rest =
            |point: &(u32, i64)| i128::from(point.1) - i128::from(step) * i128::from(point.0);
        let (low, high) = points
            .iter()
            .map(rest)
            .fold((i128::MAX, i128::MIN), |(low, high), rest| (low.min(rest), high.max(rest)));
        match u64::try_from(high - low) {
            Ok(range) => Number { base: low as i64, step, width: bits::width_of(range) },
            Err(_) => Number { base: 0, step: 0, width: 64 },
        }
    }

    /// What is packed for a value.
    #[inline]
    pub(super) fn pack(&self, position: u32, value: i64) -> u64 {
        value.wrapping_sub(self.line(position)) as u64
    }

    /// The value that was packed.
    #[inline]
    pub(super) fn unpack(&self, position: u32, packed: u64) -> i64 {
        self.line(position).wrapping_add(packed as i64)
    }

    /// What is packed for a value wherever it stands; nothing on a slope, or where the value has
    /// no place.
    pub(super) fn level(&self, value: i64) -> Option<u64> {
        let packed = value.wrapping_sub(self.base) as u64;
        (self.step == 0 && bits::width_of(packed) <= self.width).then_some(packed)
    }

    #[inline]
    fn line(&self, position: u32) -> i64 {
        self.base.wrapping_add(self.step.wrapping_mul(i64::from(position)))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, zigzag(self.base));
        put_varint(out, zigzag(self.step));
        out.push(self.width as u8);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Number> {
        let (base, step) = (unzigzag(reader.varint()?), unzigzag(reader.varint()?));
        let width = u32::from(reader.u8()?);
        if width > 64 {
            return Err(bad(format!("a column has numbers of {width} bits")));
        }
        Ok(Number { base, step, width })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_comes_back(values in prop::collection::vec(any::<i64>(), 1..70)) {
            let points: Vec<(u32, i64)> = (0..).zip(values).collect();
            let number = Number::fit(&points);
            let mut bytes = Vec::new();
            bits::put(&mut bytes, number.width, points.iter().map(|(at, v)| number.pack(*at, *v)));
            for (index, (position, value)) in points.iter().enumerate() {
                let packed = bits::get(&bytes, number.width, index);
                prop_assert_eq!(number.unpack(*position, packed), *value);
            }
        }
    }

    #[test]
    fn a_straight_line_takes_no_bits() {
        let points: Vec<(u32, i64)> =
            (0..1024).map(|at| (at, 7_000_000 + 3 * i64::from(at))).collect();
        assert_eq!(Number::fit(&points).width, 0);
    }
}

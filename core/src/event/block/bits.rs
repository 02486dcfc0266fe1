//! Numbers of a fixed width, packed one behind the other, the lowest bit first.
//!
//! No I/O. Rule: whatever the bytes are, reading never panics: beyond the end there are zeros.

/// The number that stands at place `index` of numbers of `width` bits; 64 is the widest.
#[inline]
pub(super) fn get(bytes: &[u8], width: u32, index: usize) -> u64 {
    if width == 0 {
        return 0;
    }
    let bit = index * width as usize;
    let (start, shift) = (bit / 8, (bit % 8) as u32);
    let low = match bytes.get(start..start + 8) {
        Some(word) => u64::from_le_bytes(word.try_into().expect("eight bytes")),
        None => at_the_end(bytes, start),
    };
    let mut value = low >> shift;
    if shift + width > 64 {
        let high = bytes.get(start + 8).copied().unwrap_or(0);
        value |= u64::from(high) << (64 - shift);
    }
    value & mask(width)
}

/// The places among the first `count`, at most 64, where `wanted` stands, as bits.
pub(super) fn equal(bytes: &[u8], width: u32, wanted: u64, count: usize) -> u64 {
    let mut found = 0;
    for index in 0..count.min(64) {
        found |= u64::from(get(bytes, width, index) == wanted) << index;
    }
    found
}

/// The places of the bits that are set, rising.
pub(super) fn ones(bits: u64) -> impl Iterator<Item = usize> {
    let mut left = bits;
    std::iter::from_fn(move || {
        let next = (left != 0).then(|| left.trailing_zeros() as usize);
        left &= left.wrapping_sub(1);
        next
    })
}

#[cold]
fn at_the_end(bytes: &[u8], start: usize) -> u64 {
    let mut word = [0; 8];
    if let Some(rest) = bytes.get(start..) {
        word[..rest.len()].copy_from_slice(rest);
    }
    u64::from_le_bytes(word)
}

/// Bytes that `count` numbers of `width` bits take.
#[inline]
pub(super) fn bytes_of(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Bits that a number takes.
pub(super) fn width_of(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// Appends the numbers, padded with zero bits to a whole byte.
pub(super) fn put(out: &mut Vec<u8>, width: u32, values: impl Iterator<Item = u64>) {
    let (mut held, mut bits) = (0u128, 0);
    for value in values {
        held |= u128::from(value & mask(width)) << bits;
        bits += width;
        while bits >= 8 {
            out.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(held as u8);
    }
}

fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packed_numbers_come_back(
            width in 0u32..=64,
            numbers in prop::collection::vec(any::<u64>(), 0..80),
        ) {
            let numbers: Vec<u64> = numbers.iter().map(|number| number & mask(width)).collect();
            let mut bytes = Vec::new();
            put(&mut bytes, width, numbers.iter().copied());
            prop_assert_eq!(bytes.len(), bytes_of(numbers.len(), width));
            for (index, number) in numbers.iter().enumerate() {
                prop_assert_eq!(get(&bytes, width, index), *number);
            }
        }

        #[test]
        fn a_place_beyond_the_end_reads_as_zeros(width in 0u32..=64, index in 0usize..5_000) {
            prop_assert_eq!(get(&[], width, index), 0);
        }
    }
}

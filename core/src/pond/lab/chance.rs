//! Chance from a seed: equal seeds give equal numbers everywhere.

/// A small generator (SplitMix64). Not for secrets.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "there is no number below 0");
        // Multiplying spreads the bits evenly enough: 2^64 is far more than any `end` here.
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// An index of something that has `count` parts, at least 1.
    pub(super) fn index(&mut self, count: usize) -> usize {
        self.below(count as u64) as usize
    }

    /// A number from `least` to `most`.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True once in `count` times.
    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// One of these, if there is one.
    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.index(of.len())])
    }

    /// The generator that these numbers name together.
    pub(super) fn of(parts: [u64; 4]) -> Chance {
        parts.into_iter().fold(Chance(0), |chance, part| Chance(chance.clone().bits() ^ part))
    }

    /// A generator of its own, so that drawing from one does not change the other.
    pub(super) fn branch(&mut self) -> Chance {
        Chance(self.bits())
    }
}

//! Values that repeat, each kept once.

use std::cmp::Ordering;

/// Values by index, in the order in which they came, each once.
pub(super) struct Distinct<T> {
    pub(super) items: Vec<T>,
    /// The indexes in the order of the values.
    sorted: Vec<u32>,
    /// The index that was asked for last: neighbours mostly share it.
    last: usize,
}

impl<T> Default for Distinct<T> {
    fn default() -> Distinct<T> {
        Distinct { items: Vec::new(), sorted: Vec::new(), last: 0 }
    }
}

impl<T> Distinct<T> {
    /// The index of the value that `compare` finds equal; `make` makes it when it is new.
    pub(super) fn index(
        &mut self,
        compare: impl Fn(&T) -> Ordering,
        make: impl FnOnce() -> T,
    ) -> u32 {
        let is_last = self.items.get(self.last).is_some_and(|last| compare(last).is_eq());
        if !is_last {
            let found = self.sorted.binary_search_by(|at| compare(&self.items[*at as usize]));
            self.last = match found {
                Ok(at) => self.sorted[at] as usize,
                Err(at) => {
                    self.sorted.insert(at, self.items.len() as u32);
                    self.items.push(make());
                    self.items.len() - 1
                }
            };
        }
        self.last as u32
    }
}

//! Handles without pointers: a number that is checked before anything is touched.
//!
//! Rule: a handle is generation (32 bits) ‖ index (24) ‖ kind (8). A slot's generation rises when
//! its entry is removed, so a stale handle never reaches what came after it. 0 is never a handle.

/// Which type of thing a handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Node = 1,
    Cursor = 2,
    Subscription = 3,
    Cancel = 4,
    Session = 5,
    Observer = 6,
    Fold = 7,
    Turn = 8,
    Group = 9,
    Doing = 10,
    BlobWork = 11,
    BlobReader = 12,
    BlobWriter = 13,
}

/// Why a handle leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It was closed.
    Closed,
    /// It stands for another type of thing, or was never given out.
    Wrong,
    /// No more handles can be given out.
    Full,
}

const INDEX_BITS: u32 = 24;
const SLOTS_MAX: usize = 1 << INDEX_BITS;

/// Entries by handle.
#[derive(Debug)]
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Slot<T> {
    /// From 1; the generation of the entry that is or will next be here. 0 when used up.
    generation: u32,
    entry: Option<(Kind, T)>,
}

impl<T> Table<T> {
    /// An empty table.
    pub(crate) const fn new() -> Table<T> {
        Table { slots: Vec::new(), free: Vec::new() }
    }

    /// Keeps `entry` and gives its handle.
    pub(crate) fn insert(&mut self, kind: Kind, entry: T) -> Result<u64, Missing> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() == SLOTS_MAX => return Err(Missing::Full),
            None => {
                self.slots.push(Slot { generation: 1, entry: None });
                self.slots.len() - 1
            }
        };
        let slot = &mut self.slots[index];
        assert!(slot.entry.is_none() && slot.generation > 0, "a free slot is empty and usable");
        slot.entry = Some((kind, entry));
        Ok(u64::from(slot.generation) << 32 | (index as u64) << 8 | kind as u64)
    }

    /// The entry behind `handle`, which must be of this kind.
    pub(crate) fn get(&self, handle: u64, kind: Kind) -> Result<&T, Missing> {
        let index = self.locate(handle, kind)?;
        Ok(&self.slots[index].entry.as_ref().expect("locate saw it").1)
    }

    /// Takes the entry behind `handle` out; from now on the handle is stale.
    pub(crate) fn remove(&mut self, handle: u64, kind: Kind) -> Result<T, Missing> {
        let index = self.locate(handle, kind)?;
        let slot = &mut self.slots[index];
        let (_, entry) = slot.entry.take().expect("locate saw it");
        slot.generation = slot.generation.wrapping_add(1);
        if slot.generation > 0 {
            self.free.push(index);
        }
        Ok(entry)
    }

    /// The entry behind `handle`, of whatever kind.
    pub(crate) fn get_any(&self, handle: u64) -> Result<&T, Missing> {
        let index = self.locate_any(handle)?;
        Ok(&self.slots[index].entry.as_ref().expect("locate saw it").1)
    }

    fn locate(&self, handle: u64, kind: Kind) -> Result<usize, Missing> {
        if handle & 0xff != kind as u64 {
            return Err(Missing::Wrong);
        }
        self.locate_any(handle)
    }

    fn locate_any(&self, handle: u64) -> Result<usize, Missing> {
        let generation = (handle >> 32) as u32;
        let index = (handle >> 8) as usize & (SLOTS_MAX - 1);
        if generation == 0 {
            return Err(Missing::Wrong);
        }
        let slot = self.slots.get(index).ok_or(Missing::Wrong)?;
        // A used-up slot (generation 0) had every generation once.
        if slot.generation == 0 || generation < slot.generation {
            return Err(Missing::Closed);
        }
        match &slot.entry {
            Some((found, _)) if generation == slot.generation && *found as u64 == handle & 0xff => {
                Ok(index)
            }
            _ => Err(Missing::Wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8),
        Remove(usize, u8),
        Look(usize, u8),
        Forge(u64),
    }

    fn kind(number: u8) -> Kind {
        [Kind::Node, Kind::Cursor, Kind::Subscription, Kind::Cancel][usize::from(number % 4)]
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<u8>().prop_map(Step::Insert),
            (any::<usize>(), any::<u8>()).prop_map(|(at, kind)| Step::Remove(at, kind)),
            (any::<usize>(), any::<u8>()).prop_map(|(at, kind)| Step::Look(at, kind)),
            any::<u64>().prop_map(Step::Forge),
        ]
    }

    proptest! {
        #[test]
        fn a_handle_reaches_its_own_entry_until_removed_and_then_nothing(
            steps in prop::collection::vec(any_step(), 1..200)
        ) {
            let mut table = Table::new();
            let mut model: BTreeMap<u64, (Kind, usize, bool)> = BTreeMap::new();
            for (number, step) in steps.into_iter().enumerate() {
                let pick = |at: usize, model: &BTreeMap<u64, (Kind, usize, bool)>| {
                    let count = model.len().max(1);
                    model.iter().nth(at % count).map(|(handle, entry)| (*handle, *entry))
                };
                match step {
                    Step::Insert(k) => {
                        let handle = table.insert(kind(k), number).unwrap();
                        prop_assert!(model.insert(handle, (kind(k), number, true)).is_none());
                    }
                    Step::Look(at, k) => {
                        let Some((handle, (own, value, live))) = pick(at, &model) else { continue };
                        let expected = match (own == kind(k), live) {
                            (false, _) => Err(Missing::Wrong),
                            (true, false) => Err(Missing::Closed),
                            (true, true) => Ok(&value),
                        };
                        prop_assert_eq!(table.get(handle, kind(k)), expected);
                    }
                    Step::Remove(at, k) => {
                        let Some((handle, (own, value, live))) = pick(at, &model) else { continue };
                        let removed = table.remove(handle, kind(k));
                        prop_assert_eq!(removed.is_ok(), own == kind(k) && live);
                        if let Ok(found) = removed {
                            prop_assert_eq!(found, value);
                            model.get_mut(&handle).unwrap().2 = false;
                        }
                    }
                    Step::Forge(handle) => {
                        let known = model.get(&handle).is_some_and(|entry| entry.2);
                        let is_found = |k: &u8| table.get(handle, kind(k - 1)).is_ok();
                        let found = [1, 2, 3, 4].iter().any(is_found);
                        prop_assert_eq!(found, known);
                        prop_assert_eq!(table.get_any(handle).is_ok(), known);
                    }
                }
            }
        }
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_never_used_again() {
        let mut table = Table::new();
        table.slots.push(Slot { generation: u32::MAX, entry: None });
        table.free.push(0);
        let last = table.insert(Kind::Node, 1).unwrap();
        table.remove(last, Kind::Node).unwrap();
        assert_eq!(table.get(last, Kind::Node), Err(Missing::Closed));
        let next = table.insert(Kind::Node, 2).unwrap();
        assert_eq!(next >> 8 & 0xff_ffff, 1);
    }
}

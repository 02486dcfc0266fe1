//! How many connections may be half open: accepted, and not admitted yet.
//!
//! Strangers cost at most this many handshakes; admitted peers are not counted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Most half-open connections from one address.
pub(crate) const HALF_OPEN_PER_ADDRESS_MAX: usize = 32;
/// Most half-open connections in all.
pub(crate) const HALF_OPEN_MAX: usize = 256;
/// From this many on, a stranger must first show that it receives packets at its address.
pub(crate) const HALF_OPEN_RETRY: usize = 64;

/// Counts half-open connections.
#[derive(Default)]
pub(crate) struct Gate {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    per_address: BTreeMap<IpAddr, usize>,
}

/// One half-open connection; dropping it makes room.
pub(crate) struct Slot {
    gate: Arc<Gate>,
    address: IpAddr,
}

/// What to do with a newcomer.
pub(crate) enum Entry {
    /// Go on with the handshake.
    Enter(Slot),
    /// Ask for a proof of its address first.
    Prove,
    /// Refuse it.
    Full,
}

impl Gate {
    /// Decides about a newcomer from `address`; `proven` says that it showed to receive there.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, proven: bool) -> Entry {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.per_address.get(&address).copied().unwrap_or(0);
        if open.total >= HALF_OPEN_MAX || here >= HALF_OPEN_PER_ADDRESS_MAX {
            return Entry::Full;
        }
        if open.total >= HALF_OPEN_RETRY && !proven {
            return Entry::Prove;
        }
        open.total += 1;
        open.per_address.insert(address, here + 1);
        Entry::Enter(Slot { gate: Arc::clone(self), address })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.gate.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        let here = open.per_address.get(&self.address).copied().unwrap_or(0);
        if here > 1 {
            open.per_address.insert(self.address, here - 1);
        } else {
            open.per_address.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(number: usize) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap()))
    }

    #[test]
    fn one_address_and_all_addresses_are_bounded_and_room_returns() {
        let gate = Arc::new(Gate::default());
        let mut slots = Vec::new();
        for number in 0..HALF_OPEN_MAX {
            let from = address(number / HALF_OPEN_PER_ADDRESS_MAX);
            match gate.enter(from, false) {
                Entry::Enter(slot) => slots.push(slot),
                Entry::Prove => {
                    assert!(number >= HALF_OPEN_RETRY);
                    let Entry::Enter(slot) = gate.enter(from, true) else { panic!("proven") };
                    slots.push(slot);
                }
                Entry::Full => panic!("{number} are not too many"),
            }
            if slots.len() == HALF_OPEN_PER_ADDRESS_MAX {
                assert!(matches!(gate.enter(from, true), Entry::Full), "one address is full");
            }
        }
        assert!(matches!(gate.enter(address(99), true), Entry::Full), "all together are full");
        slots.clear();
        assert!(matches!(gate.enter(address(99), false), Entry::Enter(_)));
        let open = gate.open.lock().unwrap();
        assert_eq!((open.total, open.per_address.len()), (0, 0));
    }
}

//! What a shop floor publishes, made from a seed: the same events for every subject.
//!
//! An event has a payload of about 185 bytes and three tags: 1 of 20 kinds, 1 of 200 machines, and
//! 1 of 50,000 orders, a few of them busy and most of them rare. Eight producers take turns.

use ::millpond::event::cbor::Value;

const KINDS: u64 = 20;
const MACHINES: u64 = 200;
const ORDERS: u64 = 50_000;
const PRODUCERS: u64 = 8;

/// One event, before any subject gives it its own form.
pub(crate) struct WorkEvent {
    /// Kind, machine and order, in this order.
    pub(crate) tags: [String; 3],
    /// A JSON-like value as deterministic CBOR.
    pub(crate) payload: Vec<u8>,
}

/// Events `first`, `first + 1`, … of the workload with this seed. A part that begins elsewhere has
/// other events: ask for the same parts to get the same workload.
pub(crate) fn events(seed: u64, first: usize, count: usize) -> Vec<WorkEvent> {
    let first = first as u64;
    let mut chance = Chance { state: seed ^ (first << 20) };
    (first..first + count as u64).map(|index| event(index, &mut chance)).collect()
}

fn event(index: u64, chance: &mut Chance) -> WorkEvent {
    let kind = chance.below(KINDS);
    let machine = chance.below(MACHINES);
    // The logarithm of the rank is even: order 1 comes about as often as 2 and 3 together.
    let order = (ORDERS as f64).powf(chance.fraction()) as u64;
    let payload = Value::map([
        ("batch", Value::from(format!("B-{:06}", chance.below(1_000_000)).as_str())),
        ("grams", Value::Float(chance.fraction() * 5_000.0)),
        ("kelvin", Value::Float(273.15 + chance.fraction() * 80.0)),
        ("machine", Value::from(format!("M-{machine:03}").as_str())),
        ("note", Value::from("within tolerance, no operator action is needed")),
        ("operator", Value::from(format!("operator-{:02}", chance.below(60)).as_str())),
        ("order", Value::from(format!("O-{order:05}").as_str())),
        ("producer", Value::from(format!("line-{}", index % PRODUCERS).as_str())),
        ("sequence", Value::from(format!("{index:010}").as_str())),
    ]);
    WorkEvent {
        tags: [format!("kind:{kind}"), format!("machine:M-{machine:03}"), format!("order:{order}")],
        payload: payload.encode().expect("a small value encodes"),
    }
}

/// SplitMix64: small, seedable, good enough to choose orders.
struct Chance {
    state: u64,
}

impl Chance {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// At least 0, less than 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

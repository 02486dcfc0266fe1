//! Which of the events that are known to exist are on their way here.
//!
//! Not here: what is known (`log::Outlook`). Rule: a stream counts while it grows. One of which
//! nothing came for a second does not, whoever is in reach: its rest may be with a node that never
//! comes back.

use crate::event::{OffsetMap, StreamId};
use crate::log::Outlook;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So long after the last event of a stream more of it is on its way.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Streams that are behind, and when they grew last.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    streams: BTreeMap<StreamId, (u64, Instant)>,
}

impl Arrivals {
    /// Number of events that are on their way. A stream that is seen to be behind for the first
    /// time counts as if it had just grown.
    pub(super) fn coming(&mut self, outlook: &Outlook, held: &OffsetMap, now: Instant) -> u64 {
        if outlook.known.is_empty() || outlook.reachable.is_empty() {
            self.streams.clear();
            return 0;
        }
        let mut coming = 0u64;
        let behind = outlook.behind(held);
        self.streams.retain(|stream, _| held.count(stream) < known(outlook, stream));
        for own in behind {
            let count = held.count(&own.stream);
            let (before, at) = self.streams.entry(own.stream).or_insert((count, now));
            if *before != count {
                (*before, *at) = (count, now);
            }
            if now.saturating_duration_since(*at) < PAUSE_MAX {
                coming = coming.saturating_add(own.missing);
            }
        }
        coming
    }
}

fn known(outlook: &Outlook, stream: &StreamId) -> u64 {
    outlook.known.get(stream).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::clock;
    use crate::event::{NodeId, WallTime};

    fn stream(node: u8) -> StreamId {
        StreamId { node: NodeId::from_bytes([node; 32]), number: 0 }
    }

    #[test]
    fn a_stream_is_on_its_way_as_long_as_it_grows_and_for_a_second_more() {
        let (mut arrivals, mut now) = (Arrivals::default(), clock::now());
        let mut outlook = Outlook::new(WallTime::from_micros(0));
        outlook.reachable.insert(stream(9).node);
        outlook.known.extend([(stream(1), 100), (stream(2), 1_000)]);
        let mut held: OffsetMap = [(stream(1), 10), (stream(2), 10)].into_iter().collect();
        assert_eq!(arrivals.coming(&outlook, &held, now), 1_080);
        for _ in 0..5 {
            now += Duration::from_millis(900);
            held.set(stream(1), held.count(&stream(1)) + 10);
            let coming = arrivals.coming(&outlook, &held, now);
            let first = 100 - held.count(&stream(1));
            assert!([first, first + 990].contains(&coming), "{coming}");
        }
        assert_eq!(arrivals.coming(&outlook, &held, now), 40, "nobody sends the other one");
        now += PAUSE_MAX;
        assert_eq!(arrivals.coming(&outlook, &held, now), 0);
        held.set(stream(2), 20);
        assert_eq!(arrivals.coming(&outlook, &held, now), 980, "it goes on");
        held.set(stream(2), 1_000);
        assert_eq!(arrivals.coming(&outlook, &held, now), 0);
        assert_eq!(arrivals.streams.len(), 1, "what is complete is forgotten");
        outlook.reachable.clear();
        assert_eq!(arrivals.coming(&outlook, &held, now), 0);
        assert!(arrivals.streams.is_empty());
    }
}

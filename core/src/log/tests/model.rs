use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Append(usize, u8),
    Other(usize, u8),
    Sync,
    Checkpoint,
    Reopen,
    Kill,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..600, 0u8..5).prop_map(|(count, tag)| Step::Append(count, tag)),
        3 => (1usize..600, 0u8..5).prop_map(|(count, tag)| Step::Other(count, tag)),
        3 => Just(Step::Sync),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

/// Event key as numbers, and tag: what the naive judge keeps of an event.
type Kept = BTreeMap<(u64, [u8; 40]), u8>;

fn note(kept: &mut Kept, appended: &Appended, tag: u8) {
    for receipt in appended.receipts() {
        kept.insert((receipt.key.lamport.value(), receipt.key.stream.to_bytes()), tag);
    }
}

fn tagged(count: usize, tag: u8) -> Vec<NewEvent> {
    (0..count).map(|n| event(&n.to_string(), &[&format!("t{tag}"), "all"])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_log_answers_as_a_sorted_list_would(steps in prop::collection::vec(any_step(), 1..14)) {
        let directory = tempfile::tempdir().unwrap();
        let (own, other) = (directory.path().join("own"), directory.path().join("other"));
        let small = |path: &Path, node| {
            let mut options = options(path, node);
            options.segment_bytes = 64 << 10;
            options.cache_bytes_max = 100 << 10;
            Log::open(options).unwrap()
        };
        let mut log = small(&own, 1);
        let peer = small(&other, 2);
        let (mut kept, mut unsent) = (Kept::new(), Kept::new());
        let mut follower_at = OffsetMap::new();
        let mut followed = 0;
        for step in steps {
            match step {
                Step::Append(count, tag) => note(&mut kept, &append(&log, tagged(count, tag)), tag),
                Step::Other(count, tag) => {
                    note(&mut unsent, &append(&peer, tagged(count, tag)), tag);
                }
                Step::Sync => {
                    send_all(&peer, &log);
                    send_all(&log, &peer);
                    kept.append(&mut unsent);
                }
                Step::Checkpoint => log.checkpoint_now().unwrap(),
                Step::Reopen => {
                    close(log);
                    log = small(&own, 1);
                }
                Step::Kill => {
                    abandon(log);
                    log = small(&own, 1);
                }
            }
            let mut follower = log.subscribe(&Query::all(), follower_at.clone()).unwrap();
            loop {
                let batch = follower.next_batch(333).unwrap();
                followed += batch.events.len();
                follower_at = batch.position;
                if batch.events.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(followed, kept.len());
        }
        log.check().unwrap();
        let keys = |events: &[Event]| -> Vec<(u64, [u8; 40])> {
            events.iter().map(|e| (e.key.lamport.value(), e.key.stream.to_bytes())).collect()
        };
        let all: Vec<(u64, [u8; 40])> = kept.keys().copied().collect();
        prop_assert_eq!(keys(&query_all(&log, "FROM 'all'", Order::Ascending)), all);
        for tag in 0..5 {
            let mut expected: Vec<_> =
                kept.iter().filter(|(_, own)| **own == tag).map(|(key, _)| *key).collect();
            expected.reverse();
            let query = format!("FROM 't{tag}' & allEvents");
            prop_assert_eq!(keys(&query_all(&log, &query, Order::Descending)), expected);
        }
    }
}

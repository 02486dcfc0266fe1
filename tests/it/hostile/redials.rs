//! Peers that we dial, and that want us to dial for ever.

use super::puppet::{Line, Puppet};
use super::siege::{Siege, the_secret};
use crate::nodes::PATIENCE;
use millpond::sync::{Message, RefusalReason};
use std::time::{Duration, Instant};

/// How long dials are counted, from the first on.
const TIME: Duration = Duration::from_secs(6);

#[test]
fn a_peer_that_hangs_up_as_soon_as_it_is_a_peer_is_dialled_ever_more_rarely() {
    let siege = Siege::begin();
    // Pauses of 0.5, 1, 2 and 2 s, less a quarter, because it may be the link.
    let dials = count_dials(&siege, |line| {
        line.greet(&the_secret());
        line.close(0);
    });
    assert!(dials <= 7, "{dials} dials in {TIME:?}");
    siege.lift();
}

#[test]
fn a_peer_that_misbehaves_whenever_it_is_dialled_is_dialled_ever_more_rarely() {
    let siege = Siege::begin();
    // Pauses of 1, 2 and 4 s.
    let dials = count_dials(&siege, |line| {
        line.greet(&the_secret());
        line.say(&[0x05]);
        assert_eq!(line.refused(), Ok(RefusalReason::Malformed));
    });
    assert!(dials <= 4, "{dials} dials in {TIME:?}");
    siege.lift();
}

#[test]
fn a_peer_that_says_goodbye_to_every_dial_is_dialled_ever_more_rarely() {
    let siege = Siege::begin();
    let dials = count_dials(&siege, |line| {
        line.tell(&Message::Goodbye(RefusalReason::TooManyPeers));
        line.close(RefusalReason::TooManyPeers.code() as u32);
    });
    assert!(dials <= 7, "{dials} dials in {TIME:?}");
    siege.lift();
}

/// How often the node dials a peer that meets each dial like this: within `TIME` of the first, and
/// at least twice, since it must not give up.
fn count_dials(siege: &Siege, mut meet: impl FnMut(&mut Line)) -> u32 {
    let puppet = Puppet::start();
    drop(siege.node.connect(puppet.address()));
    let (asked, mut first, mut dials) = (Instant::now(), Instant::now(), 0);
    while dials < 2 || first.elapsed() < TIME {
        let patience = if dials < 2 { PATIENCE } else { TIME.saturating_sub(first.elapsed()) };
        if let Some(mut line) = puppet.accept(patience) {
            first = if dials == 0 { Instant::now() } else { first };
            dials += 1;
            meet(&mut line);
        }
        assert!(dials > 1 || asked.elapsed() < PATIENCE, "the node dialled {dials} times");
    }
    dials
}

//! Peers that we dial, and that want us to dial for ever.

use super::puppet::{Line, Puppet};
use super::siege::{Siege, the_secret};
use millpond::sync::{Message, RefusalReason};
use std::time::{Duration, Instant};

/// How long dials are counted.
const TIME: Duration = Duration::from_secs(6);

#[test]
fn a_peer_that_hangs_up_as_soon_as_it_is_a_peer_is_dialled_ever_more_rarely() {
    let siege = Siege::begin();
    // Pauses of 0.5, 1, 2 and 2 s, less a quarter, because it may be the link.
    let dials = count_dials(&siege, |line| {
        line.greet(&the_secret());
        line.close(0);
    });
    assert!((2..=7).contains(&dials), "{dials} dials in {TIME:?}");
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
    assert!((2..=4).contains(&dials), "{dials} dials in {TIME:?}");
    siege.lift();
}

#[test]
fn a_peer_that_says_goodbye_to_every_dial_is_dialled_ever_more_rarely() {
    let siege = Siege::begin();
    let dials = count_dials(&siege, |line| {
        line.tell(&Message::Goodbye(RefusalReason::TooManyPeers));
        line.close(RefusalReason::TooManyPeers.code() as u32);
    });
    assert!((2..=7).contains(&dials), "{dials} dials in {TIME:?}");
    siege.lift();
}

/// How often the node dials a peer that meets each dial like this.
fn count_dials(siege: &Siege, mut meet: impl FnMut(&mut Line)) -> u32 {
    let puppet = Puppet::start();
    drop(siege.node.connect(puppet.address()));
    let (begin, mut dials) = (Instant::now(), 0);
    while let Some(left) = TIME.checked_sub(begin.elapsed()) {
        if let Some(mut line) = puppet.accept(left) {
            dials += 1;
            meet(&mut line);
        }
    }
    dials
}

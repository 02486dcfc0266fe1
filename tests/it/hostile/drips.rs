//! Peers that are slow on purpose: their time is over when it is over, whatever they drip.

use super::puppet::{Line, Puppet};
use super::siege::{Siege, the_secret};
use millpond::event::limits::FRAME_BYTES_MAX;
use millpond::sync::RefusalReason;
use std::thread;
use std::time::{Duration, Instant};

/// Between two drops.
const DROP: Duration = Duration::from_millis(100);
/// A stranger has 5 s to be admitted and a silent member 3 s; the rest is for a busy machine.
const TIME_MAX: Duration = Duration::from_secs(12);

#[test]
fn strangers_that_drip_or_say_nothing_are_gone_when_their_time_is_over() {
    let siege = Siege::begin();
    let puppets = [(); 4].map(|()| Puppet::start());
    let mut lines = puppets.each_ref().map(|puppet| puppet.dial(&siege.target));
    let no_channel = puppets[0].connect(&siege.target).expect("the node takes connections");
    let begin = Instant::now();
    thread::scope(|scope| {
        let [silent, hello, skipped, long] = &mut lines;
        scope.spawn(|| drip(silent, &[]));
        let bytes = hello.hello(&the_secret());
        scope.spawn(move || drip(hello, &framed(bytes.len(), &bytes)));
        // What a stranger may say and nobody listens to is no progress either.
        scope.spawn(|| drip(skipped, &framed(1, &[0xff]).repeat(500)));
        scope.spawn(|| drip(long, &framed(4096, &[0xff; 4096])));
    });
    for line in &lines {
        assert_eq!(line.refused(), Ok(RefusalReason::AdmissionTimeout));
    }
    super::puppet::until_closed(&no_channel);
    let took = begin.elapsed();
    println!("the last one was gone after {took:?}");
    assert!(took < TIME_MAX, "{took:?}");
    siege.lift();
}

#[test]
fn members_that_drip_or_say_nothing_count_as_silent() {
    let siege = Siege::begin();
    let mut members = [(); 4].map(|()| siege.member());
    let begin = Instant::now();
    thread::scope(|scope| {
        let [(_, silent), (_, length), (_, small), (_, large)] = &mut members;
        scope.spawn(|| drip(silent, &[]));
        scope.spawn(|| drip(length, &[9]));
        scope.spawn(|| drip(small, &framed(4096, &[0xff; 4096])));
        // 300 bytes a second, of a frame that may be as long as it says.
        scope.spawn(|| {
            large.push(&framed(FRAME_BYTES_MAX, &[]));
            while large.is_open() && large.push(&[0xff; 30]) {
                large.hear(DROP);
            }
        });
    });
    for (_, line) in &members {
        assert_eq!(line.refused(), Ok(RefusalReason::Silent));
    }
    let took = begin.elapsed();
    println!("the last one was gone after {took:?}");
    assert!(took < TIME_MAX, "{took:?}");
    siege.lift();
}

fn framed(length: usize, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).expect("a frame");
    [&length.to_le_bytes(), bytes].concat()
}

/// Sends byte by byte until the node closes.
fn drip(line: &mut Line, bytes: &[u8]) {
    for byte in bytes {
        if !line.is_open() || !line.push(&[*byte]) {
            return;
        }
        let until = Instant::now() + DROP;
        while line.hear(until.saturating_duration_since(Instant::now())).is_some() {}
    }
    // The rest never comes.
    drop(line.refused());
}

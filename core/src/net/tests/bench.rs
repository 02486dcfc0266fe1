use super::*;
use crate::net::link::SENT_BYTES_MIN;

/// Bytes of a status line of this process, in KiB.
#[cfg(target_os = "linux")]
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sends `count` frames of `length` bytes from `a` to `b`, never more than 1 MiB ahead.
fn pour(a: &mut Peer, b: &Peer, link: ConnectionId, length: usize, count: usize) -> Duration {
    let frame = Bytes::from(vec![5; length]);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut queued = 0;
            for _ in 0..count {
                while queued > 0 && queued + length > 1 << 20 {
                    match a.inbox.recv_timeout(PATIENCE).unwrap() {
                        // Also what an earlier pour left untold.
                        NetEvent::Sent { bytes, .. } => queued = queued.saturating_sub(bytes),
                        other => panic!("{other:?}"),
                    }
                }
                a.net.send(link, Lane::Live, frame.clone());
                queued += length;
            }
            while queued >= SENT_BYTES_MIN {
                if let NetEvent::Sent { bytes, .. } = a.inbox.recv_timeout(PATIENCE).unwrap() {
                    queued = queued.saturating_sub(bytes);
                }
            }
        });
        for _ in 0..count {
            assert_eq!(b.frame().0.len(), length);
        }
    });
    begin.elapsed()
}

#[cfg(target_os = "linux")]
#[test]
fn a_hundred_megabytes_arrive_in_bounded_memory() {
    let (mut a, b) = (Peer::start(61), Peer::start(62));
    let (here, _there) = connect(&a, &b);
    let before = resident_kib();
    for length in [1 << 20, 256 << 10, 16 << 10] {
        let took = pour(&mut a, &b, here, length, (100 << 20) / length);
        let rate = 100.0 * 1.048_576 / took.as_secs_f64();
        println!("frames of {length:>8} bytes: {rate:>6.0} MB/s");
    }
    let took = pour(&mut a, &b, here, 250, 100_000);
    println!("frames of      250 bytes: {:.0} frames/s", 100_000.0 / took.as_secs_f64());
    let grown = resident_kib().saturating_sub(before);
    println!("memory grew by {grown} KiB");
    assert!(grown < 48 << 10, "{grown} KiB");
}

#[test]
fn a_frame_goes_there_and_back_without_waiting_for_anything() {
    let (a, b) = (Peer::start(63), Peer::start(64));
    let (here, there) = connect(&a, &b);
    let mut times = Vec::new();
    for _ in 0..2000 {
        let begin = Instant::now();
        a.net.send(here, Lane::Live, Bytes::from_static(&[1; 64]));
        let (frame, _) = b.frame();
        b.net.send(there, Lane::Live, frame);
        drop(a.frame());
        times.push(begin.elapsed());
    }
    times.sort();
    let (median, high) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("round trip of 64 bytes: median {median:?}, 99 % {high:?}");
    assert!(median < Duration::from_millis(5), "{median:?}");
}

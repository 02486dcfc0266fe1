//! What others ask for.

use super::desk::{Desk, Sample, range};
use crate::blob::exchange::{ConnectionNumber, Input, ServeFault, ServeJob};
use crate::blob::limits::{BULK_UNSENT_BYTES_MAX, OWED_GROUPS_MAX, SERVE_AHEAD_ALL_MAX};
use crate::blob::message::{Ask, BlobMessage, StopReason};
use crate::blob::{BlobSize, GroupRange};
use bytes::Bytes;

fn ask(transfer: u64, sample: &Sample, groups: GroupRange) -> BlobMessage {
    BlobMessage::Ask(Ask { transfer, id: sample.id, size: sample.size, groups })
}

fn frame(job: &ServeJob, sample: &Sample) -> Bytes {
    let mut frame = job.begin_frame();
    frame.extend_from_slice(&sample.piece(job.group));
    frame.into()
}

/// Does all jobs, the last one first.
fn give_all(desk: &mut Desk, sample: &Sample) {
    while let Some(job) = desk.gives.pop() {
        let result = Ok(frame(&job, sample));
        desk.handle(Input::Encoded { job: job.job, result });
    }
}

/// Pieces and stops that left for a peer, as transfer and group or reason.
fn left(desk: &Desk, peer: u64) -> Vec<(u64, Result<u32, StopReason>)> {
    let of_it = desk.said.iter().filter(|(of, _)| *of == peer);
    let each = of_it.filter_map(|(_, message)| match message {
        BlobMessage::Piece(piece) => Some((piece.transfer, Ok(piece.group.value()))),
        BlobMessage::Stopped { transfer, reason } => Some((*transfer, Err(*reason))),
        _ => None,
    });
    each.collect()
}

fn holding(sample: &Sample, peers: u64) -> Desk {
    let mut desk = Desk::with_peers(1..=peers);
    desk.shelf.held.insert(sample.id, sample.held());
    desk
}

#[test]
fn groups_leave_in_order_whatever_order_the_workers_have() {
    let sample = Sample::of(1, 12);
    let mut desk = holding(&sample, 1);
    desk.hear(1, &ask(1, &sample, range(2, 5)));
    desk.hear(1, &ask(2, &sample, range(9, 12)));
    give_all(&mut desk, &sample);
    let order: Vec<_> =
        [(1, 2), (1, 3), (1, 4), (2, 9), (2, 10), (2, 11)].map(|(t, g)| (t, Ok(g))).into();
    assert_eq!(left(&desk, 1), order);
}

#[test]
fn what_is_not_held_or_of_another_size_is_answered_by_a_stop() {
    let sample = Sample::of(2, 4);
    let mut desk = holding(&sample, 1);
    let other = Sample { size: BlobSize::new(5).unwrap(), ..sample.clone() };
    desk.hear(1, &ask(1, &other, range(0, 1)));
    desk.hear(1, &ask(2, &Sample::of(3, 1), range(0, 1)));
    let mut part = sample.held();
    part.groups.remove(super::desk::group(3));
    desk.shelf.held.insert(sample.id, part);
    desk.hear(1, &ask(3, &sample, range(2, 4)));
    let reasons = [(1, StopReason::OtherSize), (2, StopReason::NotHeld), (3, StopReason::NotHeld)];
    assert_eq!(left(&desk, 1), reasons.map(|(transfer, reason)| (transfer, Err(reason))));
    assert!(desk.gives.is_empty() && desk.blamed.is_empty());
}

#[test]
fn a_job_that_fails_stops_its_transfer_behind_what_has_left() {
    for (fault, reason) in
        [(ServeFault::Gone, StopReason::NotHeld), (ServeFault::Damaged, StopReason::Damaged)]
    {
        let sample = Sample::of(4, 4);
        let mut desk = holding(&sample, 1);
        desk.hear(1, &ask(1, &sample, range(0, 3)));
        let second = desk.gives.remove(1);
        desk.handle(Input::Encoded { job: second.job, result: Err(fault) });
        assert!(left(&desk, 1).is_empty());
        give_all(&mut desk, &sample);
        assert_eq!(left(&desk, 1), [(1, Ok(0)), (1, Err(reason))]);
    }
}

#[test]
fn a_stop_is_answered_unless_everything_has_left() {
    let sample = Sample::of(5, 4);
    let mut desk = holding(&sample, 1);
    desk.hear(1, &ask(1, &sample, range(0, 2)));
    desk.hear(1, &BlobMessage::Stop { transfer: 1 });
    desk.hear(1, &BlobMessage::Stop { transfer: 1 });
    give_all(&mut desk, &sample);
    assert_eq!(left(&desk, 1), [(1, Err(StopReason::AsYouSaid))]);
    desk.hear(1, &ask(2, &sample, range(0, 1)));
    give_all(&mut desk, &sample);
    desk.hear(1, &BlobMessage::Stop { transfer: 2 });
    assert_eq!(left(&desk, 1)[1..], [(2, Ok(0))]);
    assert!(desk.blamed.is_empty());
}

#[test]
fn more_than_may_be_owed_ends_the_session() {
    let sample = Sample::of(6, 60);
    let mut desk = holding(&sample, 1);
    let mut asked = 0;
    for transfer in 1.. {
        let groups = range(asked, (asked + 12).min(OWED_GROUPS_MAX));
        if groups.is_empty() {
            break;
        }
        desk.hear(1, &ask(transfer, &sample, groups));
        asked = groups.end();
    }
    assert!(desk.blamed.is_empty());
    desk.hear(1, &ask(99, &sample, range(0, 1)));
    assert!(desk.blamed[0].1.starts_with("Unexpected"));
    give_all(&mut desk, &sample);
    assert!(left(&desk, 1).is_empty(), "nothing is sent to it any more");
}

#[test]
fn a_number_that_was_used_ends_the_session() {
    let sample = Sample::of(7, 4);
    let mut desk = holding(&sample, 1);
    desk.hear(1, &ask(5, &sample, range(0, 1)));
    desk.hear(1, &ask(5, &sample, range(1, 2)));
    assert!(desk.blamed[0].1.starts_with("Unexpected"));
}

#[test]
fn stops_of_transfers_count_as_owed_until_they_have_left() {
    let sample = Sample::of(8, 4);
    let mut desk = holding(&sample, 1);
    desk.leaves = false;
    // Nothing is read by the peer, and it asks for what is not held, again and again.
    let missing = Sample::of(9, 1);
    for transfer in 1..=1000 {
        desk.hear(1, &ask(transfer, &missing, range(0, 1)));
    }
    assert_eq!(left(&desk, 1).len(), OWED_GROUPS_MAX as usize);
    assert!(desk.blamed[0].1.starts_with("Unexpected"), "it is owed too many");
    assert!(desk.gives.is_empty());
}

#[test]
fn pieces_are_made_only_as_they_leave_and_for_all_in_turn() {
    let sample = Sample::of(10, 64);
    let mut desk = holding(&sample, 40);
    desk.leaves = false;
    for peer in 1..=40 {
        desk.hear(peer, &ask(1, &sample, range(0, 12)));
    }
    assert_eq!(desk.gives.len() as u32, SERVE_AHEAD_ALL_MAX);
    give_all(&mut desk, &sample);
    for peer in 1..=40 {
        // Each has been given what its lane takes, and no more.
        let bytes: usize = left(&desk, peer).len() * 65_536;
        assert!((3 * 65_536..=BULK_UNSENT_BYTES_MAX).contains(&bytes), "{peer}: {bytes}");
    }
    // One of them reads on.
    let connection = ConnectionNumber::new(7);
    desk.handle(Input::Shipped { connection, bulk: true, bytes: BULK_UNSENT_BYTES_MAX });
    assert!(!desk.gives.is_empty() && desk.gives.iter().all(|job| job.transfer == 1));
    give_all(&mut desk, &sample);
    assert!(left(&desk, 7).len() > left(&desk, 8).len());
}

#[test]
fn jobs_of_a_session_that_ended_mean_nothing() {
    let sample = Sample::of(11, 4);
    let mut desk = holding(&sample, 1);
    desk.hear(1, &ask(1, &sample, range(0, 2)));
    desk.end(1);
    give_all(&mut desk, &sample);
    assert!(desk.said.is_empty());
}

/// All orders of these numbers.
fn orders(numbers: &[usize]) -> Vec<Vec<usize>> {
    let Some((first, rest)) = numbers.split_first() else { return vec![Vec::new()] };
    let each = orders(rest).into_iter().flat_map(|order| {
        (0..=order.len()).map(move |at| {
            let mut longer = order.clone();
            longer.insert(at, *first);
            longer
        })
    });
    each.collect()
}

#[test]
fn a_transfer_is_stopped_once_whichever_of_its_jobs_fail_and_in_whatever_order() {
    let sample = Sample::of(12, 6);
    for order in orders(&[0, 1, 2, 3]) {
        for failing in 1..16_u32 {
            let mut desk = holding(&sample, 1);
            desk.hear(1, &ask(1, &sample, range(0, 4)));
            let jobs = std::mem::take(&mut desk.gives);
            assert_eq!(jobs.len(), 4);
            for at in &order {
                let fails = failing & (1 << at) != 0;
                let fault = || Err(ServeFault::Gone);
                let result = if fails { fault() } else { Ok(frame(&jobs[*at], &sample)) };
                desk.handle(Input::Encoded { job: jobs[*at].job, result });
            }
            let mut expected: Vec<_> =
                (0..failing.trailing_zeros()).map(|at| (1, Ok(at))).collect();
            expected.push((1, Err(StopReason::NotHeld)));
            assert_eq!(left(&desk, 1), expected, "{order:?} {failing:04b}");
            // And what it asks next is served.
            desk.hear(1, &ask(2, &sample, range(5, 6)));
            give_all(&mut desk, &sample);
            assert_eq!(left(&desk, 1).last(), Some(&(2, Ok(5))));
        }
    }
}

#[test]
fn a_part_that_began_anew_under_another_size_is_no_damage() {
    let sample = Sample::of(13, 4);
    let mut desk = holding(&sample, 1);
    desk.hear(1, &ask(1, &sample, range(0, 1)));
    let job = desk.gives.remove(0).job;
    desk.handle(Input::Encoded { job, result: Err(ServeFault::OtherSize) });
    assert_eq!(left(&desk, 1), [(1, Err(StopReason::OtherSize))]);
}

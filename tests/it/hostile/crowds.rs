//! Many at once: strangers are counted, refused and forgotten, and who belongs here gets in.

use super::puppet::{Line, Puppet, fresh_key};
use super::siege::{Calm, Siege, the_secret};
use crate::nodes::{link, open, publish, secret, until};
use millpond::event::codec::put_varint;
use millpond::sync::{Message, RefusalReason};
use std::net::Ipv4Addr;
use std::thread;

/// Source: docs/protocol.md, "Connections".
const STRANGERS_MAX: usize = 256;
const GOODBYE: u8 = 0x02;

/// Somebody who belongs to the swarm gets in and gets everything.
fn let_in_another(calm: &Calm) {
    let late = open(&calm.scratch, "late", &the_secret());
    // What waits for room is dialled again.
    let _ = link(&late, &calm.node);
    publish(&calm.friend, "late", 1, 1);
    let stream = calm.friend.own_stream();
    let count = calm.friend.offsets().unwrap().count(&stream);
    until(&late, "all of it", |late| late.offsets().unwrap().count(&stream) == count);
}

#[test]
fn a_flood_of_strangers_is_counted_and_who_belongs_here_gets_in_after_it() {
    let siege = Siege::begin();
    // All addresses of 127.0.0.0/8 are this machine's, and to a node each is somebody else.
    let strangers: Vec<Puppet> =
        (1..=12).map(|last| Puppet::with(fresh_key(), Ipv4Addr::new(127, 0, 7, last))).collect();
    let crowd: Vec<Line> = thread::scope(|scope| {
        let dial = |stranger: &Puppet| -> Vec<Line> {
            (0..40).filter_map(|_| stranger.try_dial(&siege.target).ok()).collect()
        };
        let dialling: Vec<_> =
            strangers.iter().map(|stranger| scope.spawn(move || dial(stranger))).collect();
        dialling.into_iter().flat_map(|dialled| dialled.join().unwrap()).collect()
    });
    let greeting = siege.node.status().wait().unwrap().peers;
    let greeting = greeting.iter().filter(|peer| peer.state == "greeting").count();
    assert!(greeting <= strangers.len(), "{greeting}");
    let open = crowd.iter().filter(|line| line.is_open()).count();
    println!("{} of 480 were let as far as the hello, {open} of them at a time", crowd.len());
    assert!(open <= STRANGERS_MAX, "{open} strangers at a time");
    let_in_another(&siege.lift());
}

#[test]
fn a_flood_of_wrong_secrets_is_refused_one_by_one_and_leaves_nothing_behind() {
    let siege = Siege::begin();
    let before = siege.node.status().wait().unwrap().peers.len();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..40 {
                    let puppet = Puppet::start();
                    let mut line = puppet.dial(&siege.target);
                    let hello = line.hello(&secret(2));
                    line.say(&hello);
                    assert_eq!(line.refused(), Ok(RefusalReason::WrongSecret));
                }
            });
        }
    });
    let after = siege.node.status().wait().unwrap();
    assert_eq!(after.refusals.len(), 64, "the last ones are shown");
    assert!(after.refusals.iter().all(|one| one.reason == "wrong_secret" && one.by_us));
    println!("{} peers before, {} after", before, after.peers.len());
    assert!(after.peers.len() <= before + 64, "{} strangers are kept", after.peers.len());
    let_in_another(&siege.lift());
}

#[test]
fn a_storm_of_goodbyes_and_of_reconnects_changes_nothing() {
    let siege = Siege::begin();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let puppet = Puppet::start();
                for round in 0..40u64 {
                    let mut line = puppet.dial(&siege.target);
                    if round % 3 > 0 {
                        line.greet(&the_secret());
                    }
                    let mut goodbye = vec![GOODBYE];
                    put_varint(&mut goodbye, if round % 7 == 0 { u64::MAX } else { round % 20 });
                    line.say(&goodbye);
                    if round % 2 == 0 {
                        line.close(u32::try_from(round).unwrap());
                    }
                }
            });
        }
    });
    let_in_another(&siege.lift());
}

#[test]
fn more_members_than_a_node_has_room_for_are_told_so_and_take_nobody_s_place() {
    let siege = Siege::begin();
    let mut members = Vec::new();
    let refused = loop {
        assert!(members.len() <= 64, "there is a bound");
        let puppet = Puppet::start();
        let mut line = puppet.dial(&siege.target);
        let hello = line.hello(&the_secret());
        line.say(&hello);
        line.tell(&Message::Summary { is_last: true, heads: Vec::new() });
        // The hello came, then the rest: or the end.
        let next = line.hear_until(|frame| frame[0] != 0x01).expect("an answer");
        if next[0] == GOODBYE {
            break line.refused();
        }
        members.push((puppet, line));
        for (_, line) in &mut members {
            line.breathe();
        }
    };
    assert_eq!(refused, Ok(RefusalReason::TooManyPeers));
    println!("{} members were let in", members.len());
    drop(members);
    let_in_another(&siege.lift());
}

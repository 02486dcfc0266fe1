//! Links that carry little: loopback of a network of the test's own, throttled by the kernel.

use crate::nodes::{held, link, noise, open, publish, secret, until};
use crate::support::{Scratch, in_own_network};
use millpond::{Node, PublishOptions};

/// 1 Mbit/s in packets of Ethernet's size.
const SLOW: &str = "
    ip link set lo mtu 1500 up
    tc qdisc add dev lo root tbf rate 1mbit burst 16k latency 200ms";

#[test]
fn a_frame_that_takes_longer_than_the_silence_arrives_in_one_session() {
    let name = "slow::a_frame_that_takes_longer_than_the_silence_arrives_in_one_session";
    if !in_own_network(name, SLOW) {
        return;
    }
    let scratch = Scratch::new("slow");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&b, &a).unwrap();
    publish(&b, "before", 1, 1);
    until(&a, "the small event", |a| held(a) == 1);
    a.publish(vec![noise("large", 1, 1_000_000)], PublishOptions::default()).wait().unwrap();
    until(&b, "the large event", |b| held(b) == 2);
    for node in [&a, &b] {
        let status = node.status().wait().unwrap();
        let peer = &status.peers[0];
        assert_eq!(peer.state, "connected");
        // The counts begin anew with each session.
        assert!(peer.bytes_in.max(peer.bytes_out) > 1_000_000, "{peer:?}");
        assert!(status.refusals.is_empty(), "{:?}", status.refusals);
        println!("one session of {:?}", session(node));
    }
    assert!(session(&b).as_secs() >= 6, "the link was not slow: {:?}", session(&b));
}

fn session(node: &Node) -> std::time::Duration {
    node.status().wait().unwrap().peers[0].connected_for.expect("a session stands")
}

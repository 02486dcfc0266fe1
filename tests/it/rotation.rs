//! The secret of a swarm is replaced while its nodes go on, on real nodes.

use crate::nodes::{PATIENCE, converge, held, link, open, publish, secret, until};
use crate::support::Scratch;
use millpond::event::SwarmSecret;
use millpond::{ErrorKind, Node, PeerStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn later() -> SwarmSecret {
    secret(1).next([77; 32])
}

fn set(node: &Node, current: SwarmSecret, former: &[SwarmSecret]) {
    node.set_secrets(current, former.to_vec()).wait().expect("it is of this swarm");
}

/// What `node` says of `peer`.
fn said_of(node: &Node, peer: &Node) -> Option<PeerStatus> {
    let peers = node.status().wait().expect("the node is open").peers;
    peers.into_iter().find(|status| status.node == peer.node_id())
}

/// Waits until `node` says that `peer` has shown it this secret.
fn until_shown(node: &Node, peer: &Node, shown: &'static str) {
    until(node, &format!("a peer with the {shown} secret"), |node| {
        said_of(node, peer).is_some_and(|peer| peer.secret == Some(shown))
    });
}

#[test]
fn three_real_nodes_replace_their_secret_while_they_publish_and_are_never_cut_off() {
    let scratch = Scratch::new("rotation");
    let [a, b, c] = ["a", "b", "c"].map(|name| open(&scratch, name, &secret(1)));
    let pairs = [(&a, &b), (&b, &c), (&c, &a)];
    pairs.iter().for_each(|(from, to)| link(from, to).unwrap());
    let is_over = AtomicBool::new(false);
    let published = std::thread::scope(|scope| {
        let publishers = [&a, &b, &c].map(|node| {
            let is_over = &is_over;
            scope.spawn(move || {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    publish(node, "grain", 20, 1);
                    count += 20;
                }
                count
            })
        });
        for node in [&a, &b, &c] {
            set(node, later(), &[secret(1)]);
            let before = held(node);
            until(node, "events of others", |node| held(node) > before + 60);
        }
        for (one, other) in pairs {
            until_shown(one, other, "current");
            until_shown(other, one, "current");
        }
        [&a, &b, &c].iter().for_each(|node| set(node, later(), &[]));
        is_over.store(true, Ordering::Relaxed);
        publishers.map(|publisher| publisher.join().unwrap()).iter().sum::<u64>()
    });
    converge(&[&a, &b, &c], u128::from(published));
    for (one, other) in pairs {
        let status = said_of(one, other).expect("it is a peer");
        assert_eq!((status.state, status.gone_for), ("connected", None), "no session ended");
    }
    for node in [&a, &b, &c] {
        assert!(node.status().wait().unwrap().refusals.is_empty());
        assert_eq!(*node.ticket().wait().unwrap().secret(), later());
    }
}

#[test]
fn a_node_with_only_the_old_secret_is_refused_after_the_overlap_and_both_say_why() {
    let scratch = Scratch::new("left-behind");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    set(&a, later(), &[secret(1)]);
    until_shown(&a, &b, "former");
    publish(&b, "grain", 5, 1);
    converge(&[&a, &b], 5);
    set(&a, later(), &[]);
    let refused = |node: &Node| {
        let refusals = node.status().wait().unwrap().refusals;
        refusals.iter().any(|refusal| refusal.reason == "wrong_secret")
    };
    until(&a, "the refusal", refused);
    until(&b, "the refusal", refused);
    let error = link(&b, &a).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::PeerRefused, Some("wrong_secret")));
    set(&b, later(), &[]);
    publish(&b, "grain", 5, 1);
    converge(&[&a, &b], 10);
}

#[test]
fn secrets_of_another_swarm_are_refused_and_a_store_opens_with_any_of_its_own() {
    let scratch = Scratch::new("other-secrets");
    let a = open(&scratch, "a", &secret(1));
    let strange = a.set_secrets(secret(2), vec![]).wait().unwrap_err();
    assert_eq!(
        (strange.kind(), strange.reason()),
        (ErrorKind::InvalidArgument, Some("other_swarm"))
    );
    let strange = a.set_secrets(later(), vec![secret(2)]).wait().unwrap_err();
    assert_eq!(strange.reason(), Some("other_swarm"));
    let many = (0..5).map(|byte| secret(1).next([byte; 32])).collect();
    let many = a.set_secrets(later(), many).wait().unwrap_err();
    assert_eq!(many.kind(), ErrorKind::LimitExceeded);
    assert_eq!(*a.ticket().wait().unwrap().secret(), secret(1), "nothing has changed");
    set(&a, later(), &[secret(1)]);
    a.close(Duration::from_secs(10)).unwrap();
    let a = open(&scratch, "a", &later());
    assert_eq!(a.swarm_id(), secret(1).swarm_id());
    let joined = open(&scratch, "b", a.ticket().wait().unwrap().secret());
    joined.connect(crate::nodes::address(&a)).wait_timeout(PATIENCE).expect("an answer").unwrap();
}

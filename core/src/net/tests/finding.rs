use super::*;
use crate::event::SwarmId;
use crate::net::{Discovery, DiscoveryOptions};

struct Seeker {
    node: NodeId,
    inbox: Receiver<NetEvent>,
    discovery: Discovery,
}

impl Seeker {
    fn start(seed: u8, swarm: u8, port: u16) -> Seeker {
        let (outbox, inbox) = channel();
        let node = NodeKey::from_seed(&[seed; 32]).node_id();
        let options = DiscoveryOptions {
            swarm: SwarmId::from_bytes([swarm; 32]),
            node,
            port,
            port_v6: None,
            interfaces: vec![Ipv4Addr::LOCALHOST.into()],
            any_address: false,
        };
        let sink: EventSink = Arc::new(move |event| {
            // A test that is over listens no more.
            let _ = outbox.send(event);
        });
        let discovery = Discovery::start(&options, sink).unwrap();
        Seeker { node, inbox, discovery }
    }

    fn next(&self) -> NetEvent {
        self.inbox.recv_timeout(PATIENCE).expect("an event in time")
    }
}

#[test]
fn nodes_of_one_swarm_find_each_other_and_no_others() {
    let (a, b) = (Seeker::start(81, 1, 7001), Seeker::start(82, 1, 7002));
    let stranger = Seeker::start(83, 2, 7003);
    for (seeker, wanted, port) in [(&a, b.node, 7002), (&b, a.node, 7001)] {
        let NetEvent::Discovered { peer, addresses } = seeker.next() else { panic!() };
        assert_eq!(peer, wanted);
        assert_eq!(addresses, [SocketAddr::from(([127, 0, 0, 1], port))]);
    }
    b.discovery.shutdown(Duration::from_secs(2));
    loop {
        match a.next() {
            NetEvent::Lost { peer } if peer == b.node => break,
            NetEvent::Discovered { peer, .. } => assert_eq!(peer, b.node),
            other => panic!("{other:?}"),
        }
    }
    assert!(stranger.inbox.try_recv().is_err());
}

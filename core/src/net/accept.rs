//! Connections that peers open: our own loop, bounded while they are strangers.

use crate::net::gate::{Entry, Slot};
use crate::net::iroh_transport::Shared;
use crate::net::link::{self, Opened};
use iroh::Endpoint;
use iroh::endpoint::{Incoming, IncomingAddr};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::timeout;

/// Takes connections until `endpoint` closes.
pub(crate) async fn run(shared: Arc<Shared>, endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let IncomingAddr::Ip(remote) = incoming.remote_addr() else {
            incoming.refuse();
            continue;
        };
        // An IPv4 peer that reached an IPv6 socket is still one peer.
        let address = remote.ip().to_canonical();
        match shared.gate.enter(address, incoming.remote_addr_validated()) {
            Entry::Enter(slot) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let deadline = shared.options.handshake_deadline;
                    if let Ok(Some(opened)) = timeout(deadline, open(incoming, remote, slot)).await
                    {
                        link::run(shared, opened).await;
                    }
                });
            }
            Entry::Prove => {
                // It fails only for an address that is proved already, and this one is not.
                let _ = incoming.retry();
            }
            Entry::Full => incoming.refuse(),
        }
    }
}

async fn open(incoming: Incoming, remote: SocketAddr, slot: Slot) -> Option<Opened> {
    let connection = incoming.accept().ok()?.await.ok()?;
    let (send, mut recv) = connection.accept_bi().await.ok()?;
    let mut opening = [1; 4];
    recv.read_exact(&mut opening).await.ok()?;
    if opening != crate::net::frame_writer::OPENING {
        let code = crate::net::code::PROTOCOL.into();
        connection.close(code, b"the channel does not begin with an empty frame");
        return None;
    }
    Some(Opened { connection, send, recv, remote, dialed: false, slot: Some(slot) })
}

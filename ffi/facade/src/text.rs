//! Text forms of ids, secrets, addresses, peers and tickets.

use crate::core::PeerAddress;
use crate::entry::entry;
use crate::errors::{FacadeError, Result};
use millpond::ErrorKind;
use millpond::event::{SwarmId, SwarmSecret, Ticket, hex};
use std::net::SocketAddr;

/// What a ticket says, without the secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketParts {
    /// The swarm it leads to.
    pub swarm_id: String,
    /// The node to dial.
    pub node_id: String,
    /// Where that node may be, `<ip>:<port>`.
    pub addresses: Vec<String>,
}

impl TicketParts {
    /// As a JSON object with the fields of this struct.
    pub fn to_json(&self) -> String {
        let (swarm_id, node_id, addresses) = (&self.swarm_id, &self.node_id, &self.addresses);
        serde_json::json!({ "swarm_id": swarm_id, "node_id": node_id, "addresses": addresses })
            .to_string()
    }
}

/// A new swarm secret from the system's randomness: 64 hex digits, to be kept secret.
///
/// # Errors
/// `internal`: the system gives no randomness.
pub fn swarm_secret_new() -> Result<String> {
    entry("swarm_secret_new", 0, || Ok(hex(&random()?)))
}

/// A new secret to take the place of `secret` while the swarm stays the same: 128 hex digits, to be
/// kept secret. What it replaces may have taken another one's place, too.
///
/// # Errors
/// `invalid_argument`: the text is no secret. `internal`: the system gives no randomness.
pub fn swarm_secret_next(secret: &str) -> Result<String> {
    entry("swarm_secret_next", 0, || {
        let next = swarm_secret(secret)?.next(random()?);
        Ok(format!("{}{}", next.swarm_id(), hex(next.as_bytes())))
    })
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        let message = format!("the system gives no randomness: {error}");
        FacadeError::new(ErrorKind::Internal, message)
    })?;
    Ok(bytes)
}

/// What a ticket says.
///
/// # Errors
/// `invalid_argument`: it is no ticket, or was altered.
pub fn ticket_parse(text: &str) -> Result<TicketParts> {
    entry("ticket_parse", 0, || {
        let ticket = ticket(text)?;
        Ok(TicketParts {
            swarm_id: ticket.secret().swarm_id().to_string(),
            node_id: ticket.node().to_string(),
            addresses: ticket.addresses().iter().map(SocketAddr::to_string).collect(),
        })
    })
}

pub(crate) fn ticket(text: &str) -> Result<Ticket> {
    Ok(text.trim_ascii().parse::<Ticket>()?)
}

pub(crate) fn peer_of(ticket: &Ticket) -> PeerAddress {
    PeerAddress::from(ticket)
}

/// 64 hex digits of either case, 128 with the swarm id first; the error never repeats them.
pub(crate) fn swarm_secret(text: &str) -> Result<SwarmSecret> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim_ascii().as_bytes()).ok();
    let secret = match bytes.as_deref().map(<[u8]>::as_chunks::<32>) {
        Some(([secret], [])) => Some(SwarmSecret::from_bytes(*secret)),
        Some(([swarm, secret], [])) => {
            let swarm = SwarmId::from_bytes(*swarm);
            Some(SwarmSecret::of_swarm(swarm, *secret)).filter(|secret| !secret.is_first())
        }
        _ => None,
    };
    let refused = || {
        FacadeError::invalid("a swarm secret is 64 hex digits, or 128 when it took another's place")
    };
    secret.ok_or_else(refused)
}

pub(crate) fn address(text: &str) -> Result<SocketAddr> {
    let refused = |_| FacadeError::invalid(format!("an address is `<ip>:<port>`, not {text:?}"));
    text.trim_ascii().parse().map_err(refused)
}

/// `<node id>@<ip>:<port>[,<ip>:<port>…]`.
pub(crate) fn peer(text: &str) -> Result<PeerAddress> {
    Ok(text.trim_ascii().parse()?)
}

/// A peer or a ticket; a ticket also tells which swarm it is for.
pub(crate) enum Target {
    Peer(PeerAddress),
    Ticket(Ticket),
}

pub(crate) fn target(text: &str) -> Result<Target> {
    if text.contains('@') {
        return peer(text).map(Target::Peer);
    }
    ticket(text).map(Target::Ticket)
}

pub(crate) fn each<T>(
    texts: Option<&[String]>,
    parse: impl Fn(&str) -> Result<T>,
) -> Result<Vec<T>> {
    texts.unwrap_or_default().iter().map(|text| parse(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_its_id_and_where_it_may_be() {
        let node = "ab".repeat(32);
        let peer_text = format!("{node}@127.0.0.1:4100,[::1]:4101");
        let parsed = peer(&peer_text).unwrap();
        assert_eq!((parsed.node.to_string(), parsed.addresses.len()), (node.clone(), 2));
        for wrong in ["", "@", &node, &format!("{node}@"), &format!("{node}@host:1"), "x@1.2.3.4:5"]
        {
            assert_eq!(peer(wrong).unwrap_err().name, "invalid_argument", "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_never_repeated_in_an_error() {
        let secret = swarm_secret_new().unwrap();
        assert_eq!(secret.len(), 64);
        assert!(swarm_secret(&secret.to_uppercase()).is_ok());
        let error = swarm_secret(&secret[1..]).unwrap_err();
        assert!(!error.message.contains(&secret[1..]));
    }

    #[test]
    fn a_secret_that_takes_the_place_of_another_names_its_swarm() {
        let first = swarm_secret_new().unwrap();
        let swarm = swarm_secret(&first).unwrap().swarm_id();
        let next = swarm_secret_next(&first).unwrap();
        let later = swarm_secret_next(&next).unwrap();
        assert!(next != later && next.len() == 128 && next[..64] == later[..64]);
        assert_eq!(swarm_secret(&later.to_uppercase()).unwrap().swarm_id(), swarm);
        let twice = format!("{swarm}{first}");
        for wrong in [&next[1..], &next[..100], &format!("{next}00"), &twice] {
            assert_eq!(swarm_secret_next(wrong).unwrap_err().name, "invalid_argument", "{wrong}");
        }
    }
}

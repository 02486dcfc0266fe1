//! A ticket: a text to paste, with which a new node finds a swarm and may join it.
//!
//! Rule: a ticket has exactly one text, and any change to that text is refused.
//! Source: docs/format.md, "Text forms".

use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::Reader;
use crate::event::letters::{BASE32, Unreadable};
use crate::event::{NodeId, SwarmId, SwarmSecret};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Longest text of a ticket, in characters.
pub const TICKET_CHARACTERS_MAX: usize = 1024;
/// Most addresses in a ticket.
pub const TICKET_ADDRESSES_MAX: usize = 16;

/// What every ticket begins with.
const PREFIX: &str = "millpond1";
/// Version of what follows the prefix, with the first secret of a swarm.
const VERSION: u8 = 0;
/// The version that has the swarm id, too: with a later secret.
const VERSION_LATER_SECRET: u8 = 1;
/// Bytes of the CRC32C at the end, little end first, over all bytes before it.
const CHECKSUM_BYTES: usize = 4;

/// The swarm's secret, and a node of the swarm with its addresses.
///
/// Who has the text can join the swarm: `Display` gives all of it, `Debug` leaves the secret out.
/// Text form: `millpond1`, then lower-case base32 without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    secret: SwarmSecret,
    node: NodeId,
    addresses: Vec<SocketAddr>,
}

impl Ticket {
    /// A ticket for the swarm of `secret`, to be joined through `node` at `addresses`: 0 to 16,
    /// each an address that can be dialled. Their order does not matter.
    ///
    /// # Errors
    /// `limit_exceeded`: more than 16 addresses; `invalid_argument`: an address without a port, or
    /// one that names no host.
    pub fn new(
        secret: SwarmSecret,
        node: NodeId,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Ticket> {
        let mut addresses: Vec<SocketAddr> = addresses.into_iter().map(canonical).collect();
        addresses.sort();
        addresses.dedup();
        if addresses.len() > TICKET_ADDRESSES_MAX {
            let count = addresses.len();
            let message = format!(
                "a ticket with {count} addresses; the limit is {TICKET_ADDRESSES_MAX}. Leave out \
                 those that the new node cannot reach"
            );
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        if let Some(address) = addresses.iter().find(|address| !is_dialable(address)) {
            let message =
                format!("{address} in a ticket cannot be dialled; give a host and a port");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Ok(Ticket { secret, node, addresses })
    }

    /// The right it grants: who holds it is a member.
    pub fn secret(&self) -> &SwarmSecret {
        &self.secret
    }

    /// The node to dial.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Where it may be, sorted and distinct.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        if !self.secret.is_first() {
            bytes = vec![VERSION_LATER_SECRET];
            bytes.extend_from_slice(self.secret.swarm_id().as_bytes());
        }
        bytes.extend_from_slice(self.secret.as_bytes());
        bytes.extend_from_slice(self.node.as_bytes());
        bytes.push(u8::try_from(self.addresses.len()).expect("at most 16"));
        for address in &self.addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend_from_slice(&ip.octets());
                }
            }
            bytes.extend_from_slice(&address.port().to_be_bytes());
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Ticket> {
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(damaged)?;
        if crc32c::crc32c(body).to_le_bytes() != *checksum {
            return Err(damaged());
        }
        let mut reader = Reader::new(body);
        // The checksum of nothing is four zero bytes.
        let version = reader.u8().map_err(|_| damaged())?;
        if version > VERSION_LATER_SECRET {
            let what = format!(
                "has version {version}; this node reads up to {VERSION_LATER_SECRET}. Update this \
                 node"
            );
            return Err(refused("ticket_version", what));
        }
        let read = read_body(version, reader).map_err(|error| malformed(error.message()))?;
        let ticket = Ticket::new(read.0, read.1, read.2.iter().copied())
            .map_err(|error| malformed(error.message()))?;
        if ticket.addresses != read.2 {
            return Err(malformed("its addresses are not sorted and distinct"));
        }
        Ok(ticket)
    }
}

fn read_body(
    version: u8,
    mut reader: Reader<'_>,
) -> Result<(SwarmSecret, NodeId, Vec<SocketAddr>)> {
    let secret = if version == VERSION {
        SwarmSecret::from_bytes(reader.array()?)
    } else {
        SwarmSecret::of_swarm(SwarmId::from_bytes(reader.array()?), reader.array()?)
    };
    if secret.is_first() != (version == VERSION) {
        return Err(malformed("its swarm began with its secret, so it needs no swarm id"));
    }
    let node = NodeId::from_bytes(reader.array()?);
    let mut addresses = Vec::new();
    for _ in 0..reader.u8()? {
        let ip = match reader.u8()? {
            4 => IpAddr::from(reader.array::<4>()?),
            6 => IpAddr::from(reader.array::<16>()?),
            other => return Err(malformed(&format!("{other} is no kind of address"))),
        };
        addresses.push(SocketAddr::new(ip, u16::from_be_bytes(reader.array()?)));
    }
    reader.finish()?;
    Ok((secret, node, addresses))
}

/// Without what is of no use elsewhere: IPv4 in IPv6 form, flow labels and interface numbers.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn is_dialable(address: &SocketAddr) -> bool {
    address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        f.write_str(&BASE32.write(&self.to_bytes()))
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("swarm", &self.secret.swarm_id())
            .field("node", &self.node)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl FromStr for Ticket {
    type Err = Error;

    /// Reads a ticket; white space around it is ignored.
    ///
    /// # Errors
    /// `invalid_argument`, with the reason `ticket_prefix`, `ticket_too_long`, `ticket_character`
    /// (and its position), `ticket_damaged`, `ticket_version` or `ticket_malformed`. The message
    /// never repeats the text.
    fn from_str(text: &str) -> Result<Ticket> {
        let skipped = text.len() - text.trim_ascii_start().len();
        let text = text.trim_ascii();
        if text.len() > TICKET_CHARACTERS_MAX {
            let what = format!("is longer than {TICKET_CHARACTERS_MAX} characters");
            return Err(refused("ticket_too_long", what));
        }
        let Some(digits) = text.strip_prefix(PREFIX) else {
            let what = format!("does not begin with {PREFIX:?}; paste the whole ticket");
            return Err(refused("ticket_prefix", what));
        };
        let bytes = BASE32.read(digits).map_err(|unreadable| match unreadable {
            Unreadable::Character(index) => {
                let what = "has a character that is not one of a-z and 2-7; copy it again";
                refused("ticket_character", what).with_position(skipped + PREFIX.len() + index)
            }
            Unreadable::End => damaged(),
        })?;
        Ticket::from_bytes(&bytes)
    }
}

fn damaged() -> Error {
    refused("ticket_damaged", "is damaged or incomplete; copy all of it again")
}

fn malformed(what: &str) -> Error {
    refused("ticket_malformed", format!("is malformed: {what}; ask for a new one"))
}

fn refused(reason: &'static str, what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the ticket {what}")).with_reason(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

    fn sample() -> Ticket {
        let secret = SwarmSecret::from_bytes([1; 32]);
        let addresses = ["192.168.1.20:7001", "[fd00::5]:7001"].map(|text| text.parse().unwrap());
        Ticket::new(secret, NodeId::from_bytes([2; 32]), addresses).unwrap()
    }

    fn reason(text: &str) -> &'static str {
        let error = text.parse::<Ticket>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        error.reason().unwrap()
    }

    #[test]
    fn a_ticket_has_the_text_of_the_vector() {
        let expected = "millpond1aaaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaqcaibae\
            aqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcai\
            cmbkabcqnvsbx5aaaaaaaaaaaaaaaaaaaaaaafdnmuk23ew4";
        let text = sample().to_string();
        assert_eq!(text, expected);
        assert_eq!(text.parse::<Ticket>().unwrap(), sample());
        assert_eq!(format!(" {text}\r\n").parse::<Ticket>().unwrap(), sample());
    }

    proptest! {
        #[test]
        fn every_ticket_comes_back_from_its_text(
            secret: [u8; 32], later: Option<[u8; 32]>, node: [u8; 32],
            addresses in prop::collection::vec((any::<std::net::IpAddr>(), 1u16..), 0..=16),
        ) {
            let addresses = addresses.into_iter().map(SocketAddr::from).filter(is_dialable);
            let first = SwarmSecret::from_bytes(secret);
            let secret = later.map_or(first.clone(), |bytes| first.next(bytes));
            let addresses: Vec<_> = addresses.collect();
            if let Ok(ticket) = Ticket::new(secret, NodeId::from_bytes(node), addresses) {
                let text = ticket.to_string();
                prop_assert!(text.len() <= TICKET_CHARACTERS_MAX);
                prop_assert_eq!(text.parse::<Ticket>().unwrap(), ticket);
            }
        }

        #[test]
        fn every_changed_character_is_refused(index in 9usize..200, digit in 0usize..32) {
            let mut text = sample().to_string().into_bytes();
            let index = 9 + index % (text.len() - 9);
            prop_assume!(text[index] != LETTERS[digit]);
            text[index] = LETTERS[digit];
            prop_assert!(String::from_utf8(text).unwrap().parse::<Ticket>().is_err());
        }

        #[test]
        fn no_text_makes_it_panic(text in "(millpond1)?[a-z2-7A-Zä =]{0,80}") {
            prop_assert!(text.parse::<Ticket>().is_err());
        }
    }

    #[test]
    fn a_ticket_that_cannot_be_read_says_what_to_do() {
        let text = sample().to_string();
        assert_eq!(reason("hello"), "ticket_prefix");
        assert_eq!(reason(""), "ticket_prefix");
        assert_eq!(reason("millpond1"), "ticket_damaged");
        assert_eq!(reason("millpond1aaaaaaa"), "ticket_damaged");
        assert_eq!(reason(&text[..text.len() - 1]), "ticket_damaged");
        assert_eq!(reason(&format!("{text}a")), "ticket_damaged");
        assert_eq!(reason(&format!("millpond1{}", "a".repeat(1016))), "ticket_too_long");
        let error = text.replace("aq", "aQ").parse::<Ticket>().unwrap_err();
        assert_eq!(error.position(), Some(text.find("aq").unwrap() + 1));
        assert_eq!(error.reason(), Some("ticket_character"));
    }

    #[test]
    fn a_newer_ticket_and_one_that_is_not_canonical_are_refused() {
        let with = |change: fn(&mut Vec<u8>)| {
            let mut bytes = sample().to_bytes();
            bytes.truncate(bytes.len() - CHECKSUM_BYTES);
            change(&mut bytes);
            bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
            format!("{PREFIX}{}", BASE32.write(&bytes))
        };
        assert_eq!(reason(&with(|bytes| bytes[0] = 2)), "ticket_version");
        assert_eq!(reason(&with(|bytes| bytes[0] = 1)), "ticket_malformed");
        let named_twice = |bytes: &mut Vec<u8>| {
            let swarm = *sample().secret().swarm_id().as_bytes();
            bytes.splice(..1, [1].into_iter().chain(swarm));
        };
        assert_eq!(reason(&with(named_twice)), "ticket_malformed");
        assert_eq!(reason(&with(|bytes| bytes[65] = 17)), "ticket_malformed");
        assert_eq!(reason(&with(|bytes| bytes.push(0))), "ticket_malformed");
        assert_eq!(reason(&with(|bytes| bytes[66] = 5)), "ticket_malformed");
        let reversed = |bytes: &mut Vec<u8>| bytes[66..].rotate_left(7);
        assert_eq!(reason(&with(reversed)), "ticket_malformed");
    }

    #[test]
    fn a_ticket_to_nowhere_is_not_made_and_its_debug_keeps_the_secret() {
        let secret = SwarmSecret::from_bytes([1; 32]);
        let node = NodeId::from_bytes([2; 32]);
        for address in ["0.0.0.0:1", "10.0.0.1:0", "[::]:5", "224.0.0.1:5"] {
            let made = Ticket::new(secret.clone(), node, [address.parse().unwrap()]);
            assert_eq!(made.unwrap_err().kind(), ErrorKind::InvalidArgument, "{address}");
        }
        let many = (1..=17).map(|port| SocketAddr::from(([10, 0, 0, 1], port)));
        let made = Ticket::new(secret, node, many);
        assert_eq!(made.unwrap_err().kind(), ErrorKind::LimitExceeded);
        let shown = format!("{:?}", sample());
        assert!(shown.contains("192.168.1.20:7001") && !shown.contains("0101010101"), "{shown}");
    }
}

//! False announcements of multicast DNS, as anybody on a network can send them.
//!
//! Source of what an announcement says: docs/protocol.md, "Discovery".

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

/// Where multicast DNS is.
const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);
const SERVICE: [&str; 3] = ["_millpond", "_udp", "local"];
/// Seconds for which an announcement holds.
const TIME_TO_LIVE: u32 = 120;
const PTR: u16 = 12;
const TXT: u16 = 16;
const SRV: u16 = 33;
const A: u16 = 1;
/// In the class of a record of which there is one: what was said before counts no more.
const UNIQUE: u16 = 0x8001;

/// Says on the network that nodes of the swarm with a tag are where somebody else is.
pub struct Announcer {
    socket: UdpSocket,
    tag: String,
    at: (Ipv4Addr, u16),
}

impl Announcer {
    /// Nodes of the swarm with this `tag` will be said to be `at` an address and port.
    ///
    /// # Errors
    /// The port of multicast DNS cannot be had.
    pub fn new(tag: &str, at: (Ipv4Addr, u16)) -> io::Result<Announcer> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, GROUP.1))?;
        Ok(Announcer { socket, tag: tag.to_owned(), at })
    }

    /// Announces the node with this id, 64 hex digits.
    ///
    /// # Errors
    /// There is no way to the network.
    pub fn announce(&self, node: &str) -> io::Result<()> {
        self.say(node, TIME_TO_LIVE)
    }

    /// Says that the node with this id is gone.
    ///
    /// # Errors
    /// There is no way to the network.
    pub fn withdraw(&self, node: &str) -> io::Result<()> {
        self.say(node, 0)
    }

    fn say(&self, node: &str, time_to_live: u32) -> io::Result<()> {
        let label = &node[..32];
        let own = format!("millpond-{label}");
        let (service, host) = (name(&SERVICE), name(&[&own, "local"]));
        let instance = [name(&[label]).split_last().expect("it ends").1, &service].concat();
        let (ip, port) = self.at;
        let place = [&[0; 4][..], &port.to_be_bytes(), &host].concat();
        let texts = [format!("s={}", self.tag), format!("n={node}")];
        let texts: Vec<u8> = texts.iter().flat_map(|text| label_of(text)).collect();
        // A response with authority, and four answers in it.
        let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
        let records = [
            (&service, PTR, 1, &instance[..]),
            (&instance, SRV, UNIQUE, &place),
            (&instance, TXT, UNIQUE, &texts),
            (&host, A, UNIQUE, &ip.octets()),
        ];
        for (name, kind, class, data) in records {
            packet.extend_from_slice(name);
            packet.extend_from_slice(&kind.to_be_bytes());
            packet.extend_from_slice(&u16::to_be_bytes(class));
            packet.extend_from_slice(&time_to_live.to_be_bytes());
            packet.extend_from_slice(&(data.len() as u16).to_be_bytes());
            packet.extend_from_slice(data);
        }
        self.socket.send_to(&packet, GROUP).map(|_| ())
    }
}

fn name(labels: &[&str]) -> Vec<u8> {
    let labels = labels.iter().flat_map(|label| label_of(label));
    labels.chain([0]).collect()
}

fn label_of(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat()
}

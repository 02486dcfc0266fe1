//! The message that says where nodes are, as bytes. Source: docs/protocol.md, "Messages".

use crate::error::Result;
use crate::event::NodeId;
use crate::event::codec::{Reader, put_varint};
use crate::sync::constants::{ADDRESSES_LISTED_MAX, ADDRESSES_TOLD_MAX};
use crate::sync::message::{Message, corrupt};
use std::net::{IpAddr, SocketAddr};

const FAMILY_V4: u8 = 4;
const FAMILY_V6: u8 = 6;

pub(super) fn put(listed: &[(NodeId, Vec<SocketAddr>)], out: &mut Vec<u8>) {
    put_varint(out, listed.len() as u64);
    for (node, addresses) in listed {
        out.extend_from_slice(node.as_bytes());
        put_varint(out, addresses.len() as u64);
        for address in addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    out.push(FAMILY_V4);
                    out.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    out.push(FAMILY_V6);
                    out.extend_from_slice(&ip.octets());
                }
            }
            out.extend_from_slice(&address.port().to_be_bytes());
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Message> {
    let count =
        reader.varint_max(ADDRESSES_LISTED_MAX as u64, "the number of nodes with addresses")?;
    let mut listed: Vec<(NodeId, Vec<SocketAddr>)> = Vec::new();
    for _ in 0..count {
        let node = NodeId::from_bytes(reader.array()?);
        if listed.last().is_some_and(|(last, _)| *last >= node) {
            return Err(corrupt("the nodes of a list do not rise"));
        }
        let count = reader.varint_max(ADDRESSES_TOLD_MAX as u64, "the number of addresses")?;
        let addresses = (0..count).map(|_| read_one(reader)).collect::<Result<_>>()?;
        listed.push((node, addresses));
    }
    Ok(Message::Addresses(listed))
}

fn read_one(reader: &mut Reader<'_>) -> Result<SocketAddr> {
    let ip = match reader.u8()? {
        FAMILY_V4 => IpAddr::from(reader.array::<4>()?),
        FAMILY_V6 => IpAddr::from(reader.array::<16>()?),
        other => return Err(corrupt(format!("an address of the family {other}"))),
    };
    Ok(SocketAddr::new(ip, u16::from_be_bytes(reader.array()?)))
}

//! Real networks on one machine: namespaces, cables between them, and a node in each.
//!
//! A namespace lives as long as a process of ours that waits for the end of its standard input; so
//! nothing is left behind, not even after a SIGKILL, and nothing is ever done to the machine's own
//! network. Needs root, iproute2, nftables, and util-linux.
//! Not here: claims (tests/it/networks). Begin with [`Lab`]; a [`Host`] has the node.

mod announce;
mod ether;
mod host;
mod lab;
mod namespace;
mod tun;

pub use announce::Announcer;
pub use ether::{Carried, Ether};
pub use host::{Held, Host, Peer};
pub use lab::{Lab, MULTICAST, PORT};

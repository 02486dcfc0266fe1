//! What stands in for the network in a build without it: a node that asks for one is refused.

use crate::driver::blob::BlobRoom;
use crate::driver::contact::{Contact, Tally};
use crate::driver::options::{NetworkOptions, PeerAddress};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{NodeId, SwarmSecrets};
use crate::log::Log;
use crate::pending::Pending;
use crate::sync::SwarmStatus;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Never exists.
pub(crate) enum Network {}

/// What a network would know.
pub(crate) struct NetworkStatus {
    pub(crate) swarm: SwarmStatus,
    pub(crate) local_addresses: Vec<SocketAddr>,
    pub(crate) enabled: bool,
    /// Peers that the user named and still wants.
    pub(crate) named: BTreeSet<NodeId>,
    /// Peers that discovery sees now.
    pub(crate) discovered: BTreeSet<NodeId>,
    pub(crate) contacts: BTreeMap<NodeId, Contact>,
    pub(crate) tally: Tally,
    /// The version of what there is to know that this was of.
    pub(crate) version: u64,
}

impl Network {
    pub(crate) fn start(
        _: NetworkOptions,
        _: Log,
        _: SwarmSecrets,
        _: Arc<BlobRoom>,
    ) -> Result<Network> {
        let message = "this millpond was built without the feature `net`; open without a network";
        Err(Error::new(ErrorKind::InvalidArgument, message).with_reason("no_network"))
    }

    pub(crate) fn connect(&self, _: PeerAddress) -> Pending<()> {
        match *self {}
    }

    pub(crate) fn disconnect(&self, _: NodeId) -> Pending<()> {
        match *self {}
    }

    pub(crate) fn set_enabled(&self, _: bool) -> Pending<()> {
        match *self {}
    }

    pub(crate) fn set_secrets(&self, _: SwarmSecrets) -> Pending<()> {
        match *self {}
    }

    pub(crate) fn status(&self) -> Pending<NetworkStatus> {
        match *self {}
    }

    pub(crate) fn close(&self, _: Duration) {
        match *self {}
    }
}

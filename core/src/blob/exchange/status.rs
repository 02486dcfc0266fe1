//! What people are shown of the exchange.

use super::exchange::Exchange;
use super::io::Stall;
use crate::blob::id::BlobId;
use crate::blob::size::{BlobSize, GroupIndex};
use crate::event::NodeId;
use std::time::Instant;

/// What is under way, and who misbehaved.
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeStatus {
    /// Blobs that are being fetched, by rising id; those that wait for their turn are left out.
    pub fetching: Vec<FetchStatus>,
    /// Nodes that sent groups that are not of their blob, by rising id: `LIARS_MAX` at most.
    pub misbehaved: Vec<Misbehaved>,
}

/// One blob that is being fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchStatus {
    /// Which.
    pub id: BlobId,
    /// Its size, as far as anybody said.
    pub size: Option<BlobSize>,
    /// Groups that are held.
    pub held: u32,
    /// Peers that say that they have something of it.
    pub providers: u32,
    /// Why nothing of it comes.
    pub stall: Option<Stall>,
}

/// A node that sent a group that is not of its blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misbehaved {
    /// Who.
    pub node: NodeId,
    /// Of which blob.
    pub id: BlobId,
    /// Which group.
    pub group: GroupIndex,
    /// When.
    pub at: Instant,
    /// It is not asked for blobs before then.
    pub until: Instant,
}

impl Exchange {
    /// What is under way, and who misbehaved.
    pub fn status(&self) -> ExchangeStatus {
        let active = self.wants.iter().filter(|(_, want)| want.is_active);
        let fetching = active.map(|(id, want)| FetchStatus {
            id: *id,
            size: want.size().or(want.said),
            held: want.held.as_ref().map_or(0, |(_, held)| held.count()),
            providers: self.peers.values().filter(|peer| peer.claims.contains_key(id)).count()
                as u32,
            stall: want.stall.clone(),
        });
        let misbehaved = self.liars.iter().map(|(node, liar)| Misbehaved {
            node: *node,
            id: liar.id,
            group: liar.group,
            at: liar.at,
            until: liar.until,
        });
        ExchangeStatus { fetching: fetching.collect(), misbehaved: misbehaved.collect() }
    }
}

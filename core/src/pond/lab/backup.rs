//! A copy of a node's disk in a lab, and what comes of restoring it.

use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::Value;
use crate::event::{Event, EventKey, EventKind, Lamport, NodeId, Offset, OffsetMap};
use crate::event::{Payload, StreamId, TagSet};
use crate::pond::lab::desk::NodeDesk;
use crate::pond::lab::disk::Disk;
use crate::pond::lab::lab::Lab;
use crate::pond::lab::options::LabPublished;
use std::sync::Arc;

/// What was on the disk of a node of a lab.
#[derive(Clone, Debug)]
pub struct LabBackup {
    node: NodeId,
    held: OffsetMap,
    disk: Disk,
    desk: NodeDesk,
    /// Of which lab: in another one of the same seed its events are not there.
    lab: Arc<()>,
}

impl Lab {
    /// Copies what is durable at a node, whether it runs or not.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn back_up(&self, node: usize) -> Result<LabBackup> {
        let member = self.member(node)?;
        let (mut disk, mut desk) = (member.disk.clone(), self.desks.nodes[node].clone());
        disk.sync();
        // What is not durable yet is not on the copy, so no key may answer for it.
        let is_held = |own: &LabPublished| own.first.value() < member.held.count(&own.key.stream);
        desk.remembered.retain(|_, (_, own)| is_held(own));
        let (node, held, lab) = (member.node, member.held.clone(), self.desks.lab.clone());
        Ok(LabBackup { node, held, disk, desk, lab })
    }

    /// Ends the node's process, if it runs, and puts the copy in the place of its disk. What it
    /// wrote since is forgotten here: it is gone where no other node got it. After [`Lab::start`]
    /// the node goes on in another stream, with an opening record: it cannot prove that it holds
    /// the end of the former one. What that held of accounts and claims is frozen until it is
    /// recovered.
    ///
    /// # Errors
    /// As [`Lab::node_id`]. `invalid_argument`: the copy is of another node, or of another lab.
    pub fn restore(&mut self, node: usize, backup: &LabBackup) -> Result<()> {
        let own = self.member(node)?.stream();
        if own.node != backup.node {
            let message = format!("the copy is of another node than node {node}");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        if !Arc::ptr_eq(&backup.lab, &self.desks.lab) {
            let message = "the copy was made in another lab; make one in this one";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        self.stop(node, "ended");
        self.streams.cut(&own, self.members[node].held.count(&own));
        self.note(format!("node {node} was restored"));
        let former = StreamId { number: newest(&backup.held, own.node), ..own };
        let lamport = self.streams.lamport(&backup.held) + 1;
        let member = &mut self.members[node];
        member.unsynced.clear();
        member.number = self.streams.next_number(own.node).max(former.number + 1);
        (member.held, member.disk) = (backup.held.clone(), backup.disk.clone());
        member.lamport = lamport;
        self.desks.nodes[node] = backup.desk.clone();
        self.desks.restored(node);
        self.open_stream(node, former, Lamport::new(lamport)?)
    }

    /// Writes the record that a stream begins with which goes on where `former` could not.
    fn open_stream(&mut self, node: usize, former: StreamId, lamport: Lamport) -> Result<()> {
        let member = &self.members[node];
        let said = Value::map([
            ("previous", Value::from(former.number)),
            ("count", Value::from(member.held.count(&former))),
        ]);
        self.streams.push(Event {
            key: EventKey { lamport, stream: member.stream() },
            offset: Offset::new(0),
            time: self.time(node)?,
            app_id: self.app_id.clone(),
            kind: EventKind::Opening,
            tags: TagSet::default(),
            payload: Payload::from_value(&said)?,
        });
        self.sync(node);
        Ok(())
    }
}

/// The number of the last stream of `node` that is held; 0 when there is none.
fn newest(held: &OffsetMap, node: NodeId) -> u64 {
    let own = held.iter().filter(|(stream, _)| stream.node == node);
    own.map(|(stream, _)| stream.number).max().unwrap_or(0)
}

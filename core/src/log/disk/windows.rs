//! Which part of each stream is visible, now that some have two histories.
//!
//! A stream is visible from its floor on, which is 0 but in a branch, and below its seal. What lies
//! outside is kept, and served to peers. No I/O. Rule: seals only go down, floors never move, and
//! each event of all histories is visible in exactly one stream. A stream forks at its seal and
//! nowhere else: so branches make a tree, the same on all nodes, in whatever order they came.
//! Begin with [`Windows::visible`]. Source: docs/format.md, "Forks".

use crate::error::Result;
use crate::event::codec::{Reader, bad};
use crate::event::{Branch, Chain, HeldFork, Lamport, OffsetMap, SignedHead, StreamEnd, StreamId};
use std::collections::BTreeMap;

const FLAG_SEALED: u8 = 1;
const FLAG_BRANCH: u8 = 2;
const FLAG_HIDDEN: u8 = 4;

/// What forks did to one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForkRow {
    /// From where on it is not visible, and the branch in which the history it holds goes on.
    pub(crate) sealed: Option<(u64, StreamId)>,
    /// Of a branch what it is.
    pub(crate) branch: Option<Branch>,
    /// True: a branch that is still being copied, which nobody sees.
    pub(crate) hidden: bool,
}

/// All streams that have to do with forks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Windows {
    rows: BTreeMap<StreamId, ForkRow>,
    /// Rises with each change.
    pub(crate) version: u64,
}

impl ForkRow {
    /// Most bytes of the byte form.
    pub(crate) const BYTES_MAX: usize = 1 + 48 + 40 + 8 + 32 + 8 + 8 + 2 * SignedHead::BYTES;

    /// Appends the byte form; which stream it is about stands before it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        out.push(
            flag(FLAG_SEALED, self.sealed.is_some())
                | flag(FLAG_BRANCH, self.branch.is_some())
                | flag(FLAG_HIDDEN, self.hidden),
        );
        if let Some((at, heir)) = &self.sealed {
            out.extend_from_slice(&at.to_le_bytes());
            out.extend_from_slice(&heir.to_bytes());
        }
        if let Some(branch) = &self.branch {
            out.extend_from_slice(&branch.of.to_bytes());
            out.extend_from_slice(&branch.base.count.to_le_bytes());
            out.extend_from_slice(branch.base.chain.as_bytes());
            out.extend_from_slice(&branch.base.lamport.value().to_le_bytes());
            out.extend_from_slice(&branch.floor.to_le_bytes());
            branch.proof.iter().for_each(|head| out.extend_from_slice(&head.to_bytes()));
        }
    }

    /// Reads the byte form of the row of `stream`.
    ///
    /// # Errors
    /// `corrupt`: it is not one.
    pub(crate) fn decode(stream: &StreamId, bytes: &[u8]) -> Result<ForkRow> {
        let mut reader = Reader::new(bytes);
        let flags = reader.u8()?;
        let has = |flag| flags & flag != 0;
        let known = FLAG_SEALED | FLAG_BRANCH | FLAG_HIDDEN;
        let is_possible = has(FLAG_BRANCH) == stream.is_branch()
            && has(FLAG_SEALED | FLAG_BRANCH)
            && (has(FLAG_BRANCH) || !has(FLAG_HIDDEN));
        if flags & !known != 0 || !is_possible || (has(FLAG_HIDDEN) && has(FLAG_SEALED)) {
            return Err(bad(format!("the fork of a stream has flags {flags}")));
        }
        let sealed = match has(FLAG_SEALED) {
            true => Some((reader.u64()?, StreamId::read(&mut reader)?)),
            false => None,
        };
        let branch = match has(FLAG_BRANCH) {
            true => Some(read_branch(*stream, &mut reader)?),
            false => None,
        };
        reader.finish()?;
        let floor = branch.as_ref().map_or(0, |branch| branch.floor);
        if sealed.is_some_and(|(at, _)| at < floor) {
            return Err(bad("a branch is sealed below its floor"));
        }
        Ok(ForkRow { sealed, branch, hidden: has(FLAG_HIDDEN) })
    }
}

fn read_branch(stream: StreamId, reader: &mut Reader<'_>) -> Result<Branch> {
    let of = StreamId::read(reader)?;
    let count = reader.u64()?;
    let chain = Chain::from_bytes(reader.array()?);
    let base = StreamEnd { count, chain, lamport: Lamport::new(reader.u64()?)? };
    let floor = reader.u64()?;
    let proof = [SignedHead::read(reader)?, SignedHead::read(reader)?];
    let is_one_family =
        [of, proof[0].stream, proof[1].stream].iter().all(|own| own.trunk() == stream.trunk());
    if base.count > floor || !is_one_family {
        return Err(bad("a branch does not fit its trunk"));
    }
    Ok(Branch { stream, of, base, floor, proof })
}

impl Windows {
    /// True when no stream has two histories.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What is known of a stream.
    pub(crate) fn get(&self, stream: &StreamId) -> Option<&ForkRow> {
        self.rows.get(stream)
    }

    /// All rows, by stream id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&StreamId, &ForkRow)> {
        self.rows.iter()
    }

    /// Takes over what is known of a stream.
    pub(crate) fn set(&mut self, stream: StreamId, row: ForkRow) {
        self.version += 1;
        self.rows.insert(stream, row);
    }

    /// Where a branch begins; none of another stream.
    pub(crate) fn base(&self, stream: &StreamId) -> Option<StreamEnd> {
        Some(self.rows.get(stream)?.branch.as_ref()?.base)
    }

    /// True when a stream takes nothing more.
    pub(crate) fn is_sealed(&self, stream: &StreamId) -> bool {
        self.rows.get(stream).is_some_and(|row| row.sealed.is_some())
    }

    /// True while a branch is being copied.
    pub(crate) fn is_hidden(&self, stream: &StreamId) -> bool {
        self.rows.get(stream).is_some_and(|row| row.hidden)
    }

    /// Up to where a stream of `held` events is visible; 0 when nothing of it is.
    pub(crate) fn visible(&self, stream: &StreamId, held: u64) -> u64 {
        match self.rows.get(stream) {
            None => held,
            Some(row) if row.hidden => 0,
            Some(row) => row.sealed.map_or(held, |(at, _)| at.min(held)),
        }
    }

    /// Makes counts name what is visible only: no more than a seal, no less than a floor.
    ///
    /// Who was told of a stream beyond its seal meets the events again, in the branches.
    pub(crate) fn clamp(&self, counts: &mut OffsetMap) {
        for (stream, row) in &self.rows {
            if let Some((at, _)) = row.sealed
                && counts.count(stream) > at
            {
                counts.set(*stream, at);
            }
            if let Some(branch) = row.branch.as_ref().filter(|_| !row.hidden) {
                counts.raise(*stream, branch.floor);
            }
        }
    }

    /// Names counts where their events are visible now, of which those from `origin` on were read
    /// here: so they are of the history that each stream holds. What was beyond a seal at `origin`
    /// already stays as it is.
    pub(crate) fn follow(&self, origin: &OffsetMap, counts: &mut OffsetMap) {
        for (stream, row) in &self.rows {
            let (Some((at, _)), count) = (row.sealed, counts.count(stream)) else { continue };
            if count <= at || origin.count(stream) > at {
                continue;
            }
            let parts = self.parts(*stream, at, count - at);
            let ends = parts.iter().skip(1).map(|(begin, _)| at + begin).chain([count]);
            counts.set(*stream, at);
            parts.iter().zip(ends).for_each(|((_, own), end)| counts.raise(*own, end));
        }
    }

    /// What counts from before forks mean now, where `durable` is held: of a sealed stream that is
    /// named beyond its seal, all branches up to that count. Nobody can tell which was meant. Where
    /// none is so long the count stays, and is not covered.
    pub(crate) fn translate(&self, counts: &mut OffsetMap, durable: &OffsetMap) {
        for (stream, row) in &self.rows {
            let (Some((at, _)), named) = (row.sealed, counts.count(stream)) else { continue };
            let of_family = |(own, branch): &(&StreamId, &ForkRow)| {
                let floor = branch.branch.as_ref().map(|branch| branch.floor);
                let is_beyond = floor.is_some_and(|floor| floor >= at && floor < named);
                own.trunk() == stream.trunk() && is_beyond && !branch.hidden
            };
            let family = || self.rows.iter().filter(of_family).map(|(own, _)| *own);
            if named <= at || !family().any(|own| durable.count(&own) >= named) {
                continue;
            }
            counts.set(*stream, at);
            family().for_each(|own| counts.raise(own, named.min(durable.count(&own))));
        }
    }

    /// Events below the floors of branches: those that an offset map counts and nobody sees.
    pub(crate) fn hidden_events(&self) -> u128 {
        let branches = self.rows.values().filter(|row| !row.hidden);
        branches.filter_map(|row| row.branch.as_ref()).map(|own| u128::from(own.floor)).sum()
    }

    /// Where consecutive events are now that went to `stream`, whose history is that held here:
    /// each part with the number of events before it.
    pub(crate) fn parts(&self, stream: StreamId, first: u64, count: u64) -> Vec<(u64, StreamId)> {
        let (mut parts, mut at, end) = (Vec::new(), first, first.saturating_add(count));
        let (mut stream, mut hops_left) = (stream, self.rows.len());
        while at < end {
            match self.rows.get(&stream).and_then(|row| row.sealed) {
                // Each heir begins where the seal is: no way is longer than there are rows.
                Some((seal, heir)) if at >= seal && hops_left > 0 => {
                    (stream, hops_left) = (heir, hops_left - 1);
                }
                sealed => {
                    parts.push((at - first, stream));
                    at = sealed.map_or(end, |(seal, _)| seal.max(at + 1));
                }
            }
        }
        parts
    }

    /// The stream that has the event at `offset` of this path: it is visible there, or the stream
    /// is sealed there. A path that forks at the floor of its branch forks in what that branched
    /// from.
    pub(crate) fn home(&self, stream: StreamId, offset: u64) -> StreamId {
        let mut own = stream;
        // Neither up nor down is a way longer than there are rows.
        for _ in 0..self.rows.len() {
            match self.rows.get(&own).and_then(|row| row.branch.as_ref()) {
                Some(branch) if offset <= branch.floor => own = branch.of,
                _ => break,
            }
        }
        for _ in 0..self.rows.len() {
            match self.rows.get(&own).and_then(|row| row.sealed) {
                Some((at, heir)) if at < offset => own = heir,
                _ => break,
            }
        }
        own
    }

    /// All forks with their visible branches, the heir first, by stream and offset.
    pub(crate) fn forks(&self) -> Vec<HeldFork> {
        let mut forks: BTreeMap<(StreamId, u64), Vec<Branch>> = BTreeMap::new();
        for row in self.rows.values().filter(|row| !row.hidden) {
            let Some(branch) = &row.branch else { continue };
            forks.entry((branch.of, branch.floor)).or_default().push(branch.clone());
        }
        let held = |((of, at), mut branches): ((StreamId, u64), Vec<Branch>)| {
            let heir = self.rows.get(&of).and_then(|row| row.sealed).map(|(_, heir)| heir);
            branches.sort_by_key(|branch| Some(branch.stream) != heir);
            HeldFork { of, at, branches }
        };
        forks.into_iter().map(held).collect()
    }

    /// Number of visible branches of a trunk.
    pub(crate) fn branch_count(&self, trunk: &StreamId) -> usize {
        let own = |(stream, row): &(&StreamId, &ForkRow)| {
            stream.is_branch() && stream.trunk() == *trunk && !row.hidden
        };
        self.rows.iter().filter(own).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{NodeKey, SwarmId};
    use proptest::prelude::*;

    fn row(flags: u8, base: u64, floor: u64, seal: u64) -> (StreamId, ForkRow) {
        let key = NodeKey::from_seed(&[5; 32]);
        let (trunk, chain) =
            (StreamId { node: key.node_id(), number: 3 }, Chain::from_bytes([9; 32]));
        let lamport = Lamport::new(floor + 7).unwrap();
        let head = key.sign_head(&SwarmId::from_bytes([7; 32]), 3, floor + 1, lamport, chain);
        let is_branch = flags & FLAG_BRANCH != 0;
        let stream = if is_branch { trunk.branch(&chain) } else { trunk };
        let base = StreamEnd { count: base, chain, lamport };
        let proof = [head.clone(), head.on(trunk.branch(&chain))];
        let branch = is_branch.then_some(Branch { stream, of: trunk, base, floor, proof });
        let sealed = (flags & FLAG_SEALED != 0).then(|| (seal, trunk.branch(&chain)));
        (stream, ForkRow { sealed, branch, hidden: flags & FLAG_HIDDEN != 0 })
    }

    proptest! {
        #[test]
        fn the_byte_form_comes_back_and_what_cannot_be_is_refused(
            flags in 0u8..8,
            (base, floor, seal) in (0u64..9, 0u64..9, 0u64..9),
            cut in any::<prop::sample::Index>(),
        ) {
            let (stream, row) = row(flags, base, floor, seal);
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            let fits = flags & (FLAG_SEALED | FLAG_BRANCH) != 0
                && flags & (FLAG_HIDDEN | FLAG_BRANCH) != FLAG_HIDDEN
                && flags & (FLAG_HIDDEN | FLAG_SEALED) != FLAG_HIDDEN | FLAG_SEALED
                && (row.branch.is_none() || base <= floor)
                && (row.branch.is_none() || row.sealed.is_none() || floor <= seal);
            let read = ForkRow::decode(&stream, &bytes);
            prop_assert!(bytes.len() <= ForkRow::BYTES_MAX);
            prop_assert_eq!(read.ok(), fits.then_some(row));
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(ForkRow::decode(&stream, &bytes).is_err());
        }

        #[test]
        fn any_bytes_are_a_row_in_its_one_form_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..500),
        ) {
            let (stream, _) = row(FLAG_BRANCH, 0, 0, 0);
            if let Ok(row) = ForkRow::decode(&stream, &bytes) {
                let mut again = Vec::new();
                row.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}

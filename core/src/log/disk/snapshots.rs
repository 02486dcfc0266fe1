//! Saved states of fish: a table of its own, within a bound.
//!
//! Not here: which states are worth keeping (`pond`). Rule: a snapshot only saves time, so one that
//! does not read is as one that is not there, and goes with the next write; and what is beyond the
//! bound goes. Source: docs/format.md, "Snapshots".

use super::shared::{Shared, lock};
use super::tables::{Opened, TableResult};
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::{Reader, bad, put_counted};
use crate::event::limits::FISH_ID_BYTES_MAX;
use crate::event::{EventKey, KeyPosition};
use crate::log::snapshots::{Snapshot, SnapshotEntry};
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};

/// What LMDB takes for a value at least, once it has pages of its own.
const PAGE_BYTES: u64 = 4096;

/// A fish as it is defined now.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) fish: String,
    pub(crate) definition: [u8; 32],
}

/// What the table has, as far as it can be read: as one writes, the others wait.
#[derive(Default)]
pub(crate) struct SnapshotIndex {
    rows: BTreeMap<u64, Row>,
    /// Of all rows.
    bytes: u64,
    /// The number of the next row.
    next: u64,
    /// Rows that do not read.
    damaged: BTreeSet<u64>,
}

struct Row {
    owner: Arc<Owner>,
    key: EventKey,
    bytes: u64,
}

/// What a write does.
struct Change {
    rows: Vec<(u64, Row, Vec<u8>)>,
    deleted: BTreeSet<u64>,
}

impl Shared {
    /// The snapshots of an owner, the one with the greatest key first.
    ///
    /// # Errors
    /// `closed`, `storage_failed`, `corrupt`: the table cannot be read.
    pub(crate) fn list_snapshots(&self, owner: &Owner) -> Result<Vec<SnapshotEntry>> {
        let index = self.snapshot_index()?;
        let own = index.iter().flat_map(|index| index.of(owner));
        let mut own: Vec<_> =
            own.map(|(_, row)| SnapshotEntry { key: row.key, bytes: row.bytes }).collect();
        own.sort_by_key(|entry| Reverse(entry.key));
        Ok(own)
    }

    /// One snapshot; none where there is none that reads.
    ///
    /// # Errors
    /// As `list_snapshots`.
    pub(crate) fn load_snapshot(&self, owner: &Owner, key: EventKey) -> Result<Option<Snapshot>> {
        let mut index = self.snapshot_index()?;
        let index = index.as_mut().expect("it was read");
        let Some(number) = index.find(owner, key) else { return Ok(None) };
        let read = self.tables.read(|opened, transaction| {
            let row_key = number.to_be_bytes();
            let row = opened.snapshots.get(transaction, &row_key)?;
            Ok(row.ok_or_else(|| bad("it is missing")).and_then(|row| decode(&row_key, row)))
        })?;
        match read {
            Ok((own, snapshot)) if own == *owner && snapshot.key() == Some(key) => {
                Ok(Some(snapshot))
            }
            Ok(_) => Ok(None),
            Err(error) => {
                tracing::warn!(%error, fish = owner.fish, "a snapshot is damaged and not used");
                index.forget(number);
                index.damaged.insert(number);
                Ok(None)
            }
        }
    }

    /// Puts snapshots, and deletes those with these keys, all or nothing; durable when it returns.
    ///
    /// # Errors
    /// `limit_exceeded`: one of them is larger than all may be together. `storage_full`,
    /// `storage_failed`, `closed`. Nothing has changed then.
    pub(crate) fn change_snapshots(
        &self,
        owner: &Arc<Owner>,
        put: &[Snapshot],
        delete: &BTreeSet<EventKey>,
    ) -> Result<()> {
        let mut index = self.snapshot_index()?;
        let index = index.as_mut().expect("it was read");
        let bytes_max = self.options.snapshot_bytes_max;
        let change = index.plan(owner, put, delete, bytes_max)?;
        if change.rows.is_empty() && change.deleted.is_empty() {
            return Ok(());
        }
        self.tables.write(|opened, transaction| {
            for number in &change.deleted {
                opened.snapshots.delete(transaction, &number.to_be_bytes())?;
            }
            for (number, _, row) in &change.rows {
                opened.snapshots.put(transaction, &number.to_be_bytes(), row)?;
            }
            Ok(())
        })?;
        index.apply(change);
        Ok(())
    }

    /// The numbers of all rows, for a verification.
    pub(crate) fn snapshot_numbers(&self) -> Result<Vec<u64>> {
        self.tables.read(|opened, transaction| {
            let mut numbers = Vec::new();
            for row in opened.snapshots.iter(transaction)? {
                numbers.extend(Reader::new(row?.0).u64_be());
            }
            Ok(numbers)
        })
    }

    /// Checks a row; how many bytes it has, 0 when it is gone.
    ///
    /// # Errors
    /// What is wrong with it; those of reading.
    pub(crate) fn check_snapshot(&self, number: u64) -> Result<u64> {
        self.tables.read(|opened, transaction| {
            let key = number.to_be_bytes();
            let Some(row) = opened.snapshots.get(transaction, &key)? else { return Ok(0) };
            decode(&key, row)?;
            Ok((key.len() + row.len()) as u64)
        })
    }

    /// What the table has; read once.
    fn snapshot_index(&self) -> Result<MutexGuard<'_, Option<SnapshotIndex>>> {
        let mut index = lock(&self.snapshots);
        if index.is_none() {
            *index = Some(self.tables.read(SnapshotIndex::read)?);
        }
        Ok(index)
    }
}

impl SnapshotIndex {
    fn read(opened: &Opened, transaction: &heed::RoTxn<'_>) -> TableResult<SnapshotIndex> {
        let (mut index, mut owners) = (SnapshotIndex::default(), BTreeSet::<Arc<Owner>>::new());
        for row in opened.snapshots.iter(transaction)? {
            let (key, row) = row?;
            let Ok(number) = Reader::new(key).u64_be() else { continue };
            index.next = number.saturating_add(1);
            let Ok(head) = open_row(key, row) else {
                tracing::warn!(number, "a snapshot is damaged and not used");
                index.damaged.insert(number);
                continue;
            };
            let Some(key) = head.position.last else { continue };
            let owner = Arc::new(head.owner);
            let owner = owners.get(&owner).cloned().unwrap_or(owner);
            owners.insert(owner.clone());
            index.add(number, Row { owner, key, bytes: cost(row.len()) });
        }
        Ok(index)
    }

    /// What is to be written so that these are there, and all is within the bound.
    fn plan(
        &self,
        owner: &Arc<Owner>,
        put: &[Snapshot],
        delete: &BTreeSet<EventKey>,
        bytes_max: u64,
    ) -> Result<Change> {
        let mut change = Change { rows: Vec::new(), deleted: self.damaged.clone() };
        let mut bytes = self.bytes;
        for (number, snapshot) in (self.next..).zip(put) {
            let Some(key) = snapshot.key() else {
                return Err(Error::new(ErrorKind::InvalidArgument, "a snapshot is of no event"));
            };
            let row = encode(&number.to_be_bytes(), owner, snapshot);
            let own = Row { owner: owner.clone(), key, bytes: cost(row.len()) };
            if own.bytes > bytes_max {
                let message = format!(
                    "a snapshot of fish {:?} takes {} bytes; all together may take {bytes_max}",
                    owner.fish, own.bytes
                );
                return Err(Error::new(ErrorKind::LimitExceeded, message));
            }
            bytes += own.bytes;
            change.rows.push((number, own, row));
        }
        let is_put = |key| change.rows.iter().any(|(_, row, _)| row.key == key);
        for (number, row) in self.of(owner) {
            if delete.contains(&row.key) || is_put(row.key) {
                change.deleted.insert(number);
                bytes -= row.bytes;
            }
        }
        while bytes > bytes_max {
            let Some(number) = self.next_to_go(&change) else { break };
            if let Some(row) = self.rows.get(&number) {
                bytes -= row.bytes;
                change.deleted.insert(number);
            } else {
                let gone = change.rows.extract_if(.., |(own, _, _)| *own == number);
                bytes -= gone.map(|(_, row, _)| row.bytes).sum::<u64>();
            }
        }
        Ok(change)
    }

    /// Of the owner with most bytes the row that was put first, but never the last of a change.
    fn next_to_go(&self, change: &Change) -> Option<u64> {
        let stays = |number: &u64| !change.deleted.contains(number);
        let held = self.rows.iter().filter(|(number, _)| stays(number));
        let put = change.rows.iter().map(|(number, row, _)| (number, row));
        let last = change.rows.last().map(|(number, _, _)| *number);
        let mut owners: BTreeMap<&Owner, (u64, Option<Reverse<u64>>)> = BTreeMap::new();
        for (number, row) in held.chain(put) {
            let (bytes, first) = owners.entry(&row.owner).or_default();
            *bytes += row.bytes;
            if first.is_none() && Some(*number) != last {
                *first = Some(Reverse(*number));
            }
        }
        let largest = owners.into_values().filter(|(_, first)| first.is_some()).max();
        largest.and_then(|(_, first)| first).map(|Reverse(number)| number)
    }

    fn apply(&mut self, change: Change) {
        for number in change.deleted {
            self.forget(number);
            self.damaged.remove(&number);
        }
        for (number, row, _) in change.rows {
            self.next = number + 1;
            self.add(number, row);
        }
    }

    fn add(&mut self, number: u64, row: Row) {
        self.bytes += row.bytes;
        self.rows.insert(number, row);
    }

    fn forget(&mut self, number: u64) {
        self.bytes -= self.rows.remove(&number).map_or(0, |row| row.bytes);
    }

    fn of<'a>(&'a self, owner: &'a Owner) -> impl Iterator<Item = (u64, &'a Row)> + 'a {
        self.rows.iter().filter(|(_, row)| *row.owner == *owner).map(|(number, row)| (*number, row))
    }

    /// The last row with this key.
    fn find(&self, owner: &Owner, key: EventKey) -> Option<u64> {
        let found = self.of(owner).filter(|(_, row)| row.key == key);
        found.map(|(number, _)| number).last()
    }
}

/// What a row takes of the bound: pages of its own, once it is large.
fn cost(row_bytes: usize) -> u64 {
    (row_bytes as u64).next_multiple_of(PAGE_BYTES)
}

/// The part of a row before the state.
struct Head<'a> {
    owner: Owner,
    position: KeyPosition,
    reset: Option<EventKey>,
    state_crc: u32,
    state: &'a [u8],
}

fn encode(key: &[u8], owner: &Owner, snapshot: &Snapshot) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    put_counted(&mut head, owner.fish.as_bytes());
    head.extend_from_slice(&owner.definition);
    snapshot.position.encode(&mut head);
    head.push(u8::from(snapshot.reset.is_some()));
    head.extend(snapshot.reset.iter().flat_map(EventKey::to_bytes));
    head.extend_from_slice(&crc32c::crc32c(&snapshot.state).to_le_bytes());
    let mut row = Vec::with_capacity(8 + head.len() + snapshot.state.len());
    row.extend_from_slice(&[0; 4]);
    let head_bytes = u32::try_from(head.len()).expect("an offset map fits into memory many times");
    row.extend_from_slice(&head_bytes.to_le_bytes());
    row.extend_from_slice(&head);
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &row[4..]);
    row[..4].copy_from_slice(&crc.to_le_bytes());
    row.extend_from_slice(&snapshot.state);
    row
}

/// Reads a row as far as the state, which is not looked at.
fn open_row<'a>(key: &[u8], row: &'a [u8]) -> Result<Head<'a>> {
    let mut reader = Reader::new(row);
    let (crc, head_bytes) = (reader.u32()?, reader.u32()?);
    let head = reader.bytes(head_bytes as usize)?;
    let covered = &row[4..8 + head.len()];
    if crc32c::crc32c_append(crc32c::crc32c(key), covered) != crc {
        return Err(bad("the head of a snapshot has a wrong checksum"));
    }
    let (state, mut head) = (reader.rest(), Reader::new(head));
    let fish = head.counted(FISH_ID_BYTES_MAX, "the id of a fish")?;
    let fish = String::from_utf8(fish.to_vec()).map_err(|_| bad("the id of a fish is no text"))?;
    let owner = Owner { fish, definition: head.array()? };
    let position = KeyPosition::read(&mut head)?;
    let reset = match head.u8()? {
        0 => None,
        1 => Some(EventKey::read(&mut head)?),
        other => return Err(bad(format!("a snapshot has a reset of kind {other}"))),
    };
    let state_crc = head.u32()?;
    head.finish()?;
    if position.last.is_none() || reset > position.last {
        return Err(bad("a snapshot is of no event, or of none after its reset"));
    }
    Ok(Head { owner, position, reset, state_crc, state })
}

fn decode(key: &[u8], row: &[u8]) -> Result<(Owner, Snapshot)> {
    let Head { owner, position, reset, state_crc, state } = open_row(key, row)?;
    if crc32c::crc32c(state) != state_crc {
        return Err(bad("the state of a snapshot has a wrong checksum"));
    }
    Ok((owner, Snapshot { position, reset, state: Bytes::copy_from_slice(state) }))
}

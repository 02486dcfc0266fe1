//! LMDB as an application would use it without us: a row for each event, a row for each tag of an
//! event, one transaction for everything that waits, and every commit synced.

use crate::archive::{Archive, Found};
use crate::subject::{Group, Store, Subject, Workload, Writer};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, PutFlags, RoTxn};
use std::ops::Range;
use std::path::Path;

pub(crate) struct LmdbRows;

impl Subject for LmdbRows {
    fn name(&self) -> &'static str {
        "lmdb_rows"
    }

    fn open(&self, folder: &Path, workload: &Workload) -> Option<Box<dyn Store>> {
        Some(Box::new(Group::new(Rows::open(folder, workload).expect("LMDB opens"))))
    }

    fn archive(&self, folder: &Path) -> Option<Box<dyn Archive>> {
        let rows = Rows::open(folder, &Workload::default()).expect("LMDB opens");
        // Opening alone reads little.
        let view = rows.env.read_txn().expect("LMDB answers");
        rows.events.first(&view).expect("LMDB answers").expect("it holds events");
        drop(view);
        Some(Box::new(rows))
    }
}

/// Room in the address space; the file is as large as what is in it.
const MAP_BYTES: usize = 1 << 36;

type Table = Database<'static, Bytes, Bytes>;

/// Numbers have their big end first, so that they sort.
struct Rows {
    env: Env,
    /// Sequence → time and payload.
    events: Table,
    /// Tag, zero, sequence → nothing.
    tags: Table,
    workload: Workload,
    next_sequence: u64,
}

impl Rows {
    fn open(folder: &Path, workload: &Workload) -> heed::Result<Rows> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_dbs(2);
        // SAFETY: LMDB maps the file, so nobody else may change it, and a process may open it only
        // once. The folder is of this run alone, and a run opens it again after it was closed.
        let env = unsafe { options.open(folder) }?;
        let transaction = env.write_txn()?;
        let tables = env.create_databases_and_commit(transaction, |opener, transaction| {
            let events = opener.create_database(transaction, Some("events"))?;
            let tags = opener.create_database(transaction, Some("tags"))?;
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit((events, tags)))
        })?;
        let (events, tags) = tables.unwrap_commit();
        Ok(Rows { env, events, tags, workload: workload.clone(), next_sequence: 1 })
    }

    fn put(&mut self, events: &[Range<usize>]) -> heed::Result<()> {
        let mut transaction = self.env.write_txn()?;
        let mut value = Vec::new();
        for event in events.iter().cloned().flat_map(|range| &self.workload[range]) {
            let sequence = self.next_sequence.to_be_bytes();
            value.clear();
            value.extend_from_slice(&sequence);
            value.extend_from_slice(&event.payload);
            let last = PutFlags::APPEND;
            self.events.put_with_flags(&mut transaction, last, &sequence, &value)?;
            for tag in &event.tags {
                self.tags.put(&mut transaction, &tag_key(tag, &sequence), &[])?;
            }
            self.next_sequence += 1;
        }
        transaction.commit()
    }

    fn payload<'t>(&self, view: &'t RoTxn<'_>, sequence: &[u8]) -> heed::Result<&'t [u8]> {
        let value = self.events.get(view, sequence)?.expect("a tag's event is there");
        Ok(&value[SEQUENCE_BYTES..])
    }

    fn find_all(&self, prefix: &[u8]) -> heed::Result<Found> {
        let view = self.env.read_txn()?;
        let mut found = Found::default();
        for row in self.tags.prefix_iter(&view, prefix)? {
            found.add(self.payload(&view, &row?.0[prefix.len()..])?);
        }
        Ok(found)
    }

    fn find_newest(&self, prefix: &[u8], most: usize) -> heed::Result<Found> {
        let view = self.env.read_txn()?;
        let mut found = Found::default();
        for row in self.tags.rev_prefix_iter(&view, prefix)?.take(most) {
            found.add(self.payload(&view, &row?.0[prefix.len()..])?);
        }
        Ok(found)
    }

    fn read_all(&self) -> heed::Result<Found> {
        let view = self.env.read_txn()?;
        let mut found = Found::default();
        for row in self.events.iter(&view)? {
            found.add(&row?.1[SEQUENCE_BYTES..]);
        }
        Ok(found)
    }
}

const SEQUENCE_BYTES: usize = 8;

/// No tag holds a zero, so what begins with a tag and a zero is of this tag.
fn tag_key(tag: &str, sequence: &[u8]) -> Vec<u8> {
    [tag.as_bytes(), &[0], sequence].concat()
}

impl Writer for Rows {
    fn turn_to(&mut self, workload: &Workload) {
        self.workload = workload.clone();
    }

    fn commit(&mut self, events: &[Range<usize>]) {
        self.put(events).expect("LMDB commits");
    }
}

impl Archive for Rows {
    fn find(&self, tag: &str, newest: Option<usize>) -> Found {
        let prefix = tag_key(tag, &[]);
        let found = match newest {
            None => self.find_all(&prefix),
            Some(most) => self.find_newest(&prefix, most),
        };
        found.expect("LMDB answers")
    }

    fn scan(&self) -> Found {
        self.read_all().expect("LMDB answers")
    }
}

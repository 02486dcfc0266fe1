//! SQLite as an application would use it for this: WAL, synchronous=FULL, a table of events, an
//! indexed table of tags, prepared statements, one transaction for everything that waits.

use crate::subject::{Group, Store, Subject, Workload, Writer};
use rusqlite::{Connection, params};
use std::ops::Range;
use std::path::Path;

pub(crate) struct Sqlite;

impl Subject for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn open(&self, folder: &Path, workload: &Workload) -> Option<Box<dyn Store>> {
        let connection = Connection::open(folder.join("events.sqlite")).expect("SQLite opens");
        connection.execute_batch(SCHEMA).expect("the schema is right");
        let writer = Tables { connection, workload: workload.clone(), next_id: 1 };
        Some(Box::new(Group::new(writer)))
    }
}

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE events (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, payload BLOB NOT NULL);
    CREATE TABLE tags (tag TEXT NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (tag, event))
        WITHOUT ROWID;
";

struct Tables {
    connection: Connection,
    workload: Workload,
    next_id: i64,
}

impl Writer for Tables {
    fn commit(&mut self, events: &[Range<usize>]) {
        self.insert(events).expect("SQLite commits");
    }
}

impl Tables {
    fn insert(&mut self, events: &[Range<usize>]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut event_row =
                transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3)")?;
            let mut tag_row = transaction.prepare_cached("INSERT INTO tags VALUES (?1, ?2)")?;
            for event in events.iter().cloned().flat_map(|range| &self.workload[range]) {
                event_row.execute(params![self.next_id, self.next_id, event.payload])?;
                for tag in &event.tags {
                    tag_row.execute(params![tag, self.next_id])?;
                }
                self.next_id += 1;
            }
        }
        transaction.commit()
    }
}

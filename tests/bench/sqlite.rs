//! SQLite as an application would use it for this: WAL, synchronous=FULL, a table of events, an
//! indexed table of tags, prepared statements, one transaction for everything that waits.

use crate::archive::{Archive, Found};
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
        Some(Box::new(Group::new(Tables::new(folder, workload))))
    }

    fn archive(&self, folder: &Path) -> Option<Box<dyn Archive>> {
        let connection = Connection::open(folder.join(FILE)).expect("SQLite opens");
        // Opening alone reads nothing.
        let first = connection.query_row("SELECT min(id) FROM events", [], |row| row.get(0));
        let _: i64 = first.expect("it holds events");
        Some(Box::new(Reader { connection }))
    }
}

const FILE: &str = "events.sqlite";

/// The same file, read.
struct Reader {
    connection: Connection,
}

impl Reader {
    fn read(&self, query: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<Found> {
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query(parameters)?;
        let mut found = Found::default();
        while let Some(row) = rows.next()? {
            // In place: neither copied nor decoded.
            found.add(row.get_ref(0)?.as_blob().expect("payloads are blobs"));
        }
        Ok(found)
    }
}

impl Archive for Reader {
    fn find(&self, tag: &str, newest: Option<usize>) -> Found {
        let found = match newest {
            None => self.read(FIND, params![tag]),
            Some(most) => self.read(FIND_NEWEST, params![tag, most as i64]),
        };
        found.expect("SQLite answers")
    }

    fn scan(&self) -> Found {
        self.read("SELECT payload FROM events ORDER BY id", []).expect("SQLite answers")
    }
}

const FIND: &str =
    "SELECT payload FROM tags JOIN events ON id = event WHERE tag = ?1 ORDER BY event";
const FIND_NEWEST: &str = "SELECT payload FROM tags JOIN events ON id = event WHERE tag = ?1
    ORDER BY event DESC LIMIT ?2";

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
    fn turn_to(&mut self, workload: &Workload) {
        self.workload = workload.clone();
    }

    fn commit(&mut self, events: &[Range<usize>]) {
        self.insert(events).expect("SQLite commits");
    }
}

impl Tables {
    fn new(folder: &Path, workload: &Workload) -> Tables {
        let connection = Connection::open(folder.join(FILE)).expect("SQLite opens");
        connection.execute_batch(SCHEMA).expect("the schema is right");
        Tables { connection, workload: workload.clone(), next_id: 1 }
    }

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

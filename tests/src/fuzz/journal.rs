//! A store whose journal holds arbitrary bytes, behind a true beginning or instead of it, opens or
//! is refused; what opens reads, checks and takes another event.

use crate::fuzz::store::{app, change, options, work_directory};
use millpond::event::cbor::Value;
use millpond::event::{NewEvent, Payload, TagSet};
use millpond::log::{CursorOptions, Log};
use millpond::query::Query;
use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

const JOURNAL: &str = "journal-a";
const HEADER_BYTES: usize = 40;

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let template = template();
    let mut journal = template.journal.clone();
    match mode % 3 {
        0 => journal = rest.to_vec(),
        1 => change(&mut journal, rest),
        _ => append_record(&mut journal, rest),
    }
    let path = work_directory("journal-run");
    for (name, content) in &template.others {
        fs::write(path.join(name), content).expect("room on the disk");
    }
    fs::write(path.join(JOURNAL), journal).expect("room on the disk");
    if let Ok(log) = Log::open(options(&path)) {
        let _ = log.check();
        use_it(&log);
        log.close(Duration::from_secs(60)).expect("a healthy disk");
    }
    fs::remove_dir_all(&path).expect("it is ours");
}

/// Reads everything, and appends unless the log refuses to.
fn use_it(log: &Log) {
    let query = Query::parse("FROM allEvents").expect("a query");
    if let Ok(mut cursor) = log.cursor(&query, CursorOptions::default()) {
        while cursor.next_batch(100).is_ok_and(|batch| !batch.is_empty()) {}
    }
    let _ = log.append(vec![event(9)], app()).wait();
}

/// Puts a record with this body, whole and in its place, behind the true ones.
fn append_record(journal: &mut Vec<u8>, body: &[u8]) {
    let (mut end, mut last) = (0, 0);
    while journal.get(end..end + 4) == Some(b"mpj0") {
        let length = u32::from_le_bytes(journal[end + 4..end + 8].try_into().expect("four"));
        last = end;
        end += (HEADER_BYTES + length as usize).next_multiple_of(8);
    }
    let mut record = journal[last..last + HEADER_BYTES].to_vec();
    let index = u64::from_le_bytes(record[16..24].try_into().expect("eight")) + 1;
    record[4..8].copy_from_slice(&(body.len() as u32).to_le_bytes());
    record[16..24].copy_from_slice(&index.to_le_bytes());
    record.copy_within(36..40, 32);
    record.extend_from_slice(body);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&record[..36]), body);
    record[36..40].copy_from_slice(&crc.to_le_bytes());
    record.resize(record.len().next_multiple_of(8), 0);
    journal.truncate(end);
    journal.extend_from_slice(&record);
}

/// The files of a store that was never closed.
struct Template {
    journal: Vec<u8>,
    others: Vec<(String, Vec<u8>)>,
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let path = work_directory("journal-template");
        let log = Log::open(options(&path)).expect("a new store");
        for number in 0..3 {
            log.append(vec![event(number), event(number)], app()).wait().expect("stored");
        }
        let read = |name: &str| fs::read(path.join(name)).expect("a file of the store");
        let mut journal = read(JOURNAL);
        journal.truncate(1 << 16);
        let others = ["journal-b", "data.mdb"].map(|name| (name.to_owned(), read(name))).to_vec();
        log.close(Duration::from_secs(60)).expect("a healthy disk");
        fs::remove_dir_all(&path).expect("it is ours");
        Template { journal, others }
    })
}

fn event(number: u64) -> NewEvent {
    let payload = Payload::from_value(&Value::from(number)).expect("small");
    NewEvent { tags: TagSet::new(["grain"]).expect("short"), payload }
}

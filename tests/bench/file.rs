//! A bare file: append, fdatasync, done. No index, no checksum, no reader: nobody can be faster for
//! long with the same promise.

use crate::subject::{Group, Store, Subject, Workload, Writer};
use crate::workload::WorkEvent;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::Path;

pub(crate) struct BareFile;

impl Subject for BareFile {
    fn name(&self) -> &'static str {
        "file"
    }

    fn open(&self, folder: &Path, workload: &Workload) -> Option<Box<dyn Store>> {
        let file = create(&folder.join("events"));
        let appender = Appender { file, workload: workload.clone(), buffer: Vec::new() };
        Some(Box::new(Group::new(appender)))
    }
}

pub(crate) fn create(path: &Path) -> File {
    let file = OpenOptions::new().create_new(true).append(true).open(path);
    file.expect("a file can be made in the bench's folder")
}

struct Appender {
    file: File,
    workload: Workload,
    buffer: Vec<u8>,
}

impl Writer for Appender {
    fn turn_to(&mut self, workload: &Workload) {
        self.workload = workload.clone();
    }

    fn commit(&mut self, events: &[Range<usize>]) {
        self.buffer.clear();
        for event in events.iter().cloned().flat_map(|range| &self.workload[range]) {
            frame(&mut self.buffer, event);
        }
        self.file.write_all(&self.buffer).expect("the disk takes it");
        self.file.sync_data().expect("the disk takes it");
    }
}

/// Lengths and bytes of the tags and the payload.
pub(crate) fn frame(buffer: &mut Vec<u8>, event: &WorkEvent) {
    for part in event.tags.iter().map(|tag| tag.as_bytes()).chain([event.payload.as_slice()]) {
        buffer.extend((part.len() as u32).to_le_bytes());
        buffer.extend(part);
    }
}

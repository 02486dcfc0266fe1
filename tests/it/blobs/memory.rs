//! What adding a blob takes of memory.

use crate::support::{Scratch, in_own_process};
use millpond::{About, OpenBlob};
use millpond_tests::crash;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

const RISE_MAX: u64 = 8 << 20;

/// Bytes without an end, the same ones over and over.
struct Pattern {
    left: u64,
}

impl Read for Pattern {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.left.min(into.len() as u64) as usize;
        for (index, byte) in into[..count].iter_mut().enumerate() {
            *byte = (self.left as usize + index) as u8;
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[test]
fn adding_a_gigabyte_takes_eight_mebibytes() {
    if !in_own_process("blobs::memory::adding_a_gigabyte_takes_eight_mebibytes") {
        return;
    }
    let is_long = std::env::var_os("MILLPOND_LONG").is_some();
    let size: u64 = if is_long { 1 << 30 } else { 128 << 20 };
    // What lies in a memory file system would count.
    let scratch = Scratch::on_disk("blob-memory");
    let node = crash::open(&scratch.path().join("store")).unwrap();
    // Threads and tables are there before.
    let add = |bytes: u64, said: bool| {
        let source = Pattern { left: bytes };
        let work = node.blobs().add_reader(source, said.then_some(bytes), About::default());
        work.finish().wait().unwrap()
    };
    add(1 << 20, true);
    for said in [true, false] {
        let before = peak();
        let added = add(if said { size } else { size + 1 }, said);
        let rise = peak() - before;
        println!("{size} bytes, size said: {said}: the peak rose by {rise} bytes");
        assert!(rise <= RISE_MAX, "the peak of memory rose by {rise} bytes");
        let reader = node.blobs().open(added.id, OpenBlob::default()).wait().unwrap();
        let mut stream = reader.stream();
        stream.seek(SeekFrom::End(-9)).unwrap();
        let mut last = Vec::new();
        stream.read_to_end(&mut last).unwrap();
        assert_eq!(last.len(), 9);
    }
    node.close(Duration::from_secs(60)).unwrap();
}

/// The most of memory that this process had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes << 10
}

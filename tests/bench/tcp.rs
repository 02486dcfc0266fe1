//! The least that any durable delivery costs: one fdatasync, then one message over loopback TCP.

use crate::file::{create, frame};
use crate::subject::{Store, Subject, Workload};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

pub(crate) struct Tcp;

impl Subject for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn open(&self, _folder: &Path, _workload: &Workload) -> Option<Box<dyn Store>> {
        None
    }

    fn deliver(&self, folder: &Path, workload: &Workload) -> Option<Vec<Duration>> {
        Some(deliver(folder, workload, true))
    }
}

/// The same without the fdatasync: what no delivery can be faster than.
pub(crate) struct Unsynced;

impl Subject for Unsynced {
    fn name(&self) -> &'static str {
        "tcp_unsynced"
    }

    fn open(&self, _folder: &Path, _workload: &Workload) -> Option<Box<dyn Store>> {
        None
    }

    fn deliver(&self, folder: &Path, workload: &Workload) -> Option<Vec<Duration>> {
        Some(deliver(folder, workload, false))
    }
}

fn deliver(folder: &Path, workload: &Workload, is_synced: bool) -> Vec<Duration> {
    let mut file = create(&folder.join("events"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (tell, arrivals) = channel();
    let reader = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the bench connects");
        receive(stream, &tell);
    });
    let mut stream = TcpStream::connect(address).expect("the bench listens");
    stream.set_nodelay(true).expect("TCP can send at once");
    let mut latencies = Vec::new();
    let mut buffer = Vec::new();
    for event in workload.iter() {
        buffer.clear();
        frame(&mut buffer, event);
        let length = (buffer.len() as u32).to_le_bytes();
        let started = Instant::now();
        file.write_all(&buffer).expect("the disk takes it");
        if is_synced {
            file.sync_data().expect("the disk takes it");
        }
        stream.write_all(&[&length[..], &buffer].concat()).expect("loopback takes it");
        let arrived = arrivals.recv().expect("the reader reads");
        latencies.push(arrived.duration_since(started));
    }
    drop(stream);
    reader.join().expect("the reader ends with the stream");
    latencies
}

/// Tells the instant at which each message was there whole, until the stream ends.
fn receive(mut stream: TcpStream, tell: &Sender<Instant>) {
    let mut length = [0; 4];
    let mut message = Vec::new();
    while stream.read_exact(&mut length).is_ok() {
        message.resize(u32::from_le_bytes(length) as usize, 0);
        stream.read_exact(&mut message).expect("a message comes whole");
        if tell.send(Instant::now()).is_err() {
            return;
        }
    }
}

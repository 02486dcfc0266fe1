//! The blobs of a node: the front door.

// The rim: a file that is added.
#![allow(clippy::disallowed_types)]

use crate::blob::exchange::Urgency;
use crate::blob::store::{Added, Collected, Draft, Exporting, LISTED_MAX, Opened, Store, not_here};
use crate::blob::{About, BlobId, BlobRef, ExportHow};
use crate::driver::blob::fetching::{self, TRIES, can_fetch};
use crate::driver::blob::reader::{BlobReader, read};
use crate::driver::blob::references::said_of;
use crate::driver::blob::room::{BlobRoom, Door};
use crate::driver::blob::stat::BlobStat;
use crate::driver::blob::work::{BlobWork, Doer, WorkState, begin, failed};
use crate::driver::blob::writer::BlobWriter;
use crate::driver::node::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::event::TagSet;
use crate::pending::{Pending, pending};
use bytes::Bytes;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

/// What a node holds beside its events: immutable bytes, each named by its BLAKE3 hash.
///
/// Peers get the events that refer to blobs at once, and the bytes when they ask for them: whoever
/// reads what is missing here fetches it, group by group, from all peers that have it. A blob to
/// which an event refers stays as long as the event is held; see [`Blobs::collect`]. All methods
/// may be called from any thread; after the node is closed each answers `closed`.
#[derive(Clone)]
pub struct Blobs {
    node: Node,
}

/// How a blob is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenBlob {
    /// Whether what is missing is fetched; else it is `not_found`.
    pub fetch: bool,
}

impl Default for OpenBlob {
    fn default() -> OpenBlob {
        OpenBlob { fetch: true }
    }
}

/// How a blob becomes a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Export {
    /// By copying or otherwise.
    pub how: ExportHow,
    /// Whether the file takes the place of one that is there; else that is a `conflict`.
    pub overwrite: bool,
}

/// A blob has become a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Which blob.
    pub id: BlobId,
    /// Bytes of the file.
    pub size: u64,
}

/// What a look through blobs found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobsVerified {
    /// Blobs that are here whole, each byte of them verified.
    pub whole: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs of which something is damaged or missing, rising.
    pub damaged: Vec<BlobId>,
    /// Files and numbers that no blob has, and that no opening will remove by itself. They are a
    /// mistake of ours, or of whoever changed the store.
    pub strays: u64,
}

/// What a collection has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobsCollected {
    /// How many blobs.
    pub blobs: u64,
    /// Their bytes, as far as they were here.
    pub bytes: u64,
}

impl Node {
    /// The blobs of this node.
    pub fn blobs(&self) -> Blobs {
        Blobs { node: self.clone() }
    }
}

impl Blobs {
    /// Adds a file: its bytes as they are while this works. Where the file system can share
    /// blocks, they are shared; the file may then be changed at once.
    ///
    /// Durable, and visible here, when the work is done. The same bytes are one blob, however
    /// often they are added; what is said of them counts where nothing was said before.
    ///
    /// # Errors
    /// In the answer. `not_found`, `storage_failed`: it cannot be read. `invalid_argument`: it is
    /// no regular file, or what is said of it has no such form. `conflict`, reason
    /// `changed_while_added`: its size changed meanwhile. `limit_exceeded`: it has more than 2^40
    /// bytes, or blobs take as much as they may (reason `blob_quota`). `storage_full`,
    /// `cancelled`, `closed`, `forked_process`. Nothing is left then.
    pub fn add_path(&self, path: impl Into<PathBuf>, about: About) -> BlobWork<BlobRef> {
        let path = path.into();
        self.long(move |store, state| {
            let mut file = File::open(&path).map_err(|error| unopened(&path, &error))?;
            state.expect(file.metadata().map_or(0, |metadata| metadata.len()));
            store.add_file(&mut file, about, &|done| state.go_on(done)).map(reference)
        })
    }

    /// Adds these bytes.
    ///
    /// # Errors
    /// As for [`Blobs::add_path`].
    pub fn add_bytes(&self, bytes: impl Into<Bytes>, about: About) -> Pending<BlobRef> {
        let bytes = bytes.into();
        self.short(move |store| {
            let size = Some(bytes.len() as u64);
            store.add(&mut &bytes[..], size, about, &|_| Ok(())).map(reference)
        })
    }

    /// Adds what `source` gives: `size` bytes, or all there is. It is read by a thread of its own,
    /// and may block there.
    ///
    /// # Errors
    /// As for [`Blobs::add_path`]; `storage_failed`: the source failed.
    pub fn add_reader(
        &self,
        mut source: impl Read + Send + 'static,
        size: Option<u64>,
        about: About,
    ) -> BlobWork<BlobRef> {
        let add = move |store: &Arc<Store>, state: &WorkState| {
            store.add(&mut source, size, about, &|done| state.go_on(done)).map(reference)
        };
        self.work(size, add, |room, job| room.apart(job))
    }

    /// Begins a blob whose bytes the caller has: of `size` bytes, or of as many as will come.
    ///
    /// # Errors
    /// As for [`Blobs::add_path`].
    pub fn writer(&self, about: About, size: Option<u64>) -> Result<BlobWriter> {
        let draft = Draft::new(self.store()?, size)?;
        Ok(BlobWriter::new(draft, about, Door::of(&self.node)))
    }

    /// Opens a blob for reading. Of one that is missing here, what proves its size is fetched
    /// first, for as long as that takes; the rest when it is read. Dropping the answer calls that
    /// off.
    ///
    /// # Errors
    /// In the answer. `not_found`, reason `blob_not_here`: it is missing, and `options` or a node
    /// without a network forbid to fetch it. `corrupt`: so is one of which a file is missing.
    /// `storage_full`, `storage_failed`, `closed`, `forked_process`.
    pub fn open(&self, id: BlobId, options: OpenBlob) -> Pending<BlobReader> {
        let door = match self.ready() {
            Ok(door) => door,
            Err(error) => return Pending::ready(Err(error)),
        };
        let OpenBlob { fetch } = options;
        let opened = fetching::open(door.clone(), id, fetch, TRIES);
        opened.then(move |opened| {
            Pending::ready(opened.map(|opened| BlobReader::new(opened, fetch, door)))
        })
    }

    /// All bytes of a blob of at most `bytes_max`; what is missing is fetched, as by a reader.
    ///
    /// # Errors
    /// As for [`Blobs::open`] and [`BlobReader::read_at`]; `limit_exceeded`: it has more.
    pub fn get(&self, id: BlobId, bytes_max: usize) -> Pending<Bytes> {
        let door = match self.ready() {
            Ok(door) => door,
            Err(error) => return Pending::ready(Err(error)),
        };
        fetching::open(door.clone(), id, true, TRIES).then(move |opened| match opened {
            Ok(opened) => get(door, opened, bytes_max, TRIES),
            Err(error) => Pending::ready(Err(error)),
        })
    }

    /// Fetches what is missing of a blob: from all peers that have it, for as long as that takes.
    /// What is here already at the end of a process stays, and the next fetch goes on from there.
    ///
    /// # Errors
    /// In the answer. `not_found`, reason `blob_not_here`: it is missing, and this node has no
    /// network. `storage_failed`, `cancelled`, `closed`, `forked_process`. Without room it waits
    /// for some, and [`BlobProgress::stalled`](crate::BlobProgress::stalled) says so.
    pub fn fetch(&self, id: BlobId) -> BlobWork<BlobRef> {
        self.fetch_then(id, move |door, done| {
            let own = door.clone();
            let found = move || {
                let room = own.room()?;
                let row = room.store()?.look(&id)?.filter(|row| row.is_whole());
                let row = row.ok_or_else(|| not_here(&id))?;
                let about = match said_of(&room.log, &id).0 {
                    Some(said) if row.about.is_empty() => (said.media_type, said.name),
                    _ => (row.about.media_type, row.about.name),
                };
                let (media_type, name) = about;
                Ok(BlobRef { id, size: Some(row.size), media_type, name })
            };
            match door.room() {
                Ok(room) => room.short(Box::new(move || done.end(found()))),
                Err(error) => done.end(Err(error)),
            }
        })
    }

    /// Writes a blob to a file, which is there whole or not at all; what is missing of it is
    /// fetched first. It is written beside its place, as `.millpond-<number>.part`.
    ///
    /// # Errors
    /// In the answer: as for [`Blobs::fetch`] and [`BlobReader::read_at`]; `conflict`, reason
    /// `exists`: there is a file, and it is not to be replaced. `storage_full`, `storage_failed`,
    /// `cancelled`. The target is as it was then.
    pub fn export(
        &self,
        id: BlobId,
        path: impl Into<PathBuf>,
        options: Export,
    ) -> BlobWork<Exported> {
        let Export { how, overwrite } = options;
        let to = Exporting { path: path.into(), how, overwrite };
        self.fetch_then(id, move |door, done| {
            let room = match door.room() {
                Ok(room) => room,
                Err(error) => return done.end(Err(error)),
            };
            let own = door.clone();
            room.long(Box::new(move || {
                let export = || {
                    let (store, state) = (own.room()?.store()?, done.state());
                    state.expect(store.look(&id)?.ok_or_else(|| not_here(&id))?.size);
                    let size = store.export(id, &to, &|done| state.go_on(done))?;
                    Ok(Exported { id, size })
                };
                let exported = export();
                done.end(exported);
            }));
        })
    }

    /// Whether a blob is here whole. Its bytes are not looked at: reading does that.
    ///
    /// # Errors
    /// `corrupt`: its row is damaged. `storage_failed`, `closed`, `forked_process`.
    pub fn has(&self, id: &BlobId) -> Result<bool> {
        Ok(self.store()?.look(id)?.is_some_and(|row| row.is_whole()))
    }

    /// What is known of a blob.
    ///
    /// # Errors
    /// `not_found`, reason `blob_not_here`. As for [`Blobs::has`].
    pub fn stat(&self, id: &BlobId) -> Result<BlobStat> {
        let row = self.store()?.look_now(id)?.ok_or_else(|| not_here(id))?;
        Ok(BlobStat::of(crate::blob::store::Known { id: *id, row }))
    }

    /// The blobs behind `after` that have all these tags, by rising id: at most `count_max`, and at
    /// most 1,024. Looks at the rows of all blobs from there on until there are so many.
    ///
    /// # Errors
    /// `storage_failed`, `closed`, `forked_process`.
    pub fn list(
        &self,
        after: Option<BlobId>,
        tags: &TagSet,
        count_max: usize,
    ) -> Result<Vec<BlobStat>> {
        let known = self.store()?.list(after, tags, count_max.min(LISTED_MAX))?;
        Ok(known.into_iter().map(BlobStat::of).collect())
    }

    /// Reads and verifies a blob, or all of them. What is found damaged is a part of itself from
    /// then on, as it is when a reader finds it.
    ///
    /// # Errors
    /// In the answer. `not_found`, reason `blob_not_here`: that one is not here. `cancelled`,
    /// `storage_failed`, `closed`, `forked_process`. Damage is no error.
    pub fn verify(&self, id: Option<BlobId>) -> BlobWork<BlobsVerified> {
        self.long(move |store, state| {
            let go_on = |done| state.go_on(done);
            let report = match id {
                Some(id) => store.verify(id, &go_on)?,
                None => {
                    state.expect(store.counters().bytes);
                    store.verify_all(&go_on)?
                }
            };
            let strays = report.strays.len() as u64;
            let (whole, bytes, damaged) = (report.whole, report.bytes, report.damaged);
            Ok(BlobsVerified { whole, bytes, damaged, strays })
        })
    }

    /// Removes every blob that no event refers to which is held here, that nobody has added or read
    /// for as long as [`BlobOptions::collect_grace`](crate::BlobOptions::collect_grace) says, and
    /// that nobody reads or publishes right now. Where there is a doubt, such as a block of events
    /// that is damaged, a blob stays. The same is done when a blob would not fit into
    /// [`BlobOptions::bytes_max`](crate::BlobOptions::bytes_max), and by nobody else.
    ///
    /// # Errors
    /// In the answer. `cancelled`, `storage_full`, `storage_failed`, `closed`, `forked_process`.
    /// What was removed by then is gone.
    pub fn collect(&self) -> BlobWork<BlobsCollected> {
        let shared = self.node.shared().clone();
        self.long(move |store, state| {
            shared.blobs.let_found_go();
            let collected = store.collect(&|| state.go_on(0).is_ok());
            // Which of both reasons to stop it was.
            let Collected { blobs, bytes } = collected.or_else(|error| {
                state.go_on(0)?;
                Err(error)
            })?;
            Ok(BlobsCollected { blobs, bytes })
        })
    }

    fn room(&self) -> Result<&BlobRoom> {
        self.node.log()?.check_process()?;
        Ok(&self.node.shared().blobs)
    }

    fn store(&self) -> Result<Arc<Store>> {
        self.room()?.store()
    }

    /// Has something short done.
    fn short<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Store>) -> Result<T> + Send + 'static,
    ) -> Pending<T> {
        let (completer, answer) = pending(None);
        match self.room().and_then(|room| Ok((room, room.store()?))) {
            Ok((room, store)) => {
                if store.takes_notes() {
                    let store = store.clone();
                    room.long(Box::new(move || write_notes(&store)));
                }
                room.short(Box::new(move || completer.complete(work(&store))));
                answer
            }
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// Has something long done.
    fn long<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Store>, &WorkState) -> Result<T> + Send + 'static,
    ) -> BlobWork<T> {
        self.work(None, work, |room, job| {
            room.long(job);
            Ok(())
        })
    }

    /// What calls need that fetch; notes are written down now and then.
    fn ready(&self) -> Result<Door> {
        let room = self.room()?;
        let store = room.store()?;
        if store.takes_notes() {
            room.long(Box::new(move || write_notes(&store)));
        }
        Ok(Door::of(&self.node))
    }

    /// Has something done once all of a blob is here, which stays until then.
    fn fetch_then<T: Send + 'static>(
        &self,
        id: BlobId,
        then: impl FnOnce(&Door, Doer<T>) + Send + 'static,
    ) -> BlobWork<T> {
        let begun = self.ready().and_then(|door| {
            let room = door.room()?;
            Ok((room.store()?.lease(id), room.ended().clone(), door.clone()))
        });
        let (lease, ended, door) = match begun {
            Ok(begun) => begun,
            Err(error) => return failed(error),
        };
        let (handle, done) = begin(None, &ended);
        let fetched = fetching::whole(&door, id, Some(done.state().clone()));
        fetched.on_done(move |fetched| {
            match fetched {
                Ok(()) => then(&door, done),
                Err(error) => done.end(Err(error)),
            }
            drop(lease);
        });
        handle
    }

    fn work<T: Send + 'static>(
        &self,
        total_bytes: Option<u64>,
        work: impl FnOnce(&Arc<Store>, &WorkState) -> Result<T> + Send + 'static,
        give: impl FnOnce(&BlobRoom, Box<dyn FnOnce() + Send>) -> Result<()>,
    ) -> BlobWork<T> {
        let (room, store) = match self.room().and_then(|room| Ok((room, room.store()?))) {
            Ok(found) => found,
            Err(error) => return failed(error),
        };
        let (handle, doer) = begin(total_bytes, room.ended());
        let job = Box::new(move || {
            let done = work(&store, doer.state());
            drop(store);
            doer.end(done);
        });
        match give(room, job) {
            Ok(()) => handle,
            Err(error) => failed(error),
        }
    }
}

/// All bytes of a blob that is open; what is missing is fetched.
fn get(door: Door, opened: Opened, bytes_max: usize, tries: u32) -> Pending<Bytes> {
    let (id, size) = (opened.id(), usize::try_from(opened.size()).unwrap_or(usize::MAX));
    if size > bytes_max {
        let message = format!("blob {id} has {size} bytes; {bytes_max} are wanted at most");
        return Pending::ready(Err(Error::new(ErrorKind::LimitExceeded, message)));
    }
    fetching::short(&door, move |_| read(&opened, 0, size)).then(move |bytes| match bytes {
        Err(error) if tries > 0 && can_fetch(&door, &error) => {
            let fetched = door.room().and_then(|room| room.fetch(id, None, Urgency::Reading, None));
            let fetched = fetched.unwrap_or_else(|error| Pending::ready(Err(error)));
            fetched.then(move |fetched| match fetched {
                Ok(_) => {
                    fetching::open(door.clone(), id, true, tries).then(move |opened| match opened {
                        Ok(opened) => get(door, opened, bytes_max, tries - 1),
                        Err(error) => Pending::ready(Err(error)),
                    })
                }
                Err(error) => Pending::ready(Err(error)),
            })
        }
        bytes => Pending::ready(bytes),
    })
}

/// What an add answers.
pub(super) fn reference(added: Added) -> BlobRef {
    let Added { id, size, about, lease } = added;
    // From here on its grace keeps it.
    drop(lease);
    BlobRef { id, size: Some(size), media_type: about.media_type, name: about.name }
}

/// Writes down what was asked for lately: nobody waits for that.
pub(super) fn write_notes(store: &Store) {
    if let Err(error) = store.write_notes() {
        tracing::warn!(%error, "that blobs were asked for could not be written down");
    }
}

fn unopened(path: &std::path::Path, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::StorageFailed,
    };
    Error::new(kind, format!("could not open {}: {error}", path.display()))
}

//! The files of blobs: their names, and everything that is done to them.
//!
//! Not here: when (`add`, `collect`, `recover`). Rule: a file is named by a number that is never
//! used again; nothing is renamed or overwritten. Tests make each operation fail, and write down
//! what was done, to try every power cut. Source: docs/format.md, "Blobs".
#![allow(clippy::disallowed_types)] // The rim: this is where blobs touch files.

use super::rows::NUMBER_MAX;
use crate::blob::piece::BytesAt;
use crate::error::Result;
#[cfg(test)]
use crate::files::Operation;
use crate::files::{create_directory, failed, sync_directory};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The folder of the files.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    /// Folders whose names this process has synced: one that is there may be of a process that
    /// was killed before it could.
    synced: Mutex<BTreeSet<PathBuf>>,
}

/// One open file and its path, for the errors.
pub(crate) struct BlobFile {
    file: File,
    path: PathBuf,
}

impl Place {
    /// In the folder of a store; made with the first file.
    pub(crate) fn new(store: &Path) -> Place {
        Place { folder: store.join("blobs"), synced: Mutex::default() }
    }

    /// The folder of the store.
    pub(crate) fn store(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    /// The folder of the files of a number.
    pub(crate) fn folder_of(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{:02x}", number & 0xff))
    }

    /// The bytes of a blob.
    pub(crate) fn data(&self, number: u64) -> PathBuf {
        self.folder_of(number).join(format!("{number:016x}.data"))
    }

    /// Its hash pairs.
    pub(crate) fn tree(&self, number: u64) -> PathBuf {
        self.folder_of(number).join(format!("{number:016x}.tree"))
    }

    /// Makes the folder of a number; its name is on the medium when this returns.
    pub(crate) fn make_folder(&self, number: u64) -> Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in [self.folder.clone(), self.folder_of(number)] {
            if !synced.contains(&folder) || !folder.is_dir() {
                if !folder.is_dir() {
                    create_directory(&folder)?;
                    note(|| tape::Step::Created(folder.clone()));
                }
                self.sync(folder.parent().unwrap_or(&folder))?;
                synced.insert(folder);
            }
        }
        Ok(())
    }

    /// Returns when names that came and went in the folder of a number are on the medium.
    pub(crate) fn sync_folder(&self, number: u64) -> Result<()> {
        self.sync(&self.folder_of(number))
    }

    /// The same, of a folder.
    pub(crate) fn sync(&self, folder: &Path) -> Result<()> {
        attempt(folder, Act::Sync).map_err(|error| failed("sync", folder, &error))?;
        sync_directory(folder)?;
        note(|| tape::Step::SyncedFolder(folder.to_owned()));
        Ok(())
    }

    /// Removes what there is of a number; true when there was something. Not durable before
    /// `sync_folder`.
    pub(crate) fn remove(&self, number: u64) -> Result<bool> {
        let mut was_there = false;
        for path in [self.data(number), self.tree(number)] {
            let removed = attempt(&path, Act::Write).and_then(|()| std::fs::remove_file(&path));
            match removed {
                Ok(()) => {
                    was_there = true;
                    note(|| tape::Step::Removed(path));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("remove", &path, &error)),
            }
        }
        Ok(was_there)
    }

    /// Whether a number has a file.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.data(number).exists() || self.tree(number).exists()
    }

    /// The numbers that have a file, rising; names that are not ours are left out.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for folder in entries(&self.folder)? {
            for file in entries(&folder)? {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let stem = name.strip_suffix(".data").or(name.strip_suffix(".tree"));
                let stem = stem.filter(|stem| stem.len() == 16);
                let number = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok());
                numbers.extend(number.filter(|number| *number <= NUMBER_MAX));
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }
}

/// The paths in a folder; none when it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = match std::fs::read_dir(folder) {
        Ok(read) => read,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed("read", folder, &error)),
    };
    let paths = read.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<io::Result<_>>().map_err(|error| failed("read", folder, &error))
}

impl BlobFile {
    /// Makes a file that is not there yet, readable and writable by its owner only.
    ///
    /// One that is there all the same belongs to a number that rows of an older copy do not know:
    /// it goes.
    pub(crate) fn create_anew(path: PathBuf) -> Result<BlobFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let create = || match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                std::fs::remove_file(&path)?;
                options.open(&path)
            }
            opened => opened,
        };
        let file = attempt(&path, Act::Write).and_then(|()| create());
        let file = file.map_err(|error| failed("create", &path, &error))?;
        note(|| tape::Step::Created(path.clone()));
        Ok(BlobFile { file, path })
    }

    /// Opens a file for reading; none when it is not there.
    pub(crate) fn open(path: PathBuf) -> Result<Option<BlobFile>> {
        match attempt(&path, Act::Read).and_then(|()| File::open(&path)) {
            Ok(file) => Ok(Some(BlobFile { file, path })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open", &path, &error)),
        }
    }

    /// Opens a file that is there for reading and writing, also one that was sealed; none when it
    /// is not there.
    pub(crate) fn open_to_write(path: PathBuf) -> Result<Option<BlobFile>> {
        let open = || {
            attempt(&path, Act::Write)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            OpenOptions::new().read(true).write(true).open(&path)
        };
        match open() {
            Ok(file) => Ok(Some(BlobFile { file, path })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open", &path, &error)),
        }
    }

    /// Gives it so many bytes; those that nobody wrote are 0, and take no room where the file
    /// system can do without.
    pub(crate) fn set_len(&self, bytes: u64) -> Result<()> {
        attempt(&self.path, Act::Write)
            .and_then(|()| self.file.set_len(bytes))
            .map_err(|error| failed("resize", &self.path, &error))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// Size in bytes.
    pub(crate) fn len(&self) -> Result<u64> {
        let metadata = self.file.metadata().map_err(|error| failed("read", &self.path, &error))?;
        Ok(metadata.len())
    }

    /// Writes all of `bytes` at byte `position`. Not durable before `sync`.
    pub(crate) fn write_at(&self, bytes: &[u8], position: u64) -> Result<()> {
        attempt(&self.path, Act::Write)
            .and_then(|()| self.file.write_all_at(bytes, position))
            .map_err(|error| failed("write", &self.path, &error))?;
        note(|| tape::Step::Wrote(self.path.clone(), position, bytes.to_vec()));
        Ok(())
    }

    /// Returns when everything written is on the medium.
    pub(crate) fn sync(&self) -> Result<()> {
        attempt(&self.path, Act::Sync)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| failed("sync", &self.path, &error))?;
        note(|| tape::Step::Synced(self.path.clone()));
        Ok(())
    }

    /// Says that nobody is to write to it any more.
    pub(crate) fn seal(&self) -> Result<()> {
        let sealed = self.file.set_permissions(Permissions::from_mode(0o400));
        sealed.map_err(|error| failed("seal", &self.path, &error))
    }

    /// Takes the blocks of `from` where the file system can share them; false where it cannot.
    pub(crate) fn share_blocks_of(&self, from: &File) -> bool {
        share_blocks(from, &self.file)
    }

    /// Gives its blocks to `to`, likewise.
    pub(crate) fn share_blocks_with(&self, to: &File) -> bool {
        share_blocks(&self.file, to)
    }
}

/// Either file sees no change of the other.
fn share_blocks(from: &File, to: &File) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::fs::ioctl_ficlone(to, from).is_ok();
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (from, to);
        false
    }
}

impl BytesAt for BlobFile {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut read = || {
            attempt(&self.path, Act::Read)?;
            loop {
                match self.file.read_at(buffer, position) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return read,
                }
            }
        };
        read().map_err(|error| failed("read", &self.path, &error))
    }
}

#[derive(Clone, Copy)]
enum Act {
    Read,
    Write,
    Sync,
}

#[cfg(not(test))]
fn attempt(_: &Path, act: Act) -> io::Result<()> {
    match act {
        Act::Read | Act::Write | Act::Sync => Ok(()),
    }
}

#[cfg(test)]
fn attempt(path: &Path, act: Act) -> io::Result<()> {
    let operation = match act {
        Act::Read => Operation::Read,
        Act::Write => Operation::Write,
        Act::Sync => Operation::Sync,
    };
    crate::files::fault::attempt(path, operation)
}

/// Writes down what was done, for tests.
fn note(step: impl FnOnce() -> tape::Step) {
    #[cfg(test)]
    tape::push(step);
    #[cfg(not(test))]
    let _ = step;
}

/// What was done to the disk, in its order: the power cuts of the tests are made of it.
pub(crate) mod tape {
    #[cfg(test)]
    use std::cell::RefCell;
    use std::path::PathBuf;

    /// One thing that was done.
    #[derive(Clone, Debug)]
    #[cfg_attr(not(test), allow(dead_code))] // Only tests have a tape; the calls stay one.
    pub(crate) enum Step {
        Created(PathBuf),
        Wrote(PathBuf, u64, Vec<u8>),
        Synced(PathBuf),
        SyncedFolder(PathBuf),
        Removed(PathBuf),
        /// The rows were committed for the so-manieth time.
        #[cfg(test)]
        Committed(usize),
    }

    #[cfg(test)]
    thread_local! {
        static TAPE: RefCell<Option<Vec<Step>>> = const { RefCell::new(None) };
    }

    #[cfg(test)]
    pub(crate) fn push(step: impl FnOnce() -> Step) {
        TAPE.with_borrow_mut(|tape| tape.as_mut().map(|tape| tape.push(step())));
    }

    /// Begins to write down what this thread does; ends with `take`.
    #[cfg(test)]
    pub(crate) fn start() {
        TAPE.with_borrow_mut(|tape| *tape = Some(Vec::new()));
    }

    #[cfg(test)]
    pub(crate) fn take() -> Vec<Step> {
        TAPE.with_borrow_mut(Option::take).unwrap_or_default()
    }
}

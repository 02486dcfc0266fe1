//! Every file operation of a store and of the directory around it, in one place.
//!
//! Not here: what the bytes mean (`log/disk`, `blob/store`), LMDB's own file (`log/disk/tables`).
//! Rule: an error says which operation failed on which file, and a full disk is told from a broken
//! one. Tests plant faults here; the shipped code has no hook.
#![allow(clippy::disallowed_types)] // The rim: this is where a store touches files.

use crate::error::{Error, ErrorKind, Result};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// One open file and its path, for the errors.
pub(crate) struct DiskFile {
    file: File,
    path: PathBuf,
}

/// What a test can make fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
    Sync,
}

impl DiskFile {
    /// Opens `path` for reading and writing; creates it, readable by its owner only, when absent.
    pub(crate) fn open(path: &Path) -> Result<DiskFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(|error| failed("open", path, &error))?;
        Ok(DiskFile { file, path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Size in bytes.
    pub(crate) fn len(&self) -> Result<u64> {
        let metadata = self.file.metadata().map_err(|error| failed("read", &self.path, &error))?;
        Ok(metadata.len())
    }

    /// Device and inode: what names this file whatever path leads to it.
    pub(crate) fn identity(&self) -> Result<(u64, u64)> {
        let metadata = self.file.metadata().map_err(|error| failed("read", &self.path, &error))?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// Inode, and the time the file was made in ns since 1970, 0 where the file system keeps none.
    /// Unlike a device number they stay the same after a reboot.
    pub(crate) fn birth(&self) -> Result<(u64, u64)> {
        let metadata = self.file.metadata().map_err(|error| failed("read", &self.path, &error))?;
        let born = metadata.created().ok();
        let born = born.and_then(|born| born.duration_since(std::time::UNIX_EPOCH).ok());
        Ok((metadata.ino(), born.map_or(0, |born| born.as_nanos() as u64)))
    }

    /// The whole content.
    pub(crate) fn read_all(&self) -> Result<Vec<u8>> {
        let bytes = self.len()?;
        let mut content = vec![0; usize::try_from(bytes).map_err(|_| too_large(&self.path))?];
        self.attempt(Operation::Read)
            .and_then(|()| self.file.read_exact_at(&mut content, 0))
            .map_err(|error| failed("read", &self.path, &error))?;
        Ok(content)
    }

    /// Writes all of `bytes` at byte `position`. Not durable before `sync`.
    pub(crate) fn write_at(&self, bytes: &[u8], position: u64) -> Result<()> {
        self.attempt(Operation::Write)
            .and_then(|()| self.file.write_all_at(bytes, position))
            .map_err(|error| failed("write", &self.path, &error))
    }

    /// Reserves space for `count` bytes at `position`, so that writing them later finds room.
    ///
    /// A file size limit of the process is reported as a full disk instead of a signal.
    pub(crate) fn reserve(&self, position: u64, count: u64) -> Result<()> {
        self.check_limit(position + count)?;
        #[cfg(target_os = "linux")]
        {
            let flags = rustix::fs::FallocateFlags::empty();
            let reserved = self
                .attempt(Operation::Write)
                .and_then(|()| Ok(rustix::fs::fallocate(&self.file, flags, position, count)?));
            match reserved.as_ref().map_err(Errno::from_io_error) {
                // A file system that cannot reserve finds out while writing.
                Err(Some(Errno::OPNOTSUPP | Errno::NOSYS)) => {}
                _ => return reserved.map_err(|error| failed("write", &self.path, &error)),
            }
        }
        self.write_zeros(position, count)
    }

    fn check_limit(&self, end: u64) -> Result<()> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
        if limit.is_some_and(|limit| end > limit) {
            let message = format!("{} would exceed the file size limit", self.path.display());
            return Err(Error::new(ErrorKind::StorageFull, message));
        }
        Ok(())
    }

    /// Writes `count` zeros at `position`, so that later writes there move no metadata.
    ///
    /// A file size limit of the process is reported as a full disk instead of a signal.
    pub(crate) fn write_zeros(&self, position: u64, count: u64) -> Result<()> {
        self.check_limit(position + count)?;
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let mut done = 0;
        while done < count {
            let step = (count - done).min(ZEROS.len() as u64);
            self.write_at(&ZEROS[..step as usize], position + done)?;
            done += step;
        }
        Ok(())
    }

    /// Cuts or extends the file to `bytes`.
    pub(crate) fn set_len(&self, bytes: u64) -> Result<()> {
        self.file.set_len(bytes).map_err(|error| failed("resize", &self.path, &error))
    }

    /// Returns when everything written is on the medium.
    pub(crate) fn sync(&self) -> Result<()> {
        self.attempt(Operation::Sync)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| failed("sync", &self.path, &error))
    }

    /// Asks the kernel to forget what it cached, so that the next read comes from the medium.
    pub(crate) fn forget_cached(&self) {
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }

    /// Takes the exclusive lock of this file without waiting; `false` when another opener has it.
    pub(crate) fn try_lock(&self) -> Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(std::fs::TryLockError::WouldBlock) => Ok(false),
            Err(std::fs::TryLockError::Error(error)) => Err(failed("lock", &self.path, &error)),
        }
    }

    /// Lets the lock go, for all copies of this opening too, such as a fork's.
    pub(crate) fn unlock(&self) {
        // Without a lock there is nothing to let go.
        let _ = self.file.unlock();
    }

    #[cfg(not(test))]
    fn attempt(&self, _operation: Operation) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn attempt(&self, operation: Operation) -> io::Result<()> {
        fault::attempt(&self.path, operation)
    }
}

/// Makes the directory and its parents; each new name is on the medium when this returns.
pub(crate) fn create_directory(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory(parent)?;
    }
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("create", path, &error));
        }
        _ => {}
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_directory(parent.unwrap_or(Path::new(".")))
}

/// Returns when the names in `path` are on the medium.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let directory = File::open(path).map_err(|error| failed("open", path, &error))?;
    directory.sync_all().map_err(|error| failed("sync", path, &error))
}

/// Refuses a directory on a network file system: their locks and syncs do not keep their word.
pub(crate) fn refuse_network_file_system(path: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        let status = rustix::fs::statfs(path)
            .map_err(|errno| failed("look at", path, &io::Error::from(errno)))?;
        if let Some(name) = network_name(status.f_type as u32) {
            let message = format!(
                "{} is on {name}, whose locks and syncs cannot be relied on; use a local disk or \
                 allow network file systems",
                path.display()
            );
            return Err(
                Error::new(ErrorKind::InvalidArgument, message).with_reason("network_file_system")
            );
        }
    }
    Ok(())
}

/// Names the network file systems by the magic number of `statfs`.
#[cfg(target_os = "linux")]
fn network_name(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x0102_1997 => Some("9P"),
        0x6573_5546 => Some("FUSE"),
        0x00c3_6400 => Some("Ceph"),
        0x5346_414f => Some("AFS"),
        0x564c => Some("NCP"),
        0x7375_7245 => Some("Coda"),
        _ => None,
    }
}

/// Bytes that the file system which holds `path` has left for us; `None` when it does not say.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    rustix::fs::statvfs(path).ok().map(|status| status.f_bavail * status.f_frsize)
}

/// Whether the file system that holds `path` has no room left for us.
pub(crate) fn is_full(path: &Path) -> bool {
    free_bytes(path).is_some_and(|free| free < 64 << 10)
}

/// Turns an error of the operating system into ours: a full disk is told from a broken one.
pub(crate) fn failed(action: &str, path: &Path, error: &io::Error) -> Error {
    let errno = Errno::from_io_error(error);
    let full = matches!(errno, Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG));
    let maybe_full = matches!(errno, Some(Errno::IO)) || errno.is_none();
    let directory = path.parent().unwrap_or(path);
    let kind = if full || (maybe_full && is_full(directory)) {
        ErrorKind::StorageFull
    } else {
        ErrorKind::StorageFailed
    };
    Error::new(kind, format!("could not {action} {}: {error}", path.display()))
}

fn too_large(path: &Path) -> Error {
    let message = format!("{} does not fit into memory", path.display());
    Error::new(ErrorKind::StorageFailed, message)
}

/// Planted failures, for tests only: which operation on which directory fails, and how.
#[cfg(test)]
pub(crate) mod fault {
    use super::Operation;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    struct Fault {
        directory: PathBuf,
        operation: Operation,
        after: u32,
        times: u32,
        errno: i32,
    }

    static FAULTS: Mutex<Vec<Fault>> = Mutex::new(Vec::new());

    /// Lets `after` operations pass, then fails `times` of them with `errno`.
    pub(crate) fn plant(
        directory: &Path,
        operation: Operation,
        after: u32,
        times: u32,
        errno: rustix::io::Errno,
    ) {
        let directory = directory.to_owned();
        let errno = errno.raw_os_error();
        FAULTS.lock().unwrap().push(Fault { directory, operation, after, times, errno });
    }

    /// Forgets what was planted for `directory`; whether all of it had happened.
    pub(crate) fn clear(directory: &Path) -> bool {
        let mut faults = FAULTS.lock().unwrap();
        let own = faults.extract_if(.., |fault| fault.directory == directory);
        let own: Vec<Fault> = own.collect();
        own.iter().all(|fault| fault.times == 0)
    }

    pub(crate) fn attempt(path: &Path, operation: Operation) -> io::Result<()> {
        for fault in FAULTS.lock().unwrap().iter_mut() {
            if fault.operation != operation || !path.starts_with(&fault.directory) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                return Err(io::Error::from_raw_os_error(fault.errno));
            }
        }
        Ok(())
    }
}

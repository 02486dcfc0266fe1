//! A blob as a file of somebody else.
//!
//! Rule: the file is there whole or not at all, and each byte of it was verified, though who shares
//! blocks or a file can change what was. Written beside its place, and moved there at the end.
#![allow(clippy::disallowed_types)] // The rim: a file that is exported.

use super::add::GoOn;
use super::files::BlobFile;
use super::read::Opened;
use super::store::Store;
use crate::blob::BlobId;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{failed, sync_directory};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How an export gets its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportHow {
    /// Shares blocks with the store's file where the file system can do that without either
    /// seeing changes of the other; else copies.
    #[default]
    Auto,
    /// Copies.
    Copy,
    /// Another name of the store's own file, where that is possible; else as `Auto`. Who changes
    /// that file damages the blob here.
    Link,
}

/// Where and how to export.
pub(crate) struct Exporting {
    pub(crate) path: PathBuf,
    pub(crate) how: ExportHow,
    /// Takes the place of a file that is there.
    pub(crate) overwrite: bool,
}

impl Store {
    /// Writes a blob to a file; how many bytes it has.
    ///
    /// # Errors
    /// Those of reading it. `conflict`, reason `exists`: there is a file. `storage_full`,
    /// `storage_failed`; those of `go_on`. Nothing is left then.
    pub(crate) fn export(
        self: &Arc<Store>,
        id: BlobId,
        to: &Exporting,
        go_on: GoOn<'_>,
    ) -> Result<u64> {
        let opened = self.open_blob(id)?;
        if !to.overwrite && to.path.symlink_metadata().is_ok() {
            return Err(exists(&to.path));
        }
        let folder = to.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let own = opened.data().filter(|_| to.how == ExportHow::Link);
        let part = Part::make(folder, own.map(BlobFile::path))?;
        part.fill(&opened, to.how, go_on)?;
        part.move_to(&to.path, to.overwrite)?;
        sync_directory(folder)?;
        Ok(opened.size())
    }
}

/// A file beside its place. Dropped, it goes.
struct Part {
    path: PathBuf,
    /// None when it is the store's own file under another name.
    file: Option<File>,
}

impl Part {
    /// Another name of `own` where there is one and it can have one, else a new file.
    fn make(folder: &Path, mut own: Option<&Path>) -> Result<Part> {
        for number in 0.. {
            let path = folder.join(format!(".millpond-{number}.part"));
            let made = match own {
                Some(own) => std::fs::hard_link(own, &path).map(|()| None),
                None => OpenOptions::new().write(true).create_new(true).open(&path).map(Some),
            };
            match made {
                Ok(file) => return Ok(Part { path, file }),
                // Of another export, or of one that was cut short.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(_) if own.is_some() => own = None,
                Err(error) => return Err(failed("create", &path, &error)),
            }
        }
        unreachable!("a folder does not hold a file for each number")
    }

    /// All bytes are there and on the medium when this returns.
    fn fill(&self, opened: &Opened, how: ExportHow, go_on: GoOn<'_>) -> Result<()> {
        let mut done = 0;
        let mut step = |bytes: usize| {
            done += bytes as u64;
            go_on(done)
        };
        let Some(file) = &self.file else {
            return opened.each_group(&mut |bytes| step(bytes.len()));
        };
        let shared = opened.data().filter(|_| how != ExportHow::Copy);
        if shared.is_some_and(|own| own.share_blocks_with(file)) {
            opened.each_group(&mut |bytes| step(bytes.len()))?;
        } else {
            opened.each_group(&mut |bytes| {
                let mut file = file;
                file.write_all(bytes).map_err(|error| failed("write", &self.path, &error))?;
                step(bytes.len())
            })?;
        }
        file.sync_all().map_err(|error| failed("sync", &self.path, &error))
    }

    fn move_to(&self, path: &Path, overwrite: bool) -> Result<()> {
        let moved =
            if overwrite { std::fs::rename(&self.path, path) } else { self.move_to_free(path) };
        moved.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(path),
            _ => failed("replace", path, &error),
        })
    }

    fn move_to_free(&self, path: &Path) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            use rustix::io::Errno;
            match renameat_with(CWD, &self.path, CWD, path, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS) => {}
                moved => return Ok(moved?),
            }
        }
        // A file system that cannot do that in one step: the new name, then not the old one.
        std::fs::hard_link(&self.path, path)
    }
}

fn exists(path: &Path) -> Error {
    let message = format!("{} is there already", path.display());
    Error::new(ErrorKind::Conflict, message).with_reason("exists")
}

impl Drop for Part {
    fn drop(&mut self) {
        // Moved away as a rule; two names of one file are not moved over each other.
        let _ = std::fs::remove_file(&self.path);
    }
}

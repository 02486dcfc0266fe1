//! A recorded run as a list of writes and syncs, and the disks a power cut could leave of it.
//!
//! A run is recorded with strace: no file system and no library of ours is in between. A crash
//! state is what a disk may hold when power fails after some step: every write that a later sync
//! covered, and of the others any choice of 512-byte sectors, kept, dropped or torn. What was done
//! to names since their directory was last synced may be undone. A run may begin with a store.
//! Not here: reading what strace wrote (`strace`). Begin with [`Trace::record`] and
//! [`Trace::crash_state`].

use crate::crash::mix;
use crate::strace::Reader;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const SECTOR: usize = 512;
/// One thing that a run did. Positions and sizes are in bytes. A `file` is named as it was first,
/// or with a number behind if that name was in use before; a `name` is what it is called then.
#[allow(missing_docs)] // The fields say what the variants' sentences name.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A file below the store's folder was created.
    Created { file: PathBuf, name: PathBuf },
    /// A file got another name, and what had that name none.
    Renamed { file: PathBuf, from: PathBuf, to: PathBuf },
    /// A name went away.
    Removed { name: PathBuf },
    /// Bytes went to a file; `synced` when the file was opened so that a write returns on the disk
    /// (LMDB writes its meta pages that way).
    Wrote { file: PathBuf, at: usize, bytes: Vec<u8>, synced: bool },
    /// A file was cut or grown to a size.
    Resized { file: PathBuf, size: usize },
    /// Everything written to a file before step `since` is on the disk.
    Synced { file: PathBuf, since: usize },
    /// A directory's entries are on the disk.
    SyncedDirectory { directory: PathBuf },
    /// The child said that this many events are acknowledged.
    Acknowledged { count: u64 },
}

/// A recorded run.
#[derive(Debug)]
pub struct Trace {
    /// In the order in which they were complete.
    pub steps: Vec<Step>,
    /// The store as it was before the run, all of it on the disk.
    base: BTreeMap<PathBuf, Vec<u8>>,
    root: PathBuf,
}

/// What a disk holds after a power cut.
#[derive(Debug, Default)]
pub struct CrashState {
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Events that were acknowledged before the cut.
    pub acknowledged: u64,
}

impl Trace {
    /// Runs `program` with `arguments` under strace and reads what it did below `root`, where a
    /// store may be.
    ///
    /// # Errors
    /// strace is missing, or a call was recorded that this reader does not know, or the store's
    /// files were written through memory, where nobody sees it.
    pub fn record(root: &Path, program: &Path, arguments: &[String]) -> Result<Trace, String> {
        let base = files_in(root).map_err(|error| error.to_string())?;
        let out = root.with_extension("strace");
        let status = Command::new("strace")
            .args(["-f", "-qq", "-y", "-xx", "-s", "100000000", "-o"])
            .arg(&out)
            .arg("--")
            .arg(program)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .status()
            .map_err(|error| format!("strace does not start: {error}"))?;
        if !status.success() {
            return Err(format!("the recorded run ended with {status}"));
        }
        let text = std::fs::read_to_string(&out).map_err(|error| error.to_string())?;
        std::fs::remove_file(&out).map_err(|error| error.to_string())?;
        let steps = Reader::new(root, base.keys()).read(&text)?;
        Ok(Trace { steps, base, root: root.to_owned() })
    }

    /// One disk that a power cut after `cut` steps can leave, drawn by `seed`.
    pub fn crash_state(&self, cut: usize, seed: u64) -> CrashState {
        let steps = &self.steps[..cut];
        let mut dice = Dice { seed, rolled: 0 };
        // Seeds differ in how much of what was not synced reaches the disk, nothing and all
        // included.
        let keep_percent = [0, 10, 50, 90, 100][dice.roll(5) as usize];
        let mut state = CrashState::default();
        for step in steps {
            if let Step::Acknowledged { count } = step {
                state.acknowledged = *count;
            }
        }
        for (name, file) in self.names(steps, keep_percent, &mut dice) {
            let before = self.base.get(&file).cloned().unwrap_or_default();
            let content = content(before, steps, &file, keep_percent, &mut dice);
            state.files.insert(name, content);
        }
        state
    }

    /// True when the run came back to a journal file that it had left for another, and tables were
    /// written between two acknowledgements: segments were recycled after checkpoints in the
    /// background.
    pub fn recycles(&self) -> bool {
        let journals = self.steps.iter().filter_map(|step| match step {
            Step::Wrote { file, .. } => Some(file).filter(|file| is_named(file, "journal-")),
            _ => None,
        });
        let mut turns: Vec<&PathBuf> = journals.collect();
        turns.dedup();
        let said = |step: &Step| matches!(step, Step::Acknowledged { .. });
        let first = self.steps.iter().position(said).unwrap_or(0);
        let last = self.steps.iter().rposition(said).unwrap_or(0);
        let in_background = self.steps[first..last]
            .iter()
            .any(|step| matches!(step, Step::Wrote { file, .. } if is_named(file, "data.mdb")));
        turns.len() >= 3 && in_background
    }

    /// Which file each name leads to, after a choice of what was done to names and not synced.
    fn names(
        &self,
        steps: &[Step],
        keep_percent: u64,
        dice: &mut Dice,
    ) -> BTreeMap<PathBuf, PathBuf> {
        let synced = steps.iter().rposition(
            |step| matches!(step, Step::SyncedDirectory { directory } if *directory == self.root),
        );
        let mut names: BTreeMap<PathBuf, PathBuf> =
            self.base.keys().map(|name| (name.clone(), name.clone())).collect();
        for (index, step) in steps.iter().enumerate() {
            let mut is_kept =
                || synced.is_some_and(|synced| index < synced) || dice.roll(100) < keep_percent;
            match step {
                Step::Created { file, name } if is_kept() => {
                    names.insert(name.clone(), file.clone());
                }
                Step::Renamed { file, from, to } if is_kept() => {
                    names.remove(from);
                    names.insert(to.clone(), file.clone());
                }
                Step::Removed { name } if is_kept() => {
                    names.remove(name);
                }
                _ => {}
            }
        }
        names
    }
}

impl CrashState {
    /// Makes `folder` hold exactly this state.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        for (file, content) in &self.files {
            let name = file.file_name().expect("files of a store have names");
            std::fs::write(folder.join(name), content)?;
        }
        Ok(())
    }
}

fn is_named(file: &Path, start: &str) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
}

/// The files of a folder, if it is there.
fn files_in(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    if !folder.exists() {
        return Ok(BTreeMap::new());
    }
    let paths = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    paths.map(|path| path.and_then(|path| Ok((path.clone(), std::fs::read(path)?)))).collect()
}

/// What of `file` is on the disk: what it held before, all that was synced, and a draw of the rest.
fn content(
    before: Vec<u8>,
    steps: &[Step],
    file: &Path,
    keep_percent: u64,
    dice: &mut Dice,
) -> Vec<u8> {
    let synced_to = steps.iter().rev().find_map(|step| match step {
        Step::Synced { file: synced, since } if synced == file => Some(*since),
        _ => None,
    });
    let synced_to = synced_to.unwrap_or(0);
    let mut content = before;
    for (index, step) in steps.iter().enumerate() {
        let sure = index < synced_to;
        match step {
            Step::Resized { file: resized, size }
                if resized == file && (sure || dice.roll(100) < keep_percent) =>
            {
                content.resize(*size, 0);
            }
            Step::Wrote { file: written, at, bytes, synced } if written == file => {
                if sure || *synced {
                    put(&mut content, *at, bytes);
                } else {
                    put_some(&mut content, *at, bytes, keep_percent, dice);
                }
            }
            _ => {}
        }
    }
    content
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A write that was not synced: all of it, nothing, its start, its end, or any of its sectors.
fn put_some(content: &mut Vec<u8>, at: usize, bytes: &[u8], keep_percent: u64, dice: &mut Dice) {
    let whole = dice.roll(100) < keep_percent;
    match dice.roll(4) {
        0 | 1 if whole => put(content, at, bytes),
        0 | 1 => {}
        torn => {
            let mut from = 0;
            while from < bytes.len() {
                let to = bytes.len().min(from + SECTOR - (at + from) % SECTOR);
                let kept = match torn {
                    2 => dice.roll(100) < keep_percent,
                    _ => (from < bytes.len() / 2) == whole,
                };
                if kept {
                    put(content, at + from, &bytes[from..to]);
                }
                from = to;
            }
        }
    }
}

struct Dice {
    seed: u64,
    rolled: u64,
}

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.rolled += 1;
        mix(self.seed, self.rolled) % sides
    }
}

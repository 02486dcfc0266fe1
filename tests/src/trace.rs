//! A recorded run as a list of writes and syncs, and the disks a power cut could leave of it.
//!
//! A run is recorded with strace: no file system and no library of ours is in between. A crash
//! state is what a disk may hold when power fails after some step: every write that a later sync
//! covered, and of the others any choice of 512-byte sectors, kept, dropped or torn. Files whose
//! directory was not synced may be missing.
//! Begin with [`Trace::record`] and [`Trace::crash_state`].

use crate::calls::changes_files;
use crate::crash::mix;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const SECTOR: usize = 512;
/// One thing that a run did. Positions and sizes are in bytes.
#[allow(missing_docs)] // The fields say what the variants' sentences name.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A file below the store's folder was created or found empty.
    Created { file: PathBuf },
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
    /// Runs `program` with `arguments` under strace and reads what it did below `root`.
    ///
    /// # Errors
    /// strace is missing, or a call was recorded that this reader does not know, or the store's
    /// files were written through memory, where nobody sees it.
    pub fn record(root: &Path, program: &Path, arguments: &[String]) -> Result<Trace, String> {
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
        let steps = Reader::new(root).read(&text)?;
        Ok(Trace { steps, root: root.to_owned() })
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
        for file in self.files(steps) {
            let entry_synced = steps.iter().rposition(|step| {
                let Step::SyncedDirectory { directory } = step else { return false };
                file.parent() == Some(directory)
            });
            let created = steps.iter().position(
                |step| matches!(step, Step::Created { file: created } if *created == file),
            );
            let sure = entry_synced.is_some_and(|synced| created.is_none_or(|at| at < synced));
            if sure || dice.roll(100) < keep_percent {
                let content = content(steps, &file, keep_percent, &mut dice);
                state.files.insert(file, content);
            }
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

    fn files(&self, steps: &[Step]) -> Vec<PathBuf> {
        let created = steps.iter().filter_map(|step| match step {
            Step::Created { file } => Some(file.clone()),
            _ => None,
        });
        let mut files: Vec<PathBuf> = created.filter(|file| file.starts_with(&self.root)).collect();
        files.sort();
        files.dedup();
        files
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

/// What of `file` is on the disk: all that was synced, and a draw of the rest.
fn content(steps: &[Step], file: &Path, keep_percent: u64, dice: &mut Dice) -> Vec<u8> {
    let synced_to = steps.iter().rev().find_map(|step| match step {
        Step::Synced { file: synced, since } if synced == file => Some(*since),
        _ => None,
    });
    let synced_to = synced_to.unwrap_or(0);
    let mut content: Vec<u8> = Vec::new();
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

/// Reads strace's output, one line a call; a call that another thread interrupted stands in two.
struct Reader {
    root: PathBuf,
    positions: BTreeMap<String, usize>,
    /// Descriptors whose writes return on the disk.
    synchronous: BTreeSet<String>,
    /// By thread: the first half of a call, and how many steps were complete when it began.
    halves: BTreeMap<String, (String, usize)>,
    steps: Vec<Step>,
}

impl Reader {
    fn new(root: &Path) -> Reader {
        Reader {
            root: root.to_owned(),
            positions: BTreeMap::new(),
            synchronous: BTreeSet::new(),
            halves: BTreeMap::new(),
            steps: Vec::new(),
        }
    }

    fn read(mut self, text: &str) -> Result<Vec<Step>, String> {
        for line in text.lines() {
            let Some((thread, rest)) = line.trim_start().split_once(' ') else { continue };
            let rest = rest.trim_start();
            let began = self.steps.len();
            if let Some(first) = rest.strip_suffix(" <unfinished ...>") {
                self.halves.insert(thread.to_owned(), (first.to_owned(), began));
            } else if let Some((_, second)) = rest.split_once(" resumed>") {
                let half = self.halves.remove(thread);
                let (first, began) = half.ok_or("a call resumed that never began")?;
                self.call(&format!("{first}{second}"), began)?;
            } else {
                self.call(rest, began)?;
            }
        }
        Ok(self.steps)
    }

    fn call(&mut self, line: &str, began: usize) -> Result<(), String> {
        let Some((call, result)) = line.rsplit_once(" = ") else { return Ok(()) };
        let Some((name, arguments)) = call.trim_end().split_once('(') else { return Ok(()) };
        let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
        let returned: i64 = match result.split(['<', ' ']).next().unwrap_or("").parse() {
            Ok(number) if number >= 0 => number,
            _ => return Ok(()),
        };
        match name {
            "openat" => return self.opened(arguments, result),
            "mkdir" => return Ok(()),
            "mmap" => return self.mapped(arguments),
            "lseek" => {}
            _ if changes_files(name)? => {}
            _ => return Ok(()),
        }
        let descriptor = arguments.split_once(',').map_or(arguments, |(first, _)| first).trim();
        let (number, path) = descriptor_of(descriptor)?;
        if number == 1 {
            return self.said(arguments);
        }
        if path.starts_with(&self.root) {
            return self.changed(name, arguments, returned as usize, &path, began);
        }
        if name == "fsync" && self.root.parent() == Some(&path) {
            self.steps.push(Step::SyncedDirectory { directory: path });
        }
        Ok(())
    }

    fn opened(&mut self, arguments: &str, result: &str) -> Result<(), String> {
        let (number, path) = descriptor_of(result)?;
        let synchronous = ["O_DSYNC", "O_SYNC"].iter().any(|flag| arguments.contains(flag));
        match synchronous {
            true => self.synchronous.insert(number.to_string()),
            false => self.synchronous.remove(&number.to_string()),
        };
        let creates = arguments.contains("O_CREAT");
        let known = |step: &Step| matches!(step, Step::Created { file } if *file == path);
        if creates && path.starts_with(&self.root) && !self.steps.iter().any(known) {
            self.steps.push(Step::Created { file: path });
        }
        Ok(())
    }

    /// Only LMDB's lock file is written through memory, and a crash leaves nothing of it.
    fn mapped(&self, arguments: &str) -> Result<(), String> {
        let shared = arguments.contains("PROT_WRITE") && arguments.contains("MAP_SHARED");
        let Some(file) = arguments.split(", ").nth(4).filter(|file| shared && file.contains('<'))
        else {
            return Ok(());
        };
        let (_, path) = descriptor_of(file)?;
        if path.starts_with(&self.root) && !path.ends_with("lock.mdb") {
            return Err(format!("{} is written through memory", path.display()));
        }
        Ok(())
    }

    fn said(&mut self, arguments: &str) -> Result<(), String> {
        let line = String::from_utf8_lossy(&strings(arguments)?.concat()).into_owned();
        if let Some(count) = line.strip_prefix("A ") {
            let count = count.trim().parse().map_err(|_| format!("the child said {line:?}"))?;
            self.steps.push(Step::Acknowledged { count });
        }
        Ok(())
    }

    fn changed(
        &mut self,
        name: &str,
        arguments: &str,
        returned: usize,
        path: &Path,
        began: usize,
    ) -> Result<(), String> {
        let file = path.to_owned();
        let key = arguments.split('<').next().unwrap_or("").to_owned();
        let last_number = || {
            let last = arguments.rsplit(',').next().unwrap_or("").trim();
            last.parse::<usize>().map_err(|_| format!("{name}: what is {last:?}?"))
        };
        match name {
            "pwrite64" | "pwritev" => {
                let bytes = written(arguments, returned)?;
                let (at, synced) = (last_number()?, self.synchronous.contains(&key));
                self.steps.push(Step::Wrote { file, at, bytes, synced });
            }
            "write" | "writev" => {
                let synced = self.synchronous.contains(&key);
                let at = self.positions.entry(key).or_default();
                let bytes = written(arguments, returned)?;
                *at += bytes.len();
                let at = *at - bytes.len();
                self.steps.push(Step::Wrote { file, at, bytes, synced });
            }
            "lseek" => {
                self.positions.insert(key, returned);
            }
            "fallocate" => {
                // Space that reads as zeros until it is written.
                let bytes = vec![0; last_number()?];
                let before = arguments.rsplit(',').nth(1).unwrap_or("").trim();
                let at = before.parse().map_err(|_| format!("{name}: what is {before:?}?"))?;
                self.steps.push(Step::Wrote { file, at, bytes, synced: false });
            }
            "ftruncate" => self.steps.push(Step::Resized { file, size: last_number()? }),
            "fdatasync" | "fsync" if path == self.root => {
                self.steps.push(Step::SyncedDirectory { directory: file });
            }
            "fdatasync" | "fsync" => self.steps.push(Step::Synced { file, since: began }),
            _ => return Err(format!("a store's file was changed by {name}, unknown here")),
        }
        Ok(())
    }
}

/// `7</path>` as its number and path; the path may be written in hex.
fn descriptor_of(text: &str) -> Result<(i64, PathBuf), String> {
    let (number, rest) = text.split_once('<').unwrap_or((text, ""));
    let number = number.trim().parse().map_err(|_| format!("no descriptor: {text:?}"))?;
    let path = rest.rsplit_once('>').map_or("", |(path, _)| path);
    let path = String::from_utf8_lossy(&unescape(path)?).into_owned();
    Ok((number, PathBuf::from(path)))
}

/// Every quoted string among the arguments.
fn strings(arguments: &str) -> Result<Vec<Vec<u8>>, String> {
    arguments.split('"').skip(1).step_by(2).map(unescape).collect()
}

fn written(arguments: &str, count: usize) -> Result<Vec<u8>, String> {
    let mut bytes = strings(arguments)?.concat();
    if bytes.len() < count {
        return Err(format!("{count} bytes were written, {} were recorded", bytes.len()));
    }
    bytes.truncate(count);
    Ok(bytes)
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len() / 4);
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"\\x") {
            let digits = text.get(at + 2..at + 4).ok_or("half an escape")?;
            out.push(u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?);
            at += 4;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    Ok(out)
}

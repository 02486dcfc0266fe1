//! What strace wrote about a run, as steps.
//!
//! Not here: what a disk may hold of them (`trace`). Rule: a call that may change a file and is not
//! known here ends the reading.

use crate::calls::changes_files;
use crate::trace::Step;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Reads strace's output, one line a call; a call that another thread interrupted stands in two.
pub(crate) struct Reader {
    root: PathBuf,
    /// Which file a name leads to, and the files that were ever there.
    names: BTreeMap<PathBuf, PathBuf>,
    files: BTreeSet<PathBuf>,
    positions: BTreeMap<String, usize>,
    /// Descriptors whose writes return on the disk.
    synchronous: BTreeSet<String>,
    /// By thread: the first half of a call, and how many steps were complete when it began.
    halves: BTreeMap<String, (String, usize)>,
    steps: Vec<Step>,
}

impl Reader {
    /// A reader of what happens below `root`, where these files are.
    pub(crate) fn new<'a>(root: &Path, files: impl Iterator<Item = &'a PathBuf>) -> Reader {
        let files: BTreeSet<PathBuf> = files.cloned().collect();
        Reader {
            root: root.to_owned(),
            names: files.iter().map(|name| (name.clone(), name.clone())).collect(),
            files,
            positions: BTreeMap::new(),
            synchronous: BTreeSet::new(),
            halves: BTreeMap::new(),
            steps: Vec::new(),
        }
    }

    /// The steps, in the order in which they were complete.
    ///
    /// # Errors
    /// What is not known.
    pub(crate) fn read(mut self, text: &str) -> Result<Vec<Step>, String> {
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
            "rename" | "unlink" => return self.named(arguments),
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
        self.positions.remove(&number.to_string());
        let creates = arguments.contains("O_CREAT");
        if creates && path.starts_with(&self.root) && !self.names.contains_key(&path) {
            let mut file = path.clone();
            for number in 1.. {
                if self.files.insert(file.clone()) {
                    break;
                }
                file = PathBuf::from(format!("{}~{number}", path.display()));
            }
            self.names.insert(path.clone(), file.clone());
            self.steps.push(Step::Created { file, name: path });
        }
        Ok(())
    }

    /// A name that goes to another one, or away.
    fn named(&mut self, arguments: &str) -> Result<(), String> {
        let paths = strings(arguments)?;
        let mut paths = paths.iter().map(|path| PathBuf::from(&*String::from_utf8_lossy(path)));
        let from = paths.next().ok_or("a name is missing")?;
        let Some(file) = self.names.remove(&from) else { return Ok(()) };
        self.steps.push(match paths.next() {
            Some(to) => {
                self.names.insert(to.clone(), file.clone());
                Step::Renamed { file, from, to }
            }
            None => Step::Removed { name: from },
        });
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
        let file = self.names.get(path).cloned().unwrap_or_else(|| path.to_owned());
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
                self.steps.push(Step::SyncedDirectory { directory: path.to_owned() });
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

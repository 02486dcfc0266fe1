//! Every power cut: after each thing that was done to the disk, with what was not synced there or
//! not.
//!
//! A tape says what one thread did, a commit of the rows included. A crash state has all that was
//! synced, and of the rest all, nothing, or halves. After each, the store opens, everything with a
//! row is whole and right, nothing else is on the disk, and what was acknowledged is there.

use super::*;
use crate::blob::store::files::tape::Step;
use crate::planted;
use std::path::PathBuf;

/// A run that was written down.
struct Recorded {
    root: PathBuf,
    steps: Vec<Step>,
    rows: MemRows,
    said: Said,
    /// What is there once so many steps are done, and what is not.
    acknowledged: Vec<(usize, BlobId, Expected)>,
}

/// What must be known of a blob.
#[derive(Clone)]
enum Expected {
    There(Vec<u8>),
    Rotten,
    /// It may be gone.
    Any,
}

/// How much of what was not synced reaches the disk.
#[derive(Clone, Copy, Debug)]
struct Kept {
    names: bool,
    /// Of each write: all, nothing, or its first half.
    data: Data,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Data {
    All,
    Half,
    None,
}

/// Adds, adds again, gives up, collects, mends.
fn run() -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    std::fs::create_dir(&root).unwrap();
    let bench = Bench::new();
    let store = bench.open(&root);
    let mut acknowledged: Vec<(usize, BlobId, Expected)> = Vec::new();
    tape::start();
    let mut steps = Vec::new();
    let mut note = |id, expected| {
        steps.extend(tape::take());
        tape::start();
        acknowledged.push((steps.len(), id, expected));
    };
    for (size, said) in [(100, true), (20_000, true), (200_000, true), (150_000, false)] {
        let own = bytes(size, size as u64);
        let id = try_add(&store, &own, said.then_some(size as u64)).unwrap().id;
        note(id, Expected::There(own));
    }
    let twice = bytes(200_000, 200_000);
    add(&store, &twice);
    let mut draft = crate::blob::store::add::Draft::new(store.clone(), None).unwrap();
    draft.write(&bytes(90_000, 5)).unwrap();
    drop(draft);
    // Rot, found and mended.
    let (lost, number) = (bytes(150_000, 150_000), 2);
    note(BlobId::of(&lost), Expected::Rotten);
    let path = store.place.data(number);
    std::fs::remove_file(&path).unwrap();
    tape::push(|| Step::Removed(path.clone()));
    tape::push(|| Step::SyncedFolder(path.parent().unwrap().to_owned()));
    assert!(read_all(&store, BlobId::of(&lost)).is_err());
    add(&store, &lost);
    note(BlobId::of(&lost), Expected::There(lost));
    // Some are collected.
    bench.pass(1_000);
    for size in [100, 150_000] {
        bench.said.kept.lock().unwrap().insert(BlobId::of(&bytes(size, size as u64)));
    }
    let gone = [20_000, 200_000].map(|size| BlobId::of(&bytes(size, size as u64)));
    gone.into_iter().for_each(|id| note(id, Expected::Any));
    assert_eq!(store.collect(&|| true).unwrap().blobs, 2);
    let last = bytes(70_000, 9);
    let id = add(&store, &last).id;
    note(id, Expected::There(last));
    steps.extend(tape::take());
    Recorded { root, steps, rows: bench.rows, said: bench.said, acknowledged }
}

impl Recorded {
    /// What is wrong after a power cut at `cut`; none when nothing is.
    fn violation(&self, cut: usize, kept: Kept) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path(), cut, kept);
        let commits = self.steps[..cut].iter().rev().find_map(|step| match step {
            Step::Committed(count) => Some(*count),
            _ => None,
        });
        let bench = Bench {
            said: self.said.clone(),
            ..Bench::with(MemRows::of(self.rows.after(commits.unwrap_or(0))))
        };
        let store = match bench.try_open(folder.path()) {
            Ok(store) => store,
            Err(error) => return Some(format!("it does not open: {error}")),
        };
        let done = self.acknowledged.iter().filter(|(at, ..)| *at <= cut);
        let expected: BTreeMap<BlobId, &Expected> =
            done.map(|(_, id, expected)| (*id, expected)).collect();
        let is_rotten = expected.values().any(|own| matches!(own, Expected::Rotten));
        match store.verify_all(&|_| Ok(())) {
            // Rot is not made by the cut; whatever else is there is.
            Ok(report) if is_rotten && report.strays.is_empty() => {}
            _ => {
                if let Err(what) = check(&store) {
                    return Some(what);
                }
            }
        }
        for (id, own) in expected {
            let Expected::There(own) = own else { continue };
            match read_all(&store, id) {
                Ok(bytes) if bytes == *own => {}
                Ok(_) => return Some(format!("{id:?} has wrong bytes")),
                Err(error) => return Some(format!("{id:?}: {error}")),
            }
        }
        // And it goes on from there.
        let more = try_add(&store, &bytes(80_000, 1_000), None);
        more.err().map(|error| format!("nothing can be added: {error}"))
    }

    /// Makes `folder` what the disk holds then.
    fn write(&self, folder: &Path, cut: usize, kept: Kept) {
        let steps = &self.steps[..cut];
        let synced_at = |wanted: &dyn Fn(&Step) -> bool| steps.iter().rposition(wanted);
        let mut names: BTreeMap<&PathBuf, bool> = BTreeMap::new();
        for (index, step) in steps.iter().enumerate() {
            let (Step::Created(path) | Step::Removed(path)) = step else { continue };
            let own = path.parent().unwrap();
            let synced =
                synced_at(&|step| matches!(step, Step::SyncedFolder(folder) if folder == own));
            let is_sure = synced.is_some_and(|synced| synced > index);
            if is_sure || kept.names {
                names.insert(path, matches!(step, Step::Created(_)));
            }
        }
        for (path, _) in names.into_iter().filter(|(_, is_there)| *is_there) {
            let synced = synced_at(&|step| matches!(step, Step::Synced(file) if file == path));
            let mut content = Vec::new();
            for (index, step) in steps.iter().enumerate() {
                let Step::Wrote(file, at, own) = step else { continue };
                let data = match synced {
                    Some(synced) if synced > index => Data::All,
                    _ => kept.data,
                };
                let own = match data {
                    Data::All => &own[..],
                    Data::Half => &own[..own.len() / 2],
                    Data::None => &[],
                };
                if file == path && !own.is_empty() {
                    let end = *at as usize + own.len();
                    content.resize(content.len().max(end), 0);
                    content[*at as usize..end].copy_from_slice(own);
                }
            }
            let path = folder.join(path.strip_prefix(&self.root).unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }
}

/// The first violation of all power cuts of a run; the run has the chosen bug, and so has what
/// opens the store after it.
fn first_violation() -> Option<String> {
    let recorded = run();
    for cut in 0..=recorded.steps.len() {
        for names in [true, false] {
            for data in [Data::All, Data::Half, Data::None] {
                let kept = Kept { names, data };
                if let Some(what) = recorded.violation(cut, kept) {
                    return Some(format!(
                        "cut {cut} of {}, {kept:?}: {what}",
                        recorded.steps.len()
                    ));
                }
            }
        }
    }
    None
}

fn is_found(name: &str) {
    planted::choose(Some(name));
    let found = first_violation();
    planted::choose(None);
    println!("{name}: {found:?}");
    assert!(found.is_some(), "{name} was not found");
}

#[test]
fn any_power_cut_leaves_blobs_whole_or_absent() {
    assert_eq!(first_violation(), None);
}

#[test]
fn a_store_that_commits_too_early_or_forgets_too_early_is_caught() {
    is_found("row_before_sync");
    is_found("directory_not_synced");
    is_found("number_used_before_reserved");
    is_found("doomed_not_removed");
}

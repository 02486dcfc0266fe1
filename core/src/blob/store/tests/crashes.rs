//! Every power cut: after each thing that was done to the disk, with what was not synced there or
//! not; and each of them again while the store opens after that.
//!
//! A tape says what one thread did, a commit of the rows included. A crash state has all that was
//! synced. Of the rest it has, for the bytes of blobs, for their trees, and for names of either
//! kind, all, nothing, or of writes their first halves, each apart from the others. After each, the
//! store opens, everything with a row is whole and right, nothing else is on the disk, and what was
//! acknowledged is there. Not here: LMDB's own pages, which `it blobs` kills under.

use super::*;
use crate::blob::BlobSize;
use crate::blob::exchange::{JobNumber, PieceJob, ServeJob};
use crate::blob::store::files::tape::Step;
use crate::planted;
use std::path::PathBuf;

/// The files below the folder of a store.
type Image = BTreeMap<PathBuf, Vec<u8>>;

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

/// How much of what was not synced reaches the disk, of bytes and of trees.
#[derive(Clone, Copy, Debug)]
struct Kept {
    names: [bool; 2],
    writes: [Writes; 2],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Writes {
    All,
    Half,
    None,
}

impl Kept {
    fn each() -> Vec<Kept> {
        let (bools, writes) = ([true, false], [Writes::All, Writes::Half, Writes::None]);
        let mut each = Vec::new();
        for names in bools.map(|data| bools.map(|tree| [data, tree])).concat() {
            for writes in writes.map(|data| writes.map(|tree| [data, tree])).concat() {
                each.push(Kept { names, writes });
            }
        }
        each
    }
}

/// 0 for the bytes of a blob, 1 for its tree.
fn kind(path: &Path) -> usize {
    usize::from(path.extension().is_some_and(|extension| extension == "tree"))
}

/// What is fetched.
fn fetched() -> Vec<u8> {
    bytes(300_000, 77)
}

/// Its pieces, as another store gives them.
fn pieces() -> Vec<PieceJob> {
    let folder = tempfile::tempdir().unwrap();
    let (store, own) = (Bench::new().open(folder.path()), fetched());
    let (id, size) = (add(&store, &own).id, BlobSize::new(own.len() as u64).unwrap());
    let piece = |group| {
        let job = JobNumber::new(1);
        let frame = store.give(&ServeJob { job, transfer: 1, id, size, group }).unwrap();
        let piece = frame.slice(frame.len() - size.piece_bytes(group)..);
        PieceJob { job, id, size, group, piece }
    };
    size.all().iter().map(piece).collect()
}

/// Adds, adds again, gives up, fetches, collects, mends.
fn run() -> Recorded {
    let pieces = pieces();
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
    // Some groups, a step, and the others.
    let (first, rest) = pieces.split_at(2);
    first.iter().for_each(|piece| assert!(store.take(piece).is_ok()));
    while store.settle_parts() {}
    rest.iter().rev().for_each(|piece| assert!(store.take(piece).is_ok()));
    note(pieces[0].id, Expected::There(fetched()));
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
    bench.said.kept.lock().unwrap().insert(BlobId::of(&fetched()));
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
    /// What is wrong after power cuts at `cut`; none when nothing is.
    fn violation(&self, cut: usize, tried: &mut BTreeSet<(usize, [u8; 32])>) -> Option<String> {
        let is_commit = |step: &Step| match step {
            Step::Committed(count) => Some(*count),
            _ => None,
        };
        let commits = self.steps[..cut].iter().rev().find_map(is_commit).unwrap_or(0);
        let known = self.acknowledged.iter().filter(|(at, ..)| *at <= cut).count();
        let done = self.acknowledged[..known].iter();
        let expected: BTreeMap<BlobId, &Expected> =
            done.map(|(_, id, expected)| (*id, expected)).collect();
        for kept in Kept::each() {
            let image = image(&Image::new(), &self.root, &self.steps[..cut], kept);
            if !tried.insert((commits + 1_000 * known, hash(&image))) {
                continue;
            }
            let place = format!("cut {cut} of {}, {kept:?}", self.steps.len());
            let rows = self.rows.after(commits);
            let opened = self.open(&image, &rows, &expected);
            let (root, steps, later) = match opened {
                Ok(opened) => opened,
                Err(what) => return Some(format!("{place}: {what}")),
            };
            for again in 1..steps.len() {
                let is_over = steps[..again].iter().any(|step| is_commit(step).is_some());
                let rows = if is_over { &later } else { &rows };
                for names in [true, false] {
                    let kept = Kept { names: [names; 2], writes: [Writes::All; 2] };
                    let image = self::image(&image, &root, &steps[..again], kept);
                    if let Err(what) = self.open(&image, rows, &expected) {
                        let place = format!("{place}, then {again} of its opening, {names}");
                        return Some(format!("{place}: {what}"));
                    }
                }
            }
        }
        None
    }

    /// Opens what a power cut has left, and looks whether all is as it must be; where that was,
    /// what the opening did, and the rows after it.
    fn open(
        &self,
        image: &Image,
        rows: &RowMap,
        expected: &BTreeMap<BlobId, &Expected>,
    ) -> std::result::Result<(PathBuf, Vec<Step>, RowMap), String> {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in image {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let bench = Bench { said: self.said.clone(), ..Bench::with(MemRows::of(rows.clone())) };
        tape::start();
        let opened = bench.try_open(folder.path());
        let steps = tape::take();
        let store = opened.map_err(|error| format!("it does not open: {error}"))?;
        let later = bench.rows.map();
        let is_part = has_what_it_says(&store)?;
        let is_rotten = expected.values().any(|own| matches!(own, Expected::Rotten));
        match store.verify_all(&|_| Ok(())) {
            // Rot is not made by the cut; whatever else is there is.
            Ok(report) if is_rotten && report.strays.is_empty() => {}
            Ok(report) if is_part && report.strays.is_empty() && report.damaged.len() == 1 => {}
            _ => check(&store)?,
        }
        for (id, own) in expected {
            let Expected::There(own) = own else { continue };
            match read_all(&store, *id) {
                Ok(bytes) if bytes == *own => {}
                Ok(_) => return Err(format!("{id:?} has wrong bytes")),
                Err(error) => return Err(format!("{id:?}: {error}")),
            }
        }
        // And it goes on from there.
        let more = try_add(&store, &bytes(80_000, 1_000), None);
        more.map_err(|error| format!("nothing can be added: {error}"))?;
        Ok((folder.path().to_owned(), steps, later))
    }
}

/// Whether what is fetched is a part, of which everything that its pages speak of is there.
fn has_what_it_says(store: &Arc<Store>) -> std::result::Result<bool, String> {
    let (own, told) = (fetched(), |error: Error| error.to_string());
    let id = BlobId::of(&own);
    let Some(held) = store.held(&id).map_err(told)? else { return Ok(false) };
    let opened = store.open_blob(id).map_err(told);
    for group in held.size.all().iter().filter(|group| held.groups.contains(*group)) {
        let at = group.start();
        let read = opened.as_ref().map_err(String::clone)?.read_at(at, 65_536).map_err(told)?;
        if !own[at as usize..].starts_with(&read) {
            return Err(format!("group {group} of what is fetched has wrong bytes"));
        }
    }
    Ok(!held.groups.is_full())
}

/// What the disk holds after these steps below `root`, of a disk that held `before`.
fn image(before: &Image, root: &Path, steps: &[Step], kept: Kept) -> Image {
    let synced_at = |wanted: &dyn Fn(&Step) -> bool| steps.iter().rposition(wanted);
    let mut names: BTreeMap<PathBuf, bool> = BTreeMap::new();
    names.extend(before.keys().map(|path| (root.join(path), true)));
    for (index, step) in steps.iter().enumerate() {
        let (Step::Created(path) | Step::Removed(path)) = step else { continue };
        let own = path.parent().unwrap();
        let synced = synced_at(&|step| matches!(step, Step::SyncedFolder(folder) if folder == own));
        let is_kept = match path.extension() {
            Some(_) => kept.names[kind(path)],
            // The name of a folder.
            None => kept.names.contains(&true),
        };
        if is_kept || synced.is_some_and(|synced| synced > index) {
            names.insert(path.clone(), matches!(step, Step::Created(_)));
        }
    }
    let is_new = |folder: &Path| {
        steps.iter().any(|step| matches!(step, Step::Created(path) if path == folder))
    };
    let is_lost = |folder: &Path| is_new(folder) && !names.contains_key(folder);
    let mut image = Image::new();
    for (path, _) in
        names.iter().filter(|(path, is_there)| **is_there && path.extension().is_some())
    {
        if path.ancestors().skip(1).take(2).any(is_lost) {
            continue;
        }
        let own = path.strip_prefix(root).unwrap();
        let mut content = before.get(own).cloned().unwrap_or_default();
        let synced = synced_at(&|step| matches!(step, Step::Synced(file) if file == path));
        for (index, step) in steps.iter().enumerate() {
            let Step::Wrote(file, at, own) = step else { continue };
            let writes = match synced {
                Some(synced) if synced > index => Writes::All,
                _ => kept.writes[kind(path)],
            };
            let own = match writes {
                Writes::All => &own[..],
                Writes::Half => &own[..own.len() / 2],
                Writes::None => &[],
            };
            if file == path && !own.is_empty() {
                let end = *at as usize + own.len();
                content.resize(content.len().max(end), 0);
                content[*at as usize..end].copy_from_slice(own);
            }
        }
        image.insert(own.to_owned(), content);
    }
    image
}

fn hash(image: &Image) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for (path, content) in image {
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(&(content.len() as u64).to_le_bytes());
        hasher.update(content);
    }
    hasher.finalize().into()
}

/// The first violation of all power cuts of a run; the run has the chosen bug, and so has what
/// opens the store after it.
fn first_violation() -> Option<String> {
    let (recorded, mut tried) = (run(), BTreeSet::new());
    let found = (0..=recorded.steps.len()).find_map(|cut| recorded.violation(cut, &mut tried));
    println!("{} steps, {} states", recorded.steps.len(), tried.len());
    found
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
    is_found("pages_before_data");
}

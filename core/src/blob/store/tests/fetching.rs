//! Groups that come from peers, and those that go to them.

use super::*;
use crate::blob::exchange::{Held, JobNumber, PieceFault, PieceJob, ServeFault, ServeJob};
use crate::blob::limits::{GROUP_BYTES, SYNC_STEP_BYTES};
use crate::blob::store::part::Took;
use crate::blob::{BlobSize, GroupIndex};
use bytes::Bytes;

const GROUP: usize = GROUP_BYTES;

fn sized(bytes: usize) -> BlobSize {
    BlobSize::new(bytes as u64).unwrap()
}

fn group(number: u32) -> GroupIndex {
    GroupIndex::new(number.into()).unwrap()
}

fn serve_job(id: BlobId, size: BlobSize, group: GroupIndex) -> ServeJob {
    ServeJob { job: JobNumber::new(1), transfer: 1, id, size, group }
}

/// The piece of a group, as a store gives it to a peer.
fn piece(from: &Arc<Store>, id: BlobId, size: BlobSize, group: GroupIndex) -> PieceJob {
    let frame = from.give(&serve_job(id, size, group)).unwrap();
    let piece = frame.slice(frame.len() - size.piece_bytes(group)..);
    PieceJob { job: JobNumber::new(1), id, size, group, piece }
}

fn take(from: &Arc<Store>, to: &Arc<Store>, id: BlobId, size: BlobSize, number: u32) -> Took {
    to.take(&piece(from, id, size, group(number))).unwrap()
}

fn held(store: &Arc<Store>, id: BlobId) -> Held {
    store.held(&id).unwrap().unwrap()
}

/// Two stores, the first of which has a blob of this size.
struct Two {
    folders: [tempfile::TempDir; 2],
    benches: [Bench; 2],
    from: Arc<Store>,
    to: Arc<Store>,
    own: Vec<u8>,
    id: BlobId,
    size: BlobSize,
}

fn two(bytes_of: usize) -> Two {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let benches = [Bench::new(), Bench::new()];
    let [from, to] = [0, 1].map(|index| benches[index].open(folders[index].path()));
    let own = bytes(bytes_of, 1);
    let id = add(&from, &own).id;
    Two { folders, benches, from, to, own, id, size: sized(bytes_of) }
}

#[test]
fn a_blob_of_any_size_is_whole_once_all_its_groups_came_in_any_order() {
    for size in [0, 1, 16_384, 16_385, GROUP, GROUP + 1, 5 * GROUP, 9 * GROUP + 7] {
        let two = two(size);
        let groups = two.size.groups();
        // From the last one on, and the first half before the second.
        let order = (0..groups).map(|at| (groups - 1 - at).wrapping_mul(3) % groups);
        let mut order: Vec<u32> = order.collect();
        order.extend(0..groups);
        let mut seen = std::collections::BTreeSet::new();
        for number in order.into_iter().filter(|number| seen.insert(*number)) {
            assert_eq!(take(&two.from, &two.to, two.id, two.size, number), Took::Written);
        }
        assert!(held(&two.to, two.id).is_whole(), "{size}");
        assert!(!two.to.is_moving(&two.id));
        assert_eq!(read_all(&two.to, two.id).unwrap(), two.own);
        check(&two.to).unwrap();
        assert_eq!(take(&two.from, &two.to, two.id, two.size, 0), Took::NotNeeded);
        // And it gives it on.
        let last = two.size.last_group();
        let twice = [&two.from, &two.to].map(|store| piece(store, two.id, two.size, last));
        assert_eq!(twice[0], twice[1]);
    }
}

#[test]
fn what_is_missing_of_a_part_is_not_here_and_not_damaged() {
    let two = two(3 * GROUP + 5);
    take(&two.from, &two.to, two.id, two.size, 1);
    let before = held(&two.to, two.id);
    for settled in [false, true] {
        if settled {
            while two.to.settle_parts() {}
        }
        let opened = two.to.open_blob(two.id).unwrap();
        let read = opened.read_at(GROUP as u64, GROUP).unwrap();
        assert_eq!(read, two.own[GROUP..2 * GROUP], "readable at once");
        let error = opened.read_at(0, 9).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, Some("blob_not_here")));
        let gone = two.to.give(&serve_job(two.id, two.size, group(0)));
        assert_eq!(gone, Err(ServeFault::Gone));
        let after = held(&two.to, two.id);
        assert_eq!((after.groups, after.size), (before.groups.clone(), before.size));
        assert_eq!(after.is_durable, settled, "a step, and then it is");
    }
    // What it has, it gives.
    assert_eq!(piece(&two.to, two.id, two.size, group(1)).group, group(1));
    // One reader that was open before reads what came after.
    let opened = two.to.open_blob(two.id).unwrap();
    take(&two.from, &two.to, two.id, two.size, 0);
    assert_eq!(opened.read_at(0, 9).unwrap(), two.own[..9]);
}

#[test]
fn an_ask_under_another_size_is_told_so_and_nothing_is_damaged() {
    let two = two(3 * GROUP + 5);
    for number in [0, 3] {
        take(&two.from, &two.to, two.id, two.size, number);
    }
    for store in [&two.from, &two.to] {
        let before = held(store, two.id);
        let other = serve_job(two.id, sized(3 * GROUP), group(0));
        assert_eq!(store.give(&other), Err(ServeFault::OtherSize));
        assert_eq!(held(store, two.id), before);
    }
    let unknown = serve_job(BlobId::of(b"no"), two.size, group(0));
    assert_eq!(two.from.give(&unknown), Err(ServeFault::Gone));
}

#[test]
fn what_is_written_and_not_durable_is_held_and_lost_with_a_crash() {
    let two = two(4 * GROUP);
    let open = |store: &Arc<Store>| (held(store, two.id).groups.count(), store.is_moving(&two.id));
    take(&two.from, &two.to, two.id, two.size, 0);
    while two.to.settle_parts() {}
    take(&two.from, &two.to, two.id, two.size, 2);
    assert_eq!(open(&two.to), (2, true));
    assert!(!held(&two.to, two.id).is_durable);
    // Killed: the rows are what there is.
    let again = two.benches[1].open(two.folders[1].path());
    assert_eq!(open(&again), (1, false));
    for number in 1..4 {
        take(&two.from, &again, two.id, two.size, number);
    }
    assert!(held(&again, two.id).is_whole());
    assert_eq!(read_all(&again, two.id).unwrap(), two.own);
    check(&again).unwrap();
}

#[test]
fn a_step_is_made_each_eight_mebibytes() {
    let groups = SYNC_STEP_BYTES as usize / GROUP + 3;
    let two = two(groups * GROUP);
    for number in 0..groups as u32 - 1 {
        take(&two.from, &two.to, two.id, two.size, number);
    }
    let again = two.benches[1].open(two.folders[1].path());
    let step = (SYNC_STEP_BYTES as usize / GROUP) as u32;
    assert_eq!(held(&again, two.id).groups.count(), step, "the rest is fetched again");
}

#[test]
fn a_whole_blob_whose_files_are_missing_or_cut_off_is_nothing_until_it_is_fetched_again() {
    for cut in [None, Some(10)] {
        let two = two(3 * GROUP);
        (0..3).for_each(|number| {
            assert_ne!(take(&two.from, &two.to, two.id, two.size, number), Took::NotNeeded)
        });
        let number = two.to.look(&two.id).unwrap().unwrap().number().unwrap();
        let path = two.to.place.data(number);
        match cut {
            None => std::fs::remove_file(&path).unwrap(),
            Some(bytes) => {
                let file = crate::blob::store::files::BlobFile::open_to_write(path);
                file.unwrap().unwrap().set_len(bytes).unwrap();
            }
        }
        let left = held(&two.to, two.id);
        assert!(!left.is_whole() && left.groups.is_empty() && left.is_proven);
        (0..3).for_each(|number| {
            assert_ne!(take(&two.from, &two.to, two.id, two.size, number), Took::NotNeeded)
        });
        assert_eq!(read_all(&two.to, two.id).unwrap(), two.own);
        check(&two.to).unwrap();
    }
}

#[test]
fn a_damaged_group_is_fetched_again_and_the_blob_is_whole() {
    let two = two(5 * GROUP);
    (0..5).for_each(|number| {
        assert_ne!(take(&two.from, &two.to, two.id, two.size, number), Took::NotNeeded)
    });
    let number = two.to.look(&two.id).unwrap().unwrap().number().unwrap();
    let file = crate::blob::store::files::BlobFile::open_to_write(two.to.place.data(number));
    file.unwrap().unwrap().write_at(b"rot", 2 * GROUP as u64 + 9).unwrap();
    let fault = two.to.give(&serve_job(two.id, two.size, group(2)));
    assert_eq!(fault, Err(ServeFault::Damaged));
    let left = held(&two.to, two.id);
    assert_eq!((left.groups.count(), left.groups.contains(group(2))), (4, false));
    assert_eq!(take(&two.from, &two.to, two.id, two.size, 2), Took::Written);
    assert_eq!(read_all(&two.to, two.id).unwrap(), two.own);
    check(&two.to).unwrap();
}

#[test]
fn a_forged_piece_leaves_nothing() {
    let two = two(3 * GROUP);
    let mut forged = piece(&two.from, two.id, two.size, group(1));
    let mut bytes = forged.piece.to_vec();
    bytes[GROUP / 2] ^= 1;
    forged.piece = Bytes::from(bytes);
    assert_eq!(two.to.take(&forged), Err(PieceFault::Forged));
    let short = PieceJob { piece: forged.piece.slice(1..), ..forged };
    assert_eq!(two.to.take(&short), Err(PieceFault::Forged));
    assert_eq!((two.to.held(&two.id).unwrap(), files(two.folders[1].path())), (None, 0));
    assert_eq!(two.to.counters().bytes, 0);
}

#[test]
fn a_part_begins_anew_under_the_size_that_is_proven() {
    // Under a size that is a lie a group may verify: that of the same left subtree.
    let two = two(6 * GROUP);
    let lie = sized(5 * GROUP + 9);
    let first = piece(&two.from, two.id, two.size, group(0));
    let claimed = PieceJob { size: lie, ..first.clone() };
    assert_eq!(first.piece.len(), lie.piece_bytes(group(0)));
    assert_eq!(two.to.take(&claimed), Ok(Took::Written), "nothing proves the size yet");
    assert!(!held(&two.to, two.id).is_proven);
    // Another size counts once its last group has come.
    assert_eq!(take(&two.from, &two.to, two.id, two.size, 1), Took::NotNeeded);
    assert_eq!(held(&two.to, two.id).size, lie);
    assert_eq!(take(&two.from, &two.to, two.id, two.size, 5), Took::Written);
    let now = held(&two.to, two.id);
    assert_eq!((now.size, now.is_proven, now.groups.count()), (two.size, true, 1));
    assert_eq!(two.to.take(&claimed), Ok(Took::NotNeeded));
    (0..5).for_each(|number| {
        assert_ne!(take(&two.from, &two.to, two.id, two.size, number), Took::NotNeeded)
    });
    assert_eq!(read_all(&two.to, two.id).unwrap(), two.own);
    check(&two.to).unwrap();
    assert_eq!(files(two.folders[1].path()), 2, "what it began with is gone");
}

#[test]
fn a_fetch_that_finds_no_room_says_so_and_goes_on_when_there_is_some() {
    let folder = tempfile::tempdir().unwrap();
    let two = two(4 * GROUP);
    let mut bench = Bench::new();
    bench.options.bytes_max = Some(2 * GROUP as u64 + 100);
    let to = bench.open(folder.path());
    for number in 0..2 {
        take(&two.from, &to, two.id, two.size, number);
    }
    let third = piece(&two.from, two.id, two.size, group(2));
    assert_eq!(to.take(&third), Err(PieceFault::Full));
    while to.settle_parts() {}
    assert_eq!(held(&to, two.id).groups.count(), 2, "what it has stays");
    assert_eq!(to.take(&third), Err(PieceFault::Full), "also once it is counted by its row");
    to.leave();
    drop(to);
    bench.options.bytes_max = None;
    let to = bench.open(folder.path());
    for number in 2..4 {
        take(&two.from, &to, two.id, two.size, number);
    }
    assert_eq!(read_all(&to, two.id).unwrap(), two.own);
    check(&to).unwrap();
}

#[test]
fn whoever_adds_what_is_being_fetched_has_it_at_once() {
    let two = two(4 * GROUP);
    take(&two.from, &two.to, two.id, two.size, 3);
    add(&two.to, &two.own);
    assert!(held(&two.to, two.id).is_whole() && !two.to.is_moving(&two.id));
    assert_eq!(take(&two.from, &two.to, two.id, two.size, 0), Took::NotNeeded);
    while two.to.settle_parts() {}
    assert_eq!(read_all(&two.to, two.id).unwrap(), two.own);
    check(&two.to).unwrap();
}

#[test]
fn what_is_being_fetched_is_not_collected() {
    let two = two(4 * GROUP);
    take(&two.from, &two.to, two.id, two.size, 0);
    two.benches[1].pass(1_000);
    assert_eq!(two.to.collect(&|| true).unwrap().blobs, 0);
    while two.to.settle_parts() {}
    assert_eq!(two.to.collect(&|| true).unwrap().blobs, 1, "nobody fetches it any more");
    assert_eq!((two.to.held(&two.id).unwrap(), files(two.folders[1].path())), (None, 0));
    assert_eq!(take(&two.from, &two.to, two.id, two.size, 0), Took::Written);
}

#[test]
fn changes_of_what_is_held_are_told() {
    let two = two(2 * GROUP);
    let told = Arc::new(AtomicU32::new(0));
    let count = told.clone();
    two.to.on_change(Box::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    let tells = |what: &str| assert!(told.swap(0, Ordering::SeqCst) > 0, "{what}");
    take(&two.from, &two.to, two.id, two.size, 0);
    two.to.settle_parts();
    tells("a step");
    take(&two.from, &two.to, two.id, two.size, 1);
    tells("the last step");
    add(&two.to, &bytes(9, 9));
    tells("an add");
    two.benches[1].pass(1_000);
    two.to.collect(&|| true).unwrap();
    tells("a collection");
}

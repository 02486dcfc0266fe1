//! Events that refer to blobs, and what that keeps.

use crate::blob::reference::blob_tag;
use crate::event::cbor::Value;
use crate::event::{AppId, NewEvent, Payload, SwarmSecret, TagSet};
use crate::query::Query;
use crate::{
    About, BlobId, BlobOptions, BlobRef, Durability, ErrorKind, Node, NodeOptions, PublishOptions,
    QueryOptions, StorageOptions,
};
use std::path::Path;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);

fn open(path: &Path) -> Node {
    let blobs = BlobOptions {
        free_bytes_min: Some(0),
        collect_grace: Duration::ZERO,
        ..BlobOptions::default()
    };
    Node::open(NodeOptions {
        path: path.to_owned(),
        app_id: AppId::parse("com.example.mill").unwrap(),
        swarm: SwarmSecret::from_bytes([9; 32]),
        former_secrets: Vec::new(),
        network: None,
        storage: StorageOptions { blobs, ..StorageOptions::default() },
    })
    .unwrap()
}

fn event(blobs: &[BlobRef]) -> NewEvent {
    let tags = TagSet::new(["kind:defect"]).unwrap();
    let payload = Payload::from_value(&Value::Null).unwrap();
    NewEvent { tags, payload }.with_blobs(blobs).unwrap()
}

fn publish(node: &Node, blobs: &[BlobRef]) -> crate::Result<()> {
    node.publish(vec![event(blobs)], PublishOptions::default()).wait().map(drop)
}

fn add(node: &Node, size: usize, seed: u8) -> BlobRef {
    let about = About { media_type: "image/jpeg".into(), name: "a.jpg".into(), ..About::default() };
    node.blobs().add_bytes(vec![seed; size], about).wait().unwrap()
}

#[test]
fn an_event_refers_to_blobs_that_are_here_and_to_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let node = open(folder.path());
    let mut blobs = vec![add(&node, 100_000, 1), add(&node, 100, 2)];
    publish(&node, &blobs).unwrap();
    blobs.sort_by_key(|blob| blob.id);
    let all = Query::parse("FROM 'kind:defect'").unwrap();
    let held = || node.query(&all, QueryOptions::default()).unwrap().next_batch(99).unwrap();
    assert_eq!(held().iter().map(|event| event.blobs()).collect::<Vec<_>>(), [blobs.clone()]);
    let one = Query::parse(&format!("FROM '{}'", blob_tag(&blobs[0].id))).unwrap();
    let found = node.query(&one, QueryOptions::default()).unwrap().next_batch(99).unwrap();
    assert_eq!(found.len(), 1, "it is found by what it refers to");
    let missing = BlobRef { id: BlobId::of(b"no"), ..blobs[0].clone() };
    let error = publish(&node, &[blobs[0].clone(), missing]).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, Some("blob_not_here")));
    // One whose files are gone is not here, but an event that is held refers to it: so what others
    // published can be published again.
    std::fs::remove_dir_all(folder.path().join("blobs")).unwrap();
    publish(&node, &blobs).unwrap();
    assert_eq!(held().len(), 2, "nothing was stored of what was refused");
    let tags = TagSet::new(["millpond:pin:a"]).unwrap();
    let refused = node.publish(vec![NewEvent { tags, ..event(&[]) }], PublishOptions::default());
    assert_eq!(refused.wait().unwrap_err().reason(), Some("reserved_tag"));
    node.close(DEADLINE).unwrap();
}

#[test]
fn a_blob_stays_while_an_event_that_refers_to_it_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let node = open(folder.path());
    let kept = [add(&node, 100_000, 1), add(&node, 100, 2), add(&node, 100_000, 3)];
    let free = [add(&node, 100_000, 4), add(&node, 100, 5)];
    publish(&node, &kept[..1]).unwrap();
    publish(&node, &kept[1..2]).unwrap();
    let early = PublishOptions { durability: Durability::Process, ..PublishOptions::default() };
    node.publish(vec![event(&kept[2..])], early).wait().unwrap();
    let collected = node.blobs().collect().finish().wait().unwrap();
    assert_eq!((collected.blobs, collected.bytes), (2, 100_100));
    assert!(free.iter().all(|blob| !node.blobs().has(&blob.id).unwrap()));
    for _ in 0..2 {
        for blob in &kept {
            let bytes = node.blobs().get(blob.id, 1 << 20).wait().unwrap();
            assert_eq!(BlobId::of(&bytes), blob.id);
        }
        assert_eq!(node.blobs().collect().finish().wait().unwrap().blobs, 0);
    }
    node.close(DEADLINE).unwrap();
    let node = open(folder.path());
    assert_eq!(node.blobs().collect().finish().wait().unwrap().blobs, 0);
    let verified = node.blobs().verify(None).finish().wait().unwrap();
    assert_eq!((verified.whole, verified.strays, verified.damaged.len()), (3, 0, 0));
    node.close(DEADLINE).unwrap();
}

#[test]
fn what_was_published_with_a_blob_has_it_however_often_is_collected_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let node = open(folder.path());
    let (mut kept, mut refused) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for round in 0..60 {
                let size = if round % 2 == 0 { 20_000 } else { 50 };
                let blob = add(&node, size + usize::from(round), round);
                match publish(&node, std::slice::from_ref(&blob)) {
                    Ok(()) => kept.push(blob.id),
                    // It was collected before its event came.
                    Err(error) => {
                        assert_eq!(error.reason(), Some("blob_not_here"), "{error}");
                        refused += 1;
                    }
                }
            }
        });
        while !publisher.is_finished() {
            node.blobs().collect().finish().wait().unwrap();
        }
    });
    println!("{} published, {refused} refused", kept.len());
    for id in kept {
        assert_eq!(BlobId::of(&node.blobs().get(id, 1 << 20).wait().unwrap()), id);
    }
    let verified = node.blobs().verify(None).finish().wait().unwrap();
    assert_eq!((verified.strays, verified.damaged.len()), (0, 0));
    node.close(DEADLINE).unwrap();
}

//! What the tests of fish and of accounts share.
#![allow(dead_code)] // Not every test needs all of it.

use millpond_facade::{Closed, Draft, NodeHandle, OpenOptions, PublishOptions, Result, Wait};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

/// What takes longer hangs, also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);

pub(crate) fn soon() -> Wait<'static> {
    Wait::timeout(SOON)
}

/// A node on the loopback, in a folder of its own.
pub(crate) fn networked(folder: &tempfile::TempDir, name: &str) -> NodeHandle {
    let options = OpenOptions {
        path: folder.path().join(name),
        app_id: "facade-test".into(),
        swarm: Some("07".repeat(32)),
        bind: Some(vec!["127.0.0.1:0".into()]),
        discovery: Some(false),
        ..OpenOptions::default()
    };
    NodeHandle::open(options, &Wait::forever()).unwrap()
}

/// A node without a network in a folder of its own.
pub(crate) struct Mill {
    pub(crate) node: NodeHandle,
    _folder: tempfile::TempDir,
}

impl Mill {
    pub(crate) fn open() -> Mill {
        let folder = tempfile::tempdir().unwrap();
        let node = open_at(folder.path().join("store"));
        Mill { node, _folder: folder }
    }

    /// Another handle of the same node.
    pub(crate) fn another(&self) -> NodeHandle {
        open_at(self.node.path().unwrap())
    }

    /// Publishes events with the tag `grain` and these payloads.
    pub(crate) fn publish_json(&self, payloads: &[&str]) {
        let draft = |payload: &&str| Draft::from_json(["grain"], payload).unwrap();
        let drafts = payloads.iter().map(draft).collect();
        self.node.publish(drafts, PublishOptions::default(), &soon()).unwrap();
    }

    pub(crate) fn close(&self) {
        assert_eq!(self.node.close(&Wait::forever()), Ok(Closed::Now));
    }
}

fn open_at(path: PathBuf) -> NodeHandle {
    let options = OpenOptions {
        path,
        app_id: "facade-test".into(),
        swarm: Some("07".repeat(32)),
        network: Some(false),
        ..OpenOptions::default()
    };
    NodeHandle::open(options, &Wait::forever()).unwrap()
}

pub(crate) fn receiver<T: Send + 'static>()
-> (impl FnOnce(Result<T>) + Send, mpsc::Receiver<Result<T>>) {
    let (send, receive) = mpsc::channel();
    (move |result| drop(send.send(result)), receive)
}

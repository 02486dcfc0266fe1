//! Stores for the targets that change their files.

use millpond::event::{AppId, NodeKey, SwarmSecret, WallTime};
use millpond::log::{AppendOptions, LogOptions};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of this process.
pub(super) fn work_directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("millpond-fuzz-{}-{name}", std::process::id()));
    fs::create_dir_all(&path).expect("room on the disk");
    path
}

/// Always the same node at the same time.
pub(super) fn options(path: &Path) -> LogOptions {
    let swarm = SwarmSecret::from_bytes([9; 32]).swarm_id();
    let clock = Arc::new(|| WallTime::from_micros(1_000));
    let mut options = LogOptions::new(path, swarm, [1; 32], clock);
    options.node_key = Some(NodeKey::from_seed(&[1; 32]));
    options
}

pub(super) fn app() -> AppendOptions {
    AppendOptions::new(AppId::parse("fuzz").expect("plain"))
}

/// Flips bits: two bytes of position, little end first, and a mask, again and again.
pub(super) fn change(bytes: &mut [u8], changes: &[u8]) {
    for change in changes.chunks_exact(3) {
        let position = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[position] ^= change[2];
    }
}

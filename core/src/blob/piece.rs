//! Hashing, verifying and encoding of groups. The only file that names `bao_tree`.
//!
//! A piece is the answer of bao to a request for one group: the hash pairs from the root down to
//! it, 64 bytes each, then its bytes. The tree of a blob is its hash pairs in post order.
//! Rule: lengths are compared with what the size says before anything is hashed or allocated.

use crate::blob::id::BlobId;
use crate::blob::limits::{GROUP_BYTES, PAIR_BYTES};
use crate::blob::size::{BlobSize, GroupIndex};
use crate::error::{Error, Result};
use bao_tree::blake3::Hash;
use bao_tree::io::sync::{
    DecodeResponseIter, Outboard, ReadAt, encode_ranges_validated, outboard_post_order,
};
use bao_tree::io::{BaoContentItem, EncodeError};
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges, TreeNode};
use bytes::Bytes;
use std::io::{self, Read, Write};

const BLOCK: BlockSize = BlockSize::from_chunk_log(6);
const CHUNKS_PER_GROUP: u64 = 64;

/// One group that has verified: nothing else is known of the blob by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which group.
    pub group: GroupIndex,
    /// The hash pairs from the root down to it, each with its byte position in the tree.
    pub pairs: Vec<(u64, [u8; PAIR_BYTES])>,
    /// The bytes of the group.
    pub bytes: Bytes,
}

/// Why bytes are no piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongPiece {
    /// They are not as many as the size says, or the blob does not have the group.
    Length,
    /// A hash does not hold: under this size they belong to another blob.
    Forged,
}

/// Why a piece could not be made from what is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadFault {
    /// What is kept is not the blob: a hash does not hold, or bytes are missing.
    Damaged,
    /// Reading failed.
    Failed(Error),
}

/// Bytes that can be read at any position: a file, a slice.
pub trait BytesAt {
    /// Reads bytes at `position` into `buffer` and says how many; 0 only at the end.
    ///
    /// # Errors
    /// What reading failed with.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize>;
}

impl BytesAt for [u8] {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize> {
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(self.len());
        let count = buffer.len().min(self.len() - start);
        buffer[..count].copy_from_slice(&self[start..start + count]);
        Ok(count)
    }
}

/// Checks that `bytes` are the piece of `group` of the blob `id` of this size.
///
/// Whoever made them, nothing else is believed. With the last group the size is proven.
///
/// # Errors
/// See [`WrongPiece`].
pub fn verify(
    id: &BlobId,
    size: BlobSize,
    group: GroupIndex,
    bytes: &[u8],
) -> std::result::Result<Piece, WrongPiece> {
    if !size.has(group) || bytes.len() != size.piece_bytes(group) {
        return Err(WrongPiece::Length);
    }
    let tree = tree(size);
    let ranges = chunks(group);
    let mut pairs = Vec::with_capacity(size.pairs(group));
    for item in DecodeResponseIter::new(hash(id), tree, bytes, &ranges) {
        match item {
            // The length was right, so whatever ends the decoding is a hash that does not hold.
            Err(_) => return Err(WrongPiece::Forged),
            Ok(BaoContentItem::Parent(parent)) => {
                pairs.push((position(&tree, parent.node), join(&parent.pair)));
            }
            Ok(BaoContentItem::Leaf(leaf)) => {
                let (start, count) = (leaf.offset, leaf.data.len());
                assert!(start == group.start() && count == size.group_bytes(group), "one leaf");
                return Ok(Piece { group, pairs, bytes: leaf.data });
            }
        }
    }
    Err(WrongPiece::Length)
}

/// Appends the piece of `group` to `out`, made from a blob's bytes and its tree, each read at any
/// position. Everything is verified before it is appended; of a part, only what leads to the group
/// needs to be there. Appends `BlobSize::piece_bytes` bytes.
///
/// # Errors
/// See [`ReadFault`]; `out` may then hold the beginning of the piece.
pub fn encode(
    id: &BlobId,
    size: BlobSize,
    group: GroupIndex,
    (data, pairs): (&(impl BytesAt + ?Sized), &(impl BytesAt + ?Sized)),
    out: &mut Vec<u8>,
) -> std::result::Result<(), ReadFault> {
    if !size.has(group) {
        return Err(ReadFault::Damaged);
    }
    out.reserve(size.piece_bytes(group));
    let before = out.len();
    let kept = Kept { root: hash(id), tree: tree(size), pairs };
    encode_ranges_validated(Data(data), kept, &chunks(group), &mut *out).map_err(read_fault)?;
    assert_eq!(out.len() - before, size.piece_bytes(group), "a piece has the length of its size");
    Ok(())
}

/// Hashes `size` bytes of `data` and writes their tree to `pairs`, in order from its first byte on.
/// Takes one group of memory.
///
/// # Errors
/// What `data` or `pairs` failed with; `UnexpectedEof` when `data` ends early. What `data` has
/// beyond the size is left in it.
pub fn hash_into(size: BlobSize, data: impl Read, pairs: impl Write) -> io::Result<BlobId> {
    let root = outboard_post_order(data, tree(size), pairs)?;
    Ok(BlobId::from_bytes(*root.as_bytes()))
}

fn tree(size: BlobSize) -> BaoTree {
    BaoTree::new(size.bytes(), BLOCK)
}

fn hash(id: &BlobId) -> Hash {
    Hash::from_bytes(*id.as_bytes())
}

/// The chunks of a group, as if it were a full one: what is beyond the end is cut off.
fn chunks(group: GroupIndex) -> ChunkRanges {
    let first = u64::from(group.value()) * CHUNKS_PER_GROUP;
    ChunkRanges::from(ChunkNum(first)..ChunkNum(first + CHUNKS_PER_GROUP))
}

/// Where the hash pair of a node stands in the tree's bytes.
fn position(tree: &BaoTree, node: TreeNode) -> u64 {
    let offset = tree.post_order_offset(node).expect("a node above the groups has a pair");
    offset.value() * PAIR_BYTES as u64
}

fn join((left, right): &(Hash, Hash)) -> [u8; PAIR_BYTES] {
    let mut pair = [0; PAIR_BYTES];
    pair[..32].copy_from_slice(left.as_bytes());
    pair[32..].copy_from_slice(right.as_bytes());
    pair
}

fn read_fault(error: EncodeError) -> ReadFault {
    match error {
        EncodeError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
            ReadFault::Failed(ours.cloned().unwrap_or_else(|| {
                Error::new(crate::error::ErrorKind::StorageFailed, error.to_string())
            }))
        }
        _ => ReadFault::Damaged,
    }
}

/// A blob's bytes, as bao reads them.
struct Data<'a, D: ?Sized>(&'a D);

impl<D: BytesAt + ?Sized> ReadAt for Data<'_, D> {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(position, buffer).map_err(io::Error::other)
    }
}

/// A blob's tree, as bao reads it.
struct Kept<'a, P: ?Sized> {
    root: Hash,
    tree: BaoTree,
    pairs: &'a P,
}

impl<P: BytesAt + ?Sized> Outboard for Kept<'_, P> {
    fn root(&self) -> Hash {
        self.root
    }

    fn tree(&self) -> BaoTree {
        self.tree
    }

    fn load(&self, node: TreeNode) -> io::Result<Option<(Hash, Hash)>> {
        let mut pair = [0; PAIR_BYTES];
        Data(self.pairs).read_exact_at(position(&self.tree, node), &mut pair)?;
        let (left, right) = pair.split_first_chunk::<32>().expect("64 bytes hold 32");
        let right = right.try_into().expect("64 bytes hold 32 twice");
        Ok(Some((Hash::from_bytes(*left), Hash::from_bytes(right))))
    }
}

const _: () = assert!(BLOCK.bytes() == GROUP_BYTES);

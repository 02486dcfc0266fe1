//! Blobs, of one node: crashes and memory. What is read, refused and mended: the unit tests.

mod crash;
mod fetching;
mod memory;

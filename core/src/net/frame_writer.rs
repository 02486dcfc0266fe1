//! Frames to bytes: a 4-byte little-endian length before each, many small ones in one write.

use bytes::{BufMut, Bytes, BytesMut};
use iroh::endpoint::{SendStream, WriteError};

/// Frames from this size on are handed over as they are; smaller ones are copied together.
const COPY_BYTES_MAX: usize = 8 << 10;

/// The four bytes that a dialler writes first: an empty frame, so that the peer sees the channel.
pub(crate) const OPENING: [u8; 4] = [0; 4];

/// Writes frames to one channel.
pub(crate) struct FrameWriter {
    stream: SendStream,
    together: BytesMut,
}

impl FrameWriter {
    pub(crate) fn new(stream: SendStream) -> FrameWriter {
        FrameWriter { stream, together: BytesMut::new() }
    }

    /// Writes all of `frames`; returns when the QUIC library has taken them. Gives the sum of
    /// their lengths.
    ///
    /// # Errors
    /// The channel or its connection is gone.
    pub(crate) async fn write(&mut self, frames: Vec<Bytes>) -> Result<usize, WriteError> {
        let bytes = frames.iter().map(Bytes::len).sum();
        let mut chunks = coalesce(&mut self.together, frames);
        self.stream.write_all_chunks(&mut chunks).await?;
        Ok(bytes)
    }

    /// Ends the channel and waits until the peer's machine has everything.
    pub(crate) async fn finish(&mut self) {
        if self.stream.finish().is_ok() {
            // Whatever the answer, the connection is closed next.
            let _ = self.stream.stopped().await;
        }
    }
}

fn coalesce(together: &mut BytesMut, frames: Vec<Bytes>) -> Vec<Bytes> {
    let mut chunks = Vec::with_capacity(2);
    for frame in frames {
        let length = u32::try_from(frame.len()).expect("the outbox bounds frames");
        together.put_u32_le(length);
        if frame.len() < COPY_BYTES_MAX {
            together.extend_from_slice(&frame);
        } else {
            chunks.push(together.split().freeze());
            chunks.push(frame);
        }
    }
    if !together.is_empty() {
        chunks.push(together.split().freeze());
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frames_are_copied_together_and_large_ones_are_not_copied() {
        let large = Bytes::from(vec![7; COPY_BYTES_MAX]);
        let small = Bytes::from_static(b"ab");
        let frames = vec![small.clone(), small.clone(), large.clone(), small];
        let chunks = coalesce(&mut BytesMut::new(), frames);
        assert_eq!(chunks.len(), 3);
        assert_eq!(&chunks[0][..], b"\x02\0\0\0ab\x02\0\0\0ab\x00\x20\0\0");
        assert_eq!(chunks[1].as_ptr(), large.as_ptr());
        assert_eq!(&chunks[2][..], b"\x02\0\0\0ab");
    }
}

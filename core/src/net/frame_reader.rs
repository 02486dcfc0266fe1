//! Bytes to frames: reads in large pieces, and holds no more of a frame than has arrived.

use bytes::{BufMut, Bytes};
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of the length before each frame.
const LENGTH_BYTES: usize = 4;
/// What one read may take, for an admitted peer and for a stranger.
const READ_BYTES: usize = 64 << 10;
const STRANGER_READ_BYTES: usize = 4 << 10;
/// Shortest time between two reports of a frame that is arriving.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// Reads frames from one channel.
///
/// Every frame gets memory of its own size, so that keeping one keeps nothing else.
pub(crate) struct FrameReader<R> {
    stream: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(stream: R) -> FrameReader<R> {
        FrameReader { stream, buffer: vec![0; STRANGER_READ_BYTES], start: 0, end: 0 }
    }

    /// Reads in larger pieces from now on.
    pub(crate) fn widen(&mut self) {
        self.buffer.resize(READ_BYTES, 0);
    }

    /// The length of the next frame, or `None` when the peer ended the channel between frames.
    ///
    /// # Errors
    /// The channel broke, or ended within a length.
    pub(crate) async fn length(&mut self) -> io::Result<Option<usize>> {
        while self.end - self.start < LENGTH_BYTES {
            if !self.fill().await? {
                let ended_between = self.start == self.end;
                return if ended_between { Ok(None) } else { Err(cut()) };
            }
        }
        let bytes = &self.buffer[self.start..self.start + LENGTH_BYTES];
        let length = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        self.start += LENGTH_BYTES;
        Ok(Some(length as usize))
    }

    /// The body of a frame whose `length` was read and found acceptable. `arrived` is told how many
    /// bytes came, read by read, while the frame is not whole.
    ///
    /// # Errors
    /// The channel broke or ended within the frame.
    pub(crate) async fn body(
        &mut self,
        length: usize,
        mut arrived: impl FnMut(usize),
    ) -> io::Result<Bytes> {
        let here = (self.end - self.start).min(length);
        if here == length {
            let body = Bytes::copy_from_slice(&self.buffer[self.start..self.start + length]);
            self.start += length;
            return Ok(body);
        }
        let mut body = Vec::new();
        reserve(&mut body, length);
        body.extend_from_slice(&self.buffer[self.start..self.start + here]);
        self.start += here;
        arrived(here);
        while body.len() < length {
            reserve(&mut body, length);
            let room = length.min(body.capacity()) - body.len();
            match self.stream.read_buf(&mut (&mut body).limit(room)).await? {
                0 => return Err(cut()),
                count if body.len() < length => arrived(count),
                _ => {}
            }
        }
        Ok(body.into())
    }

    /// Reads once; false at the end of the channel.
    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let count = self.stream.read(&mut self.buffer[self.end..]).await?;
        self.end += count;
        Ok(count > 0)
    }
}

/// How a frame gets on, told now and then: a slow link must not look like a dead one, and a fast
/// one must not keep its driver busy.
#[derive(Debug)]
pub(crate) struct Progress {
    told_at: Instant,
    bytes: usize,
}

impl Progress {
    /// A frame begins to arrive at `now`.
    pub(crate) fn new(now: Instant) -> Progress {
        Progress { told_at: now, bytes: 0 }
    }

    /// `bytes` came at `now`; what is to be told of them and of those before, if it is time.
    pub(crate) fn arrived(&mut self, bytes: usize, now: Instant) -> Option<usize> {
        self.bytes += bytes;
        if now < self.told_at + REPORT_EVERY {
            return None;
        }
        self.told_at = now;
        Some(std::mem::take(&mut self.bytes))
    }
}

/// Makes room for at most as much again as has arrived: a claimed length allocates nothing.
fn reserve(body: &mut Vec<u8>, length: usize) {
    if body.len() == body.capacity() {
        body.reserve_exact((length - body.len()).min(body.len().max(READ_BYTES)));
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the channel ended within a frame")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    async fn read_all(bytes: &[u8]) -> io::Result<Vec<Bytes>> {
        let mut reader = FrameReader::new(bytes);
        let mut frames = Vec::new();
        while let Some(length) = reader.length().await? {
            frames.push(reader.body(length, |_| ()).await?);
        }
        Ok(frames)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn frames_of_any_size_come_back(lengths in prop::collection::vec(0usize..200_000, 0..6)) {
            let mut bytes = Vec::new();
            for (index, length) in lengths.iter().enumerate() {
                bytes.extend_from_slice(&u32::try_from(*length).unwrap().to_le_bytes());
                bytes.resize(bytes.len() + length, u8::try_from(index).unwrap());
            }
            let frames = run(read_all(&bytes)).unwrap();
            prop_assert_eq!(frames.len(), lengths.len());
            for (index, (frame, length)) in frames.iter().zip(&lengths).enumerate() {
                prop_assert_eq!(frame.len(), *length);
                prop_assert!(frame.iter().all(|byte| usize::from(*byte) == index));
            }
        }
    }

    #[test]
    fn a_frame_that_takes_long_is_told_of_and_one_that_is_there_is_not() {
        let mut bytes = 5u32.to_le_bytes().to_vec();
        bytes.extend(b"small");
        bytes.extend(200_000u32.to_le_bytes());
        bytes.resize(bytes.len() + 200_000, 7);
        let mut told = Vec::new();
        run(async {
            let mut reader = FrameReader::new(&bytes[..]);
            for length in [5, 200_000] {
                assert_eq!(reader.length().await.unwrap(), Some(length));
                let mut arrived = Vec::new();
                reader.body(length, |count| arrived.push(count)).await.unwrap();
                told.push(arrived);
            }
        });
        assert_eq!(told[0], [], "it was there as a whole");
        let before_the_last_read: usize = told[1].iter().sum();
        assert!((1..200_000).contains(&before_the_last_read), "{told:?}");

        let begin = Instant::now();
        let mut progress = Progress::new(begin);
        let at = |millis| begin + Duration::from_millis(millis);
        assert_eq!(progress.arrived(100, at(249)), None);
        assert_eq!(progress.arrived(10, at(250)), Some(110));
        let drip = (251..2250).map(|millis| progress.arrived(1, at(millis)));
        assert_eq!(drip.flatten().collect::<Vec<_>>(), [250; 7]);
    }

    #[test]
    fn a_frame_that_is_cut_is_an_error_and_a_claimed_length_allocates_nothing() {
        for bytes in [&b"\x05"[..], b"\x05\0\0\0abcd", b"\xff\xff\xff\x7fabcd"] {
            let error = run(read_all(bytes)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        let mut body = Vec::new();
        reserve(&mut body, 1 << 31);
        assert!(body.capacity() <= 2 * READ_BYTES);
    }
}

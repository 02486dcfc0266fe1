//! A file descriptor that is readable while there is something to take.
//!
//! Rule: `raise` and `lower` are called under the lock of what they speak about, so that no wake-up
//! is lost between them.

use crate::errors::{FacadeError, Result};
use millpond::ErrorKind;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;

/// The descriptor, made when it is first asked for, and its level.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    ends: Option<Ends>,
    is_raised: bool,
}

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    /// The same as `read` where the system has eventfd.
    write: Option<OwnedFd>,
}

impl Signal {
    /// Makes the descriptor readable.
    pub(crate) fn raise(&mut self) {
        if !std::mem::replace(&mut self.is_raised, true) {
            self.write();
        }
    }

    /// Makes the descriptor not readable.
    pub(crate) fn lower(&mut self) {
        if std::mem::replace(&mut self.is_raised, false)
            && let Some(ends) = &self.ends
        {
            let mut bytes = [0; 8];
            // It holds one write at most, and never blocks: there is nothing to be done on failure.
            let _ = rustix::io::retry_on_intr(|| rustix::io::read(&ends.read, &mut bytes));
        }
    }

    /// The descriptor, owned by this.
    ///
    /// # Errors
    /// `limit_exceeded`: the process has too many open files.
    pub(crate) fn fd(&mut self) -> Result<i32> {
        if self.ends.is_none() {
            self.ends = Some(Ends::new().map_err(refused)?);
            if self.is_raised {
                self.write();
            }
        }
        Ok(self.ends.as_ref().expect("just made").read.as_raw_fd())
    }

    fn write(&self) {
        if let Some(ends) = &self.ends {
            let end = ends.write.as_ref().unwrap_or(&ends.read);
            // An eventfd takes 8 bytes that count 1; of a pipe they are read again together.
            let one = 1u64.to_ne_bytes();
            let _ = rustix::io::retry_on_intr(|| rustix::io::write(end.as_fd(), &one));
        }
    }
}

impl Ends {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn new() -> std::result::Result<Ends, Errno> {
        use rustix::event::{EventfdFlags, eventfd};
        let read = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Ends { read, write: None })
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn new() -> std::result::Result<Ends, Errno> {
        let (read, write) = rustix::pipe::pipe()?;
        for end in [&read, &write] {
            rustix::io::ioctl_fionbio(end, true)?;
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
        }
        Ok(Ends { read, write: Some(write) })
    }
}

fn refused(error: Errno) -> FacadeError {
    let message = format!("the system gives no file descriptor: {error}");
    FacadeError::new(ErrorKind::LimitExceeded, message)
}

//! A network interface whose cable is a file descriptor of ours.
//!
//! Source: Documentation/networking/tuntap.rst of Linux. The one place of the tests that speaks to
//! a driver of the kernel, which takes `unsafe`.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io;
use rustix::ioctl::{Updater, ioctl, opcode};

/// What `TUNSETIFF` takes: `struct ifreq`, of which it looks at the name and the flags.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40);

const TUNSETIFF: rustix::ioctl::Opcode = opcode::write::<i32>(b'T', 202);
/// `IFF_TUN | IFF_NO_PI`: IP packets, nothing before them.
const IP_PACKETS: u16 = 0x0001 | 0x1000;

/// Makes the interface `name` in the network of this thread; each read gives one IP packet that it
/// sent, each write one to it. It goes away with the descriptor, which never blocks.
///
/// # Errors
/// Those of the system: we are not root, or it has no such interfaces.
pub(crate) fn open(name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let tun = rustix::fs::open("/dev/net/tun", flags, Mode::empty())?;
    let mut request = InterfaceRequest { name: [0; 16], flags: IP_PACKETS, rest: [0; 22] };
    assert!(name.len() < request.name.len(), "{name} is too long for an interface");
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which has the size and the first
    // fields of an `InterfaceRequest`, and keeps no pointer to it.
    unsafe { ioctl(&tun, Updater::<TUNSETIFF, InterfaceRequest>::new(&mut request)) }?;
    Ok(tun)
}

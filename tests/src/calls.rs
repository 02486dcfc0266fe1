//! Which system calls can change a file, so that a campaign forgets none.
//!
//! Rule: a call that is in neither list ends the campaign. Source: the pages of Linux's section 2.

/// Calls that change a file, its size, its name, or what of it is on the disk.
const CHANGES: &[&str] = &[
    "openat",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "fdatasync",
    "fsync",
    "ftruncate",
    "fallocate",
    "mkdir",
    "rename",
    "unlink",
];

/// Calls that do not; `mmap` does not where what is mapped cannot be written through it.
const HARMLESS: &str = "access arch_prctl brk clock_gettime clock_nanosleep clone clone3 close dup \
    dup2 dup3 epoll_create1 epoll_ctl epoll_wait eventfd2 execve exit exit_group faccessat \
    faccessat2 fcntl flock fstat fstatfs futex getcwd getdents64 getegid geteuid getgid getpid \
    getppid getrandom getrusage gettid getuid ioctl kill lseek lstat madvise mmap mprotect mremap \
    munmap nanosleep newfstatat pipe2 poll ppoll prctl pread64 preadv prlimit64 read readlink \
    readlinkat readv restart_syscall rseq rt_sigaction rt_sigprocmask rt_sigreturn \
    sched_getaffinity sched_yield set_robust_list set_tid_address sigaltstack stat statfs statx \
    sysinfo tgkill uname";

/// True when the call `name` can change a file.
///
/// # Errors
/// Nobody has said yet what the call does; it belongs into one of the lists.
pub fn changes_files(name: &str) -> Result<bool, String> {
    let changes = CHANGES.contains(&name);
    if changes || HARMLESS.split_whitespace().any(|harmless| harmless == name) {
        return Ok(changes);
    }
    Err(format!("the run made the call {name}; say in tests/src/calls.rs if it changes files"))
}

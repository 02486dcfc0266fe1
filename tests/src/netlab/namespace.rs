//! One network namespace, held by a process that ends with us.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A network namespace of its own, with loopback up.
pub(crate) struct Namespace {
    holder: Child,
}

impl Namespace {
    /// Makes one.
    ///
    /// # Errors
    /// Why that cannot be done here: for instance, we are not root.
    pub(crate) fn new() -> Result<Namespace, String> {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-ec", "ip link set lo up; echo; exec cat >&2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let out = holder.stdout.take().expect("it is piped");
        let namespace = Namespace { holder };
        let mut line = String::new();
        match BufReader::new(out).read_line(&mut line) {
            Ok(1) => Ok(namespace),
            _ => Err("no network namespace can be made here; run as root".to_owned()),
        }
    }

    /// The process by which `ip` knows it.
    pub(crate) fn id(&self) -> u32 {
        self.holder.id()
    }

    /// The namespace, for a thread that moves into it.
    pub(crate) fn open(&self) -> io::Result<File> {
        File::open(self.path())
    }

    /// `program` inside of it, in the same process id that is spawned.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg("--").arg(program);
        command
    }

    /// Runs a shell script inside of it; gives what it printed.
    ///
    /// # Errors
    /// What it complained about.
    pub(crate) fn shell(&self, script: &str) -> Result<String, String> {
        let output = self.command("sh").args(["-ec", script]).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("nsenter: {error}"))?;
        if !output.status.success() {
            return Err(format!("{script}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

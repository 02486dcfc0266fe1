//! C and C++: programs that are compiled here, against the library that was built beside this one.

use super::{Shell, built, repository};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// As `ffi/c/build.rs` names it.
const SHARED_NAME: &str = "libmillpond.so.0";

/// How a language is compiled.
pub(super) struct Compiled {
    pub(super) iterate: &'static str,
    pub(super) compiler: &'static str,
    pub(super) standard: &'static str,
    pub(super) source: &'static str,
}

pub(super) const C: Compiled = Compiled {
    iterate: "c_iterate",
    compiler: "cc",
    standard: "-std=gnu99",
    source: "tests/bench/shells/iterate.c",
};

pub(super) const CPP: Compiled = Compiled {
    iterate: "cpp_iterate",
    compiler: "c++",
    standard: "-std=c++17",
    source: "tests/bench/shells/iterate.cpp",
};

impl Compiled {
    /// The program, compiled into `folder`.
    pub(super) fn shell(&self, folder: &Path) -> Result<Shell, String> {
        let folder = folder.join(self.iterate);
        fs::create_dir_all(&folder).expect("the bench's folder takes folders");
        let library = folder.join(SHARED_NAME);
        symlink(built("libmillpond.so")?, &library).expect("a link can be made");
        let program = folder.join("iterate");
        let mut command = Command::new(self.compiler);
        command.args([self.standard, "-O2", "-Wall", "-Wextra", "-o"]).arg(&program);
        command.arg("-I").arg(repository().join("include"));
        command.args([repository().join(self.source), library, "-lpthread".into()]);
        match command.output() {
            Err(error) => return Err(format!("{} does not start: {error}", self.compiler)),
            Ok(output) if !output.status.success() => {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned());
            }
            Ok(_) => {}
        }
        let shell = Shell {
            publish: None,
            iterate: self.iterate,
            fold: None,
            program: program.to_str().expect("the bench's folder is named in UTF-8").to_owned(),
            arguments: Vec::new(),
            variable: ("LD_LIBRARY_PATH", folder),
            has_values: false,
        };
        shell.checked()
    }
}

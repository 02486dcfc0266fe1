//! Python and Node beside Rust: the same events published and read, with payloads as the language's
//! own objects, and as bytes; and fish of the language. C and C++ beside Rust: events read as
//! bytes.
//!
//! Each figure of a shell is a process of its own; it tells how long the work took, without its
//! start, and what it counted. The native halves are the ones that were built beside this program,
//! so they have its profile.
//! Rule: what cannot be measured here is said, and left out.
//! Begin with `Shells::find`.

mod compiled;
mod rust;

use crate::options::{Only, Options};
use crate::report::Results;
use crate::subject::Workload;
use crate::workload;
use ::millpond::event::cbor::Value;
use ::millpond::event::hex;
use serde_json::{Value as Json, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// The shells that can be measured here.
pub(crate) struct Shells {
    shells: Vec<Shell>,
    folder: PathBuf,
    events: usize,
}

/// How a program in the shell's language is started.
struct Shell {
    publish: Option<&'static str>,
    iterate: &'static str,
    fold: Option<&'static str>,
    program: String,
    arguments: Vec<PathBuf>,
    /// Where it finds the native half.
    variable: (&'static str, PathBuf),
    /// Whether it has payloads as objects of its language.
    has_values: bool,
}

/// What a payload is to the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Values,
    Bytes,
}

/// Who does the work.
type Worker = (&'static str, Form);

const WORKERS: [Worker; 4] = [
    ("millpond", Form::Values),
    ("millpond_bytes", Form::Bytes),
    ("rust", Form::Values),
    ("rust_bytes", Form::Bytes),
];

/// How long the work took, and what was seen: events, and bytes or members of payloads.
struct Seen {
    took: Duration,
    events: usize,
    parts: usize,
}

impl Shells {
    pub(crate) fn find(options: &Options) -> Shells {
        let here = fs::canonicalize(&options.folder).expect("the bench's folder is there");
        let folder = here.join(format!("shells-{}", std::process::id()));
        let mut shells = Vec::new();
        let mut add = |cases: &[&'static str], find: &dyn Fn() -> Result<Shell, String>| {
            if options.size.shell_events == 0 || !options.only.any(cases) {
                return;
            }
            match find() {
                Ok(shell) => shells.push(shell),
                Err(reason) => println!("SKIPPED: {}: {reason}", cases.join(", ")),
            }
        };
        add(&["python_publish", "python_iterate", "python_fold"], &|| {
            python(&options.python, &folder)
        });
        add(&["node_publish", "node_iterate", "node_fold"], &|| node(&options.node, &folder));
        for language in [compiled::C, compiled::CPP] {
            add(&[language.iterate], &|| language.shell(&folder));
        }
        Shells { shells, folder, events: options.size.shell_events }
    }

    /// One run, in which the workers take turns; later runs begin with another one.
    pub(crate) fn measure(&self, run: u64, options: &Options, results: &mut Results) {
        if self.shells.is_empty() {
            return;
        }
        let only = &options.only;
        let workload = Arc::new(workload::events(options.seed + run, 0, self.events));
        let turn = |at| WORKERS[(at + run as usize) % WORKERS.len()];
        let workers: Vec<Worker> = (0..WORKERS.len()).map(turn).collect();
        let workers: Vec<Worker> =
            workers.into_iter().filter(|(name, _)| only.subject(name)).collect();
        for shell in &self.shells {
            if let Some(case) = shell.publish.filter(|case| only.case(case)) {
                self.publish(shell, case, &workers, &workload, results);
            }
            if only.case(shell.iterate) {
                self.iterate(shell, &workers, &workload, results);
            }
            if let Some(case) = shell.fold.filter(|case| only.case(case)) {
                self.fold(shell, case, &workload, only, results);
            }
        }
    }

    fn publish(
        &self,
        shell: &Shell,
        case: &'static str,
        workers: &[Worker],
        workload: &Workload,
        results: &mut Results,
    ) {
        let lines = self.folder.join("events");
        fs::write(&lines, lines_of(workload)).expect("the workload can be written");
        for (name, form) in workers {
            let place = self.fresh_place();
            let seen = match *name {
                "rust" | "rust_bytes" => rust::publish(&place, *form, workload),
                _ => shell.run(&["publish".as_ref(), form.word().as_ref(), &place, &lines]),
            };
            assert_eq!(seen.events, workload.len(), "{case} {name} lost something");
            seen.tell(case, name, results);
        }
    }

    fn iterate(
        &self,
        shell: &Shell,
        workers: &[Worker],
        workload: &Workload,
        results: &mut Results,
    ) {
        let place = self.fresh_place();
        rust::publish(&place, Form::Bytes, workload);
        let bytes: usize = workload.iter().map(|event| event.payload.len()).sum();
        let takes_part = |(_, form): &&Worker| shell.has_values || *form == Form::Bytes;
        for (name, form) in workers.iter().filter(takes_part) {
            let seen = match *name {
                "rust" | "rust_bytes" => rust::iterate(&place, *form),
                _ => shell.run(&["iterate".as_ref(), form.word().as_ref(), &place]),
            };
            assert_eq!(seen.events, workload.len(), "{} {name} lost something", shell.iterate);
            if *form == Form::Bytes {
                assert_eq!(seen.parts, bytes, "{} {name} read something else", shell.iterate);
            }
            seen.tell(shell.iterate, name, results);
        }
    }

    /// A fish whose code is the language's, and one that needs none, over the same events.
    fn fold(
        &self,
        shell: &Shell,
        case: &'static str,
        workload: &Workload,
        only: &Only,
        results: &mut Results,
    ) {
        let place = self.fresh_place();
        rust::publish(&place, Form::Bytes, workload);
        for (name, form) in [("millpond", "code"), ("millpond_builtin", "builtin")] {
            if only.subject(name) {
                let seen = shell.run(&["fold".as_ref(), form.as_ref(), &place]);
                assert_eq!(seen.events, workload.len(), "{case} {name} lost something");
                seen.tell(case, name, results);
            }
        }
    }

    /// An empty folder in place of the last store.
    fn fresh_place(&self) -> PathBuf {
        let place = self.folder.join("store");
        if place.exists() {
            fs::remove_dir_all(&place).expect("a run's folder can be removed");
        }
        fs::create_dir_all(&place).expect("a run's folder can be made");
        place
    }
}

impl Drop for Shells {
    fn drop(&mut self) {
        // Nobody was found, or somebody removed it: nothing is left to do.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Form {
    fn word(self) -> &'static str {
        match self {
            Form::Values => "values",
            Form::Bytes => "bytes",
        }
    }
}

impl Seen {
    fn tell(&self, case: &'static str, worker: &'static str, results: &mut Results) {
        let rate = self.events as f64 / self.took.as_secs_f64();
        results.add(case, worker, self.events, "events/s", rate);
    }
}

impl Shell {
    /// Runs the program with these words more; it answers `<seconds> <events> <parts>`.
    fn run(&self, words: &[&Path]) -> Seen {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(words).env(self.variable.0, &self.variable.1);
        let output = command.output().expect("the interpreter starts again");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let [seconds, events, parts] = said.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{} said {said:?}", self.program)
        };
        Seen {
            took: Duration::from_secs_f64(seconds.parse().expect("seconds")),
            events: events.parse().expect("a number of events"),
            parts: parts.parse().expect("a number of parts"),
        }
    }

    /// This shell, if a program of it can load the package.
    fn checked(self) -> Result<Shell, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg("check").env(self.variable.0, &self.variable.1);
        match command.output() {
            Err(error) => Err(format!("{} does not start: {error}", self.program)),
            Ok(output) if !output.status.success() => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let last = said.lines().rfind(|line| !line.trim().is_empty());
                Err(format!("{}: {}", self.program, last.unwrap_or("no reason given")))
            }
            Ok(_) => Ok(self),
        }
    }
}

/// The package as it would be installed: links to its code, and the native half beside it.
fn python(program: &str, folder: &Path) -> Result<Shell, String> {
    let package = folder.join("python/millpond");
    fs::create_dir_all(&package).expect("the bench's folder takes folders");
    let native = built("lib_native.so")?;
    symlink(native, package.join("_native.abi3.so")).expect("a link can be made");
    let code = fs::read_dir(repository().join("python/src/millpond")).expect("the package's code");
    for entry in code {
        let entry = entry.expect("the package's code");
        if entry.path().extension().is_some_and(|extension| extension == "py") {
            symlink(entry.path(), package.join(entry.file_name())).expect("a link can be made");
        }
    }
    let shell = Shell {
        publish: Some("python_publish"),
        iterate: "python_iterate",
        fold: Some("python_fold"),
        program: program.to_owned(),
        arguments: vec![repository().join("tests/bench/shells/python.py")],
        variable: ("PYTHONPATH", folder.join("python")),
        has_values: true,
    };
    shell.checked()
}

/// The package in the checkout, whose TypeScript was compiled before, with another native half.
fn node(program: &str, folder: &Path) -> Result<Shell, String> {
    fs::create_dir_all(folder).expect("the bench's folder takes folders");
    let package = repository().join("node/dist/index.mjs");
    if !package.exists() {
        return Err("node/dist is not built: npm run build:ts in node/".to_owned());
    }
    // A copy: Node goes by the name that a link leads to.
    let native = folder.join("millpond.node");
    fs::copy(built("libmillpond_node.so")?, &native).expect("the native half can be copied");
    let shell = Shell {
        publish: Some("node_publish"),
        iterate: "node_iterate",
        fold: Some("node_fold"),
        program: program.to_owned(),
        arguments: vec![repository().join("tests/bench/shells/node.mjs"), package],
        variable: ("MILLPOND_NATIVE_LIBRARY", native),
        has_values: true,
    };
    shell.checked()
}

/// A library that cargo put beside this program.
fn built(name: &str) -> Result<PathBuf, String> {
    let this = std::env::current_exe().expect("this program has a path");
    let library = this.with_file_name(name);
    if library.exists() { Ok(library) } else { Err(format!("{name} is not built")) }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// One JSON object for each event: tags, the payload as a value, and its CBOR in hex digits.
fn lines_of(workload: &Workload) -> String {
    let line = |event: &workload::WorkEvent| {
        let payload = json_of(&Value::decode(&event.payload).expect("we encoded it"));
        let cbor = hex(&event.payload);
        format!("{}\n", json!({ "tags": event.tags, "payload": payload, "cbor": cbor }))
    };
    workload.iter().map(line).collect()
}

/// The workload has maps, texts and floats, and nothing else.
fn json_of(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Float(number) => json!(number),
        Value::Map(members) => {
            members.iter().map(|(key, value)| (key.clone(), json_of(value))).collect()
        }
        other => panic!("the workload has no {other:?}"),
    }
}

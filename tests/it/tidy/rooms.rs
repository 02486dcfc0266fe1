//! The rooms of the core, and which may import which: only to the left, never across.

use super::Finding;
use super::source::{Language, Source};
use std::collections::BTreeMap;

/// Each room with its floor: a room may import rooms on lower floors, and itself.
const ROOMS: &[(&str, u8)] = &[
    ("event", 0),
    ("query", 1),
    ("log", 2),
    ("sync", 2),
    ("blob", 2),
    ("pond", 2),
    ("net", 3),
    ("driver", 4),
];

/// Files at the core's root that belong to no room; they may import no room.
const HALLWAY: &[&str] = &["error", "files", "pending"];

/// Where the rim is: only these may read a clock, open a socket or a file, or start a thread.
/// `pending.rs` and `log/bell.rs` are there for one thing: who blocks in them has a deadline.
const RIM: &[&str] = &[
    "core/src/files",
    "core/src/pending",
    "core/src/log/bell",
    "core/src/log/disk",
    "core/src/blob/store",
    "core/src/net",
    "core/src/driver",
];

/// Imports in `core/src` that run upward or across.
pub(super) fn upward_imports(sources: &[Source]) -> Vec<Finding> {
    let core = || sources.iter().filter(|source| is_core(source));
    let exported = core().find(|source| source.path == "core/src/lib.rs").map(front_door);
    let exported = exported.unwrap_or_default();
    let of_one = |source| imports_upward(source, &exported);
    core().flat_map(of_one).collect()
}

fn is_core(source: &Source) -> bool {
    source.language == Language::Rust && source.is_below("core/src")
}

fn imports_upward(source: &Source, exported: &BTreeMap<String, String>) -> Vec<Finding> {
    let here = module_path(&source.path);
    let Some(own) = here.first().map(String::as_str) else { return Vec::new() };
    let mut findings = Vec::new();
    for (at, name) in named_at_the_root(source, here.len()) {
        let room = exported.get(&name).map_or(name.as_str(), String::as_str);
        let Some(floor) = floor_of(room) else { continue };
        let allowed = match floor_of(own) {
            Some(own_floor) => room == own || floor < own_floor,
            None => false,
        };
        if !allowed {
            findings.push(source.at(at, format!("`{own}` imports `{name}` of the room `{room}`")));
        }
    }
    findings
}

fn floor_of(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// `core/src/log/disk/mod.rs` is `[log, disk]`; the root is empty.
fn module_path(path: &str) -> Vec<String> {
    let inside = path.trim_start_matches("core/src/").trim_end_matches(".rs");
    let parts = inside.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main"));
    parts.map(str::to_owned).collect()
}

/// Every name that a path of this file takes from the crate's root, with the byte where it stands.
fn named_at_the_root(source: &Source, depth: usize) -> Vec<(usize, String)> {
    let mut prefixes = vec!["crate::".to_owned()];
    // From an inline module one `super` more reaches the root.
    prefixes.extend([depth, depth + 1].map(|count| "super::".repeat(count)));
    let mut names = Vec::new();
    for prefix in &prefixes {
        for (at, _) in source.code.match_indices(prefix.as_str()) {
            let inside = source.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == ':');
            if !inside {
                let rest = &source.code[at + prefix.len()..];
                names.extend(first_names(rest).into_iter().map(|name| (at, name)));
            }
        }
    }
    names
}

/// `a::b` names `a`; `{a::B, c}` names `a` and `c`.
fn first_names(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let mut names = vec![word(group)];
    let mut depth = 1;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(word(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// What `lib.rs` exports again, name by name, with the room it comes from: no way around the wall.
fn front_door(lib: &Source) -> BTreeMap<String, String> {
    let mut exported = BTreeMap::new();
    for (at, _) in lib.code.match_indices("pub use ") {
        let statement = lib.code[at + "pub use ".len()..].split(';').next().unwrap_or_default();
        let Some((room, names)) = statement.split_once("::") else { continue };
        if HALLWAY.contains(&room) {
            continue;
        }
        let words = names.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let words = words.filter(|word| !word.is_empty());
        exported.extend(words.map(|word| (word.to_owned(), room.to_owned())));
    }
    exported
}

/// `clippy.toml`'s bans are lifted only at the rim, and only with a sentence.
pub(super) fn allowances_below_the_rim(source: &Source) -> Vec<Finding> {
    if !is_core(source) {
        return Vec::new();
    }
    // A test of a room without a clock must begin at some instant.
    let at_the_rim = source.is_test()
        || RIM.iter().any(|place| source.is_below(place) || source.path == format!("{place}.rs"));
    let lines: Vec<&str> = source.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        if !line.contains("clippy::disallowed") {
            continue;
        }
        let around = &lines[index.saturating_sub(3)..(index + 4).min(lines.len())];
        let says_why = around.iter().any(|l| l.contains("reason =") || l.trim().starts_with("// "))
            || lines[index].contains(" // ");
        let what = match (at_the_rim, says_why) {
            (false, _) => "a ban of clippy.toml is lifted below the rim",
            (true, false) => "a ban of clippy.toml is lifted without a sentence",
            (true, true) => continue,
        };
        findings.push(format!("{}:{}: {what}", source.path, index + 1));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::bites;
    use super::*;

    fn imports(path: &str, text: &str) -> Vec<Finding> {
        let lib = Source::new("core/src/lib.rs", "pub mod log;\npub use log::{Log, disk::Disk};\n");
        upward_imports(&[lib, Source::new(path, text)])
    }

    #[test]
    fn an_import_that_runs_upward_is_found_however_it_is_written() {
        for (path, text) in [
            ("core/src/event/ids.rs", "use crate::query::Query;\n"),
            ("core/src/event/ids.rs", "use crate::{error::Error, query::{Order, Query}};\n"),
            ("core/src/query/plan.rs", "use super::super::driver::Node;\n"),
            ("core/src/query/mod.rs", "fn f() { super::net::g() }\n"),
            ("core/src/query/plan.rs", "mod tests { use super::super::super::driver::Node; }\n"),
            ("core/src/sync/swarm.rs", "use crate::log::Cursor;\n"),
            ("core/src/log/disk/mod.rs", "use crate::sync::Swarm;\n"),
            ("core/src/sync/swarm.rs", "use crate::Log;\n"),
            ("core/src/sync/swarm.rs", "fn f(log: &crate::Disk) {}\n"),
            ("core/src/error.rs", "use crate::event::NodeId;\n"),
        ] {
            assert_eq!(imports(path, text).len(), 1, "{path}: {text}");
        }
    }

    #[test]
    fn an_import_that_runs_down_is_free() {
        for (path, text) in [
            ("core/src/query/plan.rs", "use crate::{Error, event::Tag};\nuse super::ast::Atom;\n"),
            ("core/src/log/disk/mod.rs", "use crate::log::Log;\nuse crate::query::Query;\n"),
            ("core/src/driver/node.rs", "use crate::{Log, net, sync::Swarm};\n"),
            ("core/src/sync/swarm.rs", "// Unlike crate::log.\nconst A: &str = \"crate::log\";\n"),
        ] {
            assert_eq!(imports(path, text), Vec::<Finding>::new(), "{path}: {text}");
        }
    }

    #[test]
    fn a_ban_lifted_below_the_rim_or_without_a_sentence_is_found() {
        let bare = "#[allow(clippy::disallowed_methods)]\nfn f() {}\n";
        let reason =
            "#[allow(clippy::disallowed_methods, reason = \"it is the clock\")]\nfn f() {}\n";
        bites(allowances_below_the_rim, "core/src/driver/clock.rs", bare, reason);
        bites(allowances_below_the_rim, "core/src/sync/swarm.rs", reason, "fn f() {}\n");
    }
}

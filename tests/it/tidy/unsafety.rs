//! Rules about `unsafe`: only at the C border, where LMDB is opened and where a test asks a driver
//! for a network interface, and never without a reason.

use super::Finding;
use super::source::{Language, Source};
use super::text::whole_word;

/// Folders in which `unsafe` may stand.
const PLACES: &[&str] = &["ffi", "core/src/log/disk"];

/// The files outside of them, which never ship: the bench's LMDB, which can only be opened so, and
/// the one system call that makes an interface for the tests in real networks.
const EXCEPTIONS: &[&str] = &["tests/bench/lmdb.rs", "tests/src/netlab/tun.rs"];

/// `unsafe` stands in `ffi/`, `core/src/log/disk/` and two files of tests, and nowhere else.
pub(super) fn unsafe_in_the_wrong_place(source: &Source) -> Vec<Finding> {
    let allowed =
        PLACES.iter().any(|place| source.is_below(place)) || EXCEPTIONS.contains(&&*source.path);
    if source.language != Language::Rust || allowed {
        return Vec::new();
    }
    let found = whole_word(&source.code, "unsafe");
    found
        .map(|at| source.at(at, "`unsafe` outside ffi/ and core/src/log/disk/"))
        .into_iter()
        .collect()
}

/// Each `unsafe` block and impl has a `SAFETY:` sentence right above it; each `unsafe fn` a
/// `# Safety`.
pub(super) fn unsafe_without_a_reason(source: &Source) -> Vec<Finding> {
    if source.language != Language::Rust {
        return Vec::new();
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        let wants = if line.contains("unsafe {") || line.contains("unsafe impl") {
            "SAFETY:"
        } else if line.contains("unsafe fn") || line.contains("unsafe extern \"C\" fn") {
            "# Safety"
        } else {
            continue;
        };
        // A function's documentation may be long: look through all of it.
        let above = lines[..=index].iter().rev();
        let documented =
            |line: &&&str| line.trim_start().starts_with(['/', '#']) || line.is_empty();
        let found = match wants {
            "SAFETY:" => above
                .skip(1)
                .take_while(|line| line.trim_start().starts_with("//"))
                .any(|line| line.contains(wants)),
            _ => above.skip(1).take_while(documented).any(|line| line.contains(wants)),
        };
        if !found {
            findings.push(format!("{}:{}: no `{wants}` above this", source.path, index + 1));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::bites;
    use super::*;

    #[test]
    fn unsafe_outside_its_places_is_found() {
        let planted = "fn f() { unsafe { g() } }\n";
        bites(unsafe_in_the_wrong_place, "core/src/net/a.rs", planted, "// unsafe\nfn f() {}\n");
        let inside = Source::new("core/src/log/disk/a.rs", planted);
        assert!(unsafe_in_the_wrong_place(&inside).is_empty());
    }

    #[test]
    fn two_files_of_tests_may_and_their_neighbours_may_not() {
        let planted = "fn f() { unsafe { g() } }\n";
        let of = |path| unsafe_in_the_wrong_place(&Source::new(path, planted));
        for exception in EXCEPTIONS {
            assert!(of(exception).is_empty());
            // A reason is asked for there as everywhere.
            assert!(!unsafe_without_a_reason(&Source::new(exception, planted)).is_empty());
        }
        let neighbours = ["tests/bench/sqlite.rs", "tests/src/lmdb.rs", "tests/src/netlab/lab.rs"];
        for neighbour in neighbours {
            assert!(!of(neighbour).is_empty(), "not seen in {neighbour}");
        }
    }

    #[test]
    fn unsafe_without_a_sentence_is_found() {
        let planted = "fn f() {\n    unsafe { g() }\n}\n";
        let mended = "fn f() {\n    // SAFETY: g has no conditions.\n    unsafe { g() }\n}\n";
        bites(unsafe_without_a_reason, "ffi/c/src/a.rs", planted, mended);
        let planted = "// SAFETY: of something else.\nfn f() {\n    unsafe { g() }\n}\n";
        bites(unsafe_without_a_reason, "ffi/c/src/a.rs", planted, mended);
        let planted = "/// Frees it.\npub unsafe fn f() {}\n";
        let mended = "/// Frees it.\n///\n/// # Safety\n/// Not twice.\npub unsafe fn f() {}\n";
        bites(unsafe_without_a_reason, "ffi/c/src/a.rs", planted, mended);
    }
}

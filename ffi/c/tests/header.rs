//! The committed header is the one that the code makes.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use std::fmt::Write as _;
use support::{check_or_bless, package, root};

/// What cbindgen cannot make: error numbers from the table, and macros.
fn macros() -> String {
    let mut text = String::from("\n/** Success. */\n#define MILLPOND_OK 0\n");
    for row in millpond_facade::errors::table() {
        let name = row.name.to_uppercase();
        writeln!(text, "\n/** {} */", row.summary).unwrap();
        writeln!(text, "#define MILLPOND_ERROR_{name} {}", row.number).unwrap();
    }
    text + MACROS
}

const MACROS: &str = r#"
/** A choice in options: yes. 0 is unsaid. */
#define MILLPOND_YES 1

/** A choice in options: no. 0 is unsaid. */
#define MILLPOND_NO 2

/** The version of this header as one number, for #if: 1.2.3 is 1002003. */
#define MILLPOND_VERSION_NUMBER                                                                    \
    (MILLPOND_VERSION_MAJOR * 1000000 + MILLPOND_VERSION_MINOR * 1000 + MILLPOND_VERSION_PATCH)

/* What a struct begins with: millpond_event_t event = MILLPOND_EVENT_INIT; */
#define MILLPOND_NODE_OPTIONS_INIT                                                                 \
    {                                                                                              \
        (uint32_t)sizeof(millpond_node_options_t), 0, 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0},       \
            {NULL, 0}, NULL, 0, NULL, 0, NULL, 0, 0, 0, 0, NULL, 0, 0, 0, {NULL, 0}, 0             \
    }
#define MILLPOND_PUBLISH_OPTIONS_INIT                                                              \
    {                                                                                              \
        (uint32_t)sizeof(millpond_publish_options_t), 0, 0, {NULL, 0}, NULL, 0, {0}                \
    }
#define MILLPOND_QUERY_OPTIONS_INIT                                                                \
    {                                                                                              \
        (uint32_t)sizeof(millpond_query_options_t), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, \
            {0}                                                                                    \
    }
#define MILLPOND_SUBSCRIBE_OPTIONS_INIT                                                            \
    {                                                                                              \
        (uint32_t)sizeof(millpond_subscribe_options_t), 0, {NULL, 0}, {NULL, 0}, {NULL, 0},        \
            {NULL, 0}, {0}                                                                         \
    }
#define MILLPOND_READ_OPTIONS_INIT                                                                 \
    {                                                                                              \
        (uint32_t)sizeof(millpond_read_options_t), 0, {NULL, 0}, {0}                               \
    }
#define MILLPOND_FISH_INIT                                                                         \
    {                                                                                              \
        (uint32_t)sizeof(millpond_fish_t), 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, NULL, \
            NULL, NULL, NULL, NULL                                                                 \
    }
#define MILLPOND_STATE_VIEW_INIT                                                                   \
    {                                                                                              \
        (uint32_t)sizeof(millpond_state_view_t), 0, 0, NULL, 0, {NULL, 0}, {NULL, 0}               \
    }
#define MILLPOND_DEED_INIT                                                                         \
    {                                                                                              \
        (uint32_t)sizeof(millpond_deed_t), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0, NULL, 0, NULL,\
            0, 0, 0, NULL, 0                                                                       \
    }
#define MILLPOND_DRAFT_INIT                                                                        \
    {                                                                                              \
        (uint32_t)sizeof(millpond_draft_t), MILLPOND_PAYLOAD_CBOR, NULL, 0, NULL, 0, NULL, 0       \
    }
#define MILLPOND_PUBLISHED_INIT                                                                    \
    {                                                                                              \
        (uint32_t)sizeof(millpond_published_t), 0, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}                \
    }
#define MILLPOND_BLOB_ABOUT_INIT                                                                   \
    {                                                                                              \
        (uint32_t)sizeof(millpond_blob_about_t), 0, {NULL, 0}, {NULL, 0}, NULL, 0, 0               \
    }
#define MILLPOND_BLOB_EXPORT_OPTIONS_INIT                                                          \
    {                                                                                              \
        (uint32_t)sizeof(millpond_blob_export_options_t), 0, {NULL, 0}                             \
    }
#define MILLPOND_EVENT_INIT                                                                        \
    {                                                                                              \
        (uint32_t)sizeof(millpond_event_t), 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, NULL, 0, NULL, 0     \
    }

/* No token: the call cannot be cancelled. */
#ifdef __cplusplus
#define MILLPOND_NO_CANCEL (millpond_cancel_t{0})
#else
#define MILLPOND_NO_CANCEL ((millpond_cancel_t){0})
#endif

/* No session. */
#ifdef __cplusplus
#define MILLPOND_NO_SESSION (millpond_session_t{0})
#else
#define MILLPOND_NO_SESSION ((millpond_session_t){0})
#endif

#endif /* MILLPOND_H */
"#;

#[test]
fn the_committed_header_is_the_one_that_the_code_makes() {
    let config = cbindgen::Config::from_file(package().join("cbindgen.toml")).unwrap();
    let builder = cbindgen::Builder::new().with_crate(package()).with_config(config);
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    let header = String::from_utf8(header).unwrap();
    let (body, _) = header.rsplit_once("#endif").expect("the include guard ends the file");
    // What Rust callers of the functions must know says nothing to C.
    let mut lines = Vec::new();
    let mut is_safety = false;
    for line in body.lines() {
        let trimmed = line.trim();
        if trimmed == "* # Safety" {
            is_safety = true;
            while lines.last().is_some_and(|last: &&str| last.trim() == "*") {
                lines.pop();
            }
        }
        is_safety &= trimmed != "*/";
        if !is_safety {
            lines.push(line);
        }
    }
    let text = lines.join("\n").trim_end().to_owned() + "\n" + &macros();
    check_or_bless(&root().join("include/millpond.h"), &text);
}

#[test]
fn the_version_macros_are_the_version_of_the_package() {
    let header = std::fs::read_to_string(root().join("include/millpond.h")).unwrap();
    for (name, value) in [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ] {
        assert!(header.contains(&format!("#define MILLPOND_VERSION_{name} {value}\n")), "{name}");
    }
}

//! The tests in C reach every function of the header, every pointer that it takes, and every wall
//! that stops a panic.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use support::{check_or_bless, root};

/// A function as the header declares it.
struct Function {
    name: String,
    returns: String,
    parameters: Vec<Parameter>,
}

struct Parameter {
    kind: String,
    name: String,
}

impl Function {
    /// Whether it answers a status: exactly then its last parameter is a place for an error.
    fn is_fallible(&self) -> bool {
        self.parameters.last().is_some_and(|last| last.kind == "millpond_error_t **")
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The functions of the header, in its order.
fn functions() -> Vec<Function> {
    let header = read("include/millpond.h");
    let (_, body) = header.split_once("extern \"C\" {").unwrap();
    let (body, _) = body.split_once("#ifdef __cplusplus\n}").unwrap();
    let code = body.split("/**").map(|part| part.rsplit("*/").next().unwrap());
    let code: String = code.collect::<String>().replace("#endif // __cplusplus", "");
    let one_line = code.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.split_terminator(");").map(function).collect()
}

fn function(declaration: &str) -> Function {
    let (head, list) = declaration.split_once('(').unwrap();
    let (returns, name) = split_name(head);
    let parameters = list.split(", ").filter(|parameter| *parameter != "void");
    let parameters = parameters.map(|parameter| {
        let (kind, name) = split_name(parameter);
        Parameter { kind, name }
    });
    Function { name, returns, parameters: parameters.collect() }
}

/// `const char *query` is of the kind `const char *` and named `query`.
fn split_name(declared: &str) -> (String, String) {
    let end = declared.trim_end();
    let name = end.rfind([' ', '*']).unwrap() + 1;
    (end[..name].trim().to_owned(), end[name..].to_owned())
}

#[test]
fn the_functions_of_the_header_are_the_exported_ones() {
    let known = read("tests/c/exports.txt");
    let declared: BTreeSet<String> = functions().into_iter().map(|one| one.name).collect();
    assert_eq!(declared, known.lines().map(str::to_owned).collect());
}

/// Looks for a call with NULL in the place of each pointer, function by function.
#[test]
fn every_pointer_of_every_function_is_tried_with_null() {
    let tests = read("tests/c/arguments.c");
    let mut missing = Vec::new();
    for function in functions() {
        let calls = calls(&tests, &function.name);
        for (index, parameter) in function.parameters.iter().enumerate() {
            let is_tried = || calls.iter().any(|call| call.get(index).is_some_and(|a| a == "NULL"));
            if is_pointer(&parameter.kind) && !is_tried() {
                missing.push(format!("{}: {}", function.name, parameter.name));
            }
        }
    }
    assert!(missing.is_empty(), "tests/c/arguments.c never gives NULL to\n{}", missing.join("\n"));
}

/// Functions are pointers too.
fn is_pointer(kind: &str) -> bool {
    kind.ends_with('*') || kind.ends_with("_callback_t") || kind == "millpond_destroy_t"
}

/// What a test tries it names in quotes.
fn is_named(tests: &str, name: &str) -> bool {
    tests.contains(&format!("\"{name}\"")) || tests.contains(&format!("'{name}'"))
}

#[test]
fn a_panic_is_tried_in_every_function_that_can_fail() {
    let tests = read("tests/c/panics.c");
    for function in functions() {
        let name = function.name.as_str();
        if function.is_fallible() {
            assert!(is_named(&tests, name), "tests/c/panics.c does not try {name}");
        } else {
            let known = tests.contains(&format!("{name},")) || tests.contains(&format!("{name}:"));
            assert!(known, "tests/c/panics.c does not say why {name} needs no wall");
        }
    }
}

#[test]
fn a_panic_is_tried_at_every_wall_of_the_facade() {
    let tests = [
        "tests/c/panics.c",
        "python/tests/test_panics.py",
        "node/test/process.test.mjs",
        "ffi/facade/tests/walls.rs",
    ];
    let tests = tests.map(read).concat();
    let mut walls = BTreeSet::new();
    for file in std::fs::read_dir(root().join("ffi/facade/src")).unwrap() {
        let path = file.unwrap().path();
        // Whoever reads the walls out of a file tries each of them.
        let name = path.file_name().unwrap().to_string_lossy();
        if tests.contains(&format!("include_str!(\"../src/{name}\")")) {
            continue;
        }
        let code = std::fs::read_to_string(&path).unwrap();
        for call in ["entry(\"", "ask(\"", "guard(\"", "guard_node(\"", "trip(\""] {
            let found = code.match_indices(call).map(|(at, _)| &code[at + call.len()..]);
            walls.extend(found.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    assert!(walls.len() > 30, "only {walls:?}");
    let missing: Vec<_> = walls.iter().filter(|wall| !is_named(&tests, wall)).collect();
    assert!(missing.is_empty(), "no test has a panic at {missing:?}");
}

/// The arguments of each call of `name` in `code`.
fn calls(code: &str, name: &str) -> Vec<Vec<String>> {
    let open = format!("{name}(");
    let found = code.match_indices(&open).map(|(at, _)| &code[at + open.len()..]);
    found.map(arguments).collect()
}

/// The arguments up to the bracket that closes the call.
fn arguments(code: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let (mut depth, mut is_text) = (0, false);
    for letter in code.chars() {
        is_text ^= letter == '"';
        match letter {
            ')' if !is_text && depth == 0 => break,
            ',' if !is_text && depth == 0 => {
                all.push(String::new());
                continue;
            }
            '(' | '{' if !is_text => depth += 1,
            ')' | '}' if !is_text => depth -= 1,
            _ => {}
        }
        all.last_mut().unwrap().push(letter);
    }
    // TEXT("…") stands for two arguments: the text and its length.
    let all = all.into_iter().flat_map(|argument| {
        let argument = argument.trim().to_owned();
        let len = argument.starts_with("TEXT(").then(|| "its length".to_owned());
        [Some(argument), len].into_iter().flatten()
    });
    all.collect()
}

#[test]
fn the_calls_of_the_misuse_test_are_made_from_the_header() {
    let all = functions();
    let mut text = String::from(
        "/* One call of every function of millpond.h, with what pick.h picks.\n *\n \
         * Made from the header by ffi/c/tests/functions.rs; not to be edited.\n \
         * Longer than 500 lines because each function of the header has one here. */\n",
    );
    for function in &all {
        text += &attempt(function);
    }
    text += "\nstatic const struct attempt attempts[] = {\n";
    for function in &all {
        let name = &function.name;
        writeln!(text, "    {{\"{name}\", try_{}}},", short(name)).unwrap();
    }
    text += "};\n";
    check_or_bless(&root().join("tests/c/calls.h"), &text);
}

fn short(name: &str) -> &str {
    name.strip_prefix("millpond_").unwrap()
}

/// The function that calls `function` once and hands on what it answered.
fn attempt(function: &Function) -> String {
    let mut text = format!("\nstatic void try_{}(struct caller *self) {{\n", short(&function.name));
    if function.parameters.is_empty() {
        text += "    (void)self;\n";
    }
    for parameter in &function.parameters {
        let space = if parameter.kind.ends_with('*') { "" } else { " " };
        let pick = pick(function, parameter);
        let Parameter { kind, name } = parameter;
        writeln!(text, "    {kind}{space}{name} = {pick}(self);").unwrap();
    }
    let call = call_of(function);
    let line = match function.returns.as_str() {
        "void" => call,
        "int32_t" if function.is_fallible() => format!("settle(self, {call})"),
        "int32_t" | "int64_t" | "uint64_t" | "uintptr_t" => format!("(void){call}"),
        "const char *" => format!("look_at_text({call})"),
        "millpond_text_t" => format!("look_at_bytes({call})"),
        "const millpond_state_t *" => format!("look_at_state({call})"),
        other => panic!("misuse.c cannot look at what {} answers: `{other}`", function.name),
    };
    text + "    " + &line + ";\n}\n"
}

/// The call with the picked arguments, on two lines if it is long.
fn call_of(function: &Function) -> String {
    let mut call = format!("{}(", function.name);
    let mut width = call.len();
    for (index, parameter) in function.parameters.iter().enumerate() {
        let name = &parameter.name;
        let space = if index == 0 { "" } else { ", " };
        width += space.len() + name.len();
        if width > 70 {
            call += ",\n        ";
            width = 8;
        } else {
            call += space;
        }
        call += name;
    }
    call + ")"
}

/// What pick.h has to pick text or bytes.
fn pick_bytes(kind: &str, name: &str) -> &'static str {
    match (kind, name) {
        ("const uint8_t *", _) => "some_bytes",
        (_, "query") => "a_query",
        (_, "blob_id" | "after") => "a_blob_id",
        (_, "path") => "a_path",
        (_, "token" | "known") => "a_token",
        (_, "target" | "ticket") => "a_target",
        _ => "a_text",
    }
}

/// What pick.h has to pick an argument.
fn pick(function: &Function, parameter: &Parameter) -> &'static str {
    match (parameter.kind.as_str(), parameter.name.as_str()) {
        ("millpond_node_t", _) => "a_node",
        ("millpond_cursor_t", _) => "a_cursor",
        ("millpond_subscription_t", _) => "a_subscription",
        ("millpond_cancel_t", _) => "a_cancel",
        ("millpond_session_t", own) if function.parameters[0].name != own => "a_rare_session",
        ("millpond_session_t", _) => "a_session",
        ("millpond_observer_t", _) => "an_observer",
        ("millpond_turn_t", _) => "a_turn",
        ("millpond_group_t", _) => "a_group",
        ("millpond_doing_t", _) => "a_doing",
        ("millpond_blob_work_t", _) => "a_blob_work",
        ("millpond_blob_reader_t", _) => "a_blob_reader",
        ("millpond_blob_writer_t", _) => "a_blob_writer",
        ("uint8_t *", "buffer") => "a_buffer",
        ("uintptr_t", "buffer_len") => "its_length",
        ("uint64_t", "position" | "bytes_max") => "a_place",
        ("int64_t", "by") => "a_timeout",
        ("const millpond_blob_about_t *", _) => "some_blob_about",
        ("const millpond_blob_export_options_t *", _) => "some_export_options",
        ("const char *" | "const uint8_t *", name) => pick_bytes(&parameter.kind, name),
        ("const millpond_draft_t *", _) => "some_drafts",
        ("const millpond_text_t *", _) => "some_texts",
        ("uintptr_t", "index" | "count_max") => "a_count",
        ("uint64_t", "reserve") => "a_reserve",
        ("uintptr_t", _) => "their_count",
        ("int64_t", "timeout_ms") => "a_timeout",
        ("int32_t", _) | ("uint32_t", "abi_version") => "a_number",
        ("const millpond_node_options_t *", _) => "some_node_options",
        ("const millpond_publish_options_t *", _) => "some_publish_options",
        ("const millpond_query_options_t *", _) => "some_query_options",
        ("const millpond_subscribe_options_t *", _) => "some_subscribe_options",
        ("const millpond_read_options_t *", _) => "some_read_options",
        ("const millpond_fish_t *", _) => "some_fish",
        ("const millpond_deed_t *", _) => "some_deed",
        ("millpond_batch_callback_t", _) => "a_batch_callback",
        ("millpond_log_callback_t", _) => "a_log_callback",
        ("millpond_state_callback_t", _) => "a_state_callback",
        ("millpond_effect_callback_t", _) => "an_effect_callback",
        ("millpond_make_fish_callback_t", _) => "a_make_fish_callback",
        // They live in callbacks only, where other calls of the tests try them.
        ("millpond_job_t *", _) => "no_job",
        ("millpond_effect_t *", _) => "no_effect",
        ("millpond_seed_t *", _) => "no_seed",
        ("millpond_destroy_t", _) => "a_destroy",
        ("void *", "user_data") => "some_user_data",
        ("const millpond_batch_t *", _) => "a_batch",
        ("const millpond_error_t *", _) => "an_error",
        ("const millpond_state_t *", _) => "a_state",
        ("millpond_state_t *", _) => "own_state",
        ("const millpond_states_t *", _) => "some_states",
        ("millpond_states_t *", _) => "own_states",
        ("millpond_batch_t *", _) => "own_batch",
        ("millpond_error_t *", _) => "own_error",
        _ => place(function, parameter),
    }
}

/// What pick.h has to pick a place for an output.
fn place(function: &Function, parameter: &Parameter) -> &'static str {
    let is_taken = !function.is_fallible();
    match (parameter.kind.as_str(), parameter.name.as_str()) {
        ("millpond_bytes_t *", _) if is_taken => "own_bytes",
        ("millpond_bytes_t *", _) => "place_for_bytes",
        ("millpond_node_t *", _) => "place_for_node",
        ("millpond_cursor_t *", _) => "place_for_cursor",
        ("millpond_subscription_t *", _) => "place_for_subscription",
        ("millpond_cancel_t *", _) => "place_for_cancel",
        ("millpond_session_t *", _) => "place_for_session",
        ("millpond_observer_t *", _) => "place_for_observer",
        ("millpond_turn_t *", _) => "place_for_turn",
        ("millpond_group_t *", _) => "place_for_group",
        ("millpond_doing_t *", _) => "place_for_doing",
        ("millpond_blob_work_t *", _) => "place_for_blob_work",
        ("millpond_blob_reader_t *", _) => "place_for_blob_reader",
        ("millpond_blob_writer_t *", _) => "place_for_blob_writer",
        ("millpond_blob_progress_t *", _) => "place_for_progress",
        ("uintptr_t *", _) => "place_for_count",
        ("millpond_batch_t **", _) => "place_for_batch",
        ("millpond_state_t **", _) => "place_for_state",
        ("millpond_states_t **", _) => "place_for_states",
        ("millpond_error_t **", _) => "place_for_error",
        ("millpond_published_t *", _) => "place_for_published",
        ("millpond_event_t *", _) => "place_for_event",
        ("millpond_state_view_t *", _) => "place_for_view",
        ("int32_t *", _) => "place_for_fd",
        ("uint64_t *", _) => "place_for_number",
        (kind, name) => panic!("pick.h cannot pick `{name}` of {}: `{kind}`", function.name),
    }
}

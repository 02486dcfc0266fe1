//! Rules about lines and words.

use super::Finding;
use super::source::{Language, Source};

const COLUMNS_MAX: usize = 100;

/// Lines end by column 100, so that two files fit beside each other. Documents and tables are free.
pub(super) fn wide_lines(source: &Source) -> Vec<Finding> {
    if matches!(source.language, Language::Prose | Language::Toml) {
        return Vec::new();
    }
    let wide = |(index, line): (usize, &str)| {
        let columns = line.chars().count();
        (columns > COLUMNS_MAX)
            .then(|| format!("{}:{}: {columns} columns; the limit is 100", source.path, index + 1))
    };
    source.text.lines().enumerate().filter_map(wide).collect()
}

/// Leftovers of unfinished work, and tests that do not run.
const LEFTOVERS: &[&str] = &[
    "TODO",
    "FIXME",
    "XXX",
    "unimplemented!",
    "todo!",
    "#[ignore",
    "pytest.skip",
    "pytest.mark.skip",
    "pytest.mark.xfail",
    "unittest.skip",
    "it.skip",
    "test.skip",
    "describe.skip",
    "it.todo",
    "test.todo",
    "it.only",
    "test.only",
    "describe.only",
];

/// Unfinished work does not reach main: finish it, delete it, or describe today's behaviour.
pub(super) fn leftovers(source: &Source) -> Vec<Finding> {
    // Documents may speak of such words; code, comments and tests may not hold them.
    if source.language == Language::Prose {
        return Vec::new();
    }
    let found = |word: &&str| {
        let at = whole_word(&source.prose, word)?;
        Some(source.at(at, format!("`{word}`: finish it or delete it")))
    };
    LEFTOVERS.iter().filter_map(found).collect()
}

/// Names are ASCII: two that look alike are the same. Strings and comments may hold any letter.
pub(super) fn foreign_letters_in_code(source: &Source) -> Vec<Finding> {
    if matches!(source.language, Language::Prose | Language::Shell) {
        return Vec::new();
    }
    let foreign = source.code.char_indices().find(|(_, letter)| !letter.is_ascii());
    let say = |(at, letter)| source.at(at, format!("`{letter}` in code"));
    foreign.map(say).into_iter().collect()
}

/// Nothing names a place that exists on one machine only.
pub(super) fn places_of_one_machine(source: &Source) -> Vec<Finding> {
    // Taken apart, so that this file does not find itself.
    let places = [["/wor", "k"], ["/roo", "t"], ["/hom", "e"], ["/User", "s"]].map(|p| p.concat());
    let found = |place: &String| {
        let at = whole_word(&source.text, place)?;
        let before = source.text[..at].chars().next_back().unwrap_or(' ');
        let starts = !(before.is_alphanumeric() || "._-~}".contains(before));
        starts.then(|| source.at(at, format!("`{place}` is a place of one machine")))
    };
    places.iter().filter_map(found).collect()
}

/// Ways to let time pass instead of awaiting a condition.
const SLEEPS: &[&str] = &[
    "thread::sleep",
    "time::sleep",
    "time.sleep",
    "asyncio.sleep",
    "usleep",
    "nanosleep",
    "setTimeout(resolve",
    "setTimeout(r,",
    "timers/promises",
    "Thread.sleep",
    "Task.sleep",
];

/// Tests await conditions. Where the world offers nothing to wait on, a loop may look again and
/// again until a deadline: then the line or one of the two above says `Polls`.
pub(super) fn sleeping_tests(source: &Source) -> Vec<Finding> {
    if !source.is_test() {
        return Vec::new();
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        // One turn of a loop lets no time pass.
        let line = line.replace("asyncio.sleep(0)", "");
        let sleeps = SLEEPS.iter().find(|sleep| line.contains(**sleep));
        let polls = lines[index.saturating_sub(2)..=index].iter().any(|l| l.contains("Polls"));
        if let (Some(sleep), false) = (sleeps, polls) {
            findings.push(format!("{}:{}: `{sleep}` in a test", source.path, index + 1));
        }
    }
    findings
}

/// Where `word` stands in `text` without a letter or digit around it.
pub(super) fn whole_word(text: &str, word: &str) -> Option<usize> {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    let ends_in_letter = word.ends_with(letter);
    let begins_with_letter = word.starts_with(letter);
    text.match_indices(word).map(|(at, _)| at).find(|&at| {
        let before = text[..at].chars().next_back().is_some_and(letter);
        let after = text[at + word.len()..].chars().next().is_some_and(letter);
        !(before && begins_with_letter || after && ends_in_letter)
    })
}

#[cfg(test)]
mod tests {
    use super::super::bites;
    use super::*;

    #[test]
    fn a_wide_line_is_found() {
        let planted = format!("// {}\n", "x".repeat(98));
        bites(wide_lines, "core/src/a.rs", &planted, &planted.replacen('x', "", 1));
    }

    #[test]
    fn unfinished_work_and_silenced_tests_are_found() {
        bites(leftovers, "core/src/a.rs", "// TODO: later\n", "// TODOS are no word\n\"TODO\"\n");
        bites(leftovers, "core/src/a.rs", "#[ignore]\nfn a() {}\n", "#[ignored]\nfn a() {}\n");
        bites(leftovers, "node/a.test.ts", "it.skip('a')\n", "wait.skipped('a')\n");
        bites(leftovers, "python/a.py", "pytest.skip('a')\n", "s = 'pytest.skip'\n");
    }

    #[test]
    fn a_name_that_is_not_ascii_is_found() {
        bites(foreign_letters_in_code, "core/src/a.rs", "let größe = 1;\n", "\"größe\" // größe\n");
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let planted = ["see /wor", "k/shared\n"].concat();
        bites(places_of_one_machine, "docs/a.md", &planted, "the framework, net/work, ~/home\n");
    }

    #[test]
    fn a_sleeping_test_is_found() {
        let polls = "// Polls until the deadline: the kernel tells nobody.\nthread::sleep(STEP);\n";
        bites(sleeping_tests, "tests/it/a.rs", "std::thread::sleep(STEP);\n", polls);
        let turn = "await asyncio.sleep(0)\n";
        bites(sleeping_tests, "python/tests/test_a.py", "await asyncio.sleep(0.1)\n", turn);
        bites(sleeping_tests, "python/tests/test_a.py", "time.sleep(1)\n", "asleep(1)\n");
    }
}

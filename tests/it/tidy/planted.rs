//! Every planted bug is hunted where it sits, and every bug that is hunted is planted.
//!
//! Not here: the hunt (`sim --planted`, the crash campaigns, the schedules of escrow accounts, the
//! tests of labs, the power cuts of blobs).

use super::Finding;
use super::source::{Language, Source};
use millpond_tests::sim::campaign::{PLANTED, PLANTED_IN_STAND_INS};
use std::collections::BTreeSet;

/// Who looks for the bugs that are planted in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hunter {
    Simulator,
    SimulatorInStandIns,
    CrashCampaign,
    Schedules,
    TestsOfLabs,
}

/// Bugs that are planted and hunted by nobody who runs that code, and the other way round.
pub(super) fn planted_and_not_hunted(sources: &[Source]) -> Vec<Finding> {
    let ours =
        |source: &&Source| source.language == Language::Rust && !source.is_below("tests/it/tidy");
    let (mut planted, mut hunted) = (BTreeSet::new(), BTreeSet::new());
    for source in sources.iter().filter(ours) {
        let hunter = hunter(source);
        planted.extend(named(source, "planted!").map(|name| (hunter, name)));
        let chosen = named(source, "choose_everywhere");
        hunted.extend(chosen.map(|name| (Hunter::CrashCampaign, name)));
        hunted.extend(named(source, "is_found").map(|name| (hunter, name)));
    }
    hunted.extend(PLANTED.iter().map(|bug| (Hunter::Simulator, bug.name)));
    let in_stand_ins = PLANTED_IN_STAND_INS.iter();
    hunted.extend(in_stand_ins.map(|bug| (Hunter::SimulatorInStandIns, bug.name)));
    let lost = planted.difference(&hunted);
    let lost = lost.map(|(hunter, name)| format!("{name}: is planted, and not hunted: {hunter:?}"));
    let vain = hunted.difference(&planted);
    let vain = vain.map(|(hunter, name)| format!("{name}: is hunted, and not planted: {hunter:?}"));
    lost.chain(vain).collect()
}

fn hunter(source: &Source) -> Hunter {
    match () {
        () if source.is_below("tests/src/sim") => Hunter::SimulatorInStandIns,
        () if source.is_below("core/src/sync") => Hunter::Simulator,
        () if source.is_below("core/src/pond/escrow") => Hunter::Schedules,
        () if source.is_below("core/src/blob/store") => Hunter::Schedules,
        () if source.is_below("core/src/pond/lab") => Hunter::TestsOfLabs,
        () if source.is_below("core/src/pond") => Hunter::Simulator,
        () => Hunter::CrashCampaign,
    }
}

/// The literals that `call` is called with.
fn named<'a>(source: &'a Source, call: &str) -> impl Iterator<Item = &'a str> {
    let calls = source.text.split(&format!("{call}(\"")).skip(1).collect::<Vec<_>>();
    calls.into_iter().filter_map(|rest| rest.split('"').next())
}

#[test]
fn a_bug_that_is_planted_and_not_hunted_is_seen_and_so_is_the_reverse() {
    let plant = |path: &str, name: &str| Source::new(path, &format!("planted!(\"{name}\");\n"));
    let named = |sources: &[Source], name: &str| {
        let findings = planted_and_not_hunted(sources);
        findings.iter().filter(|finding| finding.starts_with(&format!("{name}:"))).count()
    };
    let name = PLANTED[0].name;
    assert_eq!(named(&[], name), 1, "hunted, and not planted");
    assert_eq!(named(&[plant("core/src/sync/a.rs", name)], name), 0);
    assert_eq!(named(&[plant("core/src/log/a.rs", name)], name), 2, "planted where nobody hunts");
    assert_eq!(named(&[plant("core/src/sync/a.rs", "no_such_bug")], "no_such_bug"), 1);
}

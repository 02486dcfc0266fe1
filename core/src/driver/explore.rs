//! Scenarios for many seeds, and the smaller failure of one that fails.
//!
//! Not here: what is left out next (`pond::lab::LabShrink`).
//! Rule: what a run leaves out, and what befell in it, belongs to the thread that runs it.

use crate::driver::clock;
use crate::driver::testing::{replay_hint, seed_wanted, without_wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::pond::lab::{Lab, LabBefall, LabOptions, LabShrink};
use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

/// No further run begins after this, in real time.
const SHRINK_TIME_MAX: Duration = Duration::from_secs(30);

/// How scenarios are run.
#[derive(Clone, Copy, Debug)]
pub struct ExploreOptions {
    /// Of a scenario that fails, find what it takes of all that befell: it is run again, up to 64
    /// times and for half a minute, and part of that is left out. True, at first.
    pub shrink: bool,
}

impl Default for ExploreOptions {
    fn default() -> ExploreOptions {
        ExploreOptions { shrink: true }
    }
}

/// Runs `scenario` for each seed, and stops at the first one that fails. Then it runs that one
/// again, up to 64 times and for half a minute, and leaves out part of what befell by chance, to
/// say what of that it takes to fail so. Such a run counts where it makes as many labs as the first
/// one. Nothing ends it: a scenario is not to wait for ever for what befell before and is left out.
///
/// If the environment has [`SEED_VARIABLE`](crate::testing::SEED_VARIABLE), only that seed is run:
/// so the seed of a failure is replayed; and
/// [`WITHOUT_VARIABLE`](crate::testing::WITHOUT_VARIABLE) says what is left out then.
///
/// # Errors
/// That of the scenario, with its seed. `invalid_argument`: a variable holds no seed or no such
/// list, or there is no seed to run.
///
/// # Panics
/// As the scenario does, after its seed was printed.
pub fn explore(
    seeds: impl IntoIterator<Item = u64>,
    scenario: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    explore_with(ExploreOptions::default(), seeds, scenario)
}

/// As [`explore`], as `options` say.
///
/// # Errors
/// As [`explore`].
///
/// # Panics
/// As [`explore`].
pub fn explore_with(
    options: ExploreOptions,
    seeds: impl IntoIterator<Item = u64>,
    mut scenario: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let (wanted, without) = (seed_wanted()?, without_wanted()?);
    let mut seeds = seeds.into_iter().peekable();
    if seeds.peek().is_none() {
        let message = "a scenario is run with one seed at least";
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    let seeds: Box<dyn Iterator<Item = u64>> = match wanted {
        Some(seed) => Box::new(std::iter::once(seed)),
        None => Box::new(seeds),
    };
    watch_panics();
    for seed in seeds {
        let left_out = without.clone().unwrap_or_default();
        let mut first = Trial::run(seed, left_out, false, &mut scenario);
        let Some(failure) = first.failure.take() else { continue };
        let hint = replay_hint(seed);
        let is_shrunk = options.shrink && without.is_none() && failure.is_known();
        let found = is_shrunk.then(|| smaller(seed, &failure, first, &mut scenario)).flatten();
        match failure {
            Failure::Error(error) => {
                let error = error.in_context(hint);
                return Err(match found {
                    Some(found) => error.with_last_line(&found),
                    None => error,
                });
            }
            Failure::Panic { payload, .. } => {
                eprintln!("{hint}");
                found.iter().for_each(|found| eprintln!("{found}"));
                resume_unwind(payload);
            }
        }
    }
    Ok(())
}

/// What it takes of all that befell to fail in the same way, for people.
fn smaller(
    seed: u64,
    failure: &Failure,
    first: Ran,
    scenario: &mut impl FnMut(u64) -> Result<()>,
) -> Option<String> {
    let until = clock::now() + SHRINK_TIME_MAX;
    let mut shrink = LabShrink::new(BTreeSet::new(), first.befell);
    while clock::now() < until
        && let Some(without) = shrink.next_run()
    {
        let ran = Trial::run(seed, without.clone(), true, scenario);
        // From a lab of another run nothing is left out, so that it fails says nothing.
        let is_like = ran.failure.is_some_and(|own| own.is_like(failure));
        match is_like && ran.labs == first.labs {
            true => shrink.failed(ran.befell),
            false => shrink.passed(),
        }
    }
    shrink.summary(seed)
}

/// How a scenario failed.
enum Failure {
    Error(Error),
    Panic {
        payload: Box<dyn Any + Send>,
        /// File, line and column, where that is known.
        place: Option<String>,
    },
}

impl Failure {
    /// Whether another one can be told from it. A panic is known by its place, which nobody tells
    /// of one that is passed on from another thread, or where the scenario sets a hook of its own.
    fn is_known(&self) -> bool {
        !matches!(self, Failure::Panic { place: None, .. })
    }

    /// Whether both are of one kind.
    fn is_like(&self, other: &Failure) -> bool {
        match (self, other) {
            (Failure::Error(one), Failure::Error(other)) => {
                (one.kind(), one.reason()) == (other.kind(), other.reason())
            }
            (Failure::Panic { place, .. }, Failure::Panic { place: other, .. }) => {
                place.is_some() && place == other
            }
            _ => false,
        }
    }
}

/// How a run ended.
struct Ran {
    /// None where all was well.
    failure: Option<Failure>,
    /// What befell its labs.
    befell: Vec<LabBefall>,
    /// How many labs were made in it.
    labs: usize,
}

/// A run of a scenario, for the labs that it makes.
#[derive(Default)]
pub(super) struct Trial {
    without: BTreeSet<u64>,
    befell: Arc<Mutex<Vec<LabBefall>>>,
    /// Its panics are not printed.
    is_quiet: bool,
    /// Where it panicked.
    place: Option<String>,
    /// How many labs were made.
    labs: usize,
}

thread_local! {
    static TRIAL: RefCell<Option<Trial>> = const { RefCell::new(None) };
}

impl Trial {
    /// Runs a scenario; how it failed, and what befell its labs.
    fn run(
        seed: u64,
        without: BTreeSet<u64>,
        is_quiet: bool,
        scenario: &mut impl FnMut(u64) -> Result<()>,
    ) -> Ran {
        let own = Trial { without, is_quiet, ..Trial::default() };
        let befell = own.befell.clone();
        // A scenario may explore, too.
        let outer = TRIAL.replace(Some(own));
        let ended = catch_unwind(AssertUnwindSafe(|| scenario(seed)));
        let Trial { place, labs, .. } = TRIAL.replace(outer).unwrap_or_default();
        let failure = match ended {
            Ok(ended) => ended.err().map(Failure::Error),
            Err(payload) => Some(Failure::Panic { payload, place }),
        };
        let befell = std::mem::take(&mut *befell.lock().unwrap_or_else(PoisonError::into_inner));
        Ran { failure, befell, labs }
    }

    /// A lab of the run that is under way on this thread, if there is one.
    ///
    /// # Errors
    /// As `make`.
    pub(super) fn lab(
        options: &LabOptions,
        make: impl FnOnce(&LabOptions) -> Result<Lab>,
    ) -> Result<Lab> {
        let told = TRIAL
            .with_borrow(|own| own.as_ref().map(|own| (own.without.clone(), own.befell.clone())));
        let Some((without, befell)) = told else { return make(options) };
        let mut options = options.clone();
        options.without.extend(without);
        let mut lab = make(&options)?;
        lab.listen(move |befall| {
            befell.lock().unwrap_or_else(PoisonError::into_inner).push(befall.clone());
        });
        TRIAL.with_borrow_mut(|own| own.iter_mut().for_each(|own| own.labs += 1));
        Ok(lab)
    }
}

/// From now on a trial knows where it panicked, and one that is quiet prints nothing of that. What
/// else panics in the process is told as before.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_quiet = TRIAL.try_with(|own| {
                let Ok(mut own) = own.try_borrow_mut() else { return false };
                own.as_mut().is_some_and(|own| {
                    own.place = panic.location().map(ToString::to_string);
                    own.is_quiet
                })
            });
            if !is_quiet.unwrap_or(false) {
                before(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::LAB_SCHEDULE;

    /// Fails where node 1 loses its power.
    fn fails(seed: u64, mut how: impl FnMut(&Lab) -> Result<()>) -> Result<()> {
        let mut lab = Lab::new(&LabOptions::new(3, seed))?;
        lab.chaos(40)?;
        let has_lost = lab.befell().iter().any(|own| own.what == "node 1 loses its power");
        if has_lost { how(&lab) } else { Ok(()) }
    }

    fn refused() -> Error {
        Error::new(ErrorKind::Conflict, "no steel").with_reason("steel")
    }

    #[test]
    fn a_failure_says_its_seed_and_the_one_befall_that_it_takes() {
        let error = explore(1..=50, |seed| fails(seed, |_| Err(refused()))).unwrap_err();
        let said = error.message();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, Some("steel")));
        assert!(said.contains("no steel") && said.contains(" replays it with this version"));
        assert!(said.contains(&format!("(schedule {LAB_SCHEDULE})")), "{said}");
        assert!(said.contains("\n1 of the ") && said.contains("] node 1 loses its power"));
        assert!(said.contains("MILLPOND_WITHOUT="), "{said}");
    }

    #[test]
    fn what_fails_in_another_way_is_not_taken_for_the_same() {
        // Where the network was never cut it fails, too, and says something else.
        let error = explore(1..=50, |seed| {
            fails(seed, |lab| match lab.befell().iter().any(|own| own.what.contains("is cut")) {
                true => Err(refused()),
                false => Err(Error::new(ErrorKind::Conflict, "no water").with_reason("water")),
            })
        });
        let error = error.unwrap_err();
        assert_eq!(error.reason(), Some("steel"));
        assert!(error.message().contains("\n2 of the "), "{error}");
    }

    #[test]
    fn without_the_option_a_scenario_runs_once_for_each_seed() {
        let mut seeds = Vec::new();
        let error = explore_with(ExploreOptions { shrink: false }, 1..=50, |seed| {
            seeds.push(seed);
            fails(seed, |_| Err(refused()))
        });
        let error = error.unwrap_err();
        assert_eq!(seeds, (1..=seeds.len() as u64).collect::<Vec<u64>>());
        assert!(error.message().ends_with("no steel"), "{error}");
    }

    #[test]
    fn a_panic_ends_at_most_64_further_runs_later_as_it_began() {
        let mut runs = 0;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            explore(1..=50, |seed| {
                fails(seed, |lab| {
                    runs += 1;
                    panic!("{} befell", lab.befell().len())
                })
            })
        }));
        let payload = ended.unwrap_err();
        let first = payload.downcast_ref::<String>().unwrap();
        assert!(first.ends_with(" befell") && first != "1 befell", "{first}");
        assert!((2..=65).contains(&runs), "{runs} runs failed");
        assert!(TRIAL.with_borrow(Option::is_none), "nothing is left of the last run");
    }

    #[test]
    fn a_run_with_a_lab_of_another_run_proves_nothing() {
        let (mut kept, mut runs) = (None, 0);
        let error = explore([5], |seed| {
            runs += 1;
            if kept.is_none() {
                let mut lab = Lab::new(&LabOptions::new(3, seed))?;
                lab.chaos(40)?;
                kept = Some(lab);
            }
            let has_befallen = kept.as_ref().is_some_and(|lab| !lab.befell().is_empty());
            if has_befallen { Err(refused()) } else { Ok(()) }
        });
        let error = error.unwrap_err();
        assert!(runs > 1 && !error.message().contains("it fails so without"), "{error}");
    }

    #[test]
    fn a_panic_that_nobody_knows_the_place_of_is_said_once() {
        let mut runs = 0;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            explore(1..=50, |seed| {
                fails(seed, |_| {
                    runs += 1;
                    resume_unwind(Box::new("from another thread"))
                })
            })
        }));
        assert_eq!(ended.unwrap_err().downcast_ref::<&str>(), Some(&"from another thread"));
        assert_eq!(runs, 1);
    }

    #[test]
    fn a_scenario_that_makes_no_lab_or_in_which_nothing_befalls_is_run_once() {
        let mut runs = 0;
        let error = explore([7], |seed| {
            runs += 1;
            Lab::new(&LabOptions::new(2, seed))?.settle()?;
            Err(refused())
        });
        assert_eq!(runs, 1);
        assert!(!error.unwrap_err().message().contains("befell"));
    }
}

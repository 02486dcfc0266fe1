//! Bugs on purpose: the simulator and the crash campaigns must find each of them.
//!
//! Only a build with `--cfg millpond_planted`, and the core's own unit tests, have them, all of
//! them, and one at most is chosen: for a thread by `choose`, else for all of them by
//! `choose_everywhere`. In every other build `planted!` is the constant `false`.

#[cfg(any(test, millpond_planted))]
mod chosen {
    use std::cell::RefCell;
    use std::sync::OnceLock;

    thread_local! {
        static CHOSEN: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    /// This thread has the bug of this name from now on; none has none.
    pub fn choose(name: Option<&str>) {
        CHOSEN.with_borrow_mut(|chosen| *chosen = Some(name.unwrap_or_default().to_owned()));
    }

    static EVERYWHERE: OnceLock<&'static str> = OnceLock::new();

    /// Every thread that chooses nothing has the bug of this name from now on. Only the first call
    /// counts.
    pub fn choose_everywhere(name: &'static str) {
        // A second choice would make the first one's tests lie.
        let _ = EVERYWHERE.set(name);
    }

    /// True when this thread has the bug of this name.
    pub fn is_on(name: &str) -> bool {
        CHOSEN.with_borrow(|chosen| match chosen {
            Some(chosen) => chosen == name,
            None => EVERYWHERE.get().is_some_and(|chosen| *chosen == name),
        })
    }
}

#[cfg(any(test, millpond_planted))]
pub use chosen::{choose, choose_everywhere, is_on};

/// False: this build has no bug on purpose.
#[cfg(not(any(test, millpond_planted)))]
pub const fn is_on(_: &str) -> bool {
    false
}

/// True when the bug of this name is chosen.
#[doc(hidden)]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        $crate::planted::is_on($name)
    };
}

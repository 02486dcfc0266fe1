//! Bugs on purpose: the simulator and the crash campaigns must find each of them.
//!
//! Only a build with `--cfg millpond_planted` has them, all of them, and one at most is chosen: for
//! a thread by [`choose`], else for the process by the variable `MILLPOND_PLANTED`. In every other
//! build `planted!` is the constant `false`.

#[cfg(millpond_planted)]
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

    /// True when this thread has the bug of this name.
    pub fn is_on(name: &str) -> bool {
        static OF_PROCESS: OnceLock<Option<String>> = OnceLock::new();
        let of_process = || OF_PROCESS.get_or_init(|| std::env::var("MILLPOND_PLANTED").ok());
        CHOSEN.with_borrow(|chosen| match chosen {
            Some(chosen) => chosen == name,
            None => of_process().as_deref() == Some(name),
        })
    }
}

#[cfg(millpond_planted)]
pub use chosen::{choose, is_on};

/// True when the bug of this name is chosen.
#[doc(hidden)]
#[macro_export]
#[cfg(millpond_planted)]
macro_rules! planted {
    ($name:literal) => {
        $crate::planted::is_on($name)
    };
}

/// False: this build has no bug on purpose.
#[doc(hidden)]
#[macro_export]
#[cfg(not(millpond_planted))]
macro_rules! planted {
    ($name:literal) => {
        cfg!(millpond_planted)
    };
}

//! Calling code of an application: whatever it does, it ends here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `code` gives; else what it failed with, as a text. A panic is a failure.
pub(crate) fn guarded<T>(code: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|panic| {
        let message = said(&*panic);
        let_go(panic);
        Err(message)
    })
}

/// Drops what belongs to the application. A panic of that is not heard of: there is nobody to tell.
pub(crate) fn let_go<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Dropping this could panic, too.
        std::mem::forget(panic);
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "it panicked".to_owned(), |text| format!("it panicked: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Grenade;

    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("it goes off");
        }
    }

    #[test]
    fn a_panic_is_a_failure_that_says_what_it_said() {
        assert_eq!(guarded(|| Ok(7)), Ok(7));
        assert_eq!(guarded::<()>(|| Err("no".to_owned())), Err("no".to_owned()));
        assert_eq!(guarded::<()>(|| panic!("no {}", 7)), Err("it panicked: no 7".to_owned()));
        assert_eq!(guarded::<()>(|| panic!("no")), Err("it panicked: no".to_owned()));
        let thrown = guarded::<()>(|| std::panic::panic_any(Grenade));
        assert_eq!(thrown, Err("it panicked".to_owned()));
        let_go(Grenade);
    }
}

//! Keeps panics from crossing into C.
//!
//! No bytes or arguments are known to cause a panic, so a panic is a fault of this library. It is caught, because a
//! library has no business ending the program of others. The object in which it happened may be half changed, so every
//! later call for that object returns [`BOW_ERROR_INTERNAL`], and it can only be freed. Other objects share nothing
//! with it that changes. (A program that was built with `panic=abort` ends instead.)

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::bow_error;
use crate::error::bow_error::{BOW_ERROR_INTERNAL, BOW_OK};

/// Runs a function that has no object yet.
pub(crate) fn catch(run: impl FnOnce() -> Result<(), bow_error>) -> bow_error {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => BOW_OK,
        Ok(Err(error)) => error,
        Err(_) => BOW_ERROR_INTERNAL,
    }
}

/// Runs a function that has no way to report failure.
pub(crate) fn quietly(run: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(run));
}

/// A value that is not used again after a panic in it.
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    inner: T,
    failed: bool,
}

impl<T> Guarded<T> {
    pub(crate) const fn new(inner: T) -> Self {
        Self { inner, failed: false }
    }

    pub(crate) fn run(&mut self, run: impl FnOnce(&mut T) -> Result<(), bow_error>) -> bow_error {
        if self.failed {
            return BOW_ERROR_INTERNAL;
        }
        let inner = &mut self.inner;
        match catch_unwind(AssertUnwindSafe(|| run(inner))) {
            Ok(Ok(())) => BOW_OK,
            Ok(Err(error)) => error,
            Err(_) => {
                self.failed = true;
                BOW_ERROR_INTERNAL
            }
        }
    }

    /// Asks the value; `instead` is the answer after a panic.
    pub(crate) fn ask<R>(&self, instead: R, ask: impl FnOnce(&T) -> R) -> R {
        if self.failed {
            return instead;
        }
        catch_unwind(AssertUnwindSafe(|| ask(&self.inner))).unwrap_or(instead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stays_inside_and_sticks() {
        let mut guarded = Guarded::new(1);
        assert_eq!(guarded.run(|_| Ok(())), BOW_OK);
        assert_eq!(guarded.ask(0, |value| *value), 1);
        assert_eq!(guarded.run(|_| panic!("on purpose")), BOW_ERROR_INTERNAL);
        assert_eq!(guarded.run(|_| Ok(())), BOW_ERROR_INTERNAL, "not touched again");
        assert_eq!(guarded.ask(0, |value| *value), 0);
        assert_eq!(catch(|| panic!("on purpose")), BOW_ERROR_INTERNAL);
        quietly(|| panic!("on purpose"));
    }
}

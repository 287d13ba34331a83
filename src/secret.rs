//! Values that no log, error or report may show: passwords, and bytes that contain one.

use core::fmt;

/// A value that cannot be printed: `Debug` shows an ellipsis in its place, and there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Secret<T>(T);

impl<T> Secret<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value, for the wire.
    pub(crate) const fn expose(&self) -> &T {
        &self.0
    }

    pub(crate) const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_is_shown() {
        assert_eq!(
            alloc::format!("{:?} {:#?}", Secret::new("hunter2"), Some(Secret::new(b"hunter2"))),
            "… Some(\n    …,\n)"
        );
    }
}

//! One compressed message for many connections.

use std::sync::{Arc, OnceLock};

use super::window::WindowBits;

/// The frames of a message, one for each window, each made when first requested.
///
/// A clone shares the frames that existed when it was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedForms(OnceLock<Arc<Forms>>);

/// `None` if it is not shorter than the message itself.
type Forms = [OnceLock<Option<Arc<[u8]>>>; 8];

impl SharedForms {
    pub(super) fn frame(
        &self,
        window: WindowBits,
        make: impl FnOnce() -> Option<Arc<[u8]>>,
    ) -> Option<Arc<[u8]>> {
        let forms = self.0.get_or_init(Arc::default);
        forms[index(window)].get_or_init(make).clone()
    }

    /// Returns what has been made.
    #[inline]
    pub(super) fn made(&self, window: WindowBits) -> Option<Option<&Arc<[u8]>>> {
        Some(self.0.get()?[index(window)].get()?.as_ref())
    }
}

const fn index(window: WindowBits) -> usize {
    (window.bits() - WindowBits::MIN.bits()) as usize
}

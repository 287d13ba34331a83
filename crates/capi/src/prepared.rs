//! Messages that are encoded once and sent to many.

#![allow(unsafe_code, reason = "exports symbols")]

use std::ffi::c_void;

use bowsprit::Message;
use bowsprit::message::Prepared;
use bowsprit::utf8;

use crate::error::bow_error;
use crate::error::bow_error::*;
use crate::guard;
use crate::pointers::{bytes, hand_over, take_back};

/// A message that is encoded once, and compressed once for all connections that agreed to the same window. Any number
/// of threads may send it at the same time; servers' queues share its bytes.
pub struct bow_prepared {
    pub(crate) message: Prepared,
}

/// Encodes a message; `kind` is a `bow_data_kind`. Free it with `bow_prepared_free`.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_ARGUMENT`, `BOW_ERROR_NOT_UTF8`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_prepared_new(
    kind: u32,
    data: *const c_void,
    len: usize,
    prepared: *mut *mut bow_prepared,
) -> bow_error {
    guard::catch(|| {
        // SAFETY: each pointer is NULL or valid.
        unsafe {
            hand_over(prepared, || {
                Ok(bow_prepared { message: Prepared::new(message(kind, bytes(data, len)?)?) })
            })
        }
    })
}

/// Frees a message; does nothing for NULL. Its queued bytes are still sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_prepared_free(prepared: *mut bow_prepared) {
    // SAFETY: NULL, or made by `bow_prepared_new` and not freed yet.
    unsafe { take_back(prepared) }
}

/// Creates a message from what C passes.
pub(crate) fn message(kind: u32, data: &[u8]) -> Result<Message<'_>, bow_error> {
    match kind {
        1 => utf8::validate(data).map(Message::Text).map_err(|_| BOW_ERROR_NOT_UTF8),
        2 => Ok(Message::Binary(data)),
        _ => Err(BOW_ERROR_ARGUMENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_message_may_be_shared() {
        fn shared<T: Send + Sync>() {}
        shared::<bow_prepared>();
    }
}

//! What the two sides agree on in the handshake (RFC 6455 §4.2.2, §9.1).

use alloc::string::String;
use alloc::vec::Vec;

use crate::extension::Extension;
use crate::extension::deflate::DeflateParams;

/// The outcome of a handshake: the same on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// The subprotocol in use (§1.9), if any.
    pub subprotocol: Option<String>,
    /// The extensions in use with their agreed parameters, in the order in which they apply (§9.1).
    pub extensions: Vec<Extension>,
}

impl Agreement {
    /// Returns the agreed parameters of permessage-deflate, if it is in use.
    pub fn deflate(&self) -> Option<DeflateParams> {
        DeflateParams::among(&self.extensions)
    }
}

/// Why an answer does not fit the offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    NotOffered,
    Repeated,
}

/// Checks that each extension of an answer was offered (§9.1) and none appears twice.
pub(crate) fn check_answer(answer: &[Extension], offers: &[Extension]) -> Result<(), Misfit> {
    for (at, extension) in answer.iter().enumerate() {
        if !offers.iter().any(|offer| offer.name() == extension.name()) {
            return Err(Misfit::NotOffered);
        }
        if answer[..at].iter().any(|earlier| earlier.name() == extension.name()) {
            return Err(Misfit::Repeated);
        }
    }
    Ok(())
}

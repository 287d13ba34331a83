//! A substitute for permessage-deflate without feature `deflate`: types without values, so that the compiler removes
//! the code that would use them.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::Compression;
use super::params::Extension;
use crate::error::{ProtocolError, Section};
use crate::role::Role;

/// Settings of permessage-deflate. It has values only with feature `deflate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeflateConfig {}

/// What was agreed of permessage-deflate. It has values only with feature `deflate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeflateParams {}

/// What is wrong with an answer to an offer of permessage-deflate. It has values only with feature `deflate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeflateAnswerError {}

impl core::fmt::Display for DeflateAnswerError {
    fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {}
    }
}

/// A pool that lends nothing.
#[derive(Debug, Default)]
pub struct DeflatePool;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Half {}

#[derive(Debug)]
pub(crate) enum Compressor {}

#[derive(Debug)]
pub(crate) enum Inflater {}

pub(crate) struct Pushed {
    pub(crate) made: usize,
    pub(crate) result: Result<(), ProtocolError>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SharedForms(());

impl DeflateParams {
    pub(crate) fn among(_: &[Extension]) -> Option<Self> {
        None
    }

    pub(crate) fn sending(self, _: Role, _: Option<DeflateConfig>) -> Option<Half> {
        match self {}
    }

    pub(crate) fn receiving(self, _: Role) -> Option<Half> {
        match self {}
    }
}

impl DeflateAnswerError {
    /// Returns the section that states the rule.
    pub const fn section(self) -> Section {
        match self {}
    }

    /// Returns the rule in a few words.
    pub const fn rule(self) -> &'static str {
        match self {}
    }
}

/// Returns the answer of a server with these settings to these offers: none.
pub fn answer(_: Option<DeflateConfig>, _: &[Extension]) -> Option<Extension> {
    None
}

/// Returns what a client with these settings offers: nothing.
pub fn offer(_: Option<DeflateConfig>, _: &[Extension]) -> Option<Extension> {
    None
}

pub(crate) fn check_answers(_: &[Extension], _: &[Extension]) -> Result<(), DeflateAnswerError> {
    Ok(())
}

impl DeflatePool {
    /// Creates an empty pool.
    pub fn new() -> Self {
        Self
    }

    #[cfg(feature = "event-loop")]
    pub(crate) const fn memory(&self) -> usize {
        0
    }

    #[cfg(feature = "event-loop")]
    pub(crate) const fn work(&self) -> u64 {
        0
    }

    #[cfg(feature = "event-loop")]
    pub(crate) const fn drop_spare(&mut self) {}

    pub(crate) fn lend_inflater(&mut self, _: &mut Option<Box<Inflater>>) {}

    pub(crate) fn reclaim_inflater(&mut self, _: &mut Option<Box<Inflater>>, agreed: Half) {
        match agreed {}
    }

    pub(crate) fn lend_compressor(&mut self, _: &mut Option<Box<Compressor>>, agreed: Half) {
        match agreed {}
    }

    pub(crate) fn reclaim_compressor(
        &mut self,
        _: &mut Option<Box<Compressor>>,
        _: Option<DeflateConfig>,
        agreed: Half,
    ) {
        match agreed {}
    }
}

impl Half {
    pub(crate) fn inflater(self) -> Box<Inflater> {
        match self {}
    }

    pub(crate) fn compressor(self) -> Box<Compressor> {
        match self {}
    }
}

impl Inflater {
    pub(crate) const fn budget(&mut self) -> &mut usize {
        match *self {}
    }

    pub(crate) fn begin(&mut self, _: Half) {
        match *self {}
    }

    pub(crate) const fn has_begun(&self) -> bool {
        match *self {}
    }

    pub(crate) fn memory(&self) -> usize {
        match *self {}
    }

    pub(crate) const fn take_work(&mut self) -> usize {
        match *self {}
    }

    pub(crate) const fn unkept(&self) -> usize {
        match *self {}
    }

    pub(crate) fn push(&mut self, _: &mut &[u8], _: &mut [u8], _: bool) -> Pushed {
        match *self {}
    }

    pub(crate) fn finish(&mut self, _: Half, _: &[u8]) -> Result<(), ProtocolError> {
        match *self {}
    }
}

impl Compressor {
    pub(crate) fn memory(&self) -> usize {
        match *self {}
    }

    pub(crate) fn message(
        &mut self,
        _: Option<DeflateConfig>,
        _: Half,
        _: &[u8],
        _: Compression,
    ) -> Option<&[u8]> {
        match *self {}
    }

    pub(crate) fn prepared(
        &mut self,
        _: Option<DeflateConfig>,
        _: Half,
        _: &SharedForms,
        _: &[u8],
        _: impl FnOnce(&[u8]) -> Arc<[u8]>,
    ) -> Option<Arc<[u8]>> {
        match *self {}
    }

    pub(crate) fn ready(
        _: Option<DeflateConfig>,
        agreed: Half,
        _: &SharedForms,
        _: usize,
    ) -> Option<Option<&Arc<[u8]>>> {
        match agreed {}
    }

    pub(crate) fn begin(&mut self, _: Option<DeflateConfig>, _: Half) {
        match *self {}
    }

    pub(crate) fn part(&mut self, _: &[u8], _: bool) -> &[u8] {
        match *self {}
    }

    pub(crate) fn shares(_: Option<DeflateConfig>, agreed: Half) -> bool {
        match agreed {}
    }

    pub(crate) fn wants(_: Option<DeflateConfig>, agreed: Half, _: usize, _: Compression) -> bool {
        match agreed {}
    }
}

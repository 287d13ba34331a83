//! Every rule of the handshake that a peer can break (RFC 6455 §4), one variant each.
//!
//! [`RequestError`] is what a server finds in a request, [`ResponseError`] what a client finds in a response. Each says
//! in one sentence what the peer has to do, names the section that the rule comes from and, on the server's side, the
//! HTTP status of the answer. Sections are those of RFC 6455 (`"4.2.1"`) unless another RFC is named
//! (`Section::new(9112, "3.2")`). No variant holds bytes of a request, so none can reflect them.

use alloc::boxed::Box;
use alloc::format;
use core::fmt;

use super::head::HeadError;
use super::refusal::Refusal;
use super::refused::RefusedResponse;
use crate::error::Section;
use crate::extension::ExtensionError;
use crate::extension::deflate::DeflateAnswerError;

/// A rule that a request breaks, so that the server refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// The head is not well-formed HTTP, or above the limits.
    Head(HeadError),
    /// `HTTP/2.0` or another major version.
    HttpMajorVersion,
    /// `HTTP/1.0`.
    HttpVersionTooOld,
    /// The method is not `GET`, written like that.
    Method,
    /// The target is neither a path nor an absolute `http` or `https` URI.
    TargetForm,
    /// The target holds a `#`.
    TargetFragment,
    /// There is no `Host`.
    HostMissing,
    /// There are several `Host` lines.
    HostRepeated,
    /// `Host` is empty or not a host with an optional port.
    HostMalformed,
    /// The request announces a body: `Transfer-Encoding`, or a `Content-Length` that is not one `0`.
    Body,
    /// There is no `Upgrade`, but `Sec-WebSocket-*` shows that one was meant.
    UpgradeMissing,
    /// `Upgrade` does not list `websocket`.
    UpgradeNotWebsocket,
    /// `Connection` does not list the token `upgrade`.
    ConnectionWithoutUpgrade,
    /// There is no `Sec-WebSocket-Version`.
    VersionMissing,
    /// There are several `Sec-WebSocket-Version` lines.
    VersionRepeated,
    /// `Sec-WebSocket-Version` is not `13`.
    VersionNot13,
    /// There is no `Sec-WebSocket-Key`.
    KeyMissing,
    /// There are several `Sec-WebSocket-Key` lines.
    KeyRepeated,
    /// `Sec-WebSocket-Key` is not the base64 text of 16 bytes ([`Key`](super::Key)).
    KeyMalformed,
    /// There are several `Origin` lines.
    OriginRepeated,
    /// `Origin` is empty or holds anything but visible ASCII and single blanks.
    OriginMalformed,
    /// `Sec-WebSocket-Protocol` names no subprotocol.
    SubprotocolEmpty,
    /// A member of `Sec-WebSocket-Protocol` is not a token.
    SubprotocolMalformed,
    /// `Sec-WebSocket-Protocol` names a subprotocol twice.
    SubprotocolRepeated,
    /// `Sec-WebSocket-Protocol` names more than [`MAX_SUBPROTOCOLS`](super::MAX_SUBPROTOCOLS).
    TooManySubprotocols,
    /// `Sec-WebSocket-Extensions` breaks its grammar.
    Extensions(ExtensionError),
}

impl RequestError {
    /// Returns the section that the rule comes from.
    pub const fn section(self) -> Section {
        match self {
            Self::Head(error) => error.section(),
            Self::Extensions(error) => error.section(),
            _ => self.facts().1,
        }
    }

    /// Returns the HTTP status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Head(error) => error.status(),
            _ => self.facts().0,
        }
    }

    /// Returns the answer: the status, what the status requires, and the sentence of this error as text.
    pub fn refusal(self) -> Refusal {
        let refusal = Refusal::trusted(self.status()).with_text(&format!("{self} ({})", self.section()));
        match self {
            // RFC 9110 §15.5.6: a 405 lists what is allowed.
            Self::Method => refusal.with_trusted("Allow", "GET"),
            // RFC 9110 §15.5.22: a 426 names the protocol in Upgrade.
            Self::UpgradeMissing | Self::UpgradeNotWebsocket => refusal.with_trusted("Upgrade", "websocket"),
            // §4.2.2 and §4.4: the versions that we support.
            Self::VersionMissing | Self::VersionNot13 => {
                refusal.with_trusted("Upgrade", "websocket").with_trusted("Sec-WebSocket-Version", "13")
            }
            Self::VersionRepeated => refusal.with_trusted("Sec-WebSocket-Version", "13"),
            _ => refusal,
        }
    }

    const fn facts(self) -> (u16, Section, &'static str) {
        use RequestError::*;
        match self {
            HttpMajorVersion => (505, Section::new(9110, "15.6.6"), "Use HTTP/1.1."),
            HttpVersionTooOld => (400, Section::rfc6455("4.2.1"), "Use HTTP/1.1 to open a WebSocket."),
            Method => (405, Section::rfc6455("4.2.1"), "Use the method GET to open a WebSocket."),
            TargetForm => {
                (400, Section::rfc6455("4.2.1"), "Send a path or an absolute http URI as request target.")
            }
            TargetFragment => {
                (400, Section::rfc6455("3"), "Leave the fragment, or write %23, in the request target.")
            }
            HostMissing => (400, Section::rfc6455("4.2.1"), "Send a Host header."),
            HostRepeated => (400, Section::new(9112, "3.2"), "Send exactly one Host header."),
            HostMalformed => (400, Section::rfc6455("4.2.1"), "Send a host and, if need be, a port in Host."),
            Body => (400, Section::new(9112, "6.3"), "Send no body with a request to open a WebSocket."),
            UpgradeMissing => (426, Section::rfc6455("4.2.1"), "Send Upgrade: websocket."),
            UpgradeNotWebsocket => (426, Section::rfc6455("4.2.1"), "Ask for websocket in Upgrade."),
            ConnectionWithoutUpgrade => (400, Section::rfc6455("4.2.1"), "Send Connection: Upgrade."),
            VersionMissing => (426, Section::rfc6455("4.2.1"), "Send Sec-WebSocket-Version: 13."),
            VersionRepeated => {
                (400, Section::rfc6455("11.3.5"), "Send exactly one Sec-WebSocket-Version header.")
            }
            VersionNot13 => {
                (426, Section::rfc6455("4.2.1"), "Use version 13 of the protocol in Sec-WebSocket-Version.")
            }
            KeyMissing => (400, Section::rfc6455("4.2.1"), "Send a Sec-WebSocket-Key header."),
            KeyRepeated => (400, Section::rfc6455("11.3.1"), "Send exactly one Sec-WebSocket-Key header."),
            KeyMalformed => (400, Section::rfc6455("4.2.1"), "Send 16 bytes in base64 as Sec-WebSocket-Key."),
            OriginRepeated => (400, Section::new(6454, "7.3"), "Send at most one Origin header."),
            OriginMalformed => {
                (400, Section::rfc6455("4.2.1"), "Send an origin such as https://example.com in Origin.")
            }
            SubprotocolEmpty => (
                400,
                Section::rfc6455("4.2.1"),
                "Name a subprotocol in Sec-WebSocket-Protocol or leave the header out.",
            ),
            SubprotocolMalformed => {
                (400, Section::rfc6455("4.2.1"), "Send tokens in Sec-WebSocket-Protocol.")
            }
            SubprotocolRepeated => {
                (400, Section::rfc6455("4.1"), "Name each subprotocol once in Sec-WebSocket-Protocol.")
            }
            TooManySubprotocols => {
                (400, Section::rfc6455("10.4"), "Name fewer subprotocols in Sec-WebSocket-Protocol.")
            }
            // Both have their own sections.
            Head(_) | Extensions(_) => (400, Section::rfc6455("4.2.1"), ""),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(error) => error.fmt(f),
            Self::Extensions(error) => error.fmt(f),
            _ => f.write_str(self.facts().2),
        }
    }
}

impl core::error::Error for RequestError {}

impl From<HeadError> for RequestError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl From<ExtensionError> for RequestError {
    fn from(error: ExtensionError) -> Self {
        Self::Extensions(error)
    }
}

/// A rule that a response breaks, so that the client fails the connection; or a refusal that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The server answers with another status than 101, and says why.
    Refused(Box<RefusedResponse>),
    /// The head is not well-formed HTTP, or above the limits.
    Head(HeadError),
    /// Another version than 1.1 or a later 1.x, in a place where it matters.
    HttpVersion,
    /// More than [`MAX_INTERIM`](super::MAX_INTERIM) interim responses.
    TooManyInterim,
    /// The connection ended before a byte of the response.
    ClosedBeforeResponse,
    /// The connection ended inside the head of the response.
    ClosedInHead,
    /// There is no `Upgrade`.
    UpgradeMissing,
    /// `Upgrade` is not `websocket` alone.
    UpgradeNotWebsocket,
    /// `Connection` does not list the token `upgrade`.
    ConnectionWithoutUpgrade,
    /// There is no `Sec-WebSocket-Accept`.
    AcceptMissing,
    /// There are several `Sec-WebSocket-Accept` lines.
    AcceptRepeated,
    /// `Sec-WebSocket-Accept` is not the one for our key.
    AcceptWrong,
    /// A 101 announces a body in `Transfer-Encoding`.
    TransferEncoding,
    /// There are several `Sec-WebSocket-Extensions` lines.
    ExtensionsRepeated,
    /// `Sec-WebSocket-Extensions` breaks its grammar.
    Extensions(ExtensionError),
    /// The server accepts an extension that was not offered.
    ExtensionNotOffered,
    /// The server accepts an extension twice.
    ExtensionAcceptedTwice,
    /// The server's answer to permessage-deflate does not fit what was offered (RFC 7692 §7).
    Deflate(DeflateAnswerError),
    /// There are several `Sec-WebSocket-Protocol` lines.
    SubprotocolRepeated,
    /// The server picks a subprotocol that was not offered, or several, or an empty one.
    SubprotocolNotOffered,
}

impl ResponseError {
    /// Returns the section that the rule comes from.
    pub const fn section(&self) -> Section {
        match self {
            Self::Head(error) => error.section(),
            Self::Extensions(error) => error.section(),
            _ => self.facts().0,
        }
    }

    const fn facts(&self) -> (Section, &'static str) {
        use ResponseError::*;
        match self {
            Refused(_) => (Section::rfc6455("4.1"), "The server refuses the upgrade; its answer says why."),
            HttpVersion => (Section::rfc6455("4.1"), "The server has to answer in HTTP/1.1."),
            TooManyInterim => {
                (Section::rfc6455("10.4"), "The server has to answer 101 after a few interim responses.")
            }
            ClosedBeforeResponse => (
                Section::rfc6455("4.1"),
                "The server closed the connection without an answer; check the port.",
            ),
            ClosedInHead => (
                Section::rfc6455("4.1"),
                "The server has to send its whole answer before it closes the connection.",
            ),
            UpgradeMissing => (Section::rfc6455("4.1"), "The server has to send Upgrade: websocket."),
            UpgradeNotWebsocket => {
                (Section::rfc6455("4.1"), "The server has to send websocket and nothing else in Upgrade.")
            }
            ConnectionWithoutUpgrade => {
                (Section::rfc6455("4.1"), "The server has to send Connection: Upgrade.")
            }
            AcceptMissing => (Section::rfc6455("4.1"), "The server has to send Sec-WebSocket-Accept."),
            AcceptRepeated => {
                (Section::rfc6455("11.3.3"), "The server has to send exactly one Sec-WebSocket-Accept.")
            }
            AcceptWrong => (
                Section::rfc6455("4.1"),
                "The server has to compute Sec-WebSocket-Accept from the key of this request.",
            ),
            TransferEncoding => {
                (Section::new(9112, "6.1"), "The server has to send no Transfer-Encoding with a 101.")
            }
            ExtensionsRepeated => {
                (Section::rfc6455("11.3.2"), "The server has to send at most one Sec-WebSocket-Extensions.")
            }
            ExtensionNotOffered => {
                (Section::rfc6455("4.1"), "The server has to accept only extensions that were offered.")
            }
            ExtensionAcceptedTwice => {
                (Section::rfc6455("9.1"), "The server has to accept an extension at most once.")
            }
            SubprotocolRepeated => {
                (Section::rfc6455("11.3.4"), "The server has to send at most one Sec-WebSocket-Protocol.")
            }
            SubprotocolNotOffered => {
                (Section::rfc6455("4.1"), "The server has to pick one of the subprotocols that were offered.")
            }
            // These have their own sections.
            Deflate(_) => (Section::rfc7692("7.1"), ""),
            Head(_) | Extensions(_) => (Section::rfc6455("4.1"), ""),
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(response) => response.fmt(f),
            Self::Head(HeadError::TooLong | HeadError::StartLineTooLong) => {
                f.write_str("The head of the server's answer is longer than HeadLimits::max_bytes.")
            }
            Self::Head(HeadError::TooManyHeaders) => f.write_str(
                "The head of the server's answer has more field lines than HeadLimits::max_headers.",
            ),
            Self::Head(error) => write!(f, "The server's answer is faulty: {error}"),
            Self::Extensions(error) => write!(f, "The server's answer is faulty: {error}"),
            Self::Deflate(error) => write!(f, "The server's answer is faulty: {error}."),
            _ => f.write_str(self.facts().1),
        }
    }
}

impl core::error::Error for ResponseError {}

impl From<HeadError> for ResponseError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl From<DeflateAnswerError> for ResponseError {
    fn from(error: DeflateAnswerError) -> Self {
        Self::Deflate(error)
    }
}

impl From<ExtensionError> for ResponseError {
    fn from(error: ExtensionError) -> Self {
        Self::Extensions(error)
    }
}

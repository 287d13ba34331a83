//! What a server may let pass that a client must not send (RFC 6455 §4.2.1).

/// Rules of the opening handshake that a server does not hold clients to.
///
/// Strict unless something is named: each item lets in clients that are in use and break one rule, and says which.
/// Nothing here weakens what keeps a connection safe: the key, the version, the origin and the framing are judged as
/// always.
///
/// ```
/// use bowsprit::handshake::{HeadLimits, Leniency, ServerHandshake};
///
/// let mut leniency = Leniency::default();
/// leniency.empty_subprotocol = true;
/// let handshake = ServerHandshake::new(HeadLimits::default()).with_leniency(leniency);
/// # let _ = handshake;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leniency {
    /// A `Sec-WebSocket-Protocol` line that names nothing counts as none (§4.1 item 10: "one or more comma-separated
    /// subprotocol"). All clients of tcllib up to 1.21 send one.
    pub empty_subprotocol: bool,
}

//! What a server may tolerate although a client must not send it (RFC 6455 §4.2.1).

/// Rules of the opening handshake that a server does not enforce.
///
/// The default is strict. Each field admits clients that are in use and break one rule, and says which. Nothing here
/// weakens what keeps a connection safe: the key, the version, the origin and the framing are always judged.
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
    /// Treats a `Sec-WebSocket-Protocol` line without a name as absent (§4.1 item 10: "one or more comma-separated
    /// subprotocol"). All clients of tcllib up to 1.21 send one.
    pub empty_subprotocol: bool,
}

//! The opening handshake (RFC 6455 §4): HTTP heads in, an [`Agreement`] out.
//!
//! | Side | Object | Comes to |
//! |---|---|---|
//! | server | [`ServerHandshake`] | [`Request`], answered by [`Request::accept`] or a [`Refusal`]; [`PlainRequest`] |
//! | client | [`ClientHandshake`] from a [`ClientRequest`] | [`Response`], or [`ResponseError::Refused`] |
//!
//! Both take bytes in any cut and return [`Progress::Done`] with the number of bytes that were theirs; the rest are
//! frames. Nothing here touches a socket or a clock: the driver measures the time of a handshake from the moment the
//! connection exists (§10.4). Each rule that a peer can break is one variant of [`RequestError`] or [`ResponseError`];
//! mistakes of our own caller are reported before anything is sent.
//!
//! Below them, [`HeadReader`] knows HTTP heads and nothing of WebSocket.

mod agreement;
mod client;
mod client_request;
mod error;
mod field;
mod forwarded;
mod head;
mod head_reader;
mod host;
mod judge;
mod leniency;
mod nonce;
mod origin;
mod proxy_protocol;
mod refusal;
mod refused;
mod request;
mod server;
#[cfg(feature = "url")]
mod url;

pub use agreement::Agreement;
pub use client::{ClientHandshake, MAX_INTERIM, Response};
pub use client_request::{ClientRequest, RequestBuildError};
pub use error::{RequestError, ResponseError};
pub use field::{FieldError, HeaderField};
pub use forwarded::{ForwardedField, NetworkSyntax, TrustedProxies};
pub use head::{Head, HeadError, HttpVersion, Repeated, StartLine};
pub use head_reader::{HeadLimits, HeadReader, Progress};
pub use judge::MAX_SUBPROTOCOLS;
pub use leniency::Leniency;
pub use nonce::Key;
pub use origin::{OriginError, OriginPolicy, OriginSyntax};
pub use proxy_protocol::{
    MAX_V1 as MAX_PROXY_V1, MAX_V2 as MAX_PROXY_V2, ProxyError, ProxyHeader, ProxyHeaderReader,
};
pub use refusal::{Refusal, RefusalError};
pub use refused::{MAX_REFUSAL_BODY, RefusedResponse};
pub use request::{AcceptError, Acceptance, Incoming, PlainRequest, Request};
pub use server::ServerHandshake;
#[cfg(feature = "client")]
pub(crate) use url::percent_decode;
#[cfg(feature = "url")]
pub use url::{Url, UrlError};

//! A guide for users of `QWebSocketServer`: each of its members and its counterpart here.
//!
//! Signals are callbacks of one [`Handler`], which gets the [`Context`] and the [`ConnId`]: there is no object for each
//! connection whose lifetime has to be managed. The well-known chat server is rewritten in `examples/chat.rs`.
//!
//! # Setting up
//!
//! | `QWebSocketServer` | Here |
//! |---|---|
//! | `QWebSocketServer(serverName, NonSecureMode)` | [`EventLoop::new`], [`EventLoop::with_settings`] |
//! | `QWebSocketServer(serverName, SecureMode)`, `secureMode`, `SslMode` | `Engine::listen_tls` (feature `tls`); one loop may listen in both ways |
//! | `serverName`, `setServerName` | a `Server` field in [`Acceptance::headers`] and [`Refusal::with_header`]; none is sent unasked |
//! | `listen(address, port)` | [`EventLoop::listen`]; several addresses, [Unix sockets](Engine::listen_unix) too |
//! | `close` | [`Engine::stop_listening`]; [`Context::shutdown`] also closes the connections, with 1001 |
//! | `isListening`, `serverAddress`, `serverPort`, `serverUrl` | the address that [`EventLoop::listen`] gives |
//! | `socketDescriptor`, `setSocketDescriptor`, `nativeDescriptor`, `setNativeDescriptor` | [`Engine::listen_on`] takes any listener |
//! | `maxPendingConnections`, `setMaxPendingConnections` | [`Settings::backlog`]; nothing waits to be fetched, [`on_open`](Handler::on_open) hands it over |
//! | `handshakeTimeout`, `handshakeTimeoutMS`, `setHandshakeTimeout` | [`Settings::handshake_timeout`] |
//! | `pauseAccepting`, `resumeAccepting` | [`Context::pause_accepting`], [`Context::resume_accepting`] |
//! | `setProxy`, `proxy` | none: a proxy is for those who connect |
//! | `sslConfiguration`, `setSslConfiguration` | `bowsprit::tls::TlsServer`, whose files can be read again while it runs |
//! | `supportedVersions` | 13 alone, as RFC 6455 has it; another one is answered 426 |
//! | `supportedSubprotocols`, `setSupportedSubprotocols` | [`Request::choose_subprotocol`] in [`on_request`](Handler::on_request) |
//! | `error`, `errorString` | [`io::Error`](std::io::Error) where something is called, [`on_error`](Handler::on_error) where nothing is |
//!
//! # Signals of the server
//!
//! | `QWebSocketServer` | Here |
//! |---|---|
//! | `newConnection`, `nextPendingConnection`, `hasPendingConnections` | [`on_open`](Handler::on_open) |
//! | `originAuthenticationRequired`, `QWebSocketCorsAuthenticator` | [`on_request`](Handler::on_request) decides, at once or [later](Decision::Later); [`OriginPolicy`] is the usual rule |
//! | `acceptError` | [`on_error`](Handler::on_error) with [`LoopError::Accept`]; it is tried again |
//! | `serverError`, `peerVerifyError`, `sslErrors`, `alertSent`, `alertReceived`, `handshakeInterruptedOnError` | [`on_failed`](Handler::on_failed); nothing can be let pass there |
//! | `preSharedKeyAuthenticationRequired` | none: TLS here is by certificates |
//! | `closed` | [`on_shutdown`](Handler::on_shutdown) |
//! | `handleConnection(QTcpSocket *)` | [`Engine::adopt`] |
//!
//! # Members of a connection
//!
//! | `QWebSocket` | Here |
//! |---|---|
//! | `sendTextMessage`, `sendBinaryMessage` | [`Context::send_text`], [`Context::send_binary`], which say what became of it |
//! | `ping`, `pong(elapsedTime, payload)` | [`Context::ping_timed`]; [`on_pong`](Handler::on_pong) and [`Context::round_trip`] |
//! | `close(code, reason)`, `abort` | [`Context::close`], [`Context::abort`] |
//! | `disconnected`, `closeCode`, `closeReason` | [`on_close`](Handler::on_close): what both sides said, and what ended it |
//! | `textMessageReceived`, `binaryMessageReceived` | [`on_message`](Handler::on_message) |
//! | `textFrameReceived`, `binaryFrameReceived` | [`on_frame`](Handler::on_frame), [`on_chunk`](Handler::on_chunk) |
//! | `bytesToWrite`, `bytesWritten` | [`Context::queued`], [`on_drained`](Handler::on_drained) |
//! | `readBufferSize`, `maxAllowedIncomingMessageSize`, `maxAllowedIncomingFrameSize` | [`Config::max_message`], [`Config::max_frame`], for one connection by [`Context::set_config`] |
//! | `outgoingFrameSize` | [`Config::fragment_size`] |
//! | `peerAddress`, `peerPort`, `localAddress`, `localPort` | [`Context::peer_addr`], [`Context::local_addr`] |
//! | `request`, `requestUrl`, `origin`, `subprotocol`, `resourceName` | the [`Request`] and the [`Agreement`] of the callbacks; what is needed later goes to [`Context::data`] |
//! | `isValid`, `state` | [`Context::is_open`] |
//! | `pauseMode`, `resume` | [`Context::pause`], [`Context::resume`] |
//! | `setProperty`, a subclass | [`Handler::Data`] |

#[expect(unused_imports, reason = "for the links")]
use super::{ConnId, Context, Decision, Engine, EventLoop, Handler, LoopError, Settings};
#[expect(unused_imports, reason = "for the links")]
use crate::{
    connection::Config,
    handshake::{Acceptance, Agreement, OriginPolicy, Refusal, Request},
};

#[cfg(test)]
mod tests {
    /// Members and signals of `QWebSocketServer` in Qt 6, without inherited ones.
    const MEMBERS: [&str; 44] = [
        "QWebSocketServer",
        "SslMode",
        "NonSecureMode",
        "SecureMode",
        "close",
        "error",
        "errorString",
        "handleConnection",
        "handshakeTimeout",
        "handshakeTimeoutMS",
        "hasPendingConnections",
        "isListening",
        "listen",
        "maxPendingConnections",
        "nativeDescriptor",
        "nextPendingConnection",
        "pauseAccepting",
        "proxy",
        "resumeAccepting",
        "secureMode",
        "serverAddress",
        "serverName",
        "serverPort",
        "serverUrl",
        "setHandshakeTimeout",
        "setMaxPendingConnections",
        "setNativeDescriptor",
        "setProxy",
        "setServerName",
        "setSocketDescriptor",
        "setSslConfiguration",
        "setSupportedSubprotocols",
        "socketDescriptor",
        "sslConfiguration",
        "supportedSubprotocols",
        "supportedVersions",
        "acceptError",
        "alertReceived",
        "alertSent",
        "closed",
        "handshakeInterruptedOnError",
        "newConnection",
        "originAuthenticationRequired",
        "peerVerifyError",
    ];

    #[test]
    fn the_table_has_every_member() {
        let text: String = include_str!("qt.rs").lines().filter(|line| line.starts_with("//! |")).collect();
        let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        for member in
            MEMBERS.iter().chain(&["preSharedKeyAuthenticationRequired", "serverError", "sslErrors"])
        {
            assert!(words.contains(member), "{member} is not in the table");
        }
    }
}

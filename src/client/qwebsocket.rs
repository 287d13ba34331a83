//! A guide for users of `QWebSocket`: each of its members and signals, and its counterpart here.
//!
//! In a loop, `cx` is the [`Context`](crate::event_loop::Context), `id` identifies a connection and `client` a
//! [`ClientId`](crate::event_loop::ClientId), which outlives its connections as a `QWebSocket` does. A blocking client
//! has methods of the same names where it has them at all. What is a signal in Qt is a callback of
//! [`Handler`](crate::event_loop::Handler) here.
//!
//! | `QWebSocket` | In a loop | Blocking |
//! |---|---|---|
//! | constructor with an origin | [`ClientConfig::origin`] | the same |
//! | constructor with a version | RFC 6455 has one, 13 | |
//! | `open(url)` | [`Context::open`] with a [`ClientConfig`] | [`connect`], [`connect_with`] |
//! | `open(request)`, request headers | [`ClientConfig::header`], [`shared_header`](super::ClientConfig::shared_header) | the same |
//! | `open(url, QWebSocketHandshakeOptions)`, `handshakeOptions`, `subprotocols` | [`ClientConfig::subprotocol`], [`ClientConfig::request`] | the same |
//! | `close(code, reason)` | [`Context::close_client`], [`Context::close`] | [`Client::close`], [`Client::start_close`] |
//! | `abort()`, destructor | [`Context::abort_client`], [`Context::abort`] | dropping it; `Writer::abort` |
//! | `flush()` | by itself, at the end of each turn | [`Client::flush`] |
//! | `sendTextMessage`, `sendBinaryMessage` | [`Context::send`], [`Context::send_to`] | [`Client::send`] |
//! | `ping(payload)` | [`Context::ping`], [`Context::ping_timed`] | [`Client::ping`] |
//! | `pong(elapsedTime, payload)` | `on_pong`, [`Context::round_trip`] | [`Client::read_event`], [`Client::latency`] |
//! | `connected` | `on_open` | `connect` returns |
//! | `readChannelFinished` | `on_close`: nothing is read after it | `read` says `None` or an error |
//! | `disconnected` | `on_close`, then [`ClientEvent::End`] or [`ClientEvent::Retry`] | `read` says `None` or an error |
//! | `aboutToClose` | whoever calls `close` knows | the same |
//! | `textMessageReceived`, `binaryMessageReceived` | `on_message` | [`Client::read`] |
//! | `textFrameReceived`, `binaryFrameReceived` | `on_frame`, `on_chunk` with [`Delivery::Both`] | [`Client::read_event`] |
//! | `bytesWritten`, `bytesToWrite()` | `on_drained`, [`Context::queued`] | [`Client::bytes_to_write`] |
//! | `state()`, `stateChanged` | [`Context::client_state`], [`ClientEvent::State`] | the calls themselves |
//! | `isValid()` | [`Context::is_open`] | an open client is one |
//! | `error()`, `errorString()`, `errorOccurred` | [`ClientEvent::Unreached`], [`Ended::cause`](crate::event_loop::Ended) | [`Error`] |
//! | `closeCode()`, `closeReason()` | [`Outcome::code`], [`Outcome::reason`]; of either side: `received`, `sent` | [`Client::outcome`] |
//! | `peerAddress()`, `peerPort()`, `peerName()` | [`Context::peer_addr`], [`Context::client_target`] | [`Client::peer_addr`] |
//! | `localAddress()`, `localPort()` | [`Context::local_addr`] | [`Client::local_addr`] |
//! | `requestUrl()`, `resourceName()` | [`Context::client_target`]: the URL, [`Target::resource`] | [`ClientConfig::target`] |
//! | `request()` | [`ClientConfig::request`] | the same |
//! | `origin()` | [`ClientConfig::request`] | the same |
//! | `subprotocol()` | [`Agreement::subprotocol`](crate::handshake::Agreement), in `on_open` | [`Client::response`] |
//! | `version()` | 13 | |
//! | `maxAllowedIncomingFrameSize()`, `setMaxAllowedIncomingFrameSize`, `maxAllowedIncomingMessageSize()`, `setMaxAllowedIncomingMessageSize` | [`Config::max_frame`], [`Config::max_message`]; [`Context::set_config`] | [`ClientConfig::connection`] |
//! | `outgoingFrameSize()`, `setOutgoingFrameSize` | [`Config::fragment_size`] | the same |
//! | `maxIncomingFrameSize()`, `maxIncomingMessageSize()`, `maxOutgoingFrameSize()` | the maximum of each type | the same |
//! | `maskGenerator()`, `setMaskGenerator` | [`ClientConfig::masks`] | the same |
//! | `readBufferSize()`, `setReadBufferSize` | `Settings::receive_buffer`, shared by all connections | fixed |
//! | `pauseMode()`, `setPauseMode`, `resume()` | [`Context::pause`], [`Context::resume`] | not to `read` |
//! | `proxy()`, `setProxy`, `proxyAuthenticationRequired` | [`ClientConfig::proxies`], [`Proxy::with_credentials`](super::Proxy::with_credentials) | the same |
//! | `authenticationRequired` | [`ClientConfig::basic_auth`], [`ClientConfig::bearer_auth`]; a 401 comes as [`ConnectError::Response`], and where [`ReconnectPolicy::retry_fatal`] has it tried again `on_try` can add them | 401 comes as [`ConnectError::Response`] |
//! | `sslConfiguration()`, `setSslConfiguration` | `ClientConfig::tls` | the same |
//! | `sslErrors`, `peerVerifyError`, `ignoreSslErrors()` | `TlsClientBuilder::on_fault`: asked, with certificate and fault | the same |
//! | `handshakeInterruptedOnError`, `continueInterruptedHandshake()` | the answer of `on_fault` | the same |
//! | `alertSent`, `alertReceived` | [`ConnectError::Tls`] names the alert | the same |
//! | `preSharedKeyAuthenticationRequired` | none: `rustls` has no pre-shared keys but those of resumption | |
//!
//! Qt programs often keep timers beside a `QWebSocket`: [`ReconnectPolicy::fixed`] replaces the one of 3 s that
//! connects again, [`Config::ping_interval`] the one that keeps the connection alive.
//!
//! [`ClientConfig`]: super::ClientConfig
//! [`ClientConfig::origin`]: super::ClientConfig::origin
//! [`ClientConfig::header`]: super::ClientConfig::header
//! [`ClientConfig::request`]: super::ClientConfig::request
//! [`ClientConfig::target`]: super::ClientConfig::target
//! [`ClientConfig::subprotocol`]: super::ClientConfig::subprotocol
//! [`ClientConfig::connection`]: super::ClientConfig::connection
//! [`ClientConfig::masks`]: super::ClientConfig::masks
//! [`ClientConfig::proxies`]: super::ClientConfig::proxies
//! [`ClientConfig::basic_auth`]: super::ClientConfig::basic_auth
//! [`ClientConfig::bearer_auth`]: super::ClientConfig::bearer_auth
//! [`ConnectError::Response`]: super::ConnectError::Response
//! [`ConnectError::Tls`]: super::ConnectError::Tls
//! [`ReconnectPolicy::retry_fatal`]: super::ReconnectPolicy::retry_fatal
//! [`ReconnectPolicy::fixed`]: super::ReconnectPolicy::fixed
//! [`Target::resource`]: super::Target::resource
//! [`Config::max_frame`]: crate::connection::Config::max_frame
//! [`Config::max_message`]: crate::connection::Config::max_message
//! [`Config::fragment_size`]: crate::connection::Config::fragment_size
//! [`Config::ping_interval`]: crate::connection::Config::ping_interval
//! [`Delivery::Both`]: crate::connection::Delivery::Both
//! [`Outcome::code`]: crate::connection::Outcome::code
//! [`Outcome::reason`]: crate::connection::Outcome::reason
//! [`connect`]: crate::blocking::connect
//! [`connect_with`]: crate::blocking::connect_with
//! [`Client::close`]: crate::blocking::Client::close
//! [`Client::start_close`]: crate::blocking::Client::start_close
//! [`Client::flush`]: crate::blocking::Client::flush
//! [`Client::send`]: crate::blocking::Client::send
//! [`Client::ping`]: crate::blocking::Client::ping
//! [`Client::read`]: crate::blocking::Client::read
//! [`Client::read_event`]: crate::blocking::Client::read_event
//! [`Client::latency`]: crate::blocking::Client::latency
//! [`Client::bytes_to_write`]: crate::blocking::Client::bytes_to_write
//! [`Client::outcome`]: crate::blocking::Client::outcome
//! [`Client::response`]: crate::blocking::Client::response
//! [`Client::peer_addr`]: crate::blocking::Client::peer_addr
//! [`Client::local_addr`]: crate::blocking::Client::local_addr
//! [`Error`]: crate::blocking::Error
//! [`Context::open`]: crate::event_loop::Context::open
//! [`Context::close_client`]: crate::event_loop::Context::close_client
//! [`Context::close`]: crate::event_loop::Context::close
//! [`Context::abort_client`]: crate::event_loop::Context::abort_client
//! [`Context::abort`]: crate::event_loop::Context::abort
//! [`Context::send`]: crate::event_loop::Context::send
//! [`Context::send_to`]: crate::event_loop::Context::send_to
//! [`Context::ping`]: crate::event_loop::Context::ping
//! [`Context::ping_timed`]: crate::event_loop::Context::ping_timed
//! [`Context::round_trip`]: crate::event_loop::Context::round_trip
//! [`Context::queued`]: crate::event_loop::Context::queued
//! [`Context::client_state`]: crate::event_loop::Context::client_state
//! [`Context::client_target`]: crate::event_loop::Context::client_target
//! [`Context::is_open`]: crate::event_loop::Context::is_open
//! [`Context::peer_addr`]: crate::event_loop::Context::peer_addr
//! [`Context::local_addr`]: crate::event_loop::Context::local_addr
//! [`Context::set_config`]: crate::event_loop::Context::set_config
//! [`Context::pause`]: crate::event_loop::Context::pause
//! [`Context::resume`]: crate::event_loop::Context::resume
//! [`ClientEvent::End`]: crate::event_loop::ClientEvent::End
//! [`ClientEvent::Retry`]: crate::event_loop::ClientEvent::Retry
//! [`ClientEvent::State`]: crate::event_loop::ClientEvent::State
//! [`ClientEvent::Unreached`]: crate::event_loop::ClientEvent::Unreached

#[cfg(test)]
mod tests {
    /// The members and signals of `QWebSocket` as of Qt 6.
    const MEMBERS: &str = "abort bytesToWrite close closeCode closeReason continueInterruptedHandshake error errorString \
        flush handshakeOptions ignoreSslErrors isValid localAddress localPort maskGenerator \
        maxAllowedIncomingFrameSize maxAllowedIncomingMessageSize maxIncomingFrameSize maxIncomingMessageSize \
        maxOutgoingFrameSize open origin outgoingFrameSize pauseMode peerAddress peerName peerPort ping proxy \
        readBufferSize request requestUrl resourceName resume sendBinaryMessage sendTextMessage setMaskGenerator \
        setMaxAllowedIncomingFrameSize setMaxAllowedIncomingMessageSize setOutgoingFrameSize setPauseMode setProxy \
        setReadBufferSize setSslConfiguration sslConfiguration state subprotocol version \
        aboutToClose alertReceived alertSent authenticationRequired binaryFrameReceived binaryMessageReceived \
        bytesWritten connected disconnected errorOccurred handshakeInterruptedOnError peerVerifyError pong \
        preSharedKeyAuthenticationRequired proxyAuthenticationRequired readChannelFinished sslErrors stateChanged \
        textFrameReceived textMessageReceived";

    #[test]
    fn every_member_has_a_row() {
        let rows = include_str!("qwebsocket.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
        let first = rows.filter_map(|row| row.split(" | ").next());
        let named: Vec<&str> = first
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .map(|code| code.split('(').next().unwrap())
            .collect();
        for member in MEMBERS.split_ascii_whitespace() {
            assert!(named.contains(&member), "{member}");
        }
    }
}

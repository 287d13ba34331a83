//! The client's side of the opening handshake (RFC 6455 §4.1).
//!
//! In: a [`ClientRequest`] and a nonce; then the bytes of the response in any cut. Out: the request to send; then a
//! [`Response`] that keeps every rule of §4.1, or the rule that it breaks; if the status is not 101, the whole
//! [`RefusedResponse`](super::RefusedResponse). Promises: holds no more than the limits allow, however much the server
//! sends. Connecting, waiting and trying again are left to others.
//!
//! Where the RFCs leave a choice: a status line without reason phrase may also omit the space after the code;
//! `Content-Length` in a 101 is ignored (bytes after the head are frames), while `Transfer-Encoding` fails the
//! connection (RFC 9112 §6.1 forbids sending it).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::agreement::{Agreement, Misfit, check_answer};
use super::client_request::ClientRequest;
use super::error::ResponseError;
use super::head::{Head, HttpVersion, StartLine};
use super::head_reader::{HeadLimits, HeadReader, Progress};
use super::nonce::Key;
use super::refused::{BodyReader, MAX_REFUSAL_BODY, RefusedResponse};
use crate::extension::{Extension, deflate, params};
use crate::secret::Secret;

/// The most interim responses before the final one: a few of 100, 102 and 103 have their uses, more do not.
pub const MAX_INTERIM: usize = 8;

/// One handshake: sends a request and reads its response.
///
/// ```
/// use bowsprit::handshake::{ClientHandshake, ClientRequest, Progress, ResponseError};
///
/// let request = ClientRequest::new("server.example.com", "/chat").unwrap().subprotocol("chat").unwrap();
/// // The nonce of RFC 6455 §1.3; a real one comes from `Entropy::nonce`.
/// let mut handshake = ClientHandshake::new(request, *b"the sample nonce");
/// assert!(handshake.request().starts_with(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"));
///
/// let input = b"HTTP/1.1 101 Switching Protocols\r\n\
///               Upgrade: websocket\r\n\
///               Connection: Upgrade\r\n\
///               Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
///               Sec-WebSocket-Protocol: chat\r\n\r\n\x81\x05Hello";
/// match handshake.receive(input) {
///     Ok(Progress::Done { value: response, used }) => {
///         assert_eq!(response.agreement().subprotocol.as_deref(), Some("chat"));
///         assert_eq!(&input[used..], b"\x81\x05Hello");
///     }
///     Ok(Progress::NeedMore) => { /* read on */ }
///     Err(ResponseError::Refused(_response)) => { /* show status and body, or follow the redirect */ }
///     Err(_error) => { /* close the connection */ }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ClientHandshake {
    request: ClientRequest,
    bytes: Secret<Vec<u8>>,
    accept: String,
    reader: HeadReader,
    max_body: usize,
    interim: usize,
    stage: ResponseState,
}

#[derive(Clone, Debug)]
enum ResponseState {
    Head,
    /// The status is not 101, and the body is being read for the reason.
    Body(BodyReader),
    Failed(ResponseError),
}

impl ClientHandshake {
    /// Creates a handshake whose request also offers permessage-deflate, if these settings ask for it and the request
    /// does not offer it already. Otherwise does what [`new`](Self::new) does.
    #[cfg(any(feature = "client", feature = "event-loop"))]
    pub(crate) fn offering(
        request: ClientRequest,
        deflate: Option<deflate::DeflateConfig>,
        nonce: [u8; 16],
    ) -> Self {
        Self::new(
            match deflate::offer(deflate, request.extensions()) {
                Some(offer) => request.extension(offer),
                None => request,
            },
            nonce,
        )
    }

    /// Returns how many bytes of memory are held, beyond its own size. The parts of the request count as much as its
    /// bytes.
    pub const fn memory(&self) -> usize {
        2 * self.bytes.expose().capacity() + self.accept.capacity() + self.reader.memory()
    }

    /// Creates a handshake with this nonce (§4.1 item 7: "selected randomly for each connection").
    pub fn new(request: ClientRequest, nonce: [u8; 16]) -> Self {
        let key = Key::from_nonce(nonce);
        Self {
            bytes: Secret::new(request.encode(&key)),
            accept: key.accept(),
            request,
            reader: HeadReader::response(HeadLimits::default()),
            max_body: MAX_REFUSAL_BODY,
            interim: 0,
            stage: ResponseState::Head,
        }
    }

    /// Returns this handshake with other limits for the head of the response.
    #[must_use]
    pub fn with_head_limits(mut self, limits: HeadLimits) -> Self {
        self.reader = HeadReader::response(limits);
        self
    }

    /// Returns this handshake with another limit than [`MAX_REFUSAL_BODY`].
    #[must_use]
    pub fn with_max_refusal_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Returns the bytes to send: all of them, and nothing else before the response has arrived.
    pub fn request(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// Takes the next bytes of the response. Once this returns `Done`, the handshake is complete: bytes of the input
    /// from `used` on are frames.
    ///
    /// # Errors
    ///
    /// [`ResponseError`] for the first rule that the response breaks, and for every call after that.
    pub fn receive(&mut self, input: &[u8]) -> Result<Progress<Response>, ResponseError> {
        let mut taken = 0;
        loop {
            let rest = &input[taken..];
            match &mut self.stage {
                ResponseState::Failed(error) => return Err(error.clone()),
                ResponseState::Body(body) => {
                    return if body.receive(rest) { Err(self.refuse()) } else { Ok(Progress::NeedMore) };
                }
                ResponseState::Head => {}
            }
            let (head, used) = match self.reader.receive(rest) {
                Ok(Progress::Done { value, used }) => (value, used),
                Ok(Progress::NeedMore) => return Ok(Progress::NeedMore),
                Err(error) => return Err(self.fail(error.into())),
            };
            taken += used;
            match self.judge_status(&head) {
                Ok(Status::Switching) => {}
                Ok(Status::Interim) => continue,
                Ok(Status::Refused) => {
                    self.stage = ResponseState::Body(BodyReader::new(head, self.max_body));
                    continue;
                }
                Err(error) => return Err(self.fail(error)),
            }
            return match judge(&head, &self.request, &self.accept) {
                Ok(agreement) => Ok(Progress::Done { value: Response { head, agreement }, used: taken }),
                Err(error) => Err(self.fail(error)),
            };
        }
    }

    /// Returns a refusal whose head has arrived while its body is still being read: status, reason and fields are
    /// final. To skip the rest of the body, call [`give_up`](Self::give_up).
    pub fn refusal(&self) -> Option<&RefusedResponse> {
        match &self.stage {
            ResponseState::Body(body) => Some(body.response()),
            ResponseState::Head | ResponseState::Failed(_) => None,
        }
    }

    /// Ends the handshake because we waited long enough. What has arrived of a refusal is returned as
    /// [`ResponseError::Refused`], marked as [truncated](RefusedResponse::is_truncated).
    pub fn give_up(&mut self) -> ResponseError {
        if let ResponseState::Body(body) = &mut self.stage {
            body.cut();
        }
        self.receive_eof()
    }

    /// Tells the handshake that the server has closed the connection. What has arrived of a refusal is returned as
    /// [`ResponseError::Refused`].
    pub fn receive_eof(&mut self) -> ResponseError {
        match &mut self.stage {
            ResponseState::Failed(error) => error.clone(),
            ResponseState::Body(body) => {
                body.receive_eof();
                self.refuse()
            }
            ResponseState::Head if self.reader.is_empty() && self.interim == 0 => {
                self.fail(ResponseError::ClosedBeforeResponse)
            }
            ResponseState::Head => self.fail(ResponseError::ClosedInHead),
        }
    }

    fn judge_status(&mut self, head: &Head) -> Result<Status, ResponseError> {
        let StartLine::Response { status, version: HttpVersion { major, minor }, .. } = head.start_line()
        else {
            // A reader of responses returns no other start lines.
            return Err(ResponseError::HttpVersion);
        };
        // HTTP/1.0 has neither upgrades nor interim responses, but it can refuse.
        if major != 1 || (minor == 0 && status < 200) {
            return Err(ResponseError::HttpVersion);
        }
        match status {
            101 => Ok(Status::Switching),
            100..=199 if self.interim == MAX_INTERIM => Err(ResponseError::TooManyInterim),
            // RFC 9110 §15.2: a client has to accept interim responses, known or not.
            100..=199 => {
                self.interim += 1;
                Ok(Status::Interim)
            }
            _ => Ok(Status::Refused),
        }
    }

    fn fail(&mut self, error: ResponseError) -> ResponseError {
        self.stage = ResponseState::Failed(error.clone());
        error
    }

    fn refuse(&mut self) -> ResponseError {
        match core::mem::replace(&mut self.stage, ResponseState::Head) {
            ResponseState::Body(body) => self.fail(ResponseError::Refused(Box::new(body.into_response()))),
            _ => self.fail(ResponseError::ClosedInHead),
        }
    }
}

enum Status {
    Switching,
    Interim,
    Refused,
}

/// A 101 response that keeps every rule (§4.1).
#[derive(Clone, Debug)]
pub struct Response {
    head: Head,
    agreement: Agreement,
}

impl Response {
    /// Returns what the two sides have agreed on.
    pub fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// Converts the response into what the two sides have agreed on.
    pub fn into_agreement(self) -> Agreement {
        self.agreement
    }

    /// Returns the value of the first header line with this name.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.head.values(name).next()
    }

    /// Returns every header line, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.head.headers()
    }

    /// Returns the whole head.
    pub fn head(&self) -> &Head {
        &self.head
    }
}

/// Applies the numbered list of §4.1 on the response.
fn judge(head: &Head, request: &ClientRequest, accept: &str) -> Result<Agreement, ResponseError> {
    // Item 2: the value is websocket, not a list that holds it.
    if !head.has("upgrade") {
        return Err(ResponseError::UpgradeMissing);
    }
    match head.only("upgrade") {
        Ok(Some(value)) if value.eq_ignore_ascii_case(b"websocket") => {}
        _ => return Err(ResponseError::UpgradeNotWebsocket),
    }
    // Item 3: a token of a list.
    if !head.tokens("connection").any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
        return Err(ResponseError::ConnectionWithoutUpgrade);
    }
    // Item 4.
    match head.only("sec-websocket-accept") {
        Ok(Some(value)) if value == accept.as_bytes() => {}
        Ok(Some(_)) => return Err(ResponseError::AcceptWrong),
        Ok(None) => return Err(ResponseError::AcceptMissing),
        Err(_) => return Err(ResponseError::AcceptRepeated),
    }
    // RFC 9112 §6.1: not allowed in a 1xx.
    if head.has("transfer-encoding") {
        return Err(ResponseError::TransferEncoding);
    }
    Ok(Agreement {
        extensions: judge_extensions(head, request)?,
        subprotocol: judge_subprotocol(head, request)?,
    })
}

/// Item 5.
fn judge_extensions(head: &Head, request: &ClientRequest) -> Result<Vec<Extension>, ResponseError> {
    // §11.3.2: at most one line in a response.
    let line = head.only("sec-websocket-extensions").map_err(|_| ResponseError::ExtensionsRepeated)?;
    let Some(line) = line else { return Ok(Vec::new()) };
    let extensions = params::parse([line])?;
    match check_answer(&extensions, request.extensions()) {
        Ok(()) => {
            // RFC 7692 §7: an answer that does not fit MUST fail the connection.
            deflate::check_answers(&extensions, request.extensions())?;
            Ok(extensions)
        }
        Err(Misfit::NotOffered) => Err(ResponseError::ExtensionNotOffered),
        Err(Misfit::Repeated) => Err(ResponseError::ExtensionAcceptedTwice),
    }
}

/// Item 6.
fn judge_subprotocol(head: &Head, request: &ClientRequest) -> Result<Option<String>, ResponseError> {
    // §11.3.4: at most one line in a response.
    let line = head.only("sec-websocket-protocol").map_err(|_| ResponseError::SubprotocolRepeated)?;
    let Some(line) = line else { return Ok(None) };
    match request.subprotocols().iter().find(|offer| offer.as_bytes() == line) {
        Some(offer) => Ok(Some(offer.clone())),
        None => Err(ResponseError::SubprotocolNotOffered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::ExtensionError;
    use crate::handshake::refused::MAX_CHUNK_LINE;
    use crate::handshake::{HeadError, HeaderField, Incoming, RefusedResponse, ServerHandshake};

    const NONCE: [u8; 16] = *b"the sample nonce";
    const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    const MINIMAL: [&str; 4] =
        ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", ACCEPT];

    fn plain() -> ClientRequest {
        ClientRequest::new("server.example.com", "/chat").unwrap()
    }

    /// A request that offers two subprotocols and an extension.
    fn offering() -> ClientRequest {
        let request = plain().subprotocol("chat").unwrap().subprotocol("superchat").unwrap();
        request
            .extension(Extension::new("permessage-deflate").unwrap())
            .extension(Extension::new("x-a").unwrap())
    }

    #[test]
    fn what_it_sends_is_not_shown() {
        let request = plain().basic_auth("u", "pass").unwrap();
        let shown = format!("{:?}", ClientHandshake::new(request, NONCE));
        assert!(!shown.contains("dTpwYXNz") && !shown.contains("100, 84, 112, 119"), "{shown}"); // in base64
    }

    fn bytes(lines: &[&str]) -> Vec<u8> {
        let mut lines = lines.to_vec();
        lines.extend(["", ""]);
        lines.join("\r\n").into_bytes()
    }

    fn with(start: &str, lines: &[&str]) -> Vec<u8> {
        let at = MINIMAL.iter().position(|line| line.starts_with(start)).unwrap();
        bytes(&[&MINIMAL[..at], lines, &MINIMAL[at + 1..]].concat())
    }

    fn and(lines: &[&str]) -> Vec<u8> {
        bytes(&[&MINIMAL[..], lines].concat())
    }

    /// Returns the outcome for a request, with how many bytes were used, which no cut changes. The end of the input is
    /// the end of the connection.
    fn read(request: &ClientRequest, input: &[u8]) -> Result<(Agreement, usize), ResponseError> {
        let outcome = |parts: &[&[u8]]| {
            let mut handshake = ClientHandshake::new(request.clone(), NONCE).with_max_refusal_body(100);
            let mut before = 0;
            for part in parts {
                match handshake.receive(part) {
                    Ok(Progress::NeedMore) => before += part.len(),
                    Ok(Progress::Done { value, used }) => return Ok((value.into_agreement(), before + used)),
                    Err(error) => {
                        assert_eq!(handshake.receive(b"HTTP").unwrap_err(), error);
                        assert_eq!(handshake.receive_eof(), error);
                        return Err(error);
                    }
                }
            }
            Err(handshake.receive_eof())
        };
        let whole = outcome(&[input]);
        assert_eq!(outcome(&input.chunks(1).collect::<Vec<_>>()), whole);
        if input.len() < 1000 {
            for cut in 0..input.len() {
                let (a, b) = input.split_at(cut);
                assert_eq!(outcome(&[a, b]), whole, "cut at {cut}: {}", input.escape_ascii());
            }
        }
        if let Err(error) = &whole {
            assert!(error.to_string().ends_with('.'), "{error}");
        }
        whole
    }

    fn accepted(request: &ClientRequest, input: &[u8]) -> Agreement {
        match read(request, input) {
            Ok((agreement, used)) if used == input.len() => agreement,
            other => panic!("{}: {other:?}", input.escape_ascii()),
        }
    }

    fn failed(request: &ClientRequest, input: &[u8]) -> ResponseError {
        match read(request, input) {
            Err(error) => error,
            Ok(other) => panic!("{}: {other:?}", input.escape_ascii()),
        }
    }

    fn refused(input: &[u8]) -> RefusedResponse {
        match failed(&plain(), input) {
            ResponseError::Refused(response) => *response,
            other => panic!("{}: {other:?}", input.escape_ascii()),
        }
    }

    #[test]
    fn the_request() {
        // §1.3, in our order.
        let request = plain()
            .origin("HTTP://example.com")
            .unwrap()
            .subprotocol("chat")
            .unwrap()
            .subprotocol("superchat")
            .unwrap()
            .extension(Extension::new("x-a").unwrap().with("b", Some("c")).unwrap())
            .extension(Extension::new("x-a").unwrap())
            .header(HeaderField::new("Cookie", "a=1").unwrap())
            .unwrap();
        let handshake = ClientHandshake::new(request, NONCE);
        assert_eq!(
            String::from_utf8_lossy(handshake.request()),
            "GET /chat HTTP/1.1\r\n\
             Host: server.example.com\r\n\
             Upgrade: websocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Origin: http://example.com\r\n\
             Sec-WebSocket-Protocol: chat, superchat\r\n\
             Sec-WebSocket-Extensions: x-a; b=c, x-a\r\n\
             Cookie: a=1\r\n\
             \r\n"
        );
    }

    #[test]
    fn our_server_accepts_our_request() {
        let mut client = ClientHandshake::new(offering(), [7; 16]);
        let mut server = ServerHandshake::new(HeadLimits::default());
        let Ok(Progress::Done { value: Incoming::Upgrade(request), .. }) = server.receive(client.request())
        else {
            panic!()
        };
        let acceptance = crate::handshake::Acceptance {
            subprotocol: Some("superchat".into()),
            extensions: vec![Extension::new("x-a").unwrap().with("b", None).unwrap()],
            headers: Vec::new(),
        };
        let (head, agreement) = request.accept(&acceptance).unwrap();
        let Ok(Progress::Done { value: response, used }) = client.receive(&head) else { panic!() };
        assert_eq!((response.agreement(), used), (&agreement, head.len()));
    }

    /// HSC-017, HSC-018, HSC-034, HSC-035, HSC-037, HSC-040 to HSC-042, HSC-050, HSC-054, HSC-058, HSC-068.
    #[test]
    fn what_may_differ() {
        let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        let blanks = format!("{}  \t", ACCEPT.replace(": ", ":\t "));
        for input in [
            bytes(&MINIMAL),
            with("HTTP", &["HTTP/1.1 101 "]),
            with("HTTP", &["HTTP/1.1 101"]),
            with("HTTP", &["HTTP/1.1 101 Web Socket Protocol Handshake"]),
            with("HTTP", &["HTTP/1.2 101 X"]),
            with("Upgrade", &["UPGRADE: WebSocket"]),
            with("Connection", &["connection: upgrade"]),
            with("Connection", &["Connection: keep-alive, Upgrade"]),
            with("Connection", &["Connection: keep-alive", "Connection: ,UPGRADE"]),
            with("Sec-WebSocket-Accept", &[&blanks]),
            and(&["Set-Cookie: a", "Set-Cookie: b", "Server: x", "Date: y", "X-Raw: \u{ff}"]),
            // Bytes after a 101 are frames, whatever this says.
            and(&["Content-Length: 10"]),
            [b"HTTP/1.1 100 Continue\r\n\r\n", &bytes(&MINIMAL)[..]].concat(),
            [early.repeat(MAX_INTERIM).as_bytes(), &bytes(&MINIMAL)].concat(),
            [b"HTTP/1.1 199 X\r\n\r\n", &bytes(&MINIMAL)[..]].concat(),
        ] {
            assert_eq!(accepted(&plain(), &input), Agreement::default());
        }
        let mut handshake = ClientHandshake::new(plain(), NONCE);
        let Ok(Progress::Done { value: response, .. }) = handshake.receive(&and(&["Set-Cookie: a"])) else {
            panic!()
        };
        assert_eq!(response.header("set-cookie"), Some(&b"a"[..]));
        assert_eq!(response.headers().count(), 4);
    }

    /// HSC-060.
    #[test]
    fn frames_behind_the_response_are_left() {
        let input = [&bytes(&MINIMAL)[..], b"\x88\x02\x03\xe8"].concat();
        assert_eq!(read(&plain(), &input), Ok((Agreement::default(), input.len() - 4)));
        let input = [b"HTTP/1.1 100 X\r\n\r\n", &input[..]].concat();
        assert_eq!(read(&plain(), &input), Ok((Agreement::default(), input.len() - 4)));
    }

    /// HSC-019, HSC-032, HSC-033, HSC-036 to HSC-039, HSC-043 to HSC-049, HSC-051 to HSC-053, HSC-055 to HSC-057,
    /// HSC-059, HSC-067.
    #[test]
    fn what_breaks_a_rule() {
        use ResponseError::*;
        let accept = |value: &str| format!("Sec-WebSocket-Accept: {value}");
        for (start, lines, error) in [
            ("HTTP", &["HTTP/1.0 101 Switching Protocols"][..], HttpVersion),
            ("HTTP", &["HTTP/2.0 101 Switching Protocols"], HttpVersion),
            ("HTTP", &["HTTP/1.0 100 Continue"], HttpVersion),
            ("HTTP", &["HTTP/2 101"], Head(HeadError::StatusLine)),
            ("HTTP", &["HTTP/1.1 1 01"], Head(HeadError::StatusLine)),
            ("HTTP", &["HTTP/1.1 0101"], Head(HeadError::StatusLine)),
            ("HTTP", &["HTTP/1.1 101x"], Head(HeadError::StatusLine)),
            ("HTTP", &["Hello"], Head(HeadError::NotHttp)),
            ("HTTP", &["\u{81}"], Head(HeadError::NotHttp)),
            ("Upgrade", &[], UpgradeMissing),
            ("Upgrade", &["Upgrade:"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: h2c"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: websocketx"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: websocket, h2c"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: websocket", "Upgrade: websocket"], UpgradeNotWebsocket),
            ("Connection", &[], ConnectionWithoutUpgrade),
            ("Connection", &["Connection: close"], ConnectionWithoutUpgrade),
            ("Connection", &["Connection: keep-alive"], ConnectionWithoutUpgrade),
            ("Connection", &["Connection: Upgraded"], ConnectionWithoutUpgrade),
            ("Sec-WebSocket-Accept", &[], AcceptMissing),
            ("Sec-WebSocket-Accept", &[ACCEPT, ACCEPT], AcceptRepeated),
            ("Sec-WebSocket-Accept", &[ACCEPT, "Sec-WebSocket-Accept: x"], AcceptRepeated),
            ("Sec-WebSocket-Accept", &["Sec-WebSocket-Accept: x", ACCEPT], AcceptRepeated),
            ("Sec-WebSocket-Accept", &[ACCEPT, "Transfer-Encoding: chunked"], TransferEncoding),
            ("Upgrade", &["Upgrade: websocket\r\n folded"], Head(HeadError::FoldedLine)),
            ("Upgrade", &["Upgrade : websocket"], Head(HeadError::FieldName)),
            ("Upgrade", &["Upgrade: websocket\0"], Head(HeadError::ControlByte)),
            ("Upgrade", &["Upgrade: websocket\nX: y"], Head(HeadError::BareLf)),
            ("Upgrade", &["Upgrade: websocket", "colonless"], Head(HeadError::MissingColon)),
        ] {
            assert_eq!(failed(&plain(), &with(start, lines)), error, "{lines:?}");
        }
        for value in [
            "",
            // For another key; the key itself; another case; one more, one less; hexadecimal.
            "ICX+Yqv66kxgM0FcWaLWlFLwTAI=",
            "dGhlIHNhbXBsZSBub25jZQ==",
            "S3PPLMBITXAQ9KYGZZHZRBK+XOO=",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=x",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
            "\"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\"",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, x",
            "b37a4f2cc0624f1690f64606cf385945b2bec4ea",
        ] {
            assert_eq!(
                failed(&plain(), &with("Sec-WebSocket-Accept", &[&accept(value)])),
                AcceptWrong,
                "{value}"
            );
        }
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_INTERIM + 1);
        assert_eq!(failed(&plain(), &interim), TooManyInterim);
        let long = and(&[&format!("X: {}", "a".repeat(20_000))]);
        assert_eq!(failed(&plain(), &long), Head(HeadError::TooLong));
    }

    /// HSC-020, HSC-064.
    #[test]
    fn the_connection_may_end_early() {
        use ResponseError::*;
        assert_eq!(failed(&plain(), b""), ClosedBeforeResponse);
        let whole = bytes(&MINIMAL);
        assert_eq!(failed(&plain(), &whole[..1]), ClosedInHead);
        assert_eq!(failed(&plain(), &whole[..whole.len() - 1]), ClosedInHead);
        assert_eq!(failed(&plain(), b"HTTP/1.1 102 X\r\n\r\n"), ClosedInHead);
    }

    #[test]
    fn subprotocols() {
        use ResponseError::*;
        let header = |value: &str| and(&[&format!("Sec-WebSocket-Protocol: {value}")]);
        assert_eq!(accepted(&offering(), &header("superchat")).subprotocol.as_deref(), Some("superchat"));
        assert_eq!(accepted(&offering(), &bytes(&MINIMAL)).subprotocol, None);
        for value in ["", "other", "Chat", "chat, superchat", "chat,", "\"chat\""] {
            assert_eq!(failed(&offering(), &header(value)), SubprotocolNotOffered, "{value}");
        }
        assert_eq!(failed(&plain(), &header("chat")), SubprotocolNotOffered);
        let two = and(&["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: chat"]);
        assert_eq!(failed(&offering(), &two), SubprotocolRepeated);
    }

    #[test]
    fn extensions() {
        use ResponseError::*;
        let header = |value: &str| and(&[&format!("Sec-WebSocket-Extensions: {value}")]);
        let agreed = |value: &str| params::write_list(&accepted(&offering(), &header(value)).extensions);
        assert_eq!(agreed("x-a; b=\"c\""), "x-a; b=c");
        assert_eq!(agreed("x-a, permessage-deflate"), "x-a, permessage-deflate");
        assert_eq!(accepted(&offering(), &bytes(&MINIMAL)).extensions, []);
        for (value, error) in [
            ("x-b", ExtensionNotOffered),
            ("X-A", ExtensionNotOffered),
            ("x-a, x-b", ExtensionNotOffered),
            ("x-a, x-a", ExtensionAcceptedTwice),
            ("x-a; b, permessage-deflate, x-a; c", ExtensionAcceptedTwice),
            ("", Extensions(ExtensionError::Empty)),
            ("x-a;", Extensions(ExtensionError::ParamName)),
            ("x-a b", Extensions(ExtensionError::Delimiter)),
        ] {
            assert_eq!(failed(&offering(), &header(value)), error, "{value}");
        }
        assert_eq!(failed(&plain(), &header("permessage-deflate")), ExtensionNotOffered);
        let two = and(&["Sec-WebSocket-Extensions: x-a", "Sec-WebSocket-Extensions: permessage-deflate"]);
        assert_eq!(failed(&offering(), &two), ExtensionsRepeated);
    }

    /// HSC-015, HSC-016, HSC-021, HSC-027 to HSC-030.
    #[test]
    fn refusals_are_handed_over() {
        let upgrade = [&MINIMAL[1..], &["Content-Length: 2"]].concat();
        let ok = bytes(&[&["HTTP/1.1 200 OK"], &upgrade[..]].concat());
        let response = refused(&[&ok[..], b"hi, more"].concat());
        assert_eq!((response.status(), response.reason(), response.body()), (200, &b"OK"[..], &b"hi"[..]));
        assert!(!response.is_truncated());
        for status in [200, 206, 301, 302, 307, 401, 403, 407, 426, 429, 500, 503, 999] {
            let response = refused(
                format!("HTTP/1.1 {status} X\r\nLocation: /a\r\nRetry-After: 5\r\n\r\nbody").as_bytes(),
            );
            assert_eq!((response.status(), response.body()), (status, &b"body"[..]));
            assert_eq!(response.header("retry-after"), Some(&b"5"[..]));
            assert_eq!(response.headers().count(), 2);
        }
        for status in [204, 304] {
            let response =
                refused(format!("HTTP/1.1 {status} X\r\nContent-Length: 9\r\n\r\nbody").as_bytes());
            assert_eq!((response.status(), response.body()), (status, &b""[..]));
        }
        // An old proxy may refuse.
        assert_eq!(refused(b"HTTP/1.0 502 Bad\r\n\r\nx").status(), 502);
        // Interim responses may come first.
        assert_eq!(
            refused(b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\nx").body(),
            b"x"
        );
        // What goes to a terminal is visible ASCII.
        let text = refused(b"HTTP/1.1 403 \xff\x9b31m\r\n\r\n").to_string();
        assert_eq!(text, "The server refuses the upgrade with status 403 \\xff\\x9b31m.");
        let versions =
            refused(b"HTTP/1.1 426 X\r\nSec-WebSocket-Version: 7\r\nSec-WebSocket-Version: 8, 13\r\n\r\n");
        assert!(versions.head().tokens("sec-websocket-version").eq([&b"7"[..], b"8", b"13"]));
    }

    /// HSC-031.
    #[test]
    fn bodies_of_refusals() {
        let body = |rest: &str| {
            let response = refused(format!("HTTP/1.1 400 X\r\n{rest}").as_bytes());
            (String::from_utf8(response.body().to_vec()).unwrap(), response.is_truncated())
        };
        let full = |text: &str| (text.to_owned(), false);
        let cut = |text: &str| (text.to_owned(), true);
        // By length, or to the end if there is no valid length.
        assert_eq!(body("Content-Length: 0\r\n\r\n"), full(""));
        assert_eq!(body("Content-Length: 5\r\n\r\nhello"), full("hello"));
        assert_eq!(body("Content-Length: 6\r\n\r\nhello"), cut("hello"));
        assert_eq!(body("Content-Length: 18446744073709551615\r\n\r\nhello"), cut("hello"));
        for faulty in ["-1", "+5", "5, 5", "0x5", "99999999999999999999", ""] {
            assert_eq!(body(&format!("Content-Length: {faulty}\r\n\r\nhello")), full("hello"), "{faulty}");
        }
        // Up to the limit of 100.
        let a = |n: usize| "a".repeat(n);
        assert_eq!(body(&format!("\r\n{}", a(100))), full(&a(100)));
        assert_eq!(body(&format!("\r\n{}", a(101))), cut(&a(100)));
        assert_eq!(body(&format!("Content-Length: 100\r\n\r\n{}", a(100))), full(&a(100)));
        assert_eq!(body(&format!("Content-Length: 101\r\n\r\n{}", a(101))), cut(&a(100)));
        assert_eq!(
            body(&format!("Transfer-Encoding: chunked\r\n\r\n65\r\n{}\r\n0\r\n", a(101))),
            cut(&a(100))
        );
        // In chunks.
        let chunked = |text: &str| {
            body(&format!("Transfer-Encoding: gzip, Chunked\r\nContent-Length: 1\r\n\r\n{text}"))
        };
        assert_eq!(chunked("0\r\n\r\n"), full(""));
        assert_eq!(chunked("5\r\nhello\r\n0\r\n\r\n"), full("hello"));
        assert_eq!(
            chunked("5;a=\"b\"\r\nhello\r\n00a \r\n, world, w\r\n0\r\nX: y\r\n\r\n"),
            full("hello, world, w")
        );
        assert_eq!(chunked("5\r\nhello\r\n"), cut("hello"));
        assert_eq!(chunked("5\r\nhel"), cut("hel"));
        assert_eq!(chunked("5\r\nhello0\r\n"), cut("hello"));
        assert_eq!(chunked("5\r\nhello\n0\r\n"), cut("hello"));
        for faulty in ["", "x", "-1", "+1", "0x1", "1 1", ";", "10000000000000000", "5\n", " "] {
            assert_eq!(chunked(&format!("{faulty}\r\nhello")), cut(""), "{faulty}");
        }
        assert_eq!(chunked(&format!("5;{}\r\nhello\r\n0\r\n", a(MAX_CHUNK_LINE))), cut(""));
        assert_eq!(chunked("ffffffffffffffff\r\nhello"), cut("hello"));
        // A coding that is not chunked in the end is read to the end.
        assert_eq!(body("Transfer-Encoding: gzip\r\n\r\nhello"), full("hello"));
    }

    #[test]
    fn what_waits_too_long_can_be_given_up() {
        let mut handshake = ClientHandshake::new(plain(), NONCE);
        assert_eq!(handshake.receive(b"HTTP/1.1 503 X\r\n\r\nbusy").map(drop_value), Ok(()));
        let ResponseError::Refused(response) = handshake.receive_eof() else { panic!() };
        assert_eq!(response.body(), b"busy");
    }

    fn drop_value(progress: Progress<Response>) {
        assert!(matches!(progress, Progress::NeedMore));
    }

    /// Every byte in turn becomes one that means something elsewhere: no panic, and cuts do not matter.
    #[test]
    fn any_byte_may_be_wrong() {
        let request = offering();
        let right = and(&["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: x-a; b=\"c\""]);
        let outcome = |parts: &[&[u8]]| {
            let mut handshake = ClientHandshake::new(request.clone(), NONCE);
            for part in parts {
                match handshake.receive(part) {
                    Ok(Progress::NeedMore) => {}
                    Ok(Progress::Done { value, .. }) => return Ok(value.into_agreement()),
                    Err(error) => return Err(error),
                }
            }
            Err(handshake.receive_eof())
        };
        for at in 0..right.len() {
            let mut input = right.clone();
            for wrong in *b"\0\t\n\r \"#%,/0:;=?Aaz~\x7f\x80\xff" {
                input[at] = wrong;
                let (a, b) = input.split_at(at);
                assert_eq!(outcome(&[&input]), outcome(&[a, b]), "{}", input.escape_ascii());
            }
        }
    }
}

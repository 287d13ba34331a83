//! The opening handshake from both sides: heads as a case wants them, and the rules for the peer's head (RFC 6455 §4.1,
//! §4.2; RFC 7692 §5.1).

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest, Sha1};

use bowsprit::error::Section;
use bowsprit::handshake::{Head, HttpVersion, StartLine};

use super::case::{Edit, HeadCheck, Opening};
use super::deflate::{self, Agreed, Extension};
use super::options::Carrier;
use super::rule::Violation;

/// What the placeholders of an [`Edit`] stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fill {
    /// Host and port, as in the Host field.
    pub host: String,
    /// The request target.
    pub target: String,
    /// The Sec-WebSocket-Key.
    pub key: String,
    /// Letters that change with the seed.
    pub random: String,
    /// Further lines of a request.
    pub fields: Vec<String>,
}

impl Fill {
    fn apply(&self, text: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        text.replace("{host}", &self.host)
            .replace("{target}", &self.target)
            .replace("{key}", &self.key)
            .replace("{accept}", &accept_for(self.key.as_bytes()))
            .replace("{tpecca}", &swap_case(&accept_for(self.key.as_bytes())))
            .replace("{random}", &self.random)
    }
}

/// Swaps upper and lower case.
fn swap_case(text: &str) -> String {
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.chars().map(swap).collect()
}

/// Computes the answer to a key (RFC 6455 §4.2.2 step 5.4).
pub(super) fn accept_for(key: &[u8]) -> String {
    let digest =
        Sha1::new().chain_update(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    STANDARD.encode(digest)
}

/// Encodes a key of 16 random bytes.
pub(super) fn key_of(nonce: [u8; 16]) -> String {
    STANDARD.encode(nonce)
}

/// Writes the request of a case.
pub(super) fn request(opening: &Opening, fill: &Fill) -> Vec<u8> {
    request_over(opening, fill, Carrier::Http1)
}

/// Writes the request of a case for this carrier. The request has the same form over HTTP/2, with only the fields that
/// belong there (RFC 8441 §5).
pub(super) fn request_over(opening: &Opening, fill: &Fill, carrier: Carrier) -> Vec<u8> {
    let lines: &[&str] = match carrier {
        Carrier::Http1 => &[
            "GET {target} HTTP/1.1",
            "Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ],
        Carrier::Http2(_) => &["CONNECT {target} HTTP/2.0", "Host: {host}", "Sec-WebSocket-Version: 13"],
    };
    let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    if !opening.deflate.is_empty() {
        lines.push(format!("Sec-WebSocket-Extensions: {}", deflate::offer(opening.deflate)));
    }
    lines.extend_from_slice(&fill.fields);
    edited(lines, opening.edits, fill)
}

/// Writes the response of a case, when a client is examined.
pub(super) fn response(opening: &Opening, fill: &Fill, extension: Option<&str>) -> Vec<u8> {
    response_over(opening, fill, extension, Carrier::Http1)
}

/// Writes the response of a case for this carrier (RFC 8441 §5).
pub(super) fn response_over(
    opening: &Opening,
    fill: &Fill,
    extension: Option<&str>,
    carrier: Carrier,
) -> Vec<u8> {
    let lines: &[&str] = match carrier {
        Carrier::Http1 => &[
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Accept: {accept}",
        ],
        Carrier::Http2(_) => &["HTTP/2.0 200 OK"],
    };
    let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    if let Some(extension) = extension {
        lines.push(format!("Sec-WebSocket-Extensions: {extension}"));
    }
    edited(lines, opening.edits, fill)
}

fn edited(mut lines: Vec<String>, edits: &[Edit], fill: &Fill) -> Vec<u8> {
    let (mut before, mut after, mut cut, mut end) = (&b""[..], &b""[..], usize::MAX, "\r\n");
    for edit in edits {
        match *edit {
            Edit::First(line) => lines[0] = line.to_owned(),
            Edit::Line(name, line) => {
                let at = lines.iter().skip(1).position(|line| is_field(line, name)).map(|at| at + 1);
                lines.retain(|line| !is_field(line, name));
                lines.insert(at.unwrap_or(lines.len()), line.to_owned());
            }
            Edit::Without(name) => lines.retain(|line| !is_field(line, name)),
            Edit::Add(line) => lines.push(line.to_owned()),
            Edit::Long(prefix, unit, times) => lines.push(format!("{prefix}{}", unit.repeat(times))),
            Edit::Repeat(line, times) => lines.extend(std::iter::repeat_n(line.to_owned(), times)),
            Edit::Target(length) => lines[0] = format!("GET /{} HTTP/1.1", "a".repeat(length - 1)),
            Edit::Before(bytes) => before = bytes,
            Edit::After(bytes) => after = bytes,
            Edit::Raw(bytes) => return bytes.to_vec(),
            Edit::Cut(length) => cut = length,
            Edit::BareLf => end = "\n",
            Edit::MixedCase => lines.iter_mut().skip(1).for_each(mix_case),
        }
    }
    let mut bytes = before.to_vec();
    for line in &lines {
        bytes.extend_from_slice(fill.apply(line).as_bytes());
        bytes.extend_from_slice(end.as_bytes());
    }
    bytes.extend_from_slice(end.as_bytes());
    bytes.extend_from_slice(after);
    bytes.truncate(cut);
    bytes
}

fn is_field(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(this, _)| this.eq_ignore_ascii_case(name))
}

fn mix_case(line: &mut String) {
    if let Some((name, value)) = line.split_once(':') {
        let mixed = name.chars().enumerate().map(|(i, c)| match i % 2 {
            0 => c.to_ascii_lowercase(),
            _ => c.to_ascii_uppercase(),
        });
        *line = format!("{}:{value}", mixed.collect::<String>());
    }
}

/// Judges a server's 101 response; returns the compression it agrees to (RFC 6455 §4.2.2, numbered there).
///
/// # Errors
///
/// Returns the rule that the response breaks.
pub(super) fn judge_response(
    head: &Head,
    key: &str,
    offered: &[Extension],
    offers_are_whole: bool,
    protocols: &[&str],
) -> Result<Option<Agreed>, Violation> {
    judge_switch(head, key)?;
    judge_agreement(head, offered, offers_are_whole, protocols)
}

/// Judges a 101 response without what it agrees to (RFC 6455 §4.2.2, numbered there).
///
/// # Errors
///
/// Returns the rule that the response breaks.
fn judge_switch(head: &Head, key: &str) -> Result<(), Violation> {
    if head.version() != (HttpVersion { major: 1, minor: 1 }) {
        return Err(Violation::new(
            Section::rfc6455("4.2.2").item("5.1"),
            format!("the status line says {}, not HTTP/1.1", head.version()),
        ));
    }
    match head.only("upgrade") {
        Ok(Some(value)) if value.eq_ignore_ascii_case(b"websocket") => {}
        _ => {
            return Err(Violation::new(
                Section::rfc6455("4.2.2").item("5.2"),
                "the Upgrade field is not exactly one \"websocket\"",
            ));
        }
    }
    if !head.tokens("connection").any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
        return Err(Violation::new(
            Section::rfc6455("4.2.2").item("5.3"),
            "the Connection field does not hold \"Upgrade\"",
        ));
    }
    match head.only("sec-websocket-accept") {
        Ok(Some(value)) if value == accept_for(key.as_bytes()).as_bytes() => {}
        Ok(Some(value)) => {
            return Err(Violation::new(
                Section::rfc6455("4.2.2").item("5.4"),
                format!(
                    "Sec-WebSocket-Accept is \"{}\", but the key asks for \"{}\"",
                    value.escape_ascii(),
                    accept_for(key.as_bytes())
                ),
            ));
        }
        Ok(None) => {
            return Err(Violation::new(
                Section::rfc6455("4.2.2").item("5.4"),
                "there is no Sec-WebSocket-Accept",
            ));
        }
        Err(_) => {
            return Err(Violation::new(
                Section::rfc6455("11.3.3"),
                "there are several Sec-WebSocket-Accept fields",
            ));
        }
    }
    if head.has("sec-websocket-key") {
        return Err(Violation::new(Section::rfc6455("4.2.2"), "the response holds a Sec-WebSocket-Key"));
    }
    Ok(())
}

/// Judges the subprotocol and the extensions that a response agrees to; returns the compression among them (RFC 6455
/// §4.2.2, numbered there).
///
/// # Errors
///
/// Returns the rule that the response breaks.
pub(super) fn judge_agreement(
    head: &Head,
    offered: &[Extension],
    offers_are_whole: bool,
    protocols: &[&str],
) -> Result<Option<Agreed>, Violation> {
    // Two rules that servers break have a case of their own, HSS-121 and SUB-001, so that the other cases report
    // something else: no Content-Length in a 101, and no subprotocol where none was offered.
    match head.only("sec-websocket-protocol") {
        Ok(None) => {}
        _ if protocols.is_empty() => {}
        Ok(Some(value)) if protocols.iter().any(|offered| offered.as_bytes() == value) => {}
        _ => {
            return Err(Violation::new(
                Section::rfc6455("4.2.2").item("4"),
                "a subprotocol is chosen that was not offered",
            ));
        }
    }
    let Ok(extensions) = head.only("sec-websocket-extensions") else {
        return Err(Violation::new(
            Section::rfc6455("11.3.2"),
            "there are several Sec-WebSocket-Extensions fields",
        ));
    };
    let Some(value) = extensions else { return Ok(None) };
    let elements = deflate::parse(value).map_err(|error| {
        Violation::new(Section::rfc6455("9.1"), format!("Sec-WebSocket-Extensions: {error}"))
    })?;
    let [element] = &elements[..] else {
        return Err(Violation::new(
            Section::rfc6455("9.1"),
            "several extensions are accepted where one was offered",
        ));
    };
    if !offers_are_whole {
        let what =
            format!("extension \"{}\" is accepted from an offer that breaks the grammar", element.name);
        return Err(Violation::new(Section::rfc6455("9.1"), what));
    }
    if !offered.iter().any(|offer| offer.name == element.name) {
        return Err(Violation::new(
            Section::rfc6455("4.2.2").item("4"),
            format!("extension \"{}\" was not offered", element.name),
        ));
    }
    if element.name != "permessage-deflate" {
        // The offer named an extension that nobody knows.
        let what = format!("extension \"{}\" is accepted, which a server cannot know", element.name);
        return Err(Violation::new(Section::rfc6455("9.1"), what));
    }
    let agreed = deflate::answered(element).map_err(|error| {
        Violation::new(Section::rfc7692("7.1"), format!("Sec-WebSocket-Extensions: {error}"))
    })?;
    let offers = offered.iter().filter(|offer| offer.name == element.name);
    let misfits: Vec<_> = offers.map(|offer| misfit(offer, element)).collect();
    match &misfits[..] {
        fits if fits.iter().any(Option::is_none) => Ok(Some(agreed)),
        [Some(only)] => Err(only.clone()),
        _ => Err(Violation::new(Section::rfc7692("7.1"), "the accepted parameters fit none of the offers")),
    }
}

/// Returns why an answer does not fit an offer: a demanded parameter is missing, or a parameter needs an offer and has
/// none.
fn misfit(offer: &Extension, answer: &Extension) -> Option<Violation> {
    let find = |element: &Extension, name: &str| {
        element.params.iter().find(|(this, _)| this == name).map(|(_, value)| value.clone())
    };
    let number = |value: Option<Option<String>>| value.flatten().and_then(|value| value.parse::<u8>().ok());
    let broken = |section, what: String| Some(Violation::new(Section::rfc7692(section), what));
    if find(offer, "server_no_context_takeover").is_some()
        && find(answer, "server_no_context_takeover").is_none()
    {
        let what = "server_no_context_takeover was offered, and is not in the accepted permessage-deflate";
        return broken("7.1.1.1", what.to_owned());
    }
    // An accepted server_max_window_bits is repeated with the same or a smaller value. Without it the value is 15;
    // PMN-027 examines that it must be stated even then.
    if let Some(most) = number(find(offer, "server_max_window_bits")) {
        match number(find(answer, "server_max_window_bits")) {
            Some(bits) if bits > most => {
                return broken(
                    "7.1.2.1",
                    format!("server_max_window_bits is {bits}, and {most} was offered"),
                );
            }
            None if most < 15 => {
                let what = format!(
                    "server_max_window_bits={most} was offered, and is not in the accepted permessage-deflate"
                );
                return broken("7.1.2.1", what);
            }
            _ => {}
        }
    }
    let bits = number(find(answer, "client_max_window_bits"))?;
    match find(offer, "client_max_window_bits") {
        None => {
            broken("7.1.2.2", format!("client_max_window_bits={bits} is answered, and it was not offered"))
        }
        Some(most) => {
            let most = number(Some(most)).filter(|most| bits > *most)?;
            broken("7.1.2.2", format!("client_max_window_bits is {bits}, and {most} was offered"))
        }
    }
}

/// RFC 4648 §3.5 leaves the spare bits of the last character to the reader, and the example key of RFC 6455 §4.1 has
/// one of them set.
const ANY_SPARE_BITS: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Returns whether a request has come over HTTP/2.
pub(super) fn is_of_http2(head: &Head) -> bool {
    head.version() == HttpVersion { major: 2, minor: 0 }
}

/// Judges a client's request over any carrier; returns its key, which is empty over HTTP/2.
///
/// # Errors
///
/// Returns the rule that the request breaks.
pub(super) fn judge_request_over(head: &Head, carrier: Carrier) -> Result<String, Violation> {
    match carrier {
        Carrier::Http1 => judge_request(head),
        // RFC 8441 §5: Upgrade, Connection and the key are left out; a key that is sent all the same is not processed.
        Carrier::Http2(_) => match head.start_line() {
            StartLine::Request { method, .. } if method == "CONNECT" && is_of_http2(head) => {
                judge_version(head).map(|()| String::new())
            }
            _ => Err(Violation::new(Section::new(8441, "5"), "the request is no extended CONNECT")),
        },
    }
}

fn judge_version(head: &Head) -> Result<(), Violation> {
    if head.only("sec-websocket-version") == Ok(Some(b"13")) {
        return Ok(());
    }
    Err(Violation::new(Section::rfc6455("4.1").item("request 9"), "Sec-WebSocket-Version is not one 13"))
}

/// Judges a client's request; returns its key (RFC 6455 §4.1, numbered there).
///
/// # Errors
///
/// Returns the rule that the request breaks.
pub(super) fn judge_request(head: &Head) -> Result<String, Violation> {
    let StartLine::Request { method, version, .. } = head.start_line() else {
        return Err(Violation::new(Section::rfc6455("4.1").item("request 2"), "no request line"));
    };
    if method != "GET" || version < (HttpVersion { major: 1, minor: 1 }) {
        return Err(Violation::new(
            Section::rfc6455("4.1").item("request 2"),
            format!("the request is {method} with {version}, not GET with HTTP/1.1"),
        ));
    }
    if !matches!(head.only("host"), Ok(Some(_))) {
        return Err(Violation::new(
            Section::rfc6455("4.1").item("request 4"),
            "there is not exactly one Host field",
        ));
    }
    if !head.tokens("upgrade").any(|token| token.eq_ignore_ascii_case(b"websocket")) {
        return Err(Violation::new(
            Section::rfc6455("4.1").item("request 5"),
            "the Upgrade field does not hold \"websocket\"",
        ));
    }
    if !head.tokens("connection").any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
        return Err(Violation::new(
            Section::rfc6455("4.1").item("request 6"),
            "the Connection field does not hold \"Upgrade\"",
        ));
    }
    judge_version(head)?;
    let Ok(Some(key)) = head.only("sec-websocket-key") else {
        return Err(Violation::new(
            Section::rfc6455("4.1").item("request 7"),
            "there is not exactly one Sec-WebSocket-Key",
        ));
    };
    match ANY_SPARE_BITS.decode(key) {
        Ok(nonce) if nonce.len() == 16 => Ok(String::from_utf8_lossy(key).into_owned()),
        _ => Err(Violation::new(
            Section::rfc6455("4.1").item("request 7"),
            format!("Sec-WebSocket-Key \"{}\" is not 16 bytes in base64", key.escape_ascii()),
        )),
    }
}

/// Tests whether the peer's head passes a check.
///
/// # Errors
///
/// Returns what the head holds instead.
pub(super) fn check(check: HeadCheck, head: &Head, behind: &[u8]) -> Result<(), String> {
    let extensions = || -> Vec<Extension> {
        head.values("sec-websocket-extensions")
            .filter_map(|value| deflate::parse(value).ok())
            .flatten()
            .collect()
    };
    let params = |name: &str| -> Vec<Option<String>> {
        let all = extensions().into_iter().flat_map(|element| element.params);
        all.filter(|(this, _)| this == name).map(|(_, value)| value).collect()
    };
    let has = |name, value: &str| head.tokens(name).any(|token| token.eq_ignore_ascii_case(value.as_bytes()));
    let status = match head.start_line() {
        StartLine::Response { status, .. } => Some(status),
        StartLine::Request { .. } => None,
    };
    let holds = match check {
        HeadCheck::Has(name, value) => has(name, value),
        HeadCheck::RefusalHas(name, value) => status == Some(101) || has(name, value),
        HeadCheck::Lacks(name) => !head.has(name),
        HeadCheck::NoExtension(name) => {
            params(name).is_empty() && extensions().iter().all(|element| element.name != name)
        }
        HeadCheck::AtMost(name, most) => params(name).iter().all(|value| {
            value.as_ref().and_then(|value| value.parse::<u8>().ok()).is_some_and(|bits| bits <= most)
        }),
        HeadCheck::Repeats(name) => extensions().is_empty() || !params(name).is_empty(),
        HeadCheck::NotEchoed(text) => ![head.bytes(), behind]
            .into_iter()
            .any(|bytes| bytes.windows(text.len().max(1)).any(|window| window == text.as_bytes())),
        HeadCheck::Says426 => {
            status != Some(426) || (has("upgrade", "websocket") && has("connection", "upgrade"))
        }
    };
    if holds { Ok(()) } else { Err(format!("the head that came back does not fulfil: {check}")) }
}

impl std::fmt::Display for HeadCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HeadCheck::Has(name, value) => write!(f, "a field {name} holds {value}"),
            HeadCheck::RefusalHas(name, value) => {
                write!(f, "a refusal has a field {name} that holds {value}")
            }
            HeadCheck::Lacks(name) => write!(f, "there is no field {name}"),
            HeadCheck::NoExtension(name) => write!(f, "Sec-WebSocket-Extensions does not hold {name}"),
            HeadCheck::AtMost(name, most) => write!(f, "if {name} is answered, it is a number up to {most}"),
            HeadCheck::Repeats(name) => write!(f, "an accepted permessage-deflate repeats {name}"),
            HeadCheck::Says426 => f.write_str("a 426 holds Upgrade: websocket and Connection: Upgrade"),
            HeadCheck::NotEchoed(text) => write!(f, "\"{}\" is not sent back", text.escape_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill() -> Fill {
        Fill {
            host: "localhost:9001".to_owned(),
            target: "/chat".to_owned(),
            key: "dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
            random: "x".to_owned(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn the_sample_key_has_the_sample_answer() {
        assert_eq!(accept_for(fill().key.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn an_answer_that_fits_no_offer_says_why() {
        let extension = |text: &str| deflate::parse(text.as_bytes()).unwrap().remove(0);
        for (offer, answer, told) in [
            ("d", "d", None),
            ("d; client_max_window_bits", "d; client_max_window_bits=9", None),
            ("d; client_max_window_bits=10", "d; client_max_window_bits=10", None),
            ("d; server_max_window_bits=15", "d", None),
            ("d", "d; client_max_window_bits=9", Some("7.1.2.2")),
            ("d; client_max_window_bits=10", "d; client_max_window_bits=11", Some("7.1.2.2")),
            ("d; server_max_window_bits=10", "d; server_max_window_bits=11", Some("7.1.2.1")),
            ("d; server_max_window_bits=10", "d", Some("7.1.2.1")),
            ("d; server_no_context_takeover", "d", Some("7.1.1.1")),
        ] {
            let found = misfit(&extension(offer), &extension(answer));
            assert_eq!(found.map(|fault| fault.section.number), told, "{offer}, {answer}");
        }
    }

    #[test]
    fn edits_change_what_they_name_and_nothing_else() {
        let edit = |edits: &'static [Edit]| {
            String::from_utf8(request(&Opening { edits, ..Opening::GOOD }, &fill())).unwrap()
        };
        let good = edit(&[]);
        assert!(good.starts_with("GET /chat HTTP/1.1\r\nHost: localhost:9001\r\nUpgrade: websocket\r\n"));
        assert!(good.ends_with("Sec-WebSocket-Version: 13\r\n\r\n"));
        assert_eq!(edit(&[Edit::Line("host", "Host: {host}")]), good);
        assert_eq!(edit(&[Edit::Without("HOST")]), good.replace("Host: localhost:9001\r\n", ""));
        assert_eq!(edit(&[Edit::BareLf]), good.replace("\r\n", "\n"));
        assert_eq!(edit(&[Edit::Cut(3)]), "GET");
        assert_eq!(edit(&[Edit::Before(b"\r\n"), Edit::After(b"x")]), format!("\r\n{good}x"));
        assert!(edit(&[Edit::MixedCase]).contains("sEc-wEbSoCkEt-kEy: dGhl"));
    }
}

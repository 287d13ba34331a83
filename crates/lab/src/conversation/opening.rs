//! Finds heads in a stream and reads what they say about the frames after them.
//!
//! A head that breaks the HTTP grammar is reported as such but still read as far as possible: what follows shows
//! whether the two sides have understood each other.

use bowsprit::error::Section;
use bowsprit::handshake::{Head, HeadLimits, HeadReader, Progress, StartLine};

use super::super::deflate::{self, Extension};
use super::super::escape::visible;
use super::super::opening::{judge_request, judge_response};
use super::super::reader::Inflation;
use super::super::rule::Violation;

/// The longest head that is read, and the most bytes that may come before the answer to it.
pub(super) const MOST: usize = 64 << 10;

/// The terms that hold for the frames of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Whether these terms are only offered so far.
    pub is_offer: bool,
    /// The extension element that names permessage-deflate.
    pub deflate: Option<String>,
    /// The subprotocol, or the offered subprotocols.
    pub subprotocol: Option<String>,
}

/// What the bytes at the start of a direction are.
pub(super) enum Heads {
    /// A head, and the bytes after it.
    Whole(Vec<u8>, Vec<u8>),
    /// The start of a head.
    Coming(Vec<u8>),
    /// Bytes that cannot begin a head.
    None(Vec<u8>),
}

/// Looks for the end of a head; the first `seen` bytes do not hold it.
pub(super) fn split(mut bytes: Vec<u8>, seen: usize) -> Heads {
    if bytes.first().is_some_and(|byte| !byte.is_ascii_alphabetic() && !matches!(byte, b'\r' | b'\n')) {
        return Heads::None(bytes);
    }
    let lead = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let from = lead.max(seen.saturating_sub(2));
    match end_of_head(&bytes[from..]) {
        Some(end) => {
            let rest = bytes.split_off(from + end);
            Heads::Whole(bytes, rest)
        }
        None => Heads::Coming(bytes),
    }
}

/// Returns where the blank line ends, with any line ends.
pub(in super::super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).filter(|at| bytes[*at] == b'\n').find_map(|at| match &bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// A client's request.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) is_upgrade: bool,
    pub(super) violation: Option<Violation>,
    key: Option<String>,
    offered: Vec<Extension>,
    offers_are_whole: bool,
    protocols: Vec<String>,
}

impl Request {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let fields = Fields(bytes);
        let key = fields.values("sec-websocket-key").next();
        let is_upgrade = key.is_some()
            || fields.values("upgrade").any(|value| value.to_ascii_lowercase().contains("websocket"));
        let parsed: Vec<_> =
            fields.values("sec-websocket-extensions").map(|value| deflate::parse(value.as_bytes())).collect();
        let violation = match parse(HeadReader::request, bytes) {
            _ if !is_upgrade => None,
            Ok(head) => judge_request(&head).err(),
            Err(violation) => Some(violation),
        };
        Self {
            is_upgrade,
            violation,
            key,
            offers_are_whole: parsed.iter().all(Result::is_ok),
            offered: parsed.into_iter().flatten().flatten().collect(),
            protocols: fields.tokens("sec-websocket-protocol"),
        }
    }
}

/// A server's response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    pub(super) violation: Option<Violation>,
    pub(super) agreement: Agreement,
    /// The inflation of the client's direction and of the server's.
    pub(super) inflations: Option<(Inflation, Inflation)>,
}

impl Answer {
    pub(super) fn read(bytes: &[u8], request: Option<&Request>) -> Self {
        let fields = Fields(bytes);
        let (status, mut violation, head) = match parse(HeadReader::response, bytes) {
            Ok(head) => match head.start_line() {
                StartLine::Response { status, .. } => (Some(status), None, Some(head)),
                StartLine::Request { .. } => (None, None, None),
            },
            Err(violation) => (fields.status(), Some(violation), None),
        };
        if status != Some(101) {
            return Self { status, violation, agreement: Agreement::default(), inflations: None };
        }
        let extensions: Vec<_> = fields
            .values("sec-websocket-extensions")
            .filter_map(|value| deflate::parse(value.as_bytes()).ok())
            .flatten()
            .collect();
        let element = extensions.iter().find(|element| element.name == "permessage-deflate");
        let mut agreed = element.and_then(|element| deflate::answered(element).ok());
        match (&head, request) {
            (_, None) => {
                let what = "A 101 comes before a request is whole";
                violation = Some(Violation::new(Section::rfc6455("4.2.2"), what));
            }
            (Some(head), Some(request)) => {
                let protocols: Vec<&str> = request.protocols.iter().map(String::as_str).collect();
                let key = request.key.as_deref().unwrap_or_default();
                match judge_response(head, key, &request.offered, request.offers_are_whole, &protocols) {
                    // The examiner has a case of its own for this fault.
                    Ok(_) if protocols.is_empty() && head.has("sec-websocket-protocol") => {
                        let section = Section::rfc6455("4.2.2").item("4");
                        violation =
                            Some(Violation::new(section, "a subprotocol is chosen that was not offered"));
                    }
                    Ok(judged) => agreed = judged.or(agreed),
                    Err(fault) => violation = Some(fault),
                }
            }
            (None, Some(_)) => {}
        }
        let inflations = element.map(|_| match agreed {
            Some(agreed) => (
                Inflation::new(agreed.our_bits, agreed.our_reset),
                Inflation::new(agreed.their_bits, agreed.their_reset),
            ),
            // A side that uses a smaller window is understood, too.
            None => (Inflation::new(15, false), Inflation::new(15, false)),
        });
        Self { status, violation, agreement: fields.agreement(false), inflations }
    }
}

/// Returns what a head says about the frames after it, or nothing if it is not a head.
pub(in super::super) fn agreement_of(head: &[u8], is_offer: bool) -> Agreement {
    Fields(head).agreement(is_offer)
}

fn parse(reader: impl Fn(HeadLimits) -> HeadReader, bytes: &[u8]) -> Result<Head, Violation> {
    let limits = HeadLimits::new(2 * MOST, MOST);
    match reader(limits).receive(bytes) {
        Ok(Progress::Done { value, .. }) => Ok(value),
        Ok(Progress::NeedMore) => {
            Err(Violation::new(Section::new(9112, "2.2"), "A head is not written as HTTP demands"))
        }
        Err(error) => {
            let what = format!("A head is not written as HTTP demands: {error}");
            Err(Violation::new(error.section(), what))
        }
    }
}

/// A head, read as far as it goes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn values<'b>(&'b self, wanted: &'b str) -> impl Iterator<Item = String> + 'b {
        let lines = self.0.split(|byte| *byte == b'\n').skip(1);
        lines.filter_map(move |line| {
            let (name, value) = str::from_utf8(line).ok()?.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    }

    fn tokens(&self, wanted: &str) -> Vec<String> {
        let values: Vec<String> = self.values(wanted).collect();
        let tokens = values.iter().flat_map(|value| value.split(',')).map(str::trim);
        tokens.filter(|token| !token.is_empty()).map(str::to_owned).collect()
    }

    fn status(&self) -> Option<u16> {
        let line = self.0.split(|byte| *byte == b'\n').next()?;
        str::from_utf8(line).ok()?.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()
    }

    fn agreement(&self, is_offer: bool) -> Agreement {
        let is_deflate = |element: &&String| {
            let name = element.split(';').next().unwrap_or_default().trim();
            name.eq_ignore_ascii_case("permessage-deflate")
        };
        let elements = self.tokens("sec-websocket-extensions");
        let deflate = elements.iter().find(is_deflate).map(|element| visible(element.as_bytes()));
        let protocols = self.tokens("sec-websocket-protocol");
        let subprotocol = Some(protocols.join(", ")).filter(|all| !all.is_empty());
        Agreement { is_offer, deflate, subprotocol: subprotocol.map(|text| visible(text.as_bytes())) }
    }
}

//! `permessage-deflate` as an examiner needs it (RFC 7692): the header grammar and both contexts.
//!
//! [`Inflater`], which is not the library's engine, inflates what the peer sends; a [`Deflater`] compresses what we
//! send.

use std::sync::Arc;

use bowsprit::error::Section;

use super::case::{Deflate, Echo};
use super::compress::{Deflater, TAIL};
use super::inflate::{Inflated, Inflater, Stop};
use super::rule::Violation;

/// The largest size a message may inflate to.
pub(super) const MAX_INFLATED: usize = 64 << 20;

/// One element of a `Sec-WebSocket-Extensions` list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    /// The name.
    pub name: String,
    /// The parameters, in order.
    pub params: Vec<(String, Option<String>)>,
}

/// The parameters in force on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// Whether our window is forgotten after each message.
    pub our_reset: bool,
    /// Bits of our window.
    pub our_bits: u8,
    /// Whether the peer's window is forgotten after each message.
    pub their_reset: bool,
    /// Bits of the peer's window.
    pub their_bits: u8,
}

/// Both contexts of a connection.
#[derive(Debug)]
pub(super) struct Codec {
    agreed: Agreed,
    deflater: Deflater,
    inflater: Inflater,
}

/// Parses the elements of an extension list (RFC 6455 §9.1).
///
/// # Errors
///
/// Returns what is wrong with the grammar.
pub(super) fn parse(value: &[u8]) -> Result<Vec<Extension>, String> {
    let text = str::from_utf8(value).map_err(|_| "bytes beyond ASCII".to_owned())?;
    let mut elements = Vec::new();
    for element in split_outside_quotes(text, ',') {
        let mut parts = split_outside_quotes(element, ';').into_iter().map(str::trim);
        let name = parts.next().unwrap_or_default();
        check_token(name)?;
        let mut params = Vec::new();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(unquote(value)?)),
                None => (part, None),
            };
            check_token(name)?;
            params.push((name.to_owned(), value));
        }
        elements.push(Extension { name: name.to_owned(), params });
    }
    Ok(elements)
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .collect()
}

fn unquote(value: &str) -> Result<String, String> {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    check_token(inner)?;
    Ok(inner.to_owned())
}

fn check_token(text: &str) -> Result<(), String> {
    let separator = |byte: u8| !byte.is_ascii_graphic() || b"()<>@,;:\\\"/[]?={}".contains(&byte);
    match text.is_empty() || text.bytes().any(separator) {
        true => Err(format!("\"{}\" is no token", text.escape_default())),
        false => Ok(()),
    }
}

/// Writes the list that a client offers: our sets of parameters, best first (in the wording of the Autobahn suite).
pub(super) fn offer(sets: &[Deflate]) -> String {
    let element = |set: &Deflate| {
        let mut text = "permessage-deflate; client_no_context_takeover; client_max_window_bits".to_owned();
        if set.peer_no_context_takeover {
            text.push_str("; server_no_context_takeover");
        }
        if set.peer_max_window_bits != 0 {
            text.push_str(&format!("; server_max_window_bits={}", set.peer_max_window_bits));
        }
        text
    };
    sets.iter().map(element).collect::<Vec<_>>().join(", ")
}

/// Returns the parameters that a server's answer to a client's offer puts in force.
///
/// # Errors
///
/// Returns the rule that the answer breaks.
pub(super) fn answered(element: &Extension) -> Result<Agreed, String> {
    let mut agreed = Agreed { our_reset: false, our_bits: 15, their_reset: false, their_bits: 15 };
    for (at, (name, value)) in element.params.iter().enumerate() {
        if element.params[..at].iter().any(|(other, _)| other == name) {
            return Err(format!("parameter {name} comes twice"));
        }
        match (name.as_str(), value.as_deref()) {
            ("client_no_context_takeover", None) => agreed.our_reset = true,
            ("server_no_context_takeover", None) => agreed.their_reset = true,
            ("client_max_window_bits", Some(value)) => agreed.our_bits = bits(name, value)?,
            ("server_max_window_bits", Some(value)) => agreed.their_bits = bits(name, value)?,
            _ => return Err(format!("parameter {name} cannot stand in an answer like this")),
        }
    }
    Ok(agreed)
}

/// Returns what our server answers to a client's offers: the first of our sets that an offer allows.
pub(super) fn accept(sets: &[Deflate], offers: &[Extension]) -> Option<(Agreed, String)> {
    let offers: Vec<_> = offers.iter().filter(|offer| offer.name == "permessage-deflate").collect();
    sets.iter().find_map(|set| offers.iter().find_map(|offer| accept_one(set, offer)))
}

fn accept_one(set: &Deflate, offer: &Extension) -> Option<(Agreed, String)> {
    let mut agreed = Agreed { our_reset: false, our_bits: 15, their_reset: false, their_bits: 15 };
    let mut may_limit = false;
    for (name, value) in &offer.params {
        match (name.as_str(), value.as_deref()) {
            ("server_no_context_takeover", None) => agreed.our_reset = true,
            ("server_max_window_bits", Some(value)) => agreed.our_bits = bits(name, value).ok()?,
            // This is a hint: the server may ask for it in any case (RFC 7692 §7.1.1.2).
            ("client_no_context_takeover", None) => {}
            ("client_max_window_bits", None) => may_limit = true,
            ("client_max_window_bits", Some(value)) => {
                may_limit = true;
                agreed.their_bits = bits(name, value).ok()?;
            }
            _ => return None,
        }
    }
    // Our encoder has no window of 2^8.
    if (set.peer_max_window_bits != 0 && !may_limit) || agreed.our_bits < 9 {
        return None;
    }
    let mut answer = "permessage-deflate".to_owned();
    if agreed.our_reset {
        answer.push_str("; server_no_context_takeover");
    }
    if agreed.our_bits < 15 {
        answer.push_str(&format!("; server_max_window_bits={}", agreed.our_bits));
    }
    if set.peer_no_context_takeover {
        agreed.their_reset = true;
        answer.push_str("; client_no_context_takeover");
    }
    if set.peer_max_window_bits != 0 {
        agreed.their_bits = agreed.their_bits.min(set.peer_max_window_bits);
        answer.push_str(&format!("; client_max_window_bits={}", agreed.their_bits));
    }
    Some((agreed, answer))
}

/// Parses a decimal integer from 8 to 15 without leading zeros (RFC 7692 §7.1.2.1).
fn bits(name: &str, value: &str) -> Result<u8, String> {
    match value.parse() {
        Ok(bits @ 8..=15) if !value.starts_with(['0', '+']) => Ok(bits),
        _ => Err(format!("{name} is \"{}\", not 8 to 15", value.escape_default())),
    }
}

impl Codec {
    /// Creates the contexts for what was agreed.
    pub(super) fn new(agreed: Agreed) -> Self {
        Self {
            agreed,
            deflater: Deflater::new(agreed.our_bits.clamp(9, 15), agreed.our_reset),
            inflater: Inflater::new(agreed.their_bits.clamp(9, 15)),
        }
    }

    /// Compresses one message (RFC 7692 §7.2.1).
    pub(super) fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        self.deflater.message(message)
    }

    /// Returns the `nth` of `count` messages of an echo run, compressed, if it is available: see
    /// [`Deflater::of_series`].
    pub(super) fn compressed(&mut self, echo: &Echo, count: u32, nth: u32) -> Option<Arc<[u8]>> {
        self.deflater.of_series(echo, count, nth)
    }

    /// Inflates one message (RFC 7692 §7.2.2).
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the stream, worded as the rest of a sentence about it.
    pub(super) fn decompress(&mut self, payload: &[u8]) -> Result<Vec<u8>, Violation> {
        let mut out = Vec::with_capacity(payload.len() * 3 + 64);
        self.inflate(payload, &mut out)?;
        self.inflate(&TAIL, &mut out)?;
        if self.agreed.their_reset {
            self.inflater.forget();
        }
        Ok(out)
    }

    fn inflate(&mut self, mut part: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        loop {
            match self.inflater.inflate(part, out, MAX_INFLATED) {
                Ok(Inflated::All) => return Ok(()),
                Ok(Inflated::Final(taken)) => {
                    // BFINAL: the stream starts over (RFC 7692 §7.2.3.4).
                    self.inflater.start_over();
                    part = &part[taken..];
                }
                Err(Stop::Broken) => {
                    let what = "is no DEFLATE stream for the agreed window";
                    return Err(Violation::new(Section::rfc7692("7.2.2"), what));
                }
                Err(Stop::TooLong) => {
                    let what =
                        format!("inflates to more than {MAX_INFLATED} bytes, which no limit lets through");
                    return Err(Violation::new(Section::rfc6455("10.4"), what));
                }
            }
        }
    }

    /// Inflates one message that no other context has read. Unlike [`Self::decompress`], this also fails if the stream
    /// stops inside a block, which no endpoint may send although some accept it.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the stream.
    pub(super) fn decompress_whole(&mut self, payload: &[u8]) -> Result<Vec<u8>, Violation> {
        let mut out = Vec::with_capacity(payload.len() * 3 + 64);
        self.inflate(payload, &mut out)?;
        let of_payload = out.len();
        self.inflate(&TAIL, &mut out)?;
        // Between two blocks, and nowhere else, these bytes are an empty last block.
        const LAST: [u8; 5] = [1, 0, 0, 0xff, 0xff];
        let mut nothing = Vec::new();
        let last = self.inflater.inflate(&LAST, &mut nothing, MAX_INFLATED);
        self.inflater.start_over();
        // Output from the tail shows that the tail was not an empty block, and only an empty block may be cut off.
        if !matches!(last, Ok(Inflated::Final(_))) || !nothing.is_empty() || out.len() > of_payload {
            return Err(Violation::new(Section::rfc7692("7.2.1"), "stops inside a block"));
        }
        if self.agreed.their_reset {
            self.inflater.forget();
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Agreed = Agreed { our_reset: false, our_bits: 15, their_reset: false, their_bits: 15 };

    /// A whole stream continues from what was read before, and half a block is not a whole stream.
    #[test]
    fn whole_streams_are_told_from_cut_ones() {
        for reset in [false, true] {
            let agreed = Agreed { our_reset: reset, our_bits: 15, their_reset: reset, their_bits: 15 };
            let mut codec = Codec::new(agreed);
            for message in [&b"Hello"[..], b"Hello", b"", &[7; 100_000], crate::Data::Document.bytes()] {
                let compressed = codec.compress(message);
                assert!(codec.decompress_whole(&compressed).unwrap() == message);
            }
        }
        // RFC 7692 §7.2.3.4, and with the byte left out; a stored block of eight bytes without any.
        let whole = |bytes: &[u8]| Codec::new(PLAIN).decompress_whole(bytes);
        assert_eq!(whole(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]).unwrap(), b"Hello");
        assert!(whole(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]).is_err());
        assert!(whole(b"\0\x08\0\xf7\xff").is_err());
        // The tail as the rest of a stored block: found by the fuzz target `inflate`.
        assert!(whole(b"\0\x05\0\xfa\xff2").is_err());
    }

    #[test]
    fn messages_survive_both_contexts() {
        for agreed in [PLAIN, Agreed { our_reset: true, their_reset: true, our_bits: 9, their_bits: 9 }] {
            let mut codec = Codec::new(agreed);
            for message in [&b""[..], b"Hello", b"Hello", &[7; 300_000], crate::Data::Document.bytes()] {
                let compressed = codec.compress(message);
                assert!(codec.decompress(&compressed).unwrap() == message, "{} bytes", message.len());
            }
        }
    }

    #[test]
    fn reads_the_examples_of_the_rfc() {
        // RFC 7692 §7.2.3.1, §7.2.3.3, §7.2.3.4.
        for bytes in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        ] {
            assert_eq!(Codec::new(PLAIN).decompress(bytes).unwrap(), b"Hello");
        }
        assert!(Codec::new(PLAIN).decompress(&[0x07]).is_err());
    }

    /// RFC 7692 §7.1.1.2 against §7.1.2.2: only the window has to be offered to be asked for.
    #[test]
    fn a_server_may_ask_for_no_context_takeover_without_an_offer() {
        let offers = parse(b"permessage-deflate").unwrap();
        let reset = Deflate { peer_no_context_takeover: true, peer_max_window_bits: 0 };
        let (agreed, answer) = accept(&[reset], &offers).unwrap();
        assert!(agreed.their_reset);
        assert_eq!(answer, "permessage-deflate; client_no_context_takeover");
        let window = Deflate { peer_no_context_takeover: false, peer_max_window_bits: 9 };
        assert!(accept(&[window], &offers).is_none());
    }

    #[test]
    fn judges_answers() {
        let judge = |value: &str| parse(value.as_bytes()).and_then(|elements| answered(&elements[0]));
        assert_eq!(judge("permessage-deflate; client_max_window_bits=\"9\"").unwrap().our_bits, 9);
        for wrong in [
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; foo",
            "permessage-deflate;",
            "permessage deflate",
        ] {
            assert!(judge(wrong).is_err(), "{wrong}");
        }
    }
}

//! The opening handshake of a script, valid or invalid.

use std::io;
use std::net::Shutdown;
use std::time::Instant;

use bowsprit::error::Section;
use bowsprit::handshake::{Head, HeadLimits, HeadReader, Progress, StartLine};

use super::super::Side;
use super::super::finding::{Kind, finding};
use super::super::script::Opening;
use super::{Came, Game, Opened};
use crate::{deflate, opening};

const NONCE: [u8; 16] = *b"bowsprit's nonce";
/// The description of a head that does not come.
const NOTHING: &str = "nothing comes";

impl Game<'_> {
    pub(super) fn open_as_client(&mut self) -> io::Result<Opened> {
        let key = opening::key_of(NONCE);
        let head = self.head(&key);
        self.write(&head)?;
        let wrong = &self.script.opening.wrong;
        let limits = HeadLimits::new(64 * 1024, 256);
        let (answer, rest) = match self.read_head(HeadReader::response(limits))? {
            Ok(answer) => answer,
            Err(why) => {
                return Ok(Opened::No(match wrong {
                    // The peer may wait for more, or leave silently.
                    Some(_) => None,
                    None => finding(
                        if why == NOTHING { Kind::NoAnswer } else { Kind::HandshakeRefused },
                        "a right opening handshake is answered with 101",
                        Section::rfc6455("4.2.2"),
                        why,
                    ),
                }));
            }
        };
        let StartLine::Response { status, .. } = answer.start_line() else {
            return Ok(Opened::No(None)); // a reader of responses makes no others
        };
        let offered = self.offered();
        let judged = opening::judge_response(&answer, &key, &offered, true, &self.protocols());
        Ok(match (status, wrong, judged) {
            (101, None, Ok(agreed)) => Opened::Yes(agreed, rest),
            (101, None, Err(violation)) => Opened::No(finding(
                Kind::PeerBrokeRule,
                "the response to an opening handshake",
                violation.section,
                violation.to_string(),
            )),
            (101, Some(wrong), _) => Opened::No(finding(
                Kind::HandshakeAccepted,
                format!("a wrong opening handshake is refused: {}", wrong.what),
                &wrong.section,
                "the answer is 101",
            )),
            (status, None, _) => Opened::No(finding(
                Kind::HandshakeRefused,
                "a right opening handshake is answered with 101",
                Section::rfc6455("4.2.2"),
                format!("the answer is {status}"),
            )),
            (_, Some(_), _) => Opened::No(None),
        })
    }

    pub(super) fn open_as_server(&mut self) -> io::Result<Opened> {
        let limits = HeadLimits::new(64 * 1024, 256);
        let request = match self.read_head(HeadReader::request(limits))? {
            Ok((head, _)) => head,
            Err(why) => return Err(io::Error::other(why)),
        };
        let key = match opening::judge_request(&request) {
            Ok(key) => key,
            Err(violation) => {
                return Ok(Opened::No(finding(
                    Kind::PeerBrokeRule,
                    "the request of an opening handshake",
                    violation.section,
                    violation.to_string(),
                )));
            }
        };
        let mut agreed = None;
        let mut answer = self.head(&key);
        if self.script.opening.deflate {
            let offers: Vec<_> = request
                .values("sec-websocket-extensions")
                .filter_map(|value| deflate::parse(value).ok())
                .flatten()
                .collect();
            if let Some((accepted, text)) = deflate::accept(&[crate::case::Deflate::default()], &offers) {
                answer.truncate(answer.len() - 2);
                answer.extend_from_slice(format!("Sec-WebSocket-Extensions: {text}\r\n\r\n").as_bytes());
                agreed = Some(accepted);
            }
        }
        self.write(&answer)?;
        let Some(wrong) = &self.script.opening.wrong else { return Ok(Opened::Yes(agreed, Vec::new())) };
        // A client that considers the connection open would answer this.
        let _ = self.write(b"\x89\x0cstill there?");
        // Some may take it for the head of a page, which ends with the connection.
        let _ = self.stream.tcp().shutdown(Shutdown::Write);
        let deadline = Instant::now() + self.oracles.timeout;
        Ok(Opened::No(match self.read_until(deadline)? {
            Came::Eof => None,
            Came::Bytes(len) if self.scratch[..len].first() == Some(&0x88) => None,
            Came::Bytes(_) => finding(
                Kind::HandshakeAccepted,
                format!("a wrong response fails the connection: {}", wrong.what),
                &wrong.section,
                "frames are sent on it",
            ),
            Came::Nothing => finding(
                Kind::NotFailed,
                format!("a wrong response fails the connection: {}", wrong.what),
                &wrong.section,
                "the connection stays",
            ),
        }))
    }

    fn head(&self, key: &str) -> Vec<u8> {
        let Opening { lines, deflate, .. } = &self.script.opening;
        let mut out = String::new();
        for line in lines {
            let line = line
                .replace("{host}", &self.oracles.host)
                .replace("{target}", &self.oracles.target)
                .replace("{key}", key)
                .replace("{accept}", &opening::accept_for(key.as_bytes()));
            out.push_str(&line);
            out.push_str("\r\n");
        }
        for line in &self.oracles.fields {
            out.push_str(line);
            out.push_str("\r\n");
        }
        if *deflate && self.oracles.side == Side::Server {
            out.push_str("Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n");
        }
        out.push_str("\r\n");
        out.into_bytes()
    }

    /// Returns the subprotocols that are offered in addition to those of the script.
    fn protocols(&self) -> Vec<&str> {
        let named = self.oracles.fields.iter().filter_map(|line| line.split_once(':'));
        named
            .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"))
            .flat_map(|(_, value)| value.split(',').map(str::trim))
            .collect()
    }

    fn offered(&self) -> Vec<deflate::Extension> {
        match self.script.opening.deflate {
            true => deflate::parse(b"permessage-deflate; client_no_context_takeover").unwrap_or_default(),
            false => Vec::new(),
        }
    }

    fn read_head(&mut self, mut reader: HeadReader) -> io::Result<Result<(Head, Vec<u8>), String>> {
        let deadline = Instant::now() + self.oracles.timeout;
        loop {
            let len = match self.read_until(deadline)? {
                Came::Bytes(len) => len,
                Came::Eof => return Ok(Err("the connection ends".to_owned())),
                Came::Nothing => return Ok(Err(NOTHING.to_owned())),
            };
            match reader.receive(&self.scratch[..len]) {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Done { value, used }) => {
                    return Ok(Ok((value, self.scratch[used..len].to_vec())));
                }
                Err(error) => return Ok(Err(format!("what comes is no HTTP head: {error}"))),
            }
        }
    }
}

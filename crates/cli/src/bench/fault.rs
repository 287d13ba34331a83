//! Why a connection is over.

use std::fmt;
use std::io::{self, ErrorKind};

use bowsprit::error::ProtocolError;
use bowsprit::frame::DataKind;
use bowsprit::handshake::ResponseError;
use bowsprit::tls::explain_io;
use bowsprit_lab::counted;

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Fault {
    /// There was no TCP connection, or it broke.
    Io(io::Error),
    /// The server refused, or its answer was wrong.
    Handshake(ResponseError),
    /// The connection was not open in time.
    OpenTimeout,
    /// This many messages remained unanswered.
    Unanswered(usize),
    /// The server sent a Close frame.
    Closed(String),
    /// The server ended the TCP connection.
    Eof,
    /// The server broke a rule.
    Protocol(ProtocolError),
    /// An answer has another length than the message.
    Length { expected: usize, got: usize },
    /// An answer is text instead of binary, or the other way round.
    Kind(DataKind),
    /// An answer has the right length but other bytes.
    Payload { message: u64, at: usize },
    /// More answers than messages.
    Unasked,
    /// The server did not agree to compression.
    NoDeflate,
    /// The server agrees to different parameters on each connection.
    Unsteady,
    /// A message cannot be encoded.
    Encoding(String),
}

impl Fault {
    /// Returns the kind, by which errors are counted.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Fault::Io(error) => match error.kind() {
                ErrorKind::ConnectionRefused => "refused",
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "reset",
                ErrorKind::TimedOut => "timed out",
                _ => "socket",
            },
            Fault::Handshake(_) => "handshake",
            Fault::OpenTimeout => "not open in time",
            Fault::Unanswered(_) => "unanswered",
            Fault::Closed(_) => "closed",
            Fault::Eof => "connection ended",
            Fault::Protocol(_) => "protocol",
            Fault::Length { .. } => "wrong length",
            Fault::Kind(_) => "wrong kind",
            Fault::Payload { .. } => "wrong payload",
            Fault::Unasked => "unasked",
            Fault::NoDeflate => "no compression",
            Fault::Unsteady => "too many agreements",
            Fault::Encoding(_) => "not encoded",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io(error) => f.write_str(&explain_io(error)),
            Fault::Handshake(error) => error.fmt(f),
            Fault::OpenTimeout => f.write_str("the connection did not open in time"),
            Fault::Unanswered(count) => {
                write!(f, "{} had no answer when the run ended", counted(*count, "message"))
            }
            Fault::Closed(code) => write!(f, "the server closed the connection: {code}"),
            Fault::Eof => f.write_str("the server ended the TCP connection without a Close frame"),
            Fault::Protocol(error) => error.fmt(f),
            Fault::Length { expected, got } => {
                write!(f, "an answer of {} or more instead of {expected}", counted(*got, "byte"))
            }
            Fault::Kind(DataKind::Text) => f.write_str("a text message came back for a binary one"),
            Fault::Kind(DataKind::Binary) => f.write_str("a binary message came back for text"),
            Fault::Payload { message, at } => {
                write!(f, "the payload of message {message} differs in what came from byte {at} on")
            }
            Fault::Unasked => f.write_str("a message came that answers nothing"),
            Fault::NoDeflate => f.write_str("the server agrees to no compression"),
            Fault::Unsteady => f.write_str("the server agrees on other compression for every connection"),
            Fault::Encoding(why) => f.write_str(why),
        }
    }
}

//! Frames in words.

use std::fmt::Write as _;

use bowsprit::frame::RawHeader;

use super::super::escape::visible;
use super::super::explain::opcode_name;
use super::super::hex;
use super::{Frame, Message, close_of};
use crate::counted;

/// How many bytes of a payload are shown.
pub(in super::super) const SHOWN: usize = 64;

/// Describes a header in a line: `text FIN, 5 bytes, masking key 37 fa 21 3d`.
pub fn describe(header: &RawHeader) -> String {
    let mut out = opcode_name(header.opcode).to_owned();
    if !matches!(header.opcode, 0..=2 | 8..=10) {
        let _ = write!(out, " {:#x}", header.opcode);
    }
    for (set, name) in
        [(header.fin, "FIN"), (header.rsv1, "RSV1"), (header.rsv2, "RSV2"), (header.rsv3, "RSV3")]
    {
        if set {
            let _ = write!(out, " {name}");
        }
    }
    let _ = write!(out, ", {}", counted(header.length, "byte"));
    if let Some(key) = header.mask {
        let _ = write!(out, ", masking key {}", hex::spaced(&key.0));
    }
    out
}

/// Describes the start of a header, at least one byte: `text FIN, 5 bytes`.
pub(in super::super) fn describe_start(start: &[u8]) -> String {
    let first = start.first().copied().unwrap_or_default();
    let mut out = opcode_name(first & 0x0f).to_owned();
    for (bit, name) in [(0x80, "FIN"), (0x40, "RSV1"), (0x20, "RSV2"), (0x10, "RSV3")] {
        if first & bit != 0 {
            let _ = write!(out, " {name}");
        }
    }
    if let Some(second) = start.get(1) {
        let _ = match second & 0x7f {
            126 => write!(out, ", a length of two bytes"),
            127 => write!(out, ", a length of eight bytes"),
            length => write!(out, ", {}", counted(length, "byte")),
        };
        out.push_str(if second & 0x80 != 0 { ", masked" } else { "" });
    }
    out
}

/// Describes a control frame of which only the payload is known.
pub(in super::super) fn control_lines(opcode: u8, payload: &[u8]) -> Vec<String> {
    let mut out = vec![format!("         {} of {}", opcode_name(opcode), counted(payload.len(), "byte"))];
    rows(&mut out, payload, payload.len() as u64);
    close_line(&mut out, close_of(opcode, payload));
    out
}

/// Describes the content of a Close.
fn close_line(out: &mut Vec<String>, close: Option<(u16, &[u8])>) {
    if let Some((code, reason)) = close {
        let colon = if reason.is_empty() { "" } else { ": " };
        out.push(format!("         = {code} ({}){colon}{}", close_name(code), visible(reason)));
    }
}

impl Frame {
    /// Describes the frame, a line for each part: its position, the header in hexadecimal digits and in words; the
    /// start of the payload; what a Close says; what a message inflates to; the broken rules, each after an exclamation
    /// mark.
    pub fn lines(&self) -> Vec<String> {
        let mut head = Vec::new();
        self.header.encode_into(&mut head);
        let mut out = vec![format!("{:08x} {:<28} {}", self.at, hex::spaced(&head), describe(&self.header))];
        rows(&mut out, &self.payload, self.came);
        close_line(&mut out, self.close());
        match &self.message {
            Some(message) if message.broken => {
                out.push("         = the message cannot be inflated".to_owned());
            }
            Some(message) if message.compressed.is_some() => {
                out.push(format!("         = inflates to {}", counted(message.length, "byte")));
                rows(&mut out, &message.bytes, message.length);
            }
            Some(message) if message.frames > 1 => {
                let kind = if message.text { "text" } else { "binary" };
                out.push(format!(
                    "         = {kind} of {} in {} frames",
                    counted(message.length, "byte"),
                    message.frames
                ));
                rows(&mut out, &message.bytes, message.length);
            }
            _ => {}
        }
        out.extend(self.faults.iter().map(|fault| format!("         ! {fault}")));
        if self.is_cut() {
            let missing = counted(self.header.length - self.came, "byte");
            out.push(format!("         ! The input ends inside the payload, {missing} short."));
        }
        out
    }
}

impl Message {
    /// Describes the message and its start.
    pub(in super::super) fn lines(&self) -> Vec<String> {
        let kind = if self.text { "text" } else { "binary" };
        let mut out = vec![format!("         {kind} of {}", counted(self.length, "byte"))];
        rows(&mut out, &self.bytes, self.length);
        out
    }
}

/// Writes the start of these bytes, sixteen on a line.
fn rows(out: &mut Vec<String>, bytes: &[u8], length: u64) {
    let bytes = &bytes[..bytes.len().min(SHOWN)];
    for (row, chunk) in bytes.chunks(16).enumerate() {
        out.push(format!("         {:>4}  {:<48} {}", row * 16, hex::spaced(chunk), visible(chunk)));
    }
    if length > bytes.len() as u64 {
        out.push(format!("               ... {length} bytes in all"));
    }
}

/// Returns what a close code means (RFC 6455 §7.4 and IANA's registry).
pub const fn close_name(code: u16) -> &'static str {
    match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no status received, never sent",
        1006 => "abnormal closure, never sent",
        1007 => "invalid frame payload data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS handshake, never sent",
        0..=999 => "not used",
        1004 | 1016..=2999 => "reserved",
        3000..=3999 => "registered by a library or framework",
        4000..=4999 => "private use",
        _ => "out of range",
    }
}

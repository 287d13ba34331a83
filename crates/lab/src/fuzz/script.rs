//! What is sent in one iteration, as data that can be saved, read, changed and played again.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::counted;
use crate::escape::{one_line, visible};
use crate::explain;
use crate::hex;
use crate::wire::Excerpt;
use bowsprit::frame::{LengthForm, MaskKey, RawHeader};

/// One iteration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Our half of the opening handshake.
    pub opening: Opening,
    /// What follows once the connection is open.
    pub steps: Vec<Step>,
    /// The most bytes in a write; 0 means that each step is one write.
    #[serde(default)]
    pub cut: usize,
}

/// Our half of the opening handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Lines of the head; `{host}`, `{target}`, `{key}` and `{accept}` are filled in.
    pub lines: Vec<String>,
    /// Whether `permessage-deflate` is offered, or accepted where a client offers it.
    #[serde(default)]
    pub deflate: bool,
    /// The fault of the head and the section that it violates, if there is one.
    #[serde(default)]
    pub wrong: Option<Wrong>,
}

/// A rule that a head breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// The fault in a few words.
    pub what: String,
    /// The section that states the rule.
    pub section: String,
}

/// One thing sent on an open connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A frame, legal or not.
    Frame(FrameStep),
    /// Exactly these bytes.
    Bytes(#[serde(with = "hex::field")] Vec<u8>),
    /// A pause of this many milliseconds.
    Pause(u64),
}

/// A frame, legal or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameStep {
    /// The opcode.
    pub opcode: u8,
    /// The FIN bit.
    pub fin: bool,
    /// The reserved bits: RSV1 is 4, RSV2 is 2, RSV3 is 1.
    #[serde(default)]
    pub rsv: u8,
    /// The masking key, if any.
    #[serde(default)]
    pub mask: Option<[u8; 4]>,
    /// The length that the header declares, if it is not that of the payload.
    #[serde(default)]
    pub declares: Option<u64>,
    /// The size of the length field in bytes (2 or 8), if it is not the shortest form.
    #[serde(default)]
    pub length_bytes: Option<u8>,
    /// The payload, before masking.
    #[serde(with = "hex::field")]
    pub payload: Vec<u8>,
}

impl Script {
    /// Returns the number of bytes in all steps.
    pub fn size(&self) -> usize {
        self.steps.iter().map(|step| step.bytes().len()).sum()
    }

    /// Describes the script, a line for each step.
    pub fn show(&self) -> String {
        let mut out = String::new();
        if let Some(wrong) = &self.opening.wrong {
            let what = format!("{} ({})", wrong.what, wrong.section);
            let _ = writeln!(out, "  opening   {}", one_line(what.as_bytes()));
            for line in &self.opening.lines {
                let shown: String = line.chars().take(100).collect();
                let _ = writeln!(out, "            {}", visible(shown.as_bytes()));
            }
        } else if self.opening.deflate {
            let _ = writeln!(out, "  opening   with permessage-deflate");
        }
        for step in &self.steps {
            let _ = match step {
                Step::Frame(frame) => {
                    writeln!(
                        out,
                        "  send      {}",
                        explain::frame_line(&frame.header(), &Excerpt::of(&frame.payload))
                    )
                }
                Step::Bytes(bytes) => {
                    writeln!(out, "  send      {}: {}", counted(bytes.len(), "byte"), short_hex(bytes))
                }
                Step::Pause(millis) => writeln!(out, "  wait      {millis} ms"),
            };
        }
        if self.cut > 0 {
            let _ = writeln!(out, "  in writes of at most {}", counted(self.cut, "byte"));
        }
        out
    }
}

impl Step {
    /// Returns the bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Step::Frame(frame) => frame.bytes(),
            Step::Bytes(bytes) => bytes.clone(),
            Step::Pause(_) => Vec::new(),
        }
    }
}

impl FrameStep {
    /// Creates a final frame.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        Self { opcode, fin: true, rsv: 0, mask: None, declares: None, length_bytes: None, payload }
    }

    /// Returns the header.
    pub fn header(&self) -> RawHeader {
        let length = self.declares.unwrap_or(self.payload.len() as u64);
        let form = match self.length_bytes {
            None => LengthForm::minimal(length),
            Some(2) => LengthForm::Medium,
            Some(_) => LengthForm::Long,
        };
        RawHeader {
            fin: self.fin,
            rsv1: self.rsv & 4 != 0,
            rsv2: self.rsv & 2 != 0,
            rsv3: self.rsv & 1 != 0,
            opcode: self.opcode,
            mask: self.mask.map(MaskKey),
            length,
            form,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.payload.len() + 14);
        self.header().encode_into(&mut bytes);
        let start = bytes.len();
        bytes.extend_from_slice(&self.payload);
        if let Some(key) = self.mask {
            MaskKey(key).apply(&mut bytes[start..]);
        }
        bytes
    }
}

fn short_hex(bytes: &[u8]) -> String {
    let mut text = hex::digits(&bytes[..bytes.len().min(32)]);
    if bytes.len() > 32 {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_survives_a_file() {
        let script = Script {
            opening: Opening { lines: vec!["GET {target} HTTP/1.1".into()], deflate: true, wrong: None },
            steps: vec![
                Step::Frame(FrameStep { mask: Some([1, 2, 3, 4]), rsv: 4, ..FrameStep::new(1, *b"\xff\0a") }),
                Step::Bytes(vec![0, 255]),
                Step::Pause(3),
            ],
            cut: 1,
        };
        let text = serde_json::to_string(&script).unwrap();
        assert_eq!(serde_json::from_str::<Script>(&text).unwrap(), script);
        assert!(serde_json::from_str::<Script>(&text.replace("00ff", "0ff")).is_err());
        assert!(script.show().contains("text FIN RSV1 masked, 3 bytes"));
    }

    #[test]
    fn frames_say_what_they_are_told_to() {
        let frame = FrameStep { length_bytes: Some(2), mask: Some([0; 4]), ..FrameStep::new(9, *b"hi") };
        assert_eq!(Step::Frame(frame).bytes(), b"\x89\xfe\0\x02\0\0\0\0hi");
        let frame = FrameStep { declares: Some(1 << 20), fin: false, rsv: 3, ..FrameStep::new(2, *b"") };
        assert_eq!(Step::Frame(frame).bytes(), b"\x32\x7f\0\0\0\0\0\x10\0\0");
    }
}

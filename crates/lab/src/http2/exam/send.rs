//! What we send: requests as a case bends them, WebSocket frames in DATA as the case cuts them, and everything else.

use std::time::Duration;

use bowsprit::frame::{MAX_HEADER, MaskKey, RawHeader};

use super::super::exchange::{Change, Cutting, Move};
use super::super::fields::{self, Field};
use super::super::frame::{Frame, MAX_PAYLOAD, flag, kind};
use super::super::session::Grant;
use super::Examiner;
use crate::case::Subject;
use crate::wire::{Excerpt, Item, Way};

/// How much window a short message needs, padding included.
const MARGIN: usize = 600 + MAX_HEADER;

impl Examiner {
    /// Returns whether the windows allow a move.
    pub(super) fn has_room(&self, step: &Move) -> bool {
        match self.numbered(*step) {
            Move::Say(stream, text, _) => self.session.window(stream) >= MARGIN + text.len(),
            Move::Data(stream, bytes) => self.session.window(stream) >= bytes.len(),
            _ => true,
        }
    }

    /// Sends bytes that have waited for windows, as far as these are open. Returns whether all were sent.
    pub(super) fn send_waiting(&mut self) -> bool {
        while let Some((stream, bytes)) = self.waiting.front_mut() {
            let length = self.session.room(*stream).min(bytes.len());
            if length == 0 {
                return false;
            }
            let data: Vec<u8> = bytes.drain(..length).collect();
            self.session.data(&Frame::new(kind::DATA, 0, *stream, data));
            if bytes.is_empty() {
                self.waiting.pop_front();
            }
        }
        true
    }

    pub(super) fn play(&mut self, now: Duration, step: &'static Move) {
        match self.numbered(*step) {
            Move::Answer(changes) => self.answer(changes),
            Move::Connect(stream, changes) => self.connect(stream, changes),
            Move::Get(stream) => {
                self.session.expect(stream);
                let mut request = self.request.clone();
                request.retain(|(name, _)| name != b":protocol" && name != b"sec-websocket-version");
                request[0].1 = b"GET".to_vec();
                let block = fields::encode(request.iter().map(|(name, value)| (name, value)));
                self.session.section(stream, &block, true);
            }
            Move::Frame(kind, flags, stream, payload) => self.frame(Frame::new(kind, flags, stream, payload)),
            Move::Frames(times, kind, flags, stream, payload) => {
                (0..times).for_each(|_| self.frame(Frame::new(kind, flags, stream, payload)));
            }
            Move::Bytes(bytes) => self.session.raw_bytes(bytes),
            Move::Say(stream, text, cutting) => {
                let bytes = self.ws_frame(now, RawHeader::TEXT, text.as_bytes());
                self.say(stream, &bytes, cutting);
            }
            Move::SayLong(stream, length) => {
                let bytes = self.ws_frame(now, RawHeader::TEXT, &vec![b'x'; length]);
                self.waiting.push_back((stream, bytes));
                self.send_waiting();
            }
            Move::Data(stream, bytes) => self.say(stream, bytes, Cutting::Whole),
            Move::Close(stream, code) => {
                let bytes = self.ws_frame(now, RawHeader::CLOSE, &code.to_be_bytes());
                self.say(stream, &bytes, Cutting::Whole);
            }
            Move::End(stream) => self.session.end(stream),
            // What the peer has already sent then is still read.
            Move::Reset(stream, code) => self.session.raw(&Frame::reset(stream, code)),
            Move::Window(stream, bytes) => self.session.give(stream, bytes),
            Move::Starve(stream) => {
                if let Some(half) = self.session.stream_mut(stream) {
                    half.grant = Grant::Never;
                }
            }
            Move::Settings(settings) => self.session.announce(settings),
            Move::Await(_) | Move::Rest(_) => {}
        }
    }

    pub(super) fn frame(&mut self, frame: Frame) {
        if matches!(frame.kind, kind::HEADERS) && frame.stream % 2 == 1 {
            self.session.expect(frame.stream);
        }
        match frame.kind {
            kind::DATA => self.session.data(&frame),
            _ => self.session.raw(&frame),
        }
    }

    /// Answers the client's request.
    fn answer(&mut self, changes: &[Change]) {
        let Some(stream) = self.own else { return };
        let mut response = vec![(b":status".to_vec(), b"200".to_vec())];
        bend(&mut response, changes, |text| text.as_bytes().to_vec());
        self.changed(stream, &response, changes);
    }

    pub(super) fn connect(&mut self, stream: u32, changes: &[Change]) {
        let mut request = self.request.clone();
        let fill = |text: &str| {
            let value = |name: &[u8]| {
                let field = self.request.iter().find(|(this, _)| this == name);
                field.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
            };
            text.replace("{host}", &value(b":authority"))
                .replace("{target}", &value(b":path"))
                .replace("{scheme}", &value(b":scheme"))
                .into_bytes()
        };
        bend(&mut request, changes, fill);
        self.session.expect(stream);
        self.changed(stream, &request, changes);
    }

    /// Sends a field section on a stream, cut as the changes say.
    fn changed(&mut self, stream: u32, request: &[Field], changes: &[Change]) {
        let (mut end, mut cut, mut padding, mut priority) = (false, usize::MAX, None, None);
        for change in changes {
            match *change {
                Change::EndStream => end = true,
                Change::Cut(length) => cut = length.max(1),
                Change::Padded(length) => padding = Some(length),
                Change::Priority(on) => priority = Some(on),
                _ => {}
            }
        }
        let block = fields::encode(request.iter().map(|(name, value)| (name, value)));
        if cut == usize::MAX && padding.is_none() && priority.is_none() {
            return self.session.section(stream, &block, end);
        }
        let mut chunks = block.chunks(cut).peekable();
        let mut first = true;
        while let Some(chunk) = chunks.next() {
            let mut flags = if chunks.peek().is_none() { flag::END_HEADERS } else { 0 };
            let mut payload = Vec::new();
            if first {
                flags |= if end { flag::END_STREAM } else { 0 };
                if let Some(padding) = padding {
                    flags |= flag::PADDED;
                    payload.push(padding);
                }
                if let Some(on) = priority {
                    flags |= flag::PRIORITY;
                    payload.extend_from_slice(&on.to_be_bytes());
                    payload.push(15);
                }
            }
            payload.extend_from_slice(chunk);
            if let (true, Some(padding)) = (first, padding) {
                payload.resize(payload.len() + usize::from(padding), 0);
            }
            let kind = if first { kind::HEADERS } else { kind::CONTINUATION };
            self.session.raw(&Frame::new(kind, flags, stream, payload));
            first = false;
        }
    }

    /// Encodes a frame, masked if we are the client.
    pub(super) fn ws_frame(&mut self, now: Duration, header: RawHeader, payload: &[u8]) -> Vec<u8> {
        let key = MaskKey(self.random.bytes());
        let header = header.with_length(payload.len() as u64);
        let masks = self.subject != Subject::Client;
        let header = if masks { header.with_mask(key) } else { header };
        self.log.add(now, || Item::Frame(Way::Sent, header, Excerpt::of(payload)));
        let mut bytes = Vec::new();
        header.encode_into(&mut bytes);
        let start = bytes.len();
        bytes.extend_from_slice(payload);
        if masks {
            key.apply(&mut bytes[start..]);
        }
        bytes
    }

    pub(super) fn say(&mut self, stream: u32, bytes: &[u8], cutting: Cutting) {
        let data = |flags, bytes: &[u8]| Frame::new(kind::DATA, flags, stream, bytes);
        let part = &bytes[..bytes.len().saturating_sub(1)];
        let (left, right) = bytes.split_at(bytes.len() / 2);
        let frames = match cutting {
            Cutting::Whole => bytes.chunks(MAX_PAYLOAD).map(|chunk| data(0, chunk)).collect(),
            Cutting::Bytes => bytes.chunks(1).map(|byte| data(0, byte)).collect(),
            Cutting::Padded(padding) => {
                [left, right].map(|half| Frame::padded_data(stream, 0, half, padding)).to_vec()
            }
            Cutting::Empty => vec![data(0, b""), data(0, left), data(0, b""), data(0, right), data(0, b"")],
            Cutting::EndStream => vec![data(flag::END_STREAM, bytes)],
            Cutting::Part => vec![data(0, part)],
            Cutting::PartEndStream => vec![data(flag::END_STREAM, part)],
        };
        frames.iter().for_each(|frame| self.session.data(frame));
    }
}

/// Changes fields, with placeholders in values filled in.
fn bend(fields: &mut Vec<Field>, changes: &[Change], fill: impl Fn(&str) -> Vec<u8>) {
    for change in changes {
        match *change {
            Change::Set(name, value) => match fields.iter_mut().find(|(this, _)| this == name.as_bytes()) {
                Some((_, old)) => *old = fill(value),
                None => fields.push((name.into(), fill(value))),
            },
            Change::Without(name) => fields.retain(|(this, _)| this != name.as_bytes()),
            Change::Add(name, value) => fields.push((name.into(), fill(value))),
            Change::First(name, value) => fields.insert(0, (name.into(), fill(value))),
            Change::Long(name, length) => fields.push((name.into(), vec![b'a'; length])),
            Change::EndStream | Change::Cut(_) | Change::Padded(_) | Change::Priority(_) => {}
        }
    }
}

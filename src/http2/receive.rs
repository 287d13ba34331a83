//! From the peer's bytes to their effects: frames, flow control, and what ends a stream or all of them.

use alloc::vec::Vec;
use core::mem;
use core::ops::Bound::{Excluded, Unbounded};

use super::connection::{CONNECTION_WINDOW, Connection, Event, StreamId};
use super::error::{ErrorCode, Flood, Http2Error, StreamFault};
use super::frame::{self, FrameHeader, HEADER, MAX_FRAME, MAX_WINDOW, PREFACE, flag, kind};
use super::limits::{MAX_ANSWERS, MAX_FRAMES_OF_SECTION};
use super::reading::{AT_HEADER, FieldSection, Reading, without_padding};
use crate::role::Role;
use crate::secret::Secret;
use crate::time::Instant;

impl Connection {
    /// Handles the next bytes, up to the first broken rule.
    pub(super) fn take(&mut self, mut input: &[u8], now: Instant) -> Result<(), Http2Error> {
        loop {
            match &mut self.reading {
                Reading::Preface(seen) => {
                    let (wanted, len) = (&PREFACE[*seen..], input.len());
                    let part = wanted.len().min(len);
                    if input[..part] != wanted[..part] {
                        return Err(Http2Error::Preface);
                    }
                    *seen += part;
                    input = &input[part..];
                    if *seen < PREFACE.len() {
                        return Ok(());
                    }
                    self.reading = AT_HEADER;
                }
                Reading::Header { bytes, len } => {
                    let part = (HEADER - *len).min(input.len());
                    bytes[*len..*len + part].copy_from_slice(&input[..part]);
                    *len += part;
                    input = &input[part..];
                    if *len < HEADER {
                        return Ok(());
                    }
                    let header = FrameHeader::parse(*bytes);
                    self.reading = self.begin(header, now)?;
                }
                Reading::Payload { header, bytes } => {
                    let (header, bytes) = (*header, bytes.expose_mut());
                    let part = (header.len - bytes.len()).min(input.len());
                    let (mine, rest) = input.split_at(part);
                    input = rest;
                    if part == header.len {
                        self.reading = AT_HEADER;
                        self.frame(header, mine, now)?;
                    } else {
                        bytes.extend_from_slice(mine);
                        if bytes.len() < header.len {
                            return Ok(());
                        }
                        let bytes = mem::take(bytes);
                        self.reading = AT_HEADER;
                        self.frame(header, &bytes, now)?;
                    }
                }
                Reading::PadLength(header) => {
                    let header = *header;
                    let Some((&padding, rest)) = input.split_first() else { return Ok(()) };
                    input = rest;
                    let padding = usize::from(padding);
                    // §6.1: "the length of the frame payload or greater".
                    let left = (header.len - 1).checked_sub(padding).ok_or(Http2Error::Padding)?;
                    if let Some(stream) = self.streams.get_mut(&header.stream) {
                        stream.pass(padding + 1);
                    }
                    self.reading = self.content(header, left, padding, now)?;
                }
                Reading::Data { header, left, padding } => {
                    let (mine, rest) = input.split_at((*left).min(input.len()));
                    input = rest;
                    *left -= mine.len();
                    let (header, left, padding) = (*header, *left, *padding);
                    self.data(header.stream, mine);
                    if left > 0 {
                        return Ok(());
                    }
                    self.reading = if padding > 0 { Reading::Skip(padding) } else { AT_HEADER };
                    self.data_ended(&header, now)?;
                }
                Reading::Skip(left) => {
                    let part = (*left).min(input.len());
                    *left -= part;
                    input = &input[part..];
                    if *left > 0 {
                        return Ok(());
                    }
                    self.reading = AT_HEADER;
                }
            }
            if self.pending().len() > self.limits.max_queued + MAX_ANSWERS {
                return Err(Http2Error::Flood(Flood::Unread));
            }
        }
    }

    /// Checks a frame by its header. Returns how its payload is read.
    fn begin(&mut self, header: FrameHeader, now: Instant) -> Result<Reading, Http2Error> {
        let FrameHeader { len, kind, flags: _, stream } = header;
        if len > MAX_FRAME {
            return Err(Http2Error::FrameTooLong);
        }
        // §3.4: an acknowledgement cannot be for our SETTINGS yet.
        if !self.is_ready && (kind != kind::SETTINGS || header.has(flag::ACK)) {
            return Err(Http2Error::SettingsMissing);
        }
        // §4.3, §6.10: nothing comes between the frames of a field section.
        let is_continued = self.section.as_ref().is_some_and(|section| section.stream == stream);
        if (kind == kind::CONTINUATION) != self.section.is_some() || (self.section.is_some() && !is_continued)
        {
            return Err(Http2Error::FieldSectionInterrupted);
        }
        let of_stream = match kind {
            kind::SETTINGS | kind::PING | kind::GOAWAY => Some(false),
            kind::WINDOW_UPDATE => None,
            kind::DATA..=kind::CONTINUATION => Some(true),
            _ => None,
        };
        if of_stream.is_some_and(|of_stream| of_stream != (stream != 0)) {
            return Err(Http2Error::StreamMisplaced);
        }
        let is_right = match kind {
            kind::RST_STREAM | kind::WINDOW_UPDATE => len == 4,
            kind::PING => len == 8,
            kind::GOAWAY => len >= 8,
            kind::SETTINGS if header.has(flag::ACK) => len == 0,
            kind::SETTINGS => len % 6 == 0,
            _ => true,
        };
        if !is_right {
            return Err(Http2Error::FrameLength);
        }
        match kind {
            kind::DATA => return self.begin_data(header, now),
            kind::PUSH_PROMISE => return Err(Http2Error::Push),
            kind::HEADERS | kind::CONTINUATION => {
                let section = self.section.as_ref();
                let (so_far, frames) =
                    section.map_or((0, 0), |section| (section.block.expose().len(), section.frames));
                if frames == MAX_FRAMES_OF_SECTION {
                    return Err(Http2Error::Flood(Flood::Continuation));
                }
                if so_far + len > self.limits.max_field_section as usize + 256 {
                    return Err(Http2Error::Flood(Flood::FieldSection));
                }
            }
            kind::RST_STREAM | kind::SETTINGS | kind::PING | kind::GOAWAY | kind::WINDOW_UPDATE => {}
            kind::PRIORITY if len == 5 => {
                self.floods.count(Flood::Priority, now)?;
                return Ok(Reading::Skip(len));
            }
            kind::PRIORITY => {
                // §6.3: an error of the stream, if there is one.
                if self.streams.remove(&stream).is_some() {
                    self.floods.count(Flood::Reset, now)?;
                    self.write_reset(stream, ErrorCode::FRAME_SIZE_ERROR);
                    self.events.push_back(Event::Reset(StreamId(stream), ErrorCode::FRAME_SIZE_ERROR));
                }
                self.floods.count(Flood::Priority, now)?;
                return Ok(Reading::Skip(len));
            }
            _ => {
                self.floods.count(Flood::Priority, now)?;
                return Ok(Reading::Skip(len));
            }
        }
        Ok(Reading::Payload { header, bytes: Secret::default() })
    }

    fn begin_data(&mut self, header: FrameHeader, now: Instant) -> Result<Reading, Http2Error> {
        let FrameHeader { len, stream: id, .. } = header;
        if self.is_idle(id) {
            return Err(Http2Error::StreamIdle);
        }
        if header.has(flag::PADDED) && len == 0 {
            return Err(Http2Error::FrameLength);
        }
        // §6.9: padding counts, and so do bytes for a stream that is over.
        self.receive_window -= len as i64;
        if self.receive_window < 0 {
            return Err(Http2Error::WindowOverrun);
        }
        if self.receive_window < CONNECTION_WINDOW / 2 {
            let credit = (CONNECTION_WINDOW - self.receive_window) as u32;
            frame::frame(self.out.expose_mut(), kind::WINDOW_UPDATE, 0, 0, &credit.to_be_bytes());
            self.receive_window = CONNECTION_WINDOW;
        }
        if len == 0 && !header.has(flag::END_STREAM) {
            self.floods.count(Flood::EmptyData, now)?;
        }
        match self.streams.get_mut(&id) {
            None if self.forgotten.contains(&id) => return Ok(Reading::Skip(len)),
            None => {
                self.fault(id, StreamFault::Closed, now)?;
                return Ok(Reading::Skip(len));
            }
            Some(stream) if stream.peer_ended => {
                self.fault(id, StreamFault::Closed, now)?;
                return Ok(Reading::Skip(len));
            }
            // Nothing may come before the field section of the stream.
            Some(stream) if !stream.heard => {
                self.fault(id, StreamFault::Malformed, now)?;
                return Ok(Reading::Skip(len));
            }
            Some(stream) => {
                stream.receive_window -= len as i64;
                if stream.receive_window < 0 {
                    self.fault(id, StreamFault::FlowControl, now)?;
                    return Ok(Reading::Skip(len));
                }
            }
        }
        if header.has(flag::PADDED) {
            Ok(Reading::PadLength(header))
        } else {
            self.content(header, len, 0, now)
        }
    }

    /// Begins the content of a DATA frame, `left` bytes long.
    fn content(
        &mut self,
        header: FrameHeader,
        left: usize,
        padding: usize,
        now: Instant,
    ) -> Result<Reading, Http2Error> {
        if let Some(stream) = self.streams.get_mut(&header.stream)
            && let Some(content) = &mut stream.content_left
        {
            match content.checked_sub(left as u64) {
                Some(less) => *content = less,
                None => {
                    // §8.1.1: more than was declared.
                    self.fault(header.stream, StreamFault::Malformed, now)?;
                    return Ok(Reading::Skip(left + padding));
                }
            }
        }
        Ok(Reading::Data { header, left, padding })
    }

    /// Handles a part of a DATA frame.
    fn data(&mut self, id: u32, bytes: &[u8]) {
        // The program may have dropped the stream since the frame began.
        if let Some(stream) = self.streams.get_mut(&id)
            && !bytes.is_empty()
        {
            stream.put(bytes);
            if !mem::replace(&mut stream.told, true) {
                self.events.push_back(Event::Readable(StreamId(id)));
            }
        }
    }

    fn data_ended(&mut self, header: &FrameHeader, now: Instant) -> Result<(), Http2Error> {
        let id = header.stream;
        if let Some(stream) = self.streams.get_mut(&id)
            && let Some(credit) = stream.credit(self.limits.window.into())
        {
            frame::frame(self.out.expose_mut(), kind::WINDOW_UPDATE, 0, id, &credit.to_be_bytes());
        }
        if header.has(flag::END_STREAM) { self.peer_ended(id, now) } else { Ok(()) }
    }

    pub(super) fn peer_ended(&mut self, id: u32, now: Instant) -> Result<(), Http2Error> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        // §8.1.1: less than was declared.
        if stream.content_left.is_some_and(|left| left > 0) {
            return self.fault(id, StreamFault::Malformed, now);
        }
        stream.peer_ended = true;
        if !mem::replace(&mut stream.told, true) {
            self.events.push_back(Event::Readable(StreamId(id)));
        }
        Ok(())
    }

    fn frame(&mut self, header: FrameHeader, payload: &[u8], now: Instant) -> Result<(), Http2Error> {
        let word = |at: usize| {
            payload
                .get(at..at + 4)
                .and_then(|bytes| bytes.first_chunk())
                .map_or(0, |bytes| u32::from_be_bytes(*bytes))
        };
        match header.kind {
            kind::HEADERS => {
                let block = without_padding(&header, payload)?;
                self.section = Some(FieldSection {
                    stream: header.stream,
                    ends_stream: header.has(flag::END_STREAM),
                    block: Secret::new(block.to_vec()),
                    frames: 1,
                });
                self.end_section(&header, now)
            }
            kind::CONTINUATION => {
                if let Some(section) = &mut self.section {
                    section.block.expose_mut().extend_from_slice(payload);
                    section.frames += 1;
                }
                self.end_section(&header, now)
            }
            kind::RST_STREAM => self.peer_reset(header.stream, ErrorCode(word(0)), now),
            kind::SETTINGS if header.has(flag::ACK) => Ok(()),
            kind::SETTINGS => self.settings(payload, now),
            kind::PING if header.has(flag::ACK) => Ok(()),
            kind::PING => {
                self.floods.count(Flood::Ping, now)?;
                frame::frame(self.out.expose_mut(), kind::PING, flag::ACK, 0, payload);
                Ok(())
            }
            kind::GOAWAY => {
                self.peer_goes(word(0) & 0x7fff_ffff, ErrorCode(word(4)));
                Ok(())
            }
            _ => self.window_update(header.stream, i64::from(word(0) & 0x7fff_ffff), now),
        }
    }

    fn settings(&mut self, payload: &[u8], now: Instant) -> Result<(), Http2Error> {
        self.floods.count(Flood::Settings, now)?;
        let before = self.peer.window;
        self.peer.take(payload, self.role.peer())?;
        // §6.9.2: it changes the windows of all streams.
        let change = self.peer.window - before;
        for stream in self.streams.values_mut() {
            stream.send_window += change;
            if stream.send_window > MAX_WINDOW {
                return Err(Http2Error::SettingWindow);
            }
        }
        if self.peer.small_table {
            self.encoder.shrink();
        }
        frame::frame(self.out.expose_mut(), kind::SETTINGS, flag::ACK, 0, &[]);
        if !mem::replace(&mut self.is_ready, true) {
            self.events.push_back(Event::Ready);
        }
        self.wake();
        Ok(())
    }

    fn window_update(&mut self, id: u32, increment: i64, now: Instant) -> Result<(), Http2Error> {
        self.floods.count(Flood::WindowUpdate, now)?;
        if id == 0 {
            if increment == 0 {
                return Err(Http2Error::WindowIncrement);
            }
            self.send_window += increment;
            if self.send_window > MAX_WINDOW {
                return Err(Http2Error::WindowOverflow);
            }
        } else if self.is_idle(id) {
            return Err(Http2Error::StreamIdle);
        } else if let Some(stream) = self.streams.get_mut(&id) {
            if increment == 0 {
                return self.fault(id, StreamFault::Increment, now);
            }
            stream.send_window += increment;
            if stream.send_window > MAX_WINDOW {
                return self.fault(id, StreamFault::FlowControl, now);
            }
        }
        self.wake();
        Ok(())
    }

    fn peer_reset(&mut self, id: u32, code: ErrorCode, now: Instant) -> Result<(), Http2Error> {
        if self.is_idle(id) {
            return Err(Http2Error::StreamIdle);
        }
        if self.role == Role::Client
            && code == ErrorCode::NO_ERROR
            && let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.peer_ended)
        {
            // §8.1: the answer is whole and still to be read; what we might have sent is not needed.
            (stream.ended, stream.blocked) = (true, false);
            return Ok(());
        }
        // A stream that had been answered in full was no wasted work.
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let is_answered = stream.ended && code == ErrorCode::NO_ERROR;
        if self.role == Role::Server && !is_answered {
            self.floods.count(Flood::Reset, now)?;
        }
        if stream.has_data() {
            (stream.reset, stream.ended, stream.peer_ended) = (Some(code), true, true);
            // A caller that waits for room to write may read nothing before it has written.
            if core::mem::take(&mut stream.blocked) {
                self.events.push_back(Event::Writable(StreamId(id)));
            }
            return Ok(());
        }
        self.streams.remove(&id);
        if !is_answered {
            self.events.push_back(Event::Reset(StreamId(id), code));
        }
        Ok(())
    }

    fn peer_goes(&mut self, last: u32, code: ErrorCode) {
        self.peer_leaves = true;
        if self.role == Role::Client {
            // §6.8: what comes after the last one was not handled.
            let lost: Vec<u32> = self.streams.range((Excluded(last), Unbounded)).map(|(id, _)| *id).collect();
            for id in lost {
                self.streams.remove(&id);
                self.events.push_back(Event::Reset(StreamId(id), ErrorCode::REFUSED_STREAM));
            }
        }
        self.events.push_back(Event::GoAway(code));
    }
}

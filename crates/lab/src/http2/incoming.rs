//! Checks the peer's frames against the rules that always apply (RFC 9113 §4 to §8; RFC 8441 §3).
//!
//! This is written from the RFCs for the lab alone. A rule broken on a stream affects that stream; any other broken
//! rule ends the connection for us.

use bowsprit::error::Section;

use super::fields;
use super::frame::{Frame, code_name, flag, kind, kind_name, setting, setting_name};
use super::session::{Block, MOST_INTERIM, Session, Side};
use crate::counted;
use crate::rule::Violation;
use crate::wire::Way;

fn err<T>(number: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation::new(Section::new(9113, number), what))
}

impl Session {
    /// Takes bytes from the peer. After a fault of the connection they are ignored.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        let Some(bytes) = self.behind_preface(bytes) else { return };
        self.reader.push(bytes);
        loop {
            let frame = match self.reader.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(_) if self.settings_frames == 0 => {
                    let what = "What came is no HTTP/2: it does not begin with a SETTINGS frame";
                    self.fault = Some(Violation::new(Section::new(9113, "3.4"), what));
                    return;
                }
                Err(long) => {
                    let what =
                        format!("A {} frame declares {}", kind_name(long.kind), counted(long.length, "byte"));
                    self.fault = Some(Violation::new(Section::new(9113, "4.2"), what));
                    return;
                }
            };
            if let Some(trace) = &mut self.trace {
                trace.push((Way::Received, frame.line()));
            }
            self.frames_left = self.frames_left.saturating_sub(1);
            let taken = match self.frames_left {
                0 => err("10.5", "It sends frames without end"),
                _ => self.on_frame(frame),
            };
            if let Err(violation) = taken {
                self.fault = Some(violation);
                return;
            }
        }
    }

    fn on_frame(&mut self, frame: Frame) -> Result<(), Violation> {
        let name = kind_name(frame.kind);
        if self.settings_frames == 0 && (frame.kind != kind::SETTINGS || frame.has(flag::ACK)) {
            return err("3.4", "What came is no HTTP/2: it does not begin with a SETTINGS frame");
        }
        if let Some(block) = &self.section
            && (frame.kind != kind::CONTINUATION || frame.stream != block.stream)
        {
            return err("6.10", format!("A {name} frame stands inside a field section"));
        }
        let of_a_stream = matches!(frame.kind, kind::DATA..=kind::RST_STREAM | kind::CONTINUATION);
        let of_all = matches!(frame.kind, kind::SETTINGS | kind::PING | kind::GOAWAY);
        if of_a_stream && frame.stream == 0 || of_all && frame.stream != 0 {
            return err("6", format!("A {name} frame is on stream {}", frame.stream));
        }
        let even = frame.stream.is_multiple_of(2);
        let (idle, opens) = match self.side {
            Side::Client => (!self.streams.contains_key(&frame.stream), false),
            Side::Server => (even || frame.stream >= self.next, !even),
        };
        let on_stream =
            matches!(frame.kind, kind::DATA | kind::HEADERS | kind::RST_STREAM | kind::WINDOW_UPDATE);
        // A push that a case promises may be declined.
        let declines = self.side == Side::Server && even && frame.kind == kind::RST_STREAM;
        if frame.stream != 0 && idle && on_stream && !declines && !(opens && frame.kind == kind::HEADERS) {
            return err(
                "5.1",
                format!("A {name} frame is on stream {}, which nobody has opened", frame.stream),
            );
        }
        match frame.kind {
            kind::DATA => self.on_data(&frame),
            kind::HEADERS => self.on_headers(&frame),
            kind::CONTINUATION => self.on_continuation(&frame),
            kind::RST_STREAM => self.on_reset(&frame),
            kind::SETTINGS => self.on_settings(&frame),
            kind::PING => self.on_ping(frame),
            kind::GOAWAY => self.on_goaway(&frame),
            kind::WINDOW_UPDATE => self.on_window_update(&frame),
            kind::PUSH_PROMISE if self.side == Side::Server => err("8.4", "A client promises a push"),
            kind::PUSH_PROMISE => err("6.6", "It promises a push, and we had said that we take none"),
            kind::PRIORITY if frame.payload.len() != 5 => err("6.3", "A PRIORITY frame has not five bytes"),
            // RFC 9113 §5.5: unknown frames are ignored.
            _ => Ok(()),
        }
    }

    fn on_data(&mut self, frame: &Frame) -> Result<(), Violation> {
        let stream = frame.stream;
        // §6.9.1: padding counts.
        let whole = frame.payload.len();
        self.credit -= whole as i64;
        if self.credit < 0 {
            return err("6.9.1", "It sends more than the window of the connection allows");
        }
        let Some(data) = frame.unpadded() else {
            return err("6.1", "A DATA frame has more padding than payload");
        };
        let Some(half) = self.streams.get_mut(&stream) else { return Ok(()) };
        half.credit -= whole as i64;
        if half.dropped {
            return Ok(());
        }
        let what = if half.credit < 0 {
            Some(("6.9.1", "It sends more than the window of the stream allows"))
        } else if half.ended || half.reset.is_some() {
            Some(("5.1", "DATA comes on a stream that it has ended"))
        } else if half.status.is_none() && self.side == Side::Client {
            Some(("8.1", "DATA comes before the response"))
        } else {
            None
        };
        if let Some((number, what)) = what {
            half.fault.get_or_insert(Violation::new(Section::new(9113, number), what));
            return Ok(());
        }
        half.has_data = true;
        half.has_bytes |= !data.is_empty();
        half.data.extend_from_slice(data);
        half.ended |= frame.has(flag::END_STREAM);
        // The cast keeps the value: padding is at most 256 bytes.
        self.owe(stream, (whole - data.len()) as u32);
        self.grant(stream);
        Ok(())
    }

    fn on_headers(&mut self, frame: &Frame) -> Result<(), Violation> {
        let Some(mut block) = frame.unpadded() else {
            return err("6.2", "A HEADERS frame has more padding than payload");
        };
        if frame.has(flag::PRIORITY) {
            let Some(rest) = block.get(5..) else {
                return err("6.2", "A HEADERS frame has no room for its priority");
            };
            block = rest;
        }
        self.section = Some(Block {
            stream: frame.stream,
            end_stream: frame.has(flag::END_STREAM),
            bytes: block.to_vec(),
        });
        self.end_of_section(frame)
    }

    fn on_continuation(&mut self, frame: &Frame) -> Result<(), Violation> {
        let Some(block) = &mut self.section else {
            return err("6.10", "A CONTINUATION frame comes without a field section to continue");
        };
        block.bytes.extend_from_slice(&frame.payload);
        if block.bytes.len() > fields::MOST {
            return err("10.5.1", "Its field section has no end");
        }
        self.end_of_section(frame)
    }

    fn end_of_section(&mut self, frame: &Frame) -> Result<(), Violation> {
        if !frame.has(flag::END_HEADERS) {
            return Ok(());
        }
        let Some(block) = self.section.take() else { return Ok(()) };
        let fields = self.fields.read(&block.bytes)?;
        if let Some(trace) = &mut self.trace {
            for (name, value) in &fields {
                trace.push((Way::Received, format!("  {}: {}", name.escape_ascii(), value.escape_ascii())));
            }
        }
        if self.side == Side::Server {
            return self.on_request(&block, fields);
        }
        let Some(half) = self.streams.get_mut(&block.stream) else { return Ok(()) };
        if half.dropped {
            return Ok(());
        }
        let trailers = half.status.is_some();
        let judged = match fields::judge_response(&fields, trailers) {
            _ if half.ended || half.reset.is_some() => {
                err("5.1", "HEADERS come on a stream that it has ended")
            }
            Ok(_) if trailers && !block.end_stream => {
                err("8.1", "A second response, or trailers, without END_STREAM")
            }
            Ok(100..=199) if block.end_stream => err("8.1", "An interim response ends the stream"),
            judged => judged,
        };
        match judged {
            Err(violation) => half.fault = half.fault.take().or(Some(violation)),
            Ok(_) if trailers => half.trailers = true,
            Ok(status @ 100..=199) => {
                if half.interim.len() < MOST_INTERIM {
                    half.interim.push(status);
                }
            }
            Ok(status) => (half.status, half.fields) = (Some(status), fields),
        }
        half.ended |= block.end_stream;
        Ok(())
    }

    fn on_reset(&mut self, frame: &Frame) -> Result<(), Violation> {
        let (Some(code), 4) = (frame.number(0), frame.payload.len()) else {
            return err("6.4", "An RST_STREAM frame has not four bytes");
        };
        if let Some(half) = self.streams.get_mut(&frame.stream) {
            half.reset.get_or_insert(code);
        }
        Ok(())
    }

    fn on_settings(&mut self, frame: &Frame) -> Result<(), Violation> {
        if frame.has(flag::ACK) {
            self.acknowledged += 1;
            return if frame.payload.is_empty() {
                Ok(())
            } else {
                err("6.5", "A SETTINGS frame with ACK has a payload")
            };
        }
        if !frame.payload.len().is_multiple_of(6) {
            return err("6.5", "A SETTINGS frame is no multiple of six bytes");
        }
        self.settings_frames += 1;
        for (name, value) in frame.list_of_settings() {
            let wrong = |number| err(number, format!("It announces {} {value}", setting_name(name)));
            match name {
                setting::ENABLE_PUSH if value > u32::from(self.side == Side::Server) => {
                    return wrong("6.5.2");
                }
                setting::INITIAL_WINDOW_SIZE if value > i32::MAX as u32 => return wrong("6.5.2"),
                setting::MAX_FRAME_SIZE if !(16_384..=0xff_ffff).contains(&value) => return wrong("6.5.2"),
                setting::ENABLE_CONNECT_PROTOCOL => {
                    let what = match (self.setting(name), value) {
                        (_, 2..) => format!("It announces ENABLE_CONNECT_PROTOCOL {value}"),
                        (Some(1), 0) => "It takes ENABLE_CONNECT_PROTOCOL back".to_owned(),
                        _ => String::new(),
                    };
                    if !what.is_empty() {
                        return Err(Violation::new(Section::new(8441, "3"), what));
                    }
                }
                setting::INITIAL_WINDOW_SIZE => {
                    let change = i64::from(value) - self.peer_window;
                    self.peer_window = i64::from(value);
                    self.streams.values_mut().for_each(|half| half.window += change);
                }
                setting::MAX_FRAME_SIZE => self.peer_frame = value as usize,
                setting::MAX_CONCURRENT_STREAMS => self.peer_streams = value,
                _ => {}
            }
            // The latest of many announcements is what counts.
            if self.settings.len() < 256 {
                self.settings.push((name, value));
            }
        }
        self.raw(&Frame::new(kind::SETTINGS, flag::ACK, 0, b""));
        Ok(())
    }

    fn on_ping(&mut self, frame: Frame) -> Result<(), Violation> {
        let Ok(data) = <[u8; 8]>::try_from(&frame.payload[..]) else {
            return err("6.7", "A PING frame has not eight bytes");
        };
        if !frame.has(flag::ACK) {
            self.raw(&Frame::new(kind::PING, flag::ACK, 0, data));
        } else if self.pongs.len() < 256 {
            self.pongs.push(data);
        }
        Ok(())
    }

    fn on_goaway(&mut self, frame: &Frame) -> Result<(), Violation> {
        let (Some(last), Some(code)) = (frame.number(0), frame.number(4)) else {
            return err("6.8", "A GOAWAY frame has less than eight bytes");
        };
        if let Some((before, _)) = self.goaway
            && last > before
        {
            return err(
                "6.8",
                format!("A GOAWAY frame raises the last stream to {last}, {}", code_name(code)),
            );
        }
        self.goaway = Some((last & 0x7fff_ffff, code));
        Ok(())
    }

    fn on_window_update(&mut self, frame: &Frame) -> Result<(), Violation> {
        let (Some(increment), 4) = (frame.number(0), frame.payload.len()) else {
            return err("6.9", "A WINDOW_UPDATE frame has not four bytes");
        };
        let increment = i64::from(increment & 0x7fff_ffff);
        let most = i64::from(i32::MAX);
        if frame.stream == 0 {
            self.window += increment;
            if increment == 0 || self.window > most {
                return err("6.9", "A WINDOW_UPDATE frame on the connection adds nothing, or too much");
            }
        } else if let Some(half) = self.streams.get_mut(&frame.stream) {
            half.window += increment;
            if (increment == 0 || half.window > most) && !half.dropped {
                let what = "A WINDOW_UPDATE frame on the stream adds nothing, or too much";
                half.fault.get_or_insert(Violation::new(Section::new(9113, "6.9"), what));
            }
        }
        Ok(())
    }
}

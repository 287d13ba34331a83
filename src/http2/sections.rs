//! Whole field sections: requests, responses and trailers (RFC 9113 §8.1).

use super::connection::{Connection, Event, StreamId};
use super::error::{Flood, Http2Error, StreamFault};
use super::fields::Fields;
use super::frame::{FrameHeader, flag};
use super::reading::FieldSection;
use super::stream::Stream;
use crate::role::Role;
use crate::time::Instant;

impl Connection {
    /// Handles a field section, if it is whole.
    pub(super) fn end_section(&mut self, header: &FrameHeader, now: Instant) -> Result<(), Http2Error> {
        if !header.has(flag::END_HEADERS) {
            return Ok(());
        }
        let Some(FieldSection { stream: id, ends_stream, block, .. }) = self.section.take() else {
            return Ok(());
        };
        let mut fields = Fields::new();
        let (most, mut size) = (self.limits.max_field_section as usize, 0usize);
        self.decoder
            .decode(block.expose(), |name, value| {
                size = size.saturating_add(name.len() + value.len() + 32);
                if size <= most {
                    fields.push(name, value);
                }
            })
            .map_err(Http2Error::Compression)?;
        let is_whole = size <= most;
        match self.role {
            Role::Server => self.request_fields(id, fields, is_whole, ends_stream, now),
            Role::Client => self.response_fields(id, fields, is_whole, ends_stream, now),
        }
    }

    /// Handles a request, or its trailers; at a server.
    fn request_fields(
        &mut self,
        id: u32,
        fields: Fields,
        is_whole: bool,
        ends: bool,
        now: Instant,
    ) -> Result<(), Http2Error> {
        if id <= self.last_of_peer {
            return self.trailers(id, &fields, is_whole, ends, now);
        }
        if id.is_multiple_of(2) {
            return Err(Http2Error::StreamNumber);
        }
        self.last_of_peer = id;
        if self.leaving {
            return Ok(()); // §6.8: what comes after our GOAWAY is ignored
        }
        if !self.has_room_for_stream() {
            return self.fault(id, StreamFault::Refused, now);
        }
        let mut stream = Stream::new(self.limits.window.into(), self.peer.window);
        stream.heard = true;
        stream.is_tunnel = fields.is_connect();
        stream.peer_ended = ends;
        if !is_whole {
            // RFC 6585 §5. The rest of the request is not needed.
            self.floods.count(Flood::Reset, now)?;
            self.streams.insert(id, stream);
            self.respond(StreamId(id), &Fields::new().with(":status", "431"), true);
            self.close(StreamId(id));
            return Ok(());
        }
        let len = fields.check_request().and_then(|()| fields.content_length());
        let len = match len {
            Ok(len) => len.filter(|_| !stream.is_tunnel),
            Err(_) => return self.fault(id, StreamFault::Malformed, now),
        };
        if ends && len.is_some_and(|len| len > 0) {
            return self.fault(id, StreamFault::Malformed, now);
        }
        stream.content_left = len;
        stream.told = ends;
        self.streams.insert(id, stream);
        self.events.push_back(Event::Request(StreamId(id), fields));
        if ends {
            self.events.push_back(Event::Readable(StreamId(id)));
        }
        Ok(())
    }

    /// Handles a response, interim or not, or its trailers; at a client.
    fn response_fields(
        &mut self,
        id: u32,
        fields: Fields,
        is_whole: bool,
        ends: bool,
        now: Instant,
    ) -> Result<(), Http2Error> {
        if self.is_idle(id) {
            return Err(Http2Error::StreamIdle);
        }
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        if stream.heard {
            return self.trailers(id, &fields, is_whole, ends, now);
        }
        let status = match fields.check_response() {
            Ok(status) if is_whole && !(ends && status < 200) => status,
            _ => return self.fault(id, StreamFault::Malformed, now),
        };
        let is_tunnel = stream.is_tunnel && (200..300).contains(&status);
        if status >= 200 {
            stream.heard = true;
            stream.is_tunnel = is_tunnel;
            match fields.content_length() {
                Ok(len) => stream.content_left = len.filter(|_| !is_tunnel),
                Err(_) => return self.fault(id, StreamFault::Malformed, now),
            }
        } else {
            self.floods.count(Flood::Priority, now)?; // nobody needs many of those
        }
        self.events.push_back(Event::Response(StreamId(id), fields));
        if ends { self.peer_ended(id, now) } else { Ok(()) }
    }

    fn trailers(
        &mut self,
        id: u32,
        fields: &Fields,
        is_whole: bool,
        ends: bool,
        now: Instant,
    ) -> Result<(), Http2Error> {
        match self.streams.get(&id) {
            None if self.forgotten.contains(&id) => Ok(()),
            None => Err(Http2Error::StreamClosed),
            Some(stream) if stream.peer_ended => self.fault(id, StreamFault::Closed, now),
            // §8.5: a tunnel has no trailers. §8.1: they end the stream.
            Some(stream) if stream.is_tunnel || !ends || !is_whole || fields.check_trailers().is_err() => {
                self.fault(id, StreamFault::Malformed, now)
            }
            Some(_) => self.peer_ended(id, now),
        }
    }
}

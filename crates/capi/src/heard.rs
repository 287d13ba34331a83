//! The library's events of an open connection, as C sees them.

use bowsprit::ProtocolError;
use bowsprit::close::CloseCode;
use bowsprit::connection::{Connection, Event};
use bowsprit::frame::DataKind;
use bowsprit::time::Instant;

use crate::event::bow_event_kind::*;
use crate::event::{bow_data_kind, bow_event};

/// Returns the next event of an open connection.
pub(crate) fn listen(
    conn: &mut Connection,
    input: &mut &mut [u8],
    now: Instant,
) -> Result<bow_event, ProtocolError> {
    loop {
        let mut rest = std::mem::take(input);
        let event = match conn.next(&mut rest, now) {
            Ok(Some(Event::Frame(_))) => None, // its chunks say it all
            Ok(Some(event)) => Some(describe(&event)),
            Ok(None) => Some(bow_event::NONE),
            Err(error) => {
                *input = rest;
                return Err(error);
            }
        };
        *input = rest;
        if let Some(event) = event {
            return Ok(event);
        }
    }
}

fn describe(event: &Event<'_>) -> bow_event {
    match event {
        Event::Message(message) => bow_event {
            data_kind: kind_of(message.kind()) as u32,
            ..bow_event::with(BOW_EVENT_MESSAGE, message.as_bytes())
        },
        Event::Chunk(chunk) => bow_event {
            data_kind: kind_of(chunk.kind) as u32,
            frame_ends: chunk.frame_ends.into(),
            message_ends: chunk.message_ends.into(),
            ..bow_event::with(BOW_EVENT_CHUNK, chunk.payload)
        },
        Event::Ping(payload) => bow_event::with(BOW_EVENT_PING, payload),
        Event::Pong(payload) => bow_event::with(BOW_EVENT_PONG, payload),
        Event::Close(close) => {
            let (code, reason) = close.map_or((CloseCode::NO_STATUS, ""), |close| (close.code, close.reason));
            bow_event { code: code.0.into(), ..bow_event::with(BOW_EVENT_CLOSE, reason.as_bytes()) }
        }
        Event::Frame(_) => bow_event::NONE,
    }
}

const fn kind_of(kind: DataKind) -> bow_data_kind {
    match kind {
        DataKind::Text => bow_data_kind::BOW_TEXT,
        DataKind::Binary => bow_data_kind::BOW_BINARY,
    }
}

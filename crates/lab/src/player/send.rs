//! What we send: frames as a script bends them, whole messages, and answers.

use std::time::Duration;

use bowsprit::frame::{MaskKey, RawHeader};

use super::super::case::{By, Declare, Frame, Kind, Masking, Pace};
use super::super::wire::{EXCERPT, Excerpt, Item, Way};
use super::{Pause, Player, Wants};

impl Player {
    /// Sends a frame as the script bends it.
    pub(super) fn send_frame(&mut self, now: Duration, frame: &Frame) {
        let (payload, len) = (frame.payload, frame.payload.len());
        let length = match frame.declare {
            Declare::Length(length) => length,
            _ => len as u64,
        };
        let mut header = frame.header.with_length(length);
        if let Declare::Form(form) = frame.declare {
            header.form = header.form.max(form);
        }
        header.mask = match (frame.masking, self.we_are_client()) {
            (Masking::ByRole, true) | (Masking::Wrong, false) => Some(MaskKey(self.random.bytes())),
            (Masking::ByRole, false) | (Masking::Wrong, true) => None,
            (Masking::Key(key), _) => Some(MaskKey(key)),
        };
        // If the peer has to fail the connection, a Close of ours is only the provocation.
        if header.opcode == 8 && !self.sent_close && self.case.expect.close.by != By::Peer {
            self.sent_close = true;
            self.facts.closed_by_us = !self.peer_closed;
            self.deadline = now + self.patience();
        }
        let excerpt = Excerpt { len, bytes: payload.slice(0, len.min(EXCERPT)).into_owned() };
        self.log.add(now, || Item::Frame(Way::Sent, header, excerpt));
        self.pushing(header, len, || payload.bytes().into_owned());
        self.outbox.push_frame_of(header, len, |out| payload.append_to(out));
    }

    /// Records what has to be remembered of a frame that we send.
    fn pushing(&mut self, header: RawHeader, len: usize, payload: impl FnOnce() -> Vec<u8>) {
        self.boundary.frame(header.length, len);
        if header.opcode == 9 {
            self.pings.push_back(payload());
        }
    }

    /// Sends a message, compressed if that was agreed.
    pub(super) fn send_message(&mut self, now: Duration, kind: Kind, message: &[u8], fragment: usize) {
        let compressed = self.codec.as_mut().map(|codec| codec.compress(message));
        let payload = compressed.as_deref().unwrap_or(message);
        self.send_payload(now, kind, payload, compressed.is_some(), fragment);
    }

    /// Sends the payload of a message, compressed or not, in fragments of `fragment` bytes (0 means one frame).
    pub(super) fn send_payload(
        &mut self,
        now: Duration,
        kind: Kind,
        payload: &[u8],
        compressed: bool,
        fragment: usize,
    ) {
        let size = if fragment == 0 { payload.len().max(1) } else { fragment };
        // As in the Autobahn suite, a message that fills its fragments ends with an empty one: peers count fragments.
        let ends_empty = payload.len() > size && payload.len().is_multiple_of(size);
        let mut chunks = payload.chunks(size).chain(ends_empty.then_some(&[][..])).peekable();
        let mut opcode = if kind == Kind::Text { 1 } else { 2 };
        let mut rsv1 = compressed;
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let fin = chunks.peek().is_none();
            self.send_own(now, RawHeader { fin, rsv1, ..RawHeader::of(opcode) }, chunk);
            if fin {
                return;
            }
            (opcode, rsv1) = (0, false);
        }
    }

    /// Sends a frame with the right length and mask.
    pub(super) fn send_own(&mut self, now: Duration, header: RawHeader, payload: &[u8]) {
        let mut header = header.with_length(payload.len() as u64);
        if self.we_are_client() {
            header.mask = Some(MaskKey(self.random.bytes()));
        }
        self.log.frame(now, Way::Sent, header, payload);
        self.pushing(header, payload.len(), || payload.to_vec());
        self.outbox.push_frame(header, payload);
    }

    /// Answers the peer's last Ping once none of our frames is incomplete (RFC 6455 §5.5.3: earlier Pings then need no
    /// answer).
    pub(super) fn answer_ping(&mut self, now: Duration) {
        if self.sent_close || self.boundary.is_inside() || !self.outbox.is_empty() {
            return;
        }
        if let Some(payload) = self.owed_pong.take() {
            self.send_own(now, RawHeader::PONG, &payload);
        }
    }

    /// Starts the closing handshake, or ends our direction if a frame of ours is incomplete.
    pub(super) fn close(&mut self, now: Duration, code: u16) {
        // The rest of the script does not apply to a connection that is being closed.
        (self.step, self.pause) = (self.case.script.len(), Pause::None);
        if self.boundary.is_inside() {
            self.sent_close = true;
            self.facts.closed_by_us = true;
            self.deadline = now + self.closing();
            self.limit = self.limit.max(self.deadline);
            self.log.note(now, "a frame of ours is not whole, so that we cannot send a Close");
            self.wants = Wants::HalfClose;
            return;
        }
        self.answer_ping(now);
        self.sent_close = true;
        self.facts.closed_by_us = true;
        self.deadline = now + self.closing();
        self.limit = self.limit.max(self.deadline);
        self.outbox.pace(Pace::Whole);
        self.send_own(now, RawHeader::CLOSE, &code.to_be_bytes());
    }
}

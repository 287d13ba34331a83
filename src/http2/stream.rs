//! One stream: what has arrived on it, and what its windows still allow.

use alloc::collections::VecDeque;

use super::error::ErrorCode;

/// The state of a stream that is not over (RFC 9113 §5.1). A stream that is not in the connection's list is idle or
/// closed.
#[derive(Debug)]
pub(super) struct Stream {
    /// What has arrived and was not read.
    received: VecDeque<u8>,
    /// How much the peer may still send.
    pub(super) receive_window: i64,
    /// What was read, or was padding, and has not been returned to the window yet.
    returned: u32,
    /// How much we may still send; negative if a setting has made it so (§6.9.2).
    pub(super) send_window: i64,
    /// Whether the peer has reset it; what came before that can still be read, as with TCP.
    pub(super) reset: Option<ErrorCode>,
    /// Whether the peer has ended its direction.
    pub(super) peer_ended: bool,
    /// Whether we have ended ours.
    pub(super) ended: bool,
    /// Whether the final field section of our direction has been sent.
    pub(super) answered: bool,
    /// Whether the final field section of the peer's direction has arrived.
    pub(super) heard: bool,
    /// Whether it is, or asks for, a tunnel: only DATA follows the field section (§8.5).
    pub(super) is_tunnel: bool,
    /// How much content is yet to come, if its length was declared.
    pub(super) content_left: Option<u64>,
    /// Whether the peer's window is not replenished.
    pub(super) held_back: bool,
    /// Whether a write has taken less than it was offered.
    pub(super) blocked: bool,
    /// Whether the program was told that there is something to read, and has not read all of it since.
    pub(super) told: bool,
}

impl Stream {
    pub(super) fn new(receive_window: i64, send_window: i64) -> Self {
        Self {
            received: VecDeque::new(),
            receive_window,
            returned: 0,
            send_window,
            reset: None,
            peer_ended: false,
            ended: false,
            answered: false,
            heard: false,
            is_tunnel: false,
            content_left: None,
            held_back: false,
            blocked: false,
            told: false,
        }
    }

    /// Returns whether both sides have ended it (§5.1); what has arrived may still be unread.
    pub(super) const fn is_closed(&self) -> bool {
        self.ended && self.peer_ended
    }

    /// Returns how many bytes of memory are held, beyond its own size.
    pub(super) fn memory(&self) -> usize {
        self.received.capacity()
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.received.extend(bytes);
    }

    /// Takes what has arrived, as far as there is room.
    pub(super) fn take(&mut self, buf: &mut [u8]) -> usize {
        let (front, back) = self.received.as_slices();
        let from_front = front.len().min(buf.len());
        buf[..from_front].copy_from_slice(&front[..from_front]);
        let from_back = back.len().min(buf.len() - from_front);
        buf[from_front..from_front + from_back].copy_from_slice(&back[..from_back]);
        let len = from_front + from_back;
        self.received.drain(..len);
        if self.received.is_empty() {
            self.received = VecDeque::new(); // an idle stream owns no buffer
        }
        self.returned += len as u32;
        len
    }

    pub(super) fn has_data(&self) -> bool {
        !self.received.is_empty()
    }

    /// Counts padding as read.
    pub(super) const fn pass(&mut self, padding: usize) {
        self.returned += padding as u32;
    }

    /// Returns how much to return to the peer's window, once that is worth a frame.
    pub(super) const fn credit(&mut self, window: i64) -> Option<u32> {
        if self.held_back || self.peer_ended || (self.returned as i64) < window / 2 {
            return None;
        }
        let credit = self.returned;
        self.returned = 0;
        self.receive_window += credit as i64;
        Some(credit)
    }

    /// Returns whether nothing more can pass in either direction.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.peer_ended && self.received.is_empty()
    }
}

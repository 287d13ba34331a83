//! From received bytes to the handler: frames, and the events in them.

use std::ops::{ControlFlow, Range};

use super::context::Context;
use super::handler::Handler;
use super::id::ConnId;
use super::metering;
use super::pool::ReadLoan;
use super::share::MESSAGE;
use crate::connection::driver::{InboundExt as _, OutboundExt as _};
use crate::connection::{Event, Inbound};
use crate::error::ProtocolError;
use crate::message::Message;

/// Takes the frames in a part of the receive buffer and hands their events to the program, until the connection has
/// used up its quantum. Returns how many bytes are left then, or `None` if everything is done; 0 means that no bytes are
/// left, but events in them are.
#[inline(always)]
pub(super) fn take_frames<H: Handler>(
    loan: &mut ReadLoan<'_, Context<H::Data>>,
    handler: &mut H,
    id: ConnId,
    frames: Range<usize>,
) -> Result<Option<usize>, ProtocolError> {
    let (cx, inbound, scratch) = loan.parts();
    let slot = id.slot as usize;
    let Range { start: mut at, end } = frames;
    loop {
        let mut input = &mut scratch[at..end];
        loop {
            if cx.agenda.is_decided(slot) {
                return Ok(None);
            }
            if cx.work.is_spent() {
                return Ok(Some(input.len()));
            }
            let peer = &mut cx.peers[slot];
            let Some(message) = inbound.short_message(&mut input, &mut peer.outbound)? else { break };
            let metered = peer.metered;
            cx.work.spend(MESSAGE);
            take_message(handler, cx, id, message, metered);
            if input.is_empty() {
                return Ok(None);
            }
        }
        let from = end - input.len();
        at = match take_long(inbound, cx, handler, id, &mut scratch[..end], from)? {
            Some(at) if at < end => at,
            Some(_) => return Ok(None),
            None => match take_part(inbound, cx, handler, id, &mut scratch[..end], from)? {
                ControlFlow::Continue(at) => at,
                ControlFlow::Break(at) => return Ok(Some(end - at).filter(|&left| left > 0)),
            },
        };
    }
}

/// Takes a message that is not short and has arrived whole. Returns where it ends, if there was one.
#[inline(never)]
fn take_long<H: Handler>(
    inbound: &mut Inbound,
    cx: &mut Context<H::Data>,
    handler: &mut H,
    id: ConnId,
    buffer: &mut [u8],
    mut at: usize,
) -> Result<Option<usize>, ProtocolError> {
    let peer = &mut cx.peers[id.slot as usize];
    let Some(message) = inbound.whole_message_at(buffer, &mut at, &mut peer.outbound)? else {
        return Ok(None);
    };
    let metered = peer.metered;
    cx.work.spend(MESSAGE);
    take_message(handler, cx, id, message, metered);
    Ok(Some(at))
}

/// Takes anything else. Returns what is taken now, and whether more may follow.
#[inline(never)]
fn take_part<H: Handler>(
    inbound: &mut Inbound,
    cx: &mut Context<H::Data>,
    handler: &mut H,
    id: ConnId,
    buffer: &mut [u8],
    at: usize,
) -> Result<ControlFlow<usize, usize>, ProtocolError> {
    let slot = id.slot as usize;
    let (whole, end) = (buffer.as_ptr_range(), buffer.len());
    cx.pool.lend_assembly(inbound);
    let before = cx.work.left();
    let mut work = before;
    let mut input = &mut buffer[at..];
    let outbound = &mut cx.peers[slot].outbound;
    outbound.withdraw_offer();
    let event = inbound.next_part(&mut input, outbound, &mut work)?;
    let at = end - input.len();
    cx.work.spend(before - work + MESSAGE);
    let Some(event) = event else { return Ok(ControlFlow::Break(at)) };
    // A message that is not in the receive buffer was assembled in one of its own.
    let assembled =
        matches!(event, Event::Message(it) if !it.is_empty() && !whole.contains(&it.as_bytes().as_ptr()));
    deliver(handler, cx, id, event, assembled);
    if assembled {
        take_over(inbound, cx, slot);
    }
    Ok(ControlFlow::Continue(at))
}

/// Hands a message to the program.
#[inline(always)]
fn take_message<H: Handler>(
    handler: &mut H,
    cx: &mut Context<H::Data>,
    id: ConnId,
    message: Message<'_>,
    metered: bool,
) {
    if metered {
        metering::deliver(handler, cx, id, message);
    } else {
        cx.stats.messages_in += 1;
        handler.on_message(cx, id, message);
    }
}

/// Hands an event to the program. An `assembled` message lies in a buffer of its own, which the queue may borrow from.
fn deliver<H: Handler>(
    handler: &mut H,
    cx: &mut Context<H::Data>,
    id: ConnId,
    event: Event<'_>,
    assembled: bool,
) {
    match event {
        Event::Message(message) => {
            let peer = &mut cx.peers[id.slot as usize];
            let metered = peer.metered;
            if assembled && !metered {
                cx.pool.lend_queue(&mut peer.outbound);
                peer.outbound.queue().borrow_message(message.as_bytes());
            }
            take_message(handler, cx, id, message, metered);
        }
        Event::Frame(header) => {
            if cx.peers[id.slot as usize].metered {
                metering::count_frame(handler, cx, id, &header);
            }
            handler.on_frame(cx, id, &header);
        }
        Event::Chunk(chunk) => handler.on_chunk(cx, id, chunk),
        Event::Ping(payload) => handler.on_ping(cx, id, payload),
        Event::Pong(payload) => handler.on_pong(cx, id, payload),
        Event::Close(_) => {} // `on_close` reports it, once the answer is on its way
    }
}

/// Gives the queue the buffer of the message that was delivered last, if it refers to it.
fn take_over<D: Default>(inbound: &mut Inbound, cx: &mut Context<D>, slot: usize) {
    let queue = cx.peers[slot].outbound.queue();
    if !queue.has_lent_message() {
        queue.end_message_loan();
    } else if let Some(buffer) = inbound.reclaim() {
        queue.settle_with(buffer);
    }
}

/// Handles bytes of a long message that have been read to where they belong.
pub(super) fn take_direct<H: Handler>(
    loan: &mut ReadLoan<'_, Context<H::Data>>,
    handler: &mut H,
    slot: usize,
    len: usize,
) -> Result<(), ProtocolError> {
    let (cx, inbound, _) = loan.parts();
    let peer = &mut cx.peers[slot];
    let id = ConnId { slot: slot as u32, generation: peer.generation };
    if let Some(event) = inbound.filled(len, &mut peer.outbound)? {
        deliver(handler, cx, id, event, true);
        take_over(inbound, cx, slot);
    }
    Ok(())
}

//! Both directions of a connection as `watch` and `decode` judge them. The report does not depend on how the bytes were
//! cut, is bounded by the input, and breaks no promise of the summary.
//!
//! The input is a list of steps: a byte that says what happens and to which side, and for bytes a second one that says
//! how many follow.

use std::time::Duration;

use bowsprit_lab::conversation::{Conversation, End, Peer, Summary, Told, WireEvent};
use bowsprit_lab::reader::Keep;

const KEEP: Keep = Keep { payload: 16, message: 16 };

pub fn run(data: &[u8]) {
    let (whole, summary) = play(data, usize::MAX);
    for size in [1, 3] {
        let (cut, other) = play(data, size);
        assert_eq!((&whole, &summary), (&cut, &other), "cut into {size}");
    }
    let lines: usize =
        whole.iter().map(|told| told.lines().iter().map(|line| line.text.len()).sum::<usize>()).sum();
    // A head may be reported in lines, each with its escapes; a frame of two bytes takes a few lines.
    assert!(lines <= 8192 + data.len() * 600, "{} bytes become {lines} of text", data.len());
    let broken = whole.iter().filter(|told| matches!(told.event, WireEvent::Broken(_))).count() as u64;
    assert!(summary.faults() >= broken, "{summary:?}");
}

fn play(data: &[u8], size: usize) -> (Vec<Told>, Summary) {
    let mut conversation = Conversation::new(KEEP);
    let mut all = Vec::new();
    let mut tell = |mut told: Told| {
        // How much comes out of an invalid DEFLATE stream before the fault shows is up to the inflater.
        if let WireEvent::Frame(frame) = &mut told.event
            && let Some(message) = &mut frame.message
            && message.broken
            && message.compressed.is_some()
        {
            (message.length, message.bytes) = (0, Vec::new());
        }
        all.push(told);
    };
    let mut rest = data;
    let mut at = Duration::ZERO;
    let mut ended = [false; 2];
    if data.first().is_some_and(|first| first & 0xc0 == 0xc0) {
        conversation.open_already(data[0] & 1 == 1);
    }
    while let Some((&step, behind)) = rest.split_first() {
        rest = behind;
        at += Duration::from_millis(1);
        let side = usize::from(step & 1);
        let from = [Peer::Client, Peer::Server][side];
        // A side sends nothing once it has ended.
        if ended[side] {
            continue;
        }
        match step >> 1 & 0x1f {
            0 => {
                ended[side] = true;
                conversation.end(at, from, End::Finished, &mut tell);
            }
            1 => {
                ended[side] = true;
                conversation.end(at, from, End::Reset, &mut tell);
            }
            2 => conversation.lose(at, from, u64::from(step) << 40, &mut tell),
            _ => {
                let Some((&length, behind)) = rest.split_first() else { break };
                let (bytes, behind) = behind.split_at(behind.len().min(usize::from(length)));
                rest = behind;
                for piece in bytes.chunks(size.min(bytes.len().max(1))) {
                    conversation.receive(at, from, piece, &mut tell);
                }
            }
        }
    }
    conversation.cut_off(at, &mut tell);
    (all, conversation.summary().clone())
}

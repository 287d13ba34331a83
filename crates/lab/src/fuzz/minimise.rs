//! Makes a script smaller as long as it shows the same fault: fewer steps, fewer and plainer bytes.

use super::script::{FrameStep, Script, Step};
use bowsprit::frame::{LengthForm, Parsed, RawHeader};

/// Returns the smallest script found that still has the finding: `fails` plays a script and returns whether the finding
/// recurs. At most `most` scripts are played.
pub fn minimise(script: &Script, most: usize, fails: &mut dyn FnMut(&Script) -> bool) -> Script {
    let mut left = most;
    let mut best = script.clone();
    let mut attempt = |candidate: Script, best: &mut Script| -> bool {
        if left == 0 || candidate == *best {
            return false;
        }
        left -= 1;
        let fails = fails(&candidate);
        if fails {
            *best = candidate;
        }
        fails
    };
    if let Some(framed) = framed(&best) {
        attempt(framed, &mut best);
    }
    for _ in 0..4 {
        let before = best.clone();
        attempt(Script { cut: 0, ..best.clone() }, &mut best);
        remove_steps(&mut best, &mut attempt);
        join_fragments(&mut best, &mut attempt);
        plain_opening(&mut best, &mut attempt);
        for at in 0..best.steps.len() {
            smaller_step(at, &mut best, &mut attempt);
        }
        if best == before {
            break;
        }
    }
    best
}

/// Rewrites bytes that are whole frames as frames, and removes the pauses.
fn framed(script: &Script) -> Option<Script> {
    let bytes: Vec<u8> = script.steps.iter().flat_map(Step::bytes).collect();
    let mut rest = &bytes[..];
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let Parsed::Done(header, used) = RawHeader::parse(rest) else { break };
        let length = usize::try_from(header.length).ok();
        let Some((payload, after)) = length.and_then(|length| rest[used..].split_at_checked(length)) else {
            break;
        };
        let mut payload = payload.to_vec();
        header.mask.unwrap_or_default().apply_naive(&mut payload);
        let rsv = u8::from(header.rsv1) << 2 | u8::from(header.rsv2) << 1 | u8::from(header.rsv3);
        let length_bytes = match header.form {
            form if form == LengthForm::minimal(header.length) => None,
            LengthForm::Medium => Some(2),
            _ => Some(8),
        };
        let mask = header.mask.map(|key| key.0);
        steps.push(Step::Frame(FrameStep {
            fin: header.fin,
            rsv,
            mask,
            length_bytes,
            ..FrameStep::new(header.opcode, payload)
        }));
        rest = after;
    }
    if !rest.is_empty() {
        steps.push(Step::Bytes(rest.to_vec()));
    }
    Some(Script { steps, ..script.clone() }).filter(|framed| framed != script)
}

type Attempt<'a> = &'a mut dyn FnMut(Script, &mut Script) -> bool;

/// Removes halves, then quarters, then single steps.
fn remove_steps(best: &mut Script, attempt: Attempt<'_>) {
    let mut size = best.steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < best.steps.len() {
            let mut candidate = best.clone();
            candidate.steps.drain(at..(at + size).min(best.steps.len()));
            if !attempt(candidate, best) {
                at += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
}

/// Joins a frame and the continuation after it.
fn join_fragments(best: &mut Script, attempt: Attempt<'_>) {
    let mut at = 0;
    while at + 1 < best.steps.len() {
        let mut candidate = best.clone();
        if let [Step::Frame(first), Step::Frame(next)] = &mut candidate.steps[at..at + 2]
            && next.opcode == 0
            && first.opcode < 3
        {
            first.payload.append(&mut next.payload);
            first.fin = next.fin;
            candidate.steps.remove(at + 1);
            if attempt(candidate, best) {
                continue;
            }
        }
        at += 1;
    }
}

fn plain_opening(best: &mut Script, attempt: Attempt<'_>) {
    if best.opening.deflate {
        let mut candidate = best.clone();
        candidate.opening.deflate = false;
        attempt(candidate, best);
    }
    if best.opening.wrong.is_none() {
        // Remove fields that are not needed.
        for at in (1..best.opening.lines.len()).rev() {
            if best.opening.lines[at].starts_with("X-") {
                let mut candidate = best.clone();
                candidate.opening.lines.remove(at);
                attempt(candidate, best);
            }
        }
    }
}

fn smaller_step(at: usize, best: &mut Script, attempt: Attempt<'_>) {
    let edit = |best: &Script, change: &dyn Fn(&mut Step)| {
        let mut candidate = best.clone();
        change(&mut candidate.steps[at]);
        candidate
    };
    let len = |step: &Step| match step {
        Step::Frame(frame) => frame.payload.len(),
        Step::Bytes(bytes) => bytes.len(),
        Step::Pause(_) => 0,
    };
    // Cut from the end, then from the start, less each time.
    for from_start in [false, true] {
        let mut cut = len(&best.steps[at]);
        while cut > 0 {
            let candidate = edit(best, &|step| {
                let bytes = match step {
                    Step::Frame(frame) => &mut frame.payload,
                    Step::Bytes(bytes) => bytes,
                    Step::Pause(_) => return,
                };
                let cut = cut.min(bytes.len());
                let keep = bytes.len() - cut;
                *bytes = if from_start { bytes[cut..].to_vec() } else { bytes[..keep].to_vec() };
            });
            if !attempt(candidate, best) || len(&best.steps[at]) < cut {
                cut /= 2;
            }
        }
    }
    // Replace bytes by plainer ones.
    let candidate = edit(best, &|step| {
        if let Step::Frame(frame) = step {
            frame.payload.fill(b'a');
        }
    });
    attempt(candidate, best);
    let candidate = edit(best, &|step| {
        if let Step::Frame(frame) = step {
            frame.mask = frame.mask.map(|_| [0; 4]);
        }
    });
    attempt(candidate, best);
    for bit in [4, 2, 1] {
        let candidate = edit(best, &|step| {
            if let Step::Frame(frame) = step {
                frame.rsv &= !bit;
            }
        });
        attempt(candidate, best);
    }
    let candidate = edit(best, &|step| {
        if let Step::Frame(frame) = step {
            frame.length_bytes = None;
            frame.declares = None;
        }
    });
    attempt(candidate, best);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{Side, script};

    /// A fault that needs one frame out of many, and five bytes of that frame.
    #[test]
    fn what_is_left_is_what_is_needed() {
        let needed = FrameStep { rsv: 2, ..FrameStep::new(2, b"xxxxxx<five>yyyyyyyyyy".repeat(50)) };
        let mut whole = script(Side::Server, 1, 5);
        whole.opening.wrong = None;
        whole.cut = 3;
        let at = whole.steps.len() / 2;
        whole.steps.insert(at, Step::Frame(needed));
        let mut plays = 0;
        let least = minimise(&whole, 500, &mut |script| {
            plays += 1;
            script.steps.iter().any(|step| match step {
                Step::Frame(frame) => {
                    frame.rsv == 2 && frame.payload.windows(6).any(|part| part == b"<five>")
                }
                _ => false,
            })
        });
        assert_eq!(least.steps, [Step::Frame(FrameStep { rsv: 2, ..FrameStep::new(2, *b"<five>") })]);
        assert_eq!(least.cut, 0);
        assert!(plays <= 500);
    }

    /// Frames in loose bytes are rewritten as frames with the same bytes.
    #[test]
    fn bytes_become_frames() {
        let mut framed_ones = 0;
        for number in 0..500 {
            let script = script(Side::Server, 3, number);
            let bytes = |script: &Script| script.steps.iter().flat_map(Step::bytes).collect::<Vec<u8>>();
            if let Some(framed) = framed(&script) {
                framed_ones += 1;
                assert_eq!(bytes(&framed), bytes(&script));
            }
        }
        assert!(framed_ones > 20, "{framed_ones}");
    }

    #[test]
    fn the_number_of_plays_is_bounded() {
        let mut plays = 0;
        minimise(&script(Side::Server, 1, 3), 7, &mut |_| {
            plays += 1;
            true
        });
        assert!(plays <= 7);
    }
}

//! Runs the lab's quick cases against the echo, in both roles, and records the conversations:
//!
//! `embedded-record FILE FAULTY`
//!
//! A case that does not pass in the lab is an error. The second file has a digit of one answer changed, to show that a
//! replay finds differences.

use std::error::Error;
use std::time::Duration;

use bowsprit::Role;
use bowsprit_lab::report::{Deny, Outcome, text};
use bowsprit_lab::{Behaviour, Case, Effort, Options, Player, Record, Selection, Subject, Wants};
use embedded_echo::recording::{HOST, Happens, Recorder, replay, subject};

/// A longer recording does not fit into a device's memory twice.
const LONGEST: usize = 512 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    let [whole, faulty] = &files[..] else { return Err("usage: embedded-record FILE FAULTY".into()) };
    let (mut recordings, mut compressed, mut long) = (Vec::new(), 0, 0);
    for role in [Role::Server, Role::Client] {
        let subject = if role == Role::Server { Subject::Server } else { Subject::Client };
        for case in (Selection { quick: true, ..Selection::default() }).choose(subject)? {
            let (record, recording) = play(case, subject, role)?;
            let outcome = Outcome { record, aftermath: None };
            if outcome.denied(Deny::Should) {
                return Err(text::failure(&outcome, "the echo, recorded").into());
            }
            match outcome.record.verdict.behaviour {
                // Without the standard library the core has no compression.
                Behaviour::Unimplemented => compressed += 1,
                _ if recording.len() > LONGEST => long += 1,
                _ => recordings.push(recording),
            }
        }
    }
    for recording in &recordings {
        replay(&mut recording.clone()[4..])?;
    }
    println!(
        "{} cases recorded; {compressed} need compression, {long} are longer than {LONGEST} bytes",
        recordings.len()
    );
    let mut bytes = recordings.concat();
    std::fs::write(whole, &bytes)?;
    let answer = b"HTTP/1.1 101 ";
    let at = bytes.windows(answer.len()).position(|window| window == answer).ok_or("no answer to change")?;
    bytes[at + answer.len() - 2] = b'2';
    std::fs::write(faulty, bytes)?;
    Ok(())
}

/// Runs a case in memory, on a clock that moves when nothing else does.
fn play(case: &'static Case, subject_of: Subject, role: Role) -> Result<(Record, Vec<u8>), Box<dyn Error>> {
    let options = Options { effort: Effort::Quick, ..Options::default() };
    let mut player = Player::new(case, subject_of, HOST, "/", options);
    let mut echo = subject(role).ok_or("no client for this host")?;
    let mut answer = Vec::new();
    echo.send_into(&mut answer);
    let mut recorder = Recorder::new(&format!("{} ({role:?})", case.id), role, &answer);
    let mut now = Duration::ZERO;
    let mut ended = false;
    player.receive(now, &answer);
    for _ in 0..1_000_000 {
        if player.is_over() {
            return Ok((player.finish(), recorder.finish()));
        }
        answer.clear();
        let happened;
        if let Some(bytes) = player.outgoing().map(<[u8]>::to_vec) {
            player.sent(now, bytes.len());
            echo.receive(&mut bytes.clone(), now);
            echo.send_into(&mut answer);
            recorder.step(now, Happens::Comes(&bytes), &answer, echo.is_over());
            happened = true;
        } else {
            match player.wants() {
                Wants::Nothing => happened = false,
                Wants::HalfClose => {
                    player.half_closed(now);
                    ended = true;
                    happened = true;
                }
                Wants::Drop => {
                    player.dropped(now);
                    return Ok((player.finish(), recorder.finish()));
                }
            }
        }
        if !answer.is_empty() {
            player.receive(now, &answer);
        } else if !happened && (ended || echo.is_over()) {
            player.eof(now, None);
        } else if !happened {
            let due = player.deadline();
            now = now.max(echo.next_timeout().map_or(due, |at| at.min(due)));
            // A recording has a resolution of microseconds.
            now = Duration::from_micros(now.as_nanos().div_ceil(1000) as u64);
            echo.tick(now);
            echo.send_into(&mut answer);
            recorder.step(now, Happens::TimePasses, &answer, echo.is_over());
            player.receive(now, &answer);
            player.tick(now);
        }
    }
    Err(format!("{} does not come to an end", case.id).into())
}

//! Checks whether a quiet connection is answered in time while others are played.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::finding::Finding;
use super::oracles::Oracles;
use super::peer::Peer;
use super::play::{Answer, Played, Quiet};
use super::script::Script;

/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(2);
/// The pause before another attempt to connect.
const REST: Duration = Duration::from_millis(20);
/// How many questions are asked while nothing else is sent; the quickest answer counts.
const CALM: usize = 5;

fn open(peer: &Peer, oracles: &Oracles) -> io::Result<Quiet> {
    peer.connect(oracles.timeout).and_then(|stream| Quiet::open(stream, oracles))
}

/// Asks while nothing else is sent.
///
/// # Errors
///
/// Fails if there is no connection, or if even the quickest answer takes longer than `within`.
pub(super) fn calm(peer: &Peer, oracles: &Oracles, within: Duration) -> io::Result<()> {
    let mut quiet = open(peer, oracles)
        .map_err(|error| io::Error::other(format!("the quiet neighbour has no connection: {error}")))?;
    let mut quickest = Duration::MAX;
    for _ in 0..CALM {
        let answer = quiet.ask().map_err(|error| {
            io::Error::other(format!("the quiet neighbour's connection has ended: {error}"))
        })?;
        if answer.is_within(within) {
            return Ok(());
        }
        let (Answer::After(time) | Answer::Missing(time)) = answer;
        quickest = quickest.min(time);
    }
    Err(io::Error::other(format!(
        "even while nothing else is said, the quiet neighbour waits {} ms for an answer, longer than {} ms",
        quickest.as_millis(),
        within.as_millis()
    )))
}

/// Asks again and again until `stop`. Calls `late` for each answer that takes too long, with the value that `before`
/// returned when the question was asked.
pub(super) fn watch<T>(
    peer: &Peer,
    oracles: &Oracles,
    within: Duration,
    stop: &AtomicBool,
    before: impl Fn() -> T,
    late: impl Fn(T, Finding),
) {
    let mut quiet = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(connection) = &mut quiet else {
            quiet = open(peer, oracles).ok();
            if quiet.is_none() {
                thread::sleep(REST); // whether the peer has gone is seen elsewhere
            }
            continue;
        };
        let circumstances = before();
        match connection.ask() {
            Ok(answer) if answer.is_within(within) => thread::sleep(PAUSE),
            // A peer that answers nobody has gone, which is another finding.
            Ok(Answer::Missing(_)) if peer.gone(oracles).is_some() => quiet = None,
            Ok(answer) => {
                late(circumstances, finding(answer, within));
                if matches!(answer, Answer::Missing(_)) {
                    quiet = None; // what it was asked may still be answered
                }
            }
            Err(_) => quiet = None,
        }
    }
}

/// Plays a script beside a neighbour. Returns the finding that the neighbour has to wait, or else that the peer has
/// gone.
///
/// # Errors
///
/// Fails if there is no connection.
pub(super) fn beside(
    peer: &Peer,
    script: &Script,
    oracles: &Oracles,
    within: Duration,
) -> io::Result<(Option<Finding>, Played)> {
    let mut quiet = open(peer, oracles)?;
    for _ in 0..CALM {
        if quiet.ask()?.is_within(within) {
            break; // what was played before is over
        }
    }
    let is_over = AtomicBool::new(false);
    let (played, late) = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            loop {
                let is_last = is_over.load(Ordering::Relaxed);
                match quiet.ask() {
                    Ok(answer) if answer.is_within(within) => {}
                    Ok(answer) => return Some(answer),
                    Err(_) => return None,
                }
                if is_last {
                    return None;
                }
                thread::sleep(PAUSE);
            }
        });
        let played = peer.play(script, oracles);
        is_over.store(true, Ordering::Relaxed);
        (played, asking.join().unwrap_or(None))
    });
    let played = played?;
    let found = match late {
        Some(Answer::Missing(time)) => Some(match peer.gone(oracles) {
            Some(why) => Finding::gone(&why),
            None => finding(Answer::Missing(time), within),
        }),
        Some(answer) => Some(finding(answer, within)),
        None => peer.crashed().map(|why| Finding::gone(&why)),
    };
    Ok((found, played))
}

fn finding(answer: Answer, within: Duration) -> Finding {
    let within = within.as_millis();
    Finding::neighbour(match answer {
        Answer::After(time) => {
            format!("a quiet neighbour is answered after {} ms, not within {within} ms", time.as_millis())
        }
        Answer::Missing(time) => {
            format!("a quiet neighbour is not answered in {} ms, let alone {within} ms", time.as_millis())
        }
    })
}

//! Recordings of conversations, as bytes: what the peer sent and when, and the answers.
//!
//! A host writes them, where the lab can judge each answer; a device replays them and compares. All numbers are
//! little-endian.
//!
//! ```text
//! recording   length u32 of what follows, name (bytes), role u8 (0 server, 1 client), first answer (bytes), step*
//! step        time u64 in microseconds, kind u8 (0 bytes come, 1 time passes), what comes (bytes), the answer (bytes), over u8
//! bytes       length u32, that many bytes
//! ```

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bowsprit::Role;
use bowsprit::entropy::{Entropy, EntropyError};

use crate::Echo;

/// The host name of a recorded client's requests.
pub const HOST: &str = "lab.example";

/// Provides the same bytes in each run, so that a client's frames can be compared. Only for recordings: RFC 6455 §10.3
/// forbids predictable masks.
pub struct Foreseeable(pub u8);

impl Entropy for Foreseeable {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        for byte in out {
            self.0 = self.0.wrapping_mul(5).wrapping_add(113);
            *byte = self.0;
        }
        Ok(())
    }
}

/// Creates the end that is recorded, and that replays.
pub fn subject(role: Role) -> Option<Echo> {
    match role {
        Role::Server => Some(Echo::server(Duration::ZERO)),
        Role::Client => Echo::client(HOST, Box::new(Foreseeable(7)), Duration::ZERO),
    }
}

/// A conversation that is being recorded.
pub struct Recorder(Vec<u8>);

/// What happens in a step.
#[derive(Clone, Copy)]
pub enum Happens<'a> {
    Comes(&'a [u8]),
    TimePasses,
}

impl Recorder {
    pub fn new(name: &str, role: Role, first: &[u8]) -> Self {
        let mut recorder = Self(Vec::new());
        recorder.bytes(name.as_bytes());
        recorder.0.push(u8::from(role == Role::Client));
        recorder.bytes(first);
        recorder
    }

    pub fn step(&mut self, at: Duration, happens: Happens<'_>, answer: &[u8], over: bool) {
        self.0.extend_from_slice(&(at.as_micros() as u64).to_le_bytes());
        let (kind, comes) = match happens {
            Happens::Comes(bytes) => (0, bytes),
            Happens::TimePasses => (1, &b""[..]),
        };
        self.0.push(kind);
        self.bytes(comes);
        self.bytes(answer);
        self.0.push(over.into());
    }

    pub fn finish(self) -> Vec<u8> {
        let mut whole = (self.0.len() as u32).to_le_bytes().to_vec();
        whole.extend(self.0);
        whole
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }
}

/// Replays a recording without its leading length, and modifies it: bytes are unmasked in place.
///
/// # Errors
///
/// What differs, with the name of the recording; or that this is not a recording.
pub fn replay(recording: &mut [u8]) -> Result<(), String> {
    let mut rest = Reader(recording);
    let name = rest.bytes().and_then(|name| core::str::from_utf8(name).ok()).ok_or("no name")?;
    let cut = || format!("{name}: the recording is cut");
    let role = match rest.array::<1>().ok_or_else(cut)? {
        [0] => Role::Server,
        [1] => Role::Client,
        [other] => return Err(format!("{name}: role {other}")),
    };
    let mut echo = subject(role).ok_or_else(|| format!("{name}: nobody to replay it"))?;
    let mut answer = Vec::new();
    echo.send_into(&mut answer);
    let first = rest.bytes().ok_or_else(cut)?;
    compare(name, 0, first, &answer)?;
    for number in 1.. {
        if rest.0.is_empty() {
            break;
        }
        let at = Duration::from_micros(u64::from_le_bytes(rest.array().ok_or_else(cut)?));
        let kind = rest.array::<1>().ok_or_else(cut)?;
        let comes = rest.bytes().ok_or_else(cut)?;
        match kind {
            [0] => echo.receive(comes, at),
            _ => echo.tick(at),
        }
        answer.clear();
        echo.send_into(&mut answer);
        compare(name, number, rest.bytes().ok_or_else(cut)?, &answer)?;
        let over = rest.array().ok_or_else(cut)? == [1];
        if echo.is_over() != over {
            return Err(format!("{name}, step {number}: over is {over} in the recording alone"));
        }
    }
    Ok(())
}

fn compare(name: &str, step: u32, expected: &[u8], found: &[u8]) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let at = expected.iter().zip(found).take_while(|(expected, found)| expected == found).count();
    let (expected, found) = (&expected[at..], &found[at..]);
    let some = |bytes: &[u8]| format!("{:02x?}", &bytes[..bytes.len().min(8)]);
    Err(format!("{name}, step {step}, byte {at}: {} was recorded, {} came", some(expected), some(found)))
}

struct Reader<'a>(&'a mut [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a mut [u8]> {
        if len > self.0.len() {
            return None;
        }
        let (taken, rest) = core::mem::take(&mut self.0).split_at_mut(len);
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N).and_then(|bytes| (&*bytes).try_into().ok())
    }

    fn bytes(&mut self) -> Option<&'a mut [u8]> {
        let len = u32::from_le_bytes(self.array()?);
        self.take(usize::try_from(len).ok()?)
    }
}

//! Sends again what a client has sent to a server under `watch --save`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use bowsprit_lab::Place;
use bowsprit_lab::capture::saved::{self, Saved};
use bowsprit_lab::capture::{Entry, What};
use bowsprit_lab::conversation::{Conversation, End, Peer, Told};
use bowsprit_lab::counted;
use bowsprit_lab::reader::Keep;

use super::args::Args;
use crate::exit::Exit;
use crate::fuzz::Server;
use crate::output::{colours, for_terminal, print, say};
use crate::told;

/// How long the server may take to answer the request, to accept what is written, and to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest pause of the client that is kept.
const PAUSE: Duration = Duration::from_secs(1);

/// Plays the client's side of each connection of a file against the server, one by one.
pub(super) fn replay(text: &str, args: &Args) -> Result<Exit, String> {
    let mut talks: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
    let Saved { header, is_cut } = saved::read(text.as_bytes(), |entry| {
        let is_ours = matches!(entry.what, What::Bytes(Peer::Client, _) | What::End(Peer::Client, _));
        if is_ours && args.connection.is_none_or(|number| number == entry.connection) {
            talks.entry(entry.connection).or_default().push(entry);
        }
    })?;
    if is_cut {
        say("the file ends inside a line, which is left out");
    }
    if args.show {
        let told =
            talks.iter().map(|(number, entries)| format!("#{number} {}\n", counted(entries.len(), "piece")));
        print(&for_terminal(format!("a client of {}\n{}", header.target, told.collect::<String>())));
        return Ok(Exit::Done);
    }
    if talks.is_empty() {
        return Err("there is nothing of a client to be said".to_owned());
    }
    let url = args.url.as_deref().unwrap_or(&header.target);
    if !url.starts_with("ws://") {
        return Err(format!(
            "{}: only a server at ws:// can be talked to; --url names another one",
            Place::of(url)
        ));
    }
    let Some(Server { address, .. }) = Server::new(url, &args.trust, &args.request)? else {
        return Ok(Exit::NotConnected.because(format_args!("{}: the name has no address", Place::of(url))));
    };
    let mut faults = 0;
    for (number, entries) in talks {
        match Play::new(number, address).and_then(|play| play.run(entries)) {
            Ok(found) => faults += found,
            Err(error) => return Ok(Exit::NotConnected.because(format_args!("{}: {error}", Place::of(url)))),
        }
    }
    Ok(if faults == 0 { Exit::Done } else { Exit::PeerFailed })
}

/// One connection to play.
struct Play {
    number: u64,
    stream: TcpStream,
    answers: Receiver<Vec<u8>>,
    conversation: Conversation,
    began: Instant,
    /// When something was last shown.
    last: Duration,
    /// Whether the server sends nothing more.
    is_ended: bool,
}

impl Play {
    fn new(number: u64, address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut from = stream.try_clone()?;
        // The channel is bounded, so a server that floods has to wait for us.
        let (to, answers) = sync_channel(16);
        thread::Builder::new().name("answers".to_owned()).spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            loop {
                match from.read(&mut buffer) {
                    Ok(len @ 1..) if to.send(buffer[..len].to_vec()).is_ok() => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    _ => return,
                }
            }
        })?;
        Ok(Self {
            number,
            stream,
            answers,
            conversation: Conversation::new(Keep { payload: 64, message: 64 }),
            began: Instant::now(),
            last: Duration::ZERO,
            is_ended: false,
        })
    }

    /// Sends everything. Returns how often the server broke a rule.
    fn run(mut self, entries: Vec<Entry>) -> io::Result<u64> {
        let mut before = None;
        for entry in entries {
            let pause = entry.at.saturating_sub(before.unwrap_or(entry.at)).min(PAUSE);
            before = Some(entry.at);
            self.listen(Instant::now() + pause, |_| false);
            match entry.what {
                What::Bytes(from, bytes) => {
                    if let Err(error) = self.stream.write_all(&bytes) {
                        self.note(format_args!("the server takes no more: {error}"));
                        break;
                    }
                    let at = self.began.elapsed();
                    self.tell(|conversation, tell| {
                        conversation.receive(at, from, &bytes, &mut |told| tell(told))
                    });
                    // What follows a request was sent after the server had answered.
                    if !self.conversation.is_open() {
                        self.listen(Instant::now() + PATIENCE, Conversation::is_answered);
                    }
                }
                What::End(from, how) => {
                    let at = self.began.elapsed();
                    if how == End::Finished {
                        let _ = self.stream.shutdown(Shutdown::Write); // reading tells that it is gone
                        self.listen(Instant::now() + PATIENCE, |_| false);
                    }
                    self.tell(|conversation, tell| conversation.end(at, from, how, &mut |told| tell(told)));
                }
                _ => {}
            }
        }
        self.listen(Instant::now() + PAUSE, |_| false);
        let at = self.began.elapsed();
        self.tell(|conversation, tell| conversation.cut_off(at, &mut |told| tell(told)));
        let _ = self.stream.shutdown(Shutdown::Both); // it may be over already
        Ok(self.conversation.summary().server.faults)
    }

    /// Reads from the server until this time.
    fn listen(&mut self, until: Instant, is_enough: impl Fn(&Conversation) -> bool) {
        while !self.is_ended && !is_enough(&self.conversation) {
            match self.answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => {
                    let at = self.began.elapsed();
                    self.tell(|conversation, tell| {
                        conversation.receive(at, Peer::Server, &bytes, &mut |told| tell(told))
                    });
                }
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => {
                    self.is_ended = true;
                    let at = self.began.elapsed();
                    self.tell(|conversation, tell| {
                        conversation.end(at, Peer::Server, End::Finished, &mut |told| tell(told));
                    });
                }
            }
        }
    }

    fn tell(&mut self, act: impl FnOnce(&mut Conversation, &mut dyn FnMut(Told))) {
        let (number, last) = (self.number, &mut self.last);
        act(&mut self.conversation, &mut |told| {
            if told.is_silent() {
                return;
            }
            let gap = told.at.saturating_sub(std::mem::replace(last, told.at));
            print_line(&told::text(number, &told, gap, colours()));
        });
    }

    fn note(&self, text: impl Display) {
        print_line(&for_terminal(format_args!("#{} {text}", self.number)).into_string());
    }
}

/// Prints a line that is escaped for a terminal already.
fn print_line(line: &str) {
    crate::output::print_bytes(format!("{line}\n").as_bytes());
}

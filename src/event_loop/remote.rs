//! Controlling a loop from another thread.
//!
//! A [`Remote`] puts commands in a bounded queue and wakes the loop; the loop runs them at the end of its turn, in
//! order. Nobody ever waits: a full queue is a result, not a pause, so two loops that send to each other cannot
//! deadlock. The lock is held for a push or a swap and never while a program's code runs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::audience::To;
use super::context::{Context, Task};
#[cfg(feature = "backplane")]
use super::follows::Brought;
use super::id::ConnId;
use super::settings::Settings;
use super::siblings::{Sibling, Siblings};
use super::waker::LoopWaker;
#[cfg(feature = "backplane")]
use crate::backplane::{Mark, Position};
use crate::close::{CloseReason, OwnedClose};
use crate::message::{Message, Prepared};

/// A handle of a loop that can be cloned and sent to other threads.
///
/// `Ok` means that the loop will run the command, not that it succeeds: a connection may be gone by then.
pub struct Remote<D> {
    shared: Arc<Mailbox<D>>,
}

/// Why a loop will not run a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteError {
    /// The loop is behind: [`Settings::remote_commands`] or [`Settings::remote_bytes`] are waiting already.
    Full,
    /// The loop is gone.
    Gone,
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RemoteError::Full => "the loop is behind: its queue of commands is full",
            RemoteError::Gone => "the loop is gone",
        })
    }
}

impl std::error::Error for RemoteError {}

impl<D> Remote<D> {
    /// Sends a message; see [`Context::send`].
    ///
    /// # Errors
    ///
    /// If the queue is full or the loop is gone, as for all methods here.
    pub fn send<'a>(&self, id: ConnId, message: impl Into<Message<'a>>) -> Result<(), RemoteError> {
        self.send_prepared(id, &Prepared::new(message))
    }

    /// Sends a message that was encoded before.
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn send_prepared(&self, id: ConnId, message: &Prepared) -> Result<(), RemoteError> {
        self.shared.push(message.frame().len(), Command::Send(id, message.clone()))
    }

    /// Sends a message to an [audience](To); see [`Context::publish`].
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn publish<'a>(
        &self,
        to: impl Into<To<'a>>,
        message: impl Into<Prepared>,
    ) -> Result<(), RemoteError> {
        let (to, message) = (to.into(), message.into());
        let bytes = bytes_of(&to, &message);
        let To { topic, except, everywhere, key } = to;
        self.shared.push(
            bytes,
            Command::Publish {
                topic: topic.map(Into::into),
                except,
                everywhere,
                key: key.map(Into::into),
                message,
            },
        )
    }

    /// Begins a closing handshake; see [`Context::close`].
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn close(&self, id: ConnId, reason: Option<CloseReason<'_>>) -> Result<(), RemoteError> {
        self.shared.push(0, Command::Close(id, reason.map(|reason| reason.to_owned())))
    }

    /// Ends a connection at once; see [`Context::abort`].
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn abort(&self, id: ConnId) -> Result<(), RemoteError> {
        self.shared.push(0, Command::Abort(id))
    }

    /// Runs `task` on the thread of the loop.
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn run(&self, task: impl FnOnce(&mut Context<D>) + Send + 'static) -> Result<(), RemoteError> {
        self.shared.push(0, Command::Run(Box::new(task)))
    }

    /// Wakes the loop and has it call [`Handler::on_wake`](super::Handler::on_wake), once for any number of calls
    /// before that. It needs no place in the queue.
    ///
    /// # Errors
    ///
    /// If the loop is gone.
    pub fn wake(&self) -> Result<(), RemoteError> {
        self.shared.change(|state| {
            state.wake = true;
            Ok(())
        })
    }

    /// Makes the loop return from [`run`](super::EventLoop::run). It needs no place in the queue.
    ///
    /// # Errors
    ///
    /// If the loop is gone.
    pub fn stop(&self) -> Result<(), RemoteError> {
        self.shared.change(|state| {
            state.stop = true;
            Ok(())
        })
    }
}

impl<D> Clone for Remote<D> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<D> fmt::Debug for Remote<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

/// A command for a loop.
pub(super) enum Command<D> {
    Send(ConnId, Prepared),
    Publish {
        topic: Option<Box<str>>,
        except: Option<ConnId>,
        everywhere: bool,
        key: Option<Box<str>>,
        message: Prepared,
    },
    /// For other nodes: this loop has the link to them.
    #[cfg(feature = "backplane")]
    ToNodes {
        topic: Option<Box<str>>,
        key: Option<Box<str>>,
        message: Prepared,
        mark: Option<Mark>,
    },
    #[cfg(feature = "backplane")]
    Want(Box<str>, bool),
    #[cfg(feature = "backplane")]
    Replay(Box<str>, Option<Position>, u64),
    #[cfg(feature = "backplane")]
    Bring(Brought),
    /// Wakes the loop because the list of those present has changed.
    #[cfg(feature = "backplane")]
    Presence,
    Close(ConnId, Option<OwnedClose>),
    Abort(ConnId),
    Run(Task<D>),
}

struct Mailbox<D> {
    state: Mutex<State<D>>,
    /// Whether there is something for the loop to look at. Changed under the lock, read without it.
    pending: AtomicBool,
    waker: LoopWaker,
    most_commands: usize,
    most_bytes: usize,
}

struct State<D> {
    commands: VecDeque<Command<D>>,
    bytes: usize,
    wake: bool,
    stop: bool,
    gone: bool,
}

impl<D> Mailbox<D> {
    fn lock(&self) -> MutexGuard<'_, State<D>> {
        // Nothing under the lock can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: usize, command: Command<D>) -> Result<(), RemoteError> {
        self.change(|state| {
            let sum = state.bytes.saturating_add(bytes);
            // Whatever its size, one command fits into an empty queue.
            let fits = state.commands.is_empty()
                || (state.commands.len() < self.most_commands && sum <= self.most_bytes);
            if !fits {
                return Err(RemoteError::Full);
            }
            state.bytes = sum;
            state.commands.push_back(command);
            Ok(())
        })
    }

    #[cfg(feature = "backplane")]
    fn push_past_limits(&self, command: Command<D>) {
        let _ = self.change(|state| {
            state.commands.push_back(command);
            Ok(())
        });
    }

    fn change(
        &self,
        change: impl FnOnce(&mut State<D>) -> Result<(), RemoteError>,
    ) -> Result<(), RemoteError> {
        let was_pending = {
            let mut state = self.lock();
            if state.gone {
                return Err(RemoteError::Gone);
            }
            change(&mut state)?;
            self.pending.swap(true, Ordering::Relaxed)
        };
        // One call wakes the loop for all that comes until it looks.
        if !was_pending {
            self.waker.wake();
        }
        Ok(())
    }
}

/// The loop's end of the queue.
pub(super) struct Inbox<D> {
    shared: Arc<Mailbox<D>>,
}

impl<D> fmt::Debug for Inbox<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// What the loop finds in its inbox.
pub(super) struct Mail<D> {
    pub(super) commands: VecDeque<Command<D>>,
    pub(super) wake: bool,
    pub(super) stop: bool,
}

impl<D> Inbox<D> {
    pub(super) fn new(settings: &Settings, waker: LoopWaker) -> Self {
        let state = State { commands: VecDeque::new(), bytes: 0, wake: false, stop: false, gone: false };
        let shared = Mailbox {
            state: Mutex::new(state),
            pending: AtomicBool::new(false),
            waker,
            most_commands: settings.remote_commands,
            most_bytes: settings.remote_bytes,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Returns a handle of the loop, which has a waker.
    pub(super) fn remote(&self) -> Remote<D> {
        Remote { shared: Arc::clone(&self.shared) }
    }

    /// Returns whether there is something to look at. What is missed comes with the waker's event.
    #[inline]
    pub(super) fn has_mail(&self) -> bool {
        self.shared.pending.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) -> Mail<D> {
        let mut state = self.shared.lock();
        self.shared.pending.store(false, Ordering::Relaxed);
        state.bytes = 0;
        Mail {
            commands: std::mem::take(&mut state.commands),
            wake: std::mem::take(&mut state.wake),
            stop: std::mem::take(&mut state.stop),
        }
    }
}

impl<D> Drop for Inbox<D> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.gone = true;
        let commands = std::mem::take(&mut state.commands);
        drop(state);
        drop(commands); // a program's closures: not under the lock
    }
}

/// The other loops of a group, as the one in place `own` sees them.
pub(super) struct Others<D> {
    pub(super) own: usize,
    pub(super) remotes: Vec<Remote<D>>,
}

impl<D> fmt::Debug for Others<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Others").field("own", &self.own).finish_non_exhaustive()
    }
}

/// Returns how many bytes a message for many counts while it waits.
fn bytes_of(to: &To<'_>, message: &Prepared) -> usize {
    to.topic.map_or(0, str::len) + to.key.map_or(0, str::len) + message.frame().len()
}

impl<D> Siblings for Others<D> {
    #[cfg(feature = "backplane")]
    fn is_any(&self) -> bool {
        !self.remotes.is_empty()
    }

    fn publish(&self, to: To<'_>, except: Option<Sibling>, message: &Prepared) -> usize {
        let refuses = |(at, remote): &(usize, &Remote<D>)| {
            let place = at + usize::from(*at >= self.own);
            let except = except.filter(|sibling| sibling.place == place).map(|sibling| sibling.id);
            remote.publish(To { except, everywhere: false, ..to }, message).is_err()
        };
        self.remotes.iter().enumerate().filter(refuses).count()
    }

    #[cfg(feature = "backplane")]
    fn send_to_nodes(&self, to: To<'_>, message: &Prepared, mark: Option<Mark>) -> usize {
        let [topic, key] = [to.topic, to.key].map(|name| name.map(Into::into));
        let command = Command::ToNodes { topic, key, message: message.clone(), mark };
        let bytes = bytes_of(&to, message);
        self.remotes.first().map_or(0, |first| usize::from(first.shared.push(bytes, command).is_err()))
    }

    #[cfg(feature = "backplane")]
    fn want_topic(&self, topic: &str, wanted: bool) {
        if let Some(first) = self.remotes.first() {
            // A topic that is not wanted now would never be.
            first.shared.push_past_limits(Command::Want(topic.into(), wanted));
        }
    }

    #[cfg(feature = "backplane")]
    fn look_at_presence(&self) {
        if let Some(first) = self.remotes.first() {
            // Only one until the link has looked.
            first.shared.push_past_limits(Command::Presence);
        }
    }

    #[cfg(feature = "backplane")]
    fn replay(&self, topic: &str, since: Option<Position>, ticket: u64) {
        if let Some(first) = self.remotes.first() {
            // One for each follower at most.
            first.shared.push_past_limits(Command::Replay(topic.into(), since, ticket));
        }
    }

    #[cfg(feature = "backplane")]
    fn bring(&self, place: usize, brought: Brought) {
        // Steps are requested one at a time, so only that many are on their way at once.
        if let Some(remote) =
            place.checked_sub(usize::from(place > self.own)).and_then(|at| self.remotes.get(at))
        {
            remote.shared.push_past_limits(Command::Bring(brought));
        }
    }

    #[cfg(feature = "backplane")]
    fn publish_at(
        &self,
        topic: &str,
        key: Option<&str>,
        except: Option<Sibling>,
        at: Position,
        message: &Prepared,
    ) -> usize {
        let bytes = bytes_of(&To { key, ..To::topic(topic) }, message);
        let (topic, key) = (Arc::<str>::from(topic), key.map(Arc::<str>::from));
        let refuses = |(index, remote): &(usize, &Remote<D>)| {
            let place = index + usize::from(*index >= self.own);
            let except = except.filter(|sibling| sibling.place == place).map(|sibling| sibling.id);
            let (topic, key, message) = (Arc::clone(&topic), key.clone(), message.clone());
            let live = Brought::Live { topic, key, except, at, message };
            remote.shared.push(bytes, Command::Bring(live)).is_err()
        };
        self.remotes.iter().enumerate().filter(refuses).count()
    }

    fn stop(&self) {
        for sibling in &self.remotes {
            let _ = sibling.stop(); // a sibling that is gone has stopped
        }
    }
}

//! The command that connects.

use std::process;
#[cfg(unix)]
use std::sync::Arc;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};

use crate::output::say;
use crate::signals::Signals;

pub(super) struct Child {
    child: process::Child,
    #[cfg(unix)]
    ended: Arc<AtomicBool>,
}

impl Child {
    /// Starts the command with the URL to connect to.
    pub(super) fn start(command: &[String], url: &str, signals: &Signals) -> Result<Self, String> {
        let [program, rest @ ..] = command else { return Err("no command".to_owned()) };
        #[cfg(unix)]
        let ended = signals.catch_children().map_err(|error| error.to_string())?;
        #[cfg(not(unix))]
        let _ = signals;
        let child = process::Command::new(program)
            .args(rest.iter().map(|word| word.replace("{url}", url)))
            .env("BOWSPRIT_WATCH_URL", url)
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        Ok(Self {
            child,
            #[cfg(unix)]
            ended,
        })
    }

    /// Returns `None` while it runs, and then whether it succeeded.
    pub(super) fn ended(&mut self) -> Option<bool> {
        #[cfg(unix)]
        if !self.ended.swap(false, Ordering::SeqCst) {
            return None;
        }
        let status = self.child.try_wait().ok().flatten()?;
        if !status.success() {
            say(format_args!("the command has ended with {status}"));
        }
        Some(status.success())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill(); // it may have ended meanwhile
            let _ = self.child.wait();
        }
    }
}

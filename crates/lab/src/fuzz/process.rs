//! A peer that we start ourselves, and restart when it has gone.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard};

/// A shell command that runs one peer at a time. Dropping it ends the running peer.
#[derive(Debug)]
pub struct Process {
    command: String,
    /// Where its output goes; `None` discards it.
    log: Option<PathBuf>,
    running: Mutex<Option<Child>>,
}

impl Process {
    /// Creates a process that is not started yet. Output is appended to `log`.
    pub fn new(command: impl Into<String>, log: Option<PathBuf>) -> Self {
        Self { command: command.into(), log, running: Mutex::new(None) }
    }

    /// Starts the process if it does not run.
    ///
    /// # Errors
    ///
    /// Fails if there is no shell, or the log cannot be written.
    pub fn start(&self) -> io::Result<()> {
        let mut running = self.lock();
        if let Some(child) = &mut *running
            && child.try_wait()?.is_none()
        {
            return Ok(());
        }
        let (out, err) = match &self.log {
            Some(log) => {
                let file = OpenOptions::new().create(true).append(true).open(log)?;
                (Stdio::from(file.try_clone()?), Stdio::from(file))
            }
            None => (Stdio::null(), Stdio::null()),
        };
        let mut command = Command::new("sh");
        // This pipe is never written to: some peers end with their input, and so with us.
        command.args(["-c", &self.command]).stdin(Stdio::piped()).stdout(out).stderr(err);
        // It gets its own process group: Ctrl-C is for us only, and what the shell starts ends with the shell.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        *running = Some(command.spawn()?);
        Ok(())
    }

    /// Returns how the process ended; `None` if it runs or was never started.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.lock().as_mut()?.try_wait().ok().flatten()
    }

    /// Returns the id of the running process: that of the shell, unless the shell became the peer.
    pub fn id(&self) -> Option<u32> {
        let mut running = self.lock();
        let child = running.as_mut()?;
        child.try_wait().is_ok_and(|status| status.is_none()).then(|| child.id())
    }

    /// Ends the process.
    pub fn stop(&self) {
        let Some(mut child) = self.lock().take() else { return };
        if child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        #[cfg(unix)]
        {
            let kill = format!("kill -9 -{}", child.id());
            let _ =
                Command::new("sh").args(["-c", &kill]).stdin(Stdio::null()).stderr(Stdio::null()).status();
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns whether a process ended in a way that no process chooses.
pub(super) fn is_crash(status: ExitStatus) -> bool {
    #[cfg(unix)]
    return std::os::unix::process::ExitStatusExt::signal(&status).is_some();
    #[cfg(not(unix))]
    return !status.success();
}

/// Returns how many bytes of memory a process holds.
///
/// # Errors
///
/// Fails if the system does not say.
pub fn resident(pid: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other(format!("process {pid} holds no memory: it has ended")))
}

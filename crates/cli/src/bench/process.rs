//! What a run costs this process, and the server's process if that runs on the same machine (Linux).

use std::fs;
use std::time::Duration;

/// What processes had used when a stretch began.
pub(super) struct Meter {
    server: Option<u32>,
    client_then: Option<Duration>,
    server_then: Option<Duration>,
}

/// What processes have used in a stretch; `None` if the system does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) client: Option<Duration>,
    pub(super) server: Option<Duration>,
    /// The memory of the server in bytes.
    pub(super) server_resident: Option<u64>,
}

impl Meter {
    pub(super) fn start(server: Option<u32>) -> Self {
        let server_then = server.and_then(|pid| cpu(&pid.to_string()));
        Self { server, client_then: cpu("self"), server_then }
    }

    pub(super) fn stop(&self) -> Cost {
        let since = |then: Option<Duration>, now: Option<Duration>| Some(now?.saturating_sub(then?));
        Cost {
            client: since(self.client_then, cpu("self")),
            server: since(self.server_then, self.server.and_then(|pid| cpu(&pid.to_string()))),
            server_resident: self.server.and_then(resident),
        }
    }
}

/// Returns the CPU time of all threads of a process.
fn cpu(process: &str) -> Option<Duration> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten() {
        // A thread may end meanwhile.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        total += text.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(total))
}

/// Returns how many bytes of memory a process holds.
pub(super) fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        assert!(resident(std::process::id()).unwrap() > 1 << 16);
        assert!(cpu("self").unwrap() > Duration::ZERO);
        assert_eq!(resident(u32::MAX), None);
    }
}

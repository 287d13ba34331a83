//! HAProxy and nginx on free ports, with folders of their own.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::installed::skip;
use super::support::peer::PATIENCE;
use super::support::port::reserved;
use super::support::workspace;

/// A proxy that ends with its test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: PathBuf,
}

/// Where docs/deploy has its servers and its proxy.
const SERVERS: [&str; 3] = ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"];
const FRONT: &str = "127.0.0.1:8080";

impl Proxy {
    /// Runs the proxy of a file of docs/deploy in front of `servers`, at most three, which replace the three of the
    /// file. `change` may alter the file. `None` if the proxy is not installed.
    pub(crate) fn start(
        file: &str,
        servers: &[SocketAddr],
        change: impl FnOnce(String) -> String,
    ) -> Option<Self> {
        let program = if file.starts_with("haproxy") { "haproxy" } else { "nginx" };
        if Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            skip(program, "apt-get install haproxy nginx libnginx-mod-stream");
            return None;
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("bowsprit-proxy-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let address = reserved();
        let mut text = fs::read_to_string(workspace().join("docs/deploy").join(file)).unwrap();
        for (at, known) in SERVERS.iter().enumerate() {
            match servers.get(at) {
                Some(server) => text = text.replace(known, &server.to_string()),
                None => {
                    text = text
                        .lines()
                        .filter(|line| !line.contains(known) || line.starts_with('#'))
                        .fold(String::new(), |all, line| all + line + "\n")
                }
            }
        }
        text = change(text.replace(FRONT, &address.to_string()));
        let config = folder.join(file);
        let mut command = Command::new(program);
        if program == "haproxy" {
            command.arg("-db").arg("-f").arg(&config);
        } else {
            // It must not need the folders of the system's own.
            let own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("{kind}_temp_path {}/{kind};", folder.display()));
            text = text.replace("http {", &format!("http {{ {}", own.concat()));
            let global = format!("daemon off; pid {}/pid;", folder.display());
            command
                .arg("-p")
                .arg(&folder)
                .arg("-e")
                .arg("stderr")
                .arg("-c")
                .arg(&config)
                .arg("-g")
                .arg(global);
        }
        fs::write(&config, text).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        Some(Self { address, child, folder }.up())
    }

    /// Waits until it accepts connections, which no event announces.
    fn up(mut self) -> Self {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!(
                    "it has ended with {status}: {}",
                    fs::read_to_string(self.folder.join("stderr")).unwrap()
                );
            }
            assert!(Instant::now() < until, "the proxy does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        self
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // To nginx SIGKILL would leave its workers behind.
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

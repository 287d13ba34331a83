//! A Unix-domain socket that is ours while we listen on it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use bowsprit::event_loop::ListenSocket;

/// The path, with the device and inode of our socket, unless somebody has replaced it.
#[derive(Debug)]
pub(crate) struct OwnPath {
    path: PathBuf,
    file: (u64, u64),
}

impl OwnPath {
    /// Listens on the path. A socket that nobody listens on, as left behind by a server that was killed, is replaced.
    ///
    /// # Errors
    ///
    /// Returns the error of the system; that the path is in use if somebody listens there or it is not a socket.
    pub(crate) fn listen(path: &Path) -> io::Result<(ListenSocket, Self)> {
        let socket = match ListenSocket::unix(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let found = fs::symlink_metadata(path)?;
                if !found.file_type().is_socket() {
                    let kind = io::ErrorKind::AlreadyExists;
                    return Err(io::Error::new(kind, "there is something else that is no socket"));
                }
                match UnixStream::connect(path) {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    _ => return Err(error),
                }
                remove(path, id(&found))?;
                ListenSocket::unix(path)?
            }
            other => other?,
        };
        let own = Self { path: path.to_owned(), file: id(&fs::symlink_metadata(path)?) };
        Ok((socket, own))
    }
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        let _ = remove(&self.path, self.file); // somebody else was faster
    }
}

/// Removes the path if it is this file.
fn remove(path: &Path, file: (u64, u64)) -> io::Result<()> {
    if id(&fs::symlink_metadata(path)?) == file { fs::remove_file(path) } else { Ok(()) }
}

fn id(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

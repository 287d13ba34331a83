//! A socket in the file system that is ours while we listen on it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use bowsprit::event_loop::ListenSocket;

/// The path, and what lies there if nobody has changed it: device and inode.
#[derive(Debug)]
pub(crate) struct OwnPath {
    path: PathBuf,
    file: (u64, u64),
}

impl OwnPath {
    /// Listens there. What a server that was killed has left behind is replaced: a socket that nobody listens on.
    ///
    /// # Errors
    ///
    /// What the system says; that it is in use, where somebody listens there or it is no socket.
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

/// Removes what lies there if it is this file.
fn remove(path: &Path, file: (u64, u64)) -> io::Result<()> {
    if id(&fs::symlink_metadata(path)?) == file { fs::remove_file(path) } else { Ok(()) }
}

fn id(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

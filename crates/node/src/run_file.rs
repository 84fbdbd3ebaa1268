//! `run.json` in the data folder: where a running server can be reached, for the command line. And the lock that keeps a second
//! server out of the folder.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What the file tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The server's process.
    pub pid: u32,
    /// Where its API is.
    pub http: SocketAddr,
    /// Where it listens for SIP.
    pub sip: Vec<SocketAddr>,
}

impl Running {
    /// Of the server that uses a data folder. `None` if none runs there.
    pub fn read(data_dir: &Path) -> Option<Self> {
        let running: Self = serde_json::from_str(&std::fs::read_to_string(path(data_dir)).ok()?).ok()?;
        // A file that a killed server left behind names a process that is gone.
        Path::new(&format!("/proc/{}", running.pid)).exists().then_some(running)
    }

    /// Its API as seen from this host.
    pub fn base(&self) -> String {
        format!("http://{}", reachable(self.http))
    }
}

/// An address to connect to instead of a wildcard.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

/// The file, for as long as the server runs.
#[derive(Debug)]
pub struct RunFile(PathBuf);

impl RunFile {
    /// Writes it.
    pub fn write(data_dir: &Path, http: SocketAddr, sip: &[SocketAddr]) -> io::Result<Self> {
        let running = Running { pid: std::process::id(), http, sip: sip.to_vec() };
        let path = path(data_dir);
        // Whole or not at all: somebody may be waiting for it.
        let draft = path.with_extension("json.new");
        std::fs::write(&draft, serde_json::to_vec(&running)?)?;
        std::fs::rename(&draft, &path)?;
        Ok(Self(path))
    }

    /// Removes it.
    pub fn remove(self) {
        // If it cannot be removed, its pid tells that it is stale.
        let _ = std::fs::remove_file(self.0);
    }
}

/// Takes the folder for this process; the lock goes when the file is closed, also by `kill -9`.
pub fn lock(data_dir: &Path) -> Result<File, String> {
    let path = data_dir.join("lock");
    let file = File::create(&path).map_err(|e| format!("creating {}: {e}", path.display()))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        format!("another Patchbay is running with {}; stop it, or set another data_dir", data_dir.display())
    })?;
    Ok(file)
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("run.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_server_is_found_and_a_dead_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Running::read(dir.path()), None);
        let http = "0.0.0.0:9999".parse().unwrap();
        let file = RunFile::write(dir.path(), http, &[http]).unwrap();
        assert_eq!(Running::read(dir.path()).unwrap().base(), "http://127.0.0.1:9999");
        let dead = Running { pid: u32::MAX, http, sip: Vec::new() };
        std::fs::write(path(dir.path()), serde_json::to_vec(&dead).unwrap()).unwrap();
        assert_eq!(Running::read(dir.path()), None);
        file.remove();
        assert!(!path(dir.path()).exists());
    }

    #[test]
    fn a_folder_has_one_server() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        assert!(lock(dir.path()).unwrap_err().contains("another Patchbay is running"));
        drop(held);
        assert!(lock(dir.path()).is_ok());
    }
}

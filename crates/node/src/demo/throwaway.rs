//! A server of the demo's own: another process of this program, on free ports, with data that go with it.

use crate::cli::Trouble;
use crate::config::{Config, PortRange};
use crate::run_file::Running;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server must be ready, or have ended, by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Dropped, it is killed, and its folder is removed.
pub(super) struct Throwaway {
    process: Child,
    config: Config,
    running: Running,
    dir: PathBuf,
    keep: bool,
}

impl Throwaway {
    /// Starts it and waits until it is ready.
    pub(super) fn start(keep: bool) -> Result<Self, Trouble> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| Trouble(format!("the system gives no randomness: {e}")))?;
        let random = u64::from_le_bytes(random);
        let dir = std::env::temp_dir().join(format!("patchbay-demo-{random:016x}"));
        std::fs::create_dir(&dir).map_err(|e| Trouble(format!("making {}: {e}", dir.display())))?;
        // Any place will do; ports in use are skipped.
        let first = 20_000 + (random % 100) as u16 * 100;
        let mut config = Config { data_dir: dir.join("data"), ..Config::default() };
        config.media.ports = PortRange { first, last: first + 199 };
        let log = File::create(dir.join("log")).map_err(|e| Trouble(e.to_string()))?;
        let program = std::env::current_exe().map_err(|e| Trouble(format!("finding this program: {e}")))?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with(crate::config::ENV_PREFIX)) {
            command.env_remove(name);
        }
        command
            .current_dir(&dir)
            .env("PATCHBAY_DATA_DIR", &config.data_dir)
            .env("PATCHBAY_SIP__LISTEN", "127.0.0.1:0")
            .env("PATCHBAY_HTTP__LISTEN", "127.0.0.1:0")
            .env("PATCHBAY_MEDIA__PORTS", config.media.ports.to_string())
            .env("PATCHBAY_CALL__DRAIN_SECONDS", "1")
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let process = command.spawn().map_err(|e| Trouble(format!("starting a server: {e}")))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let running = Running { pid: process.id(), http: nowhere, sip: Vec::new() };
        let mut server = Self { process, config, running, dir, keep };
        server.running = server.ready()?;
        Ok(server)
    }

    fn ready(&mut self) -> Result<Running, Trouble> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(running) = Running::read(&self.config.data_dir) {
                return Ok(running);
            }
            let ended = self.process.try_wait().map_err(|e| Trouble(e.to_string()))?;
            if ended.is_some() || Instant::now() >= until {
                return Err(Trouble(format!("the throw-away server did not start:\n{}", self.log())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) fn sip(&self) -> SocketAddr {
        self.running.sip.first().copied().unwrap_or(self.running.http)
    }

    pub(super) fn base(&self) -> String {
        self.running.base()
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Tells it to stop, and sees whether it ended well and had nothing to blame itself for.
    pub(super) fn stop(mut self) -> Result<(), Trouble> {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(|e| Trouble(format!("stopping the server: {e}")))?;
        let until = Instant::now() + PATIENCE;
        let status = loop {
            match self.process.try_wait().map_err(|e| Trouble(e.to_string()))? {
                Some(status) => break status,
                None if Instant::now() >= until => {
                    return Err(Trouble("the throw-away server did not stop".to_owned()));
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let log = self.log();
        if !status.success() || log.contains(" ERROR ") {
            return Err(Trouble(format!("the throw-away server ended with {status}:\n{log}")));
        }
        if self.keep {
            crate::cli::say(&format!("data kept in {}", self.dir.display()));
        }
        Ok(())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        // It has ended already unless something failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

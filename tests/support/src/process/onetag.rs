//! The proxy as a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;

use super::child::Running;
use super::run::without_settings;

const START_LIMIT: Duration = Duration::from_secs(15);
const REGISTRY_LINE: &str = "registry listening on ";
const ADMIN_LINE: &str = "admin listening on ";

/// A running `onetag serve`; killed and reaped when dropped.
pub struct Onetag {
    running: Running,
    url: String,
    admin_url: String,
}

impl Onetag {
    /// Starts `BIN serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 ARGS` (an address that `args` sets itself is
    /// not set before) and waits until both listeners are ready. No `ONETAG_*` variable of the caller reaches it.
    pub fn start(bin: &Path, args: &[&str]) -> Self {
        Self::start_with(bin, args, &[])
    }

    /// The same with these environment variables.
    pub fn start_with(bin: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(bin);
        command.arg("serve");
        for option in ["--listen", "--admin"] {
            if !args.iter().any(|arg| *arg == option || arg.starts_with(&format!("{option}="))) {
                command.args([option, "127.0.0.1:0"]);
            }
        }
        command.args(args);
        without_settings(&mut command).envs(env.iter().copied());
        let (mut url, mut admin_url) = (None, None);
        let running = Running::start(command, START_LIMIT, |line| {
            if let Some(found) = line.strip_prefix(REGISTRY_LINE) {
                url = Some(found.trim().to_owned());
            } else if let Some(found) = line.strip_prefix(ADMIN_LINE) {
                admin_url = Some(found.trim().to_owned());
            }
            url.is_some() && admin_url.is_some()
        });
        let (url, admin_url) = (url.expect("seen above"), admin_url.expect("seen above"));
        Self { running, url, admin_url }
    }

    /// The registry listener, `http://ADDR`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The admin listener, `http://ADDR`.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The address of the registry listener.
    pub fn address(&self) -> SocketAddr {
        let (_scheme, address) = self.url.split_once("://").expect("a URL");
        address.parse().unwrap_or_else(|error| panic!("{address} is no address: {error}"))
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Standard output so far.
    pub fn stdout_text(&self) -> String {
        self.running.stdout()
    }

    /// Standard error so far.
    pub fn stderr_text(&self) -> String {
        self.running.stderr()
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&mut self) {
        self.running.signal(Signal::TERM);
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        self.running.signal(Signal::KILL);
    }

    /// Asks it to read its configuration again (SIGHUP).
    pub fn hang_up(&mut self) {
        self.running.signal(Signal::HUP);
    }

    /// Halts it (SIGSTOP), until [`Self::resume`].
    pub fn halt(&mut self) {
        self.running.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&mut self) {
        self.running.signal(Signal::CONT);
    }

    /// Waits for its end; panics with its output when that takes longer than `patience`.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        self.running.wait(patience)
    }
}

//! A daemon for the time of one test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use super::command::loopback_only;

const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// A daemon that a test started; dropping it ends it by its pid.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `program` with its output in `log`, and waits until `ready` says yes.
    ///
    /// # Panics
    /// With the log, if it ends or is not ready in time.
    pub(crate) fn start(program: &str, args: &[String], log: &Path, ready: impl Fn() -> bool) -> Self {
        let output = File::create(log).expect("the log is created");
        // A test process that is killed drops nothing: the kernel then ends the daemon.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", program]).args(args);
        command.stdout(output.try_clone().expect("the log is shared")).stderr(output);
        loopback_only(&mut command);
        let child = command.spawn().expect("setpriv starts");
        let mut daemon = Self { child, log: log.to_owned() };
        assert!(daemon.comes_up(ready), "{program} did not come up:\n{}", daemon.log_text());
        daemon
    }

    fn comes_up(&mut self, ready: impl Fn() -> bool) -> bool {
        wait_until(START, || self.has_ended() || ready()) && !self.has_ended()
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }

    fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to end. Not SIGKILL: dockerd takes its own containerd down and unmounts its directory.
    fn terminate(&self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.terminate();
        }
        if !wait_until(STOP, || self.has_ended()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Whether `condition` came true within `limit`.
fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

//! Programs under load: started on their cores, watched, always stopped.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use rustix::process::{Pid, Signal, kill_process};

use crate::cores;
use crate::error::Error;
use crate::leftovers;

/// How long a program may take to start.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long it may take to stop when asked.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// Ticks of the processor's clock in a second, as `/proc` counts (`proc(5)`; 100 on every Linux in use).
const TICKS: u32 = 100;

/// A running program; stopped and reaped when dropped.
pub(crate) struct Server {
    name: String,
    child: Child,
    /// From its start to the last line that was waited for.
    pub(crate) started_in: Duration,
}

/// What a program and its children have used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time of user and system, in steps of 10 ms.
    pub(crate) cpu: Duration,
    /// Resident memory in bytes. What processes share is counted for each.
    pub(crate) rss: u64,
}

impl Server {
    /// Starts a program on some cores (none: all) and waits until a line of what it writes is the last that
    /// `ready` needs; what it writes to standard error counts as well.
    pub(crate) fn start(
        mut command: Command,
        cores: &[usize],
        mut ready: impl FnMut(&str) -> bool,
    ) -> Result<Self, Error> {
        let name =
            Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let failed = |why: String| Error::Start(name.clone(), why);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begin = Instant::now();
        let child = on_cores(cores, || command.spawn()).map_err(|error| failed(error.to_string()))?;
        leftovers::started(child.id());
        let mut server = Self { name: name.clone(), child, started_in: Duration::ZERO };
        let (lines, read) = mpsc::channel();
        forward(server.child.stdout.take(), lines.clone());
        forward(server.child.stderr.take(), lines);
        let mut last = String::new();
        loop {
            let left = START_LIMIT.saturating_sub(begin.elapsed());
            match read.recv_timeout(left) {
                Ok(line) if ready(&line) => break,
                Ok(line) => last = line,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return Err(failed(format!("not ready in time: {last}")));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(failed(last)),
            }
        }
        server.started_in = begin.elapsed();
        // Whoever is not listened to any more would block.
        thread::spawn(move || read.into_iter().for_each(drop));
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it end by itself; whether it did in time.
    pub(crate) fn end(mut self, within: Duration) -> bool {
        self.ask_to_end(within)
    }

    fn ask_to_end(&mut self, within: Duration) -> bool {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).ok();
        }
        let until = Instant::now() + within;
        while Instant::now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        usage(self.pid())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        leftovers::ended(self.pid());
        if matches!(self.child.try_wait(), Ok(Some(_))) || self.ask_to_end(STOP_LIMIT) {
            return;
        }
        eprintln_line(&format!("{} did not stop, and is killed", self.name));
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn eprintln_line(text: &str) {
    use io::Write as _;
    writeln!(io::stderr(), "{text}").ok();
}

fn forward(from: Option<impl io::Read + Send + 'static>, lines: mpsc::Sender<String>) {
    if let Some(from) = from {
        thread::spawn(move || {
            for line in BufReader::new(from).lines() {
                let Ok(line) = line else { return };
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
    }
}

/// Does something with this thread on some cores; processes that it starts stay there.
fn on_cores<T>(wanted: &[usize], act: impl FnOnce() -> T) -> T {
    let before = cores::available();
    if wanted.is_empty() {
        return act();
    }
    cores::pin(wanted);
    let done = act();
    cores::pin(&before);
    done
}

/// Whether there is such a process.
pub(crate) fn exists(pid: u32) -> bool {
    usage_of(pid).is_some()
}

/// What a process and all below it have used.
pub(crate) fn usage(pid: u32) -> Usage {
    let mut sum = usage_of(pid).unwrap_or_default();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        let child = usage(child);
        sum.cpu += child.cpu;
        sum.rss += child.rss;
    }
    sum
}

/// What this process has used, without its children.
pub(crate) fn own_usage() -> Usage {
    usage_of(std::process::id()).unwrap_or_default()
}

fn usage_of(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; state, the 3rd field, follows it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user: u32 = fields.nth(11)?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = rss.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Usage { cpu: Duration::from_secs(1) * (user + system) / TICKS, rss: kib << 10 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_awaited_measured_and_stopped() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo starting; echo ready; exec sleep 60"]);
        let server = Server::start(command, &[], |line| line == "ready").unwrap();
        let pid = server.pid();
        let began = Instant::now();
        while server.usage().rss < 100_000 {
            assert!(began.elapsed() < START_LIMIT, "it has no memory");
        }
        drop(server);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn what_does_not_start_says_why() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'the port is taken' >&2; exit 1"]);
        let error = Server::start(command, &[], |_| false).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("sh did not start: the port is taken"));
    }
}

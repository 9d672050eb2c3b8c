//! A child process with its output collected.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// At most so much of a program's output is kept; the rest is read and dropped.
const LOG_LIMIT: usize = 16 << 20;

/// A running program. It is killed and reaped when dropped.
pub(super) struct Running {
    name: String,
    child: Child,
    stdout: Log,
    stderr: Log,
}

/// What a program has written to one stream so far, and the thread that reads it.
struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Running {
    /// Starts `command` and waits until a line of its output satisfies `ready`, which may take up to `patience`.
    pub(super) fn start(command: Command, patience: Duration, mut ready: impl FnMut(&str) -> bool) -> Self {
        let (mut running, seen) = Self::spawn(command);
        running.await_line(&seen, patience, &mut ready);
        running
    }

    /// Runs `command` to its end, which may take up to `patience`.
    pub(super) fn to_end(command: Command, patience: Duration) -> Output {
        let (mut running, _lines) = Self::spawn(command);
        let status = running.wait(patience);
        Output { status, stdout: running.stdout.bytes(), stderr: running.stderr.bytes() }
    }

    fn spawn(mut command: Command) -> (Self, Receiver<String>) {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            spawned(&mut command).unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (lines, seen) = mpsc::channel();
        let stdout = Log::collecting(child.stdout.take().expect("stdout is piped"), lines.clone());
        let stderr = Log::collecting(child.stderr.take().expect("stderr is piped"), lines);
        (Self { name, child, stdout, stderr }, seen)
    }

    fn await_line(
        &mut self,
        seen: &Receiver<String>,
        patience: Duration,
        ready: &mut dyn FnMut(&str) -> bool,
    ) {
        let deadline = Instant::now() + patience;
        loop {
            match seen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if ready(&line) => return,
                Ok(_) => {}
                Err(error) => panic!("{} is not ready ({error}); it wrote:\n{}", self.name, self.log()),
            }
        }
    }

    /// Standard output so far, then standard error so far.
    pub(super) fn log(&self) -> String {
        format!("{}{}", self.stdout.text(), self.stderr.text())
    }

    pub(super) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(super) fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; to a child that was reaped already none is sent, its number may be another's by now.
    pub(super) fn signal(&mut self, signal: Signal) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
            kill_process(pid, signal)
                .unwrap_or_else(|error| panic!("{} cannot be signalled: {error}", self.name));
        }
    }

    /// Waits for the end, and for the output to be read.
    pub(super) fn wait(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                self.stdout.settle();
                self.stderr.settle();
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} still runs after {patience:?}; it wrote:\n{}",
                self.name,
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A program that a test has just written is "busy" as long as a fork of another test's thread holds the
/// descriptor that it was written through, which is until that fork's exec.
fn spawned(command: &mut Command) -> io::Result<Child> {
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a child that has been reaped.
        let _dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Log {
    /// Reads `source` to its end on a thread of its own, passing each line on as well.
    fn collecting(source: impl Read + Send + 'static, lines: Sender<String>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() + line.len() <= LOG_LIMIT {
                    kept.extend_from_slice(&line);
                }
                let _no_longer_read = lines.send(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
        Self { bytes, reader }
    }

    /// Waits for the reader to see the end of a program that has ended; not for long, because a program that it
    /// left behind may hold the stream open.
    fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(1);
        while !self.reader.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}

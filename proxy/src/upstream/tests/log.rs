//! The log of one thread, captured.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

/// As long as it lives, the log is captured.
pub(super) struct Captured {
    _default: DefaultGuard,
    /// Where there is but one subscriber, tracing asks that of the thread alone that comes to a line first:
    /// another test would silence the line for this one.
    _second: Dispatch,
}

impl Log {
    /// Captures what this thread logs, at every level, until the guard is dropped.
    pub(super) fn capture_everything(&self) -> Captured {
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(self.clone());
        let default = tracing::subscriber::set_default(log.with_ansi(false).finish());
        Captured { _default: default, _second: Dispatch::new(NoSubscriber::new()) }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

//! What has to go when the program is interrupted: the processes that it started, and its folders. Without that they
//! go by themselves, with what they belong to.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Default)]
struct Leftovers {
    processes: Vec<u32>,
    folders: Vec<PathBuf>,
}

static ALL: Mutex<Leftovers> = Mutex::new(Leftovers { processes: Vec::new(), folders: Vec::new() });

fn all() -> MutexGuard<'static, Leftovers> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process was started.
pub(crate) fn started(pid: u32) {
    all().processes.push(pid);
}

/// It has ended; another may have its number from now on.
pub(crate) fn ended(pid: u32) {
    all().processes.retain(|process| *process != pid);
}

/// A folder was made.
pub(crate) fn made(folder: &Path) {
    all().folders.push(folder.to_owned());
}

/// From now on SIGINT, SIGTERM and SIGHUP end the program, and nothing of it stays.
pub(crate) fn watch() {
    thread::spawn(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let code = runtime.block_on(async {
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else {
                return std::future::pending().await;
            };
            tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
                _ = hangup.recv() => 129,
            }
        });
        let Leftovers { processes, folders } = std::mem::take(&mut *all());
        for pid in processes.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            kill_process(pid, Signal::KILL).ok();
        }
        // What was just killed may still write for a moment.
        for _ in 0..10 {
            if folders.iter().all(|folder| fs::remove_dir_all(folder).is_ok() || !folder.exists()) {
                break;
            }
            thread::sleep(std::time::Duration::from_millis(20));
        }
        std::process::exit(code);
    });
}

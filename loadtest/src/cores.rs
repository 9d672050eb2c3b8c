//! Which cores a thread, and what it starts, may run on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this thread may run on.
pub(crate) fn available() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect(),
        Err(_) => Vec::new(),
    }
}

/// Keeps this thread, and the processes and threads that it starts from now on, to these cores; whether the system
/// let it.
pub(crate) fn pin(cores: &[usize]) -> bool {
    let mut set = CpuSet::new();
    for core in cores.iter().filter(|core| **core < CpuSet::MAX_CPU) {
        set.set(*core);
    }
    sched_setaffinity(None, &set).is_ok()
}

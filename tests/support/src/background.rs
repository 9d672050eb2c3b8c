//! The runtime on which all servers of the kit live.
//!
//! A runtime of its own lets a test block its thread (a synchronous `docker pull`, say) while the
//! registries go on answering.

use std::sync::{LazyLock, mpsc};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("testkit")
        .enable_all()
        .build()
        .expect("a runtime for the test servers")
});

/// Runs `task` on the kit's runtime.
pub(crate) fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    RUNTIME.spawn(task)
}

/// Runs `task` to its end on the kit's runtime while the calling thread waits; for tests that are not
/// async, and callable from async ones too.
pub fn wait_for<F>(task: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let (answer, waiting) = mpsc::sync_channel(1);
    spawn(async move {
        let _gone = answer.send(task.await);
    });
    waiting.recv().expect("the task panicked; its message stands above")
}

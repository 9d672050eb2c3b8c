use std::time::{Duration, Instant};

/// The longest that anything is waited for.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks until the answer is yes; panics when it still is no after 10 s.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + LIMIT;
    while !holds().await {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

//! What onetag tells its operator: metrics, logs, request ids.

mod logs;
mod metrics;

pub use logs::init_logs;
pub use metrics::{Metrics, Route, TagAnswer, UpstreamKind, UpstreamOutcome};

//! What onetag tells its operator: metrics, logs, request ids.

mod logs;
mod measured;
mod metrics;
mod request_id;

pub use logs::init_logs;
pub use measured::Measured;
pub use metrics::{
    BlobAnswer, ConnectionClose, Metrics, NotificationOutcome, Route, TagAnswer, UpstreamKind,
    UpstreamOutcome,
};
pub use request_id::RequestId;

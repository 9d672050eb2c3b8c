use serde::{Deserialize, Serialize};

use crate::value::{LogFilter, LogFormat};

/// The section `[log]`: what is logged, and in which form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How a line of the log looks.
    pub format: LogFormat,
    /// Which events are logged.
    pub level: LogFilter,
}

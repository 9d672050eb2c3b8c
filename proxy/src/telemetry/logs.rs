//! Structured logs: text for people, JSON for machines, always on standard error.

use std::io::IsTerminal;

use onetag_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Sets up the process's logs. To be called once.
///
/// Fails when the level is no filter expression.
pub fn init_logs(log: &Log) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(log.level.as_str())?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would tell of a log that cannot be written on that very log, and panic: a full log disk must
        // not cost a pull.
        .log_internal_errors(false);
    match log.format {
        LogFormat::Json => {
            logs.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
        }
        LogFormat::Auto | LogFormat::Text => {
            logs.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
        }
    }
    Ok(())
}

//! From the process's arguments to its exit code.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

use super::args::{Arguments, Command};
use super::{check, client_config, healthcheck, inspect, serve, warm};

/// How a command ended, beyond success.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be done: exit code 1.
    Failed(String),
    /// Wrong usage or configuration: exit code 2.
    Usage(String),
    /// Done, with findings that need a person: exit code 3.
    Findings,
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
impl Failure {
    /// A wrong setting, argument or environment.
    pub(super) fn usage(error: impl ToString) -> Self {
        Self::Usage(error.to_string())
    }

    /// Something that should have worked.
    pub(super) fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) | Self::Usage(message) => f.write_str(message),
            Self::Findings => f.write_str("there are findings"),
        }
    }
}

/// Runs the command that the process's arguments name.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 findings that need a person.
pub fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Inspect(arguments) => inspect::inspect(&arguments),
        Command::Warm(arguments) => warm::warm(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::ClientConfig(arguments) => client_config::client_config(&arguments),
        Command::Healthcheck(arguments) => healthcheck::healthcheck(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(message)) => tell(&message, 1),
        Err(Failure::Usage(message)) => tell(&message, 2),
        Err(Failure::Findings) => ExitCode::from(3),
    }
}

fn tell(message: &str, code: u8) -> ExitCode {
    // There is nobody left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "onetag: {message}");
    ExitCode::from(code)
}

/// Writes to standard output; a reader that went away (`onetag inspect | head`) is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

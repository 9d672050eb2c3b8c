//! A command that is run to its end.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use super::child::Running;

const LIMIT: Duration = Duration::from_secs(30);

/// Runs `bin` with `args` and `env`, without the caller's `ONETAG_*` variables; panics after 30 s.
pub fn run(bin: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(bin);
    command.args(args);
    without_settings(&mut command).envs(env.iter().copied());
    Running::to_end(command, LIMIT)
}

/// Takes the settings of whoever runs the tests out of the command's environment.
pub(super) fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ONETAG_") {
            command.env_remove(name);
        }
    }
    command
}

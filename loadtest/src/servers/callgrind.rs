//! Programs whose instructions are counted by valgrind's callgrind: the same number on every machine, or nearly so.
//! What the kernel does for a program is not in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::machine;
use crate::error::Error;

/// The same program, counted: what was counted is written to a file when it ends.
pub(super) fn counted(program: &Command, counts: &Path) -> Result<Command, Error> {
    let mut command = Command::new(machine::program("valgrind")?);
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", counts.display()));
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Ok(command)
}

/// The instructions that a program took that has ended.
pub(crate) fn read(counts: &Path) -> Result<u64, Error> {
    let text = fs::read_to_string(counts).map_err(Error::io(counts.display().to_string()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.ok_or_else(|| Error::Io(counts.display().to_string(), std::io::ErrorKind::InvalidData.into()))
}

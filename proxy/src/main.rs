//! The program `onetag`.

use std::process::ExitCode;

fn main() -> ExitCode {
    onetag::cli::run()
}

//! `onetag check`: a configuration file, judged before it is used.

use onetag_config::Config;

use super::args::CheckArguments;
use super::exit::{Failure, print};
use super::settings;

pub(super) fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let config = Config::load(&arguments.file).map_err(Failure::usage)?;
    settings::validate(&config)?;
    if arguments.print {
        print(&config.print())
    } else {
        print(&format!("{}: this configuration can be used\n", arguments.file.display()))
    }
}

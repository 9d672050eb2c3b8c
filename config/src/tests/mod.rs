mod defaults;
mod examples;
mod files;
mod kept;
mod messages;
mod registries;
mod rule_values;
mod rules;
mod secrets;
mod values;
mod warm;
mod webhook;
mod wrong_rules;

use std::path::Path;

use crate::{Config, ConfigError};

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("onetag.toml"))
}

/// The whole text of the error that a configuration gives.
fn refusal(text: &str) -> String {
    parse(text).map(|config| config.print()).expect_err("the text is wrong").to_string()
}

/// A configuration with nothing wrong in it.
fn valid() -> Config {
    parse("[upstream]\nurl = \"https://registry.example.com\"").unwrap()
}

//! Where a report goes: the terminal, a JSON file, a page.

use std::fs;

use super::data::Report;
use super::{html, table};
use crate::cli::Outputs;
use crate::error::Error;

/// Prints the table, and writes the files that are wanted.
pub(crate) fn publish(report: &Report, outputs: &Outputs) -> Result<(), Error> {
    use std::io::Write as _;
    let written = |path: &std::path::Path| Error::io(path.display().to_string());
    if let Some(path) = &outputs.json {
        let json = serde_json::to_vec_pretty(report).map_err(|error| Error::prepare("the report", error))?;
        fs::write(path, json).map_err(written(path))?;
    }
    if let Some(path) = &outputs.html {
        fs::write(path, html::page(report)?).map_err(written(path))?;
    }
    write!(std::io::stdout(), "{}", table::text(report)).map_err(Error::io("standard output"))?;
    Ok(())
}

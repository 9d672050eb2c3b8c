//! Where a report goes: the terminal, a JSON file, a page.

use std::fs;

use super::data::Report;
use super::{html, table};
use crate::cli::Outputs;
use crate::error::Error;

/// Writes the files that are wanted and prints the table; where one of them fails, the others are there.
pub(crate) fn publish(report: &Report, outputs: &Outputs) -> Result<(), Error> {
    use std::io::Write as _;
    let written = |path: &std::path::Path| Error::io(path.display().to_string());
    let json = outputs.json.as_ref().map_or(Ok(()), |path| {
        let json = serde_json::to_vec_pretty(report).map_err(|error| Error::prepare("the report", error))?;
        fs::write(path, json).map_err(written(path))
    });
    let html = outputs
        .html
        .as_ref()
        .map_or(Ok(()), |path| fs::write(path, html::page(report)?).map_err(written(path)));
    let text = write!(std::io::stdout(), "{}", table::text(report)).map_err(Error::io("standard output"));
    json.and(html).and(text)
}

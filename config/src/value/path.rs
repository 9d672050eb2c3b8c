use std::path::PathBuf;

use serde::Serializer;

/// Prints a path. One that came from a flag need not be UTF-8, and must not keep the rest from printing.
#[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
pub(crate) fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => serializer.collect_str(&path.display()),
        None => serializer.serialize_none(),
    }
}

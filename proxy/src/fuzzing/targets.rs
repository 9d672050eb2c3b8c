//! The targets by their names.

use super::{configuration, documents, merging};
use crate::{access, cache, registry, upstream};

/// Takes any bytes; tells whether they were accepted, so that there was something to check.
pub type Target = fn(&[u8]) -> bool;

/// All targets: each has a file in `fuzz/targets` and a folder in `fuzz/corpus` of this name.
pub const TARGETS: &[(&str, Target)] = &[
    ("accept", documents::accept),
    ("answer", upstream::fuzzing::answer),
    ("challenge", upstream::fuzzing::challenge),
    ("configuration", configuration::configuration),
    ("content_range", upstream::fuzzing::content_range),
    ("document", documents::document),
    ("endpoint", registry::fuzzing::endpoint),
    ("forwarded", registry::fuzzing::forwarded),
    ("host", registry::fuzzing::host),
    ("htpasswd", access::fuzzing::htpasswd),
    ("image_config", documents::image_config),
    ("link", registry::fuzzing::link),
    ("login", access::fuzzing::login),
    ("merge", merging::merge),
    ("notification", registry::fuzzing::notification),
    ("query", registry::fuzzing::query),
    ("range", registry::fuzzing::range),
    ("rules", configuration::rules),
    ("sealed_record", cache::fuzzing::sealed_record),
    ("tag_record", cache::fuzzing::tag_record),
    ("upload_name", registry::fuzzing::upload_name),
];

/// Runs the target of this name.
///
/// # Panics
///
/// Where a promise is broken, and where there is no such target.
pub fn run(name: &str, data: &[u8]) -> bool {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(data)
}

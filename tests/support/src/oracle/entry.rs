use std::cmp::{Ordering, Reverse};

use serde_json::{Map, Value};

use super::platform::Platform;

/// A runnable entry: its descriptor as it was listed (or made from its manifest), and its platform.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) descriptor: Map<String, Value>,
    pub(super) platform: Platform,
}

/// An entry that speaks about another.
#[derive(Clone, Debug)]
pub(super) struct Attestation {
    pub(super) descriptor: Map<String, Value>,
    pub(super) subject: String,
}

pub(super) fn digest(descriptor: &Map<String, Value>) -> &str {
    descriptor.get("digest").and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn media_type(descriptor: &Map<String, Value>) -> &str {
    descriptor.get("mediaType").and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn annotation<'a>(descriptor: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    descriptor.get("annotations")?.get(name)?.as_str()
}

impl Entry {
    pub(super) fn digest(&self) -> &str {
        digest(&self.descriptor)
    }

    /// Whether it is the zstd one of two twins (T5).
    pub(super) fn is_zstd(&self) -> bool {
        annotation(&self.descriptor, "io.github.containers.compression.zstd") == Some("true")
    }

    /// D2, among runnable entries.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let rank = |entry: &Self| match entry.platform.os.as_str() {
            "linux" => 0,
            "windows" => 1,
            _ => 2,
        };
        let key = |entry: &Self| {
            let Platform { os, architecture, version, features, .. } = entry.platform.clone();
            let variant = entry.platform.variant_rank().to_owned();
            let place = (rank(entry), os, architecture, variant);
            (place, Reverse(numbers(&version)), features, entry.is_zstd(), entry.digest().to_owned())
        };
        key(self).cmp(&key(other))
    }
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

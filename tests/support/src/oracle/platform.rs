//! The platform in the one spelling that is written (P3 to P9); equal platforms are spelled alike.

use serde_json::Value;

use super::token;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) os: String,
    pub(super) architecture: String,
    pub(super) variant: String,
    pub(super) version: String,
    pub(super) features: Vec<String>,
}

impl Platform {
    /// Reads the five fields of a config or of a descriptor's `platform`. `None`: there is no telling.
    pub(super) fn read(fields: &Value, word: Option<&str>) -> Option<Self> {
        fields.as_object()?;
        let os = lower(text(fields, "os")?);
        let os = if os == "macos" { "darwin".to_owned() } else { os };
        let stated = lower(text(fields, "architecture")?);
        let stated = if stated.is_empty() {
            word.and_then(token::architecture).unwrap_or_default().to_owned()
        } else {
            stated
        };
        let said = lower(text(fields, "variant")?);
        if os.is_empty() || stated.is_empty() {
            return None;
        }
        let (architecture, implied) = architecture(&stated);
        let said = implied.unwrap_or(&said);
        let variant = variant(architecture, said, word);
        Some(Self {
            os,
            architecture: architecture.to_owned(),
            variant,
            version: text(fields, "os.version")?.to_owned(),
            features: features(fields)?,
        })
    }

    /// Whether the word in the tag's name stands for this platform too (P8).
    pub(super) fn is_in(&self, word: Option<&str>) -> bool {
        word.is_none_or(|word| {
            token::set(word).iter().any(|(architecture, variant)| {
                self.architecture == *architecture && (variant.is_empty() || self.variant == *variant)
            })
        })
    }

    /// The variant as it orders: the baseline before all others.
    pub(super) fn variant_rank(&self) -> &str {
        if self.architecture == "arm64" && self.variant == "v8" { "" } else { &self.variant }
    }
}

/// A text field; empty when it is not there or null, `None` when it is no text.
fn text<'a>(fields: &'a Value, name: &str) -> Option<&'a str> {
    match fields.get(name) {
        None | Some(Value::Null) => Some(""),
        Some(value) => value.as_str(),
    }
}

fn features(fields: &Value) -> Option<Vec<String>> {
    match fields.get("os.features") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(|feature| feature.as_str().map(str::to_owned)).collect(),
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// The usual name of an architecture, and the variant that the unusual one implies.
fn architecture(stated: &str) -> (&str, Option<&'static str>) {
    match stated {
        "x86_64" | "x86-64" => ("amd64", None),
        "aarch64" => ("arm64", None),
        "i386" => ("386", None),
        "armhf" => ("arm", Some("v7")),
        "armel" => ("arm", Some("v6")),
        usual => (usual, None),
    }
}

fn variant(architecture: &str, said: &str, word: Option<&str>) -> String {
    let clean = match said {
        "armv7" => "v7",
        "armv8" => "v8",
        other => other,
    };
    let written = match (architecture, clean) {
        ("amd64", "v2" | "v3" | "v4" | "v5" | "v6" | "v7" | "v9") => clean,
        ("amd64", _) => "",
        ("arm64", "" | "8" | "v8" | "v8.0") | ("arm", "8") => "v8",
        ("arm", "") => token::arm_variant(word),
        ("arm", "5") => "v5",
        ("arm", "6") => "v6",
        ("arm", "7") => "v7",
        _ => clean,
    };
    written.to_owned()
}

//! The text of an index (D1), written by hand.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::entry::{Attestation, Entry};
use super::platform::Platform;

pub(super) fn index(
    media_type: &str,
    entries: &[Entry],
    extras: &[Map<String, Value>],
    attestations: &[Attestation],
) -> String {
    let extras = extras.iter().map(|extra| descriptor(extra, &stated(extra)));
    let entries = entries.iter().map(|entry| descriptor(&entry.descriptor, &platform(&entry.platform)));
    let attestations = attestations.iter().map(|attestation| {
        descriptor(&attestation.descriptor, r#"{"architecture":"unknown","os":"unknown"}"#)
    });
    let listed: Vec<String> = entries.chain(extras).chain(attestations).collect();
    format!(r#"{{"schemaVersion":2,"mediaType":{},"manifests":[{}]}}"#, quoted(media_type), listed.join(","))
}

fn descriptor(fields: &Map<String, Value>, platform: &str) -> String {
    let mut members = Vec::new();
    for name in ["mediaType", "digest", "size", "urls", "annotations", "data"] {
        members.extend(field(name, fields.get(name)));
    }
    if platform != "{}" {
        members.push(format!(r#""platform":{platform}"#));
    }
    members.extend(field("artifactType", fields.get("artifactType")));
    format!("{{{}}}", members.join(","))
}

fn platform(platform: &Platform) -> String {
    written([
        ("architecture", Some(&platform.architecture.as_str().into())),
        ("os", Some(&platform.os.as_str().into())),
        ("os.version", Some(&platform.version.as_str().into())),
        ("os.features", Some(&platform.features.clone().into())),
        ("variant", Some(&platform.variant.as_str().into())),
    ])
}

/// The platform as the descriptor has it.
fn stated(descriptor: &Map<String, Value>) -> String {
    let fields = ["architecture", "os", "os.version", "os.features", "variant"];
    written(fields.map(|name| (name, descriptor.get("platform").and_then(|platform| platform.get(name)))))
}

fn written(fields: [(&str, Option<&Value>); 5]) -> String {
    let fields = fields.into_iter().filter_map(|(name, value)| field(name, value));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// A field with its name; none when there is nothing in it.
fn field(name: &str, value: Option<&Value>) -> Option<String> {
    let written = match value? {
        Value::String(text) if !text.is_empty() => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Array(list) if !list.is_empty() => {
            let items: Vec<String> = list.iter().map(|item| quoted(item.as_str().expect("texts"))).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(map) if !map.is_empty() => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            let pair = |(key, value): (&String, &Value)| {
                format!("{}:{}", quoted(key), quoted(value.as_str().expect("texts")))
            };
            format!("{{{}}}", members.into_iter().map(pair).collect::<Vec<_>>().join(","))
        }
        _ => return None,
    };
    Some(format!("{}:{written}", quoted(name)))
}

pub(super) fn quoted(text: &str) -> String {
    let mut written = String::from('"');
    for character in text.chars() {
        match character {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\u{8}' => written.push_str("\\b"),
            '\u{c}' => written.push_str("\\f"),
            control if control < ' ' => {
                write!(written, "\\u{:04x}", u32::from(control)).expect("a string takes any text");
            }
            plain => written.push(plain),
        }
    }
    written + "\""
}

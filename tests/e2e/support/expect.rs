//! What is expected, written without a JSON library, so that a serialiser's habits cannot pass for a rule.

use testkit::client::Response;
use testkit::{Image, sha256};

/// An index of these entries, byte for byte.
pub(crate) fn index(media_type: &str, entries: &[String]) -> String {
    format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[{}]}}"#, entries.join(","))
}

/// The entry of an image for `os/architecture[/variant]`.
pub(crate) fn entry(image: &Image, platform: &str) -> String {
    let mut parts = platform.split('/');
    let mut part = || parts.next().unwrap_or_default();
    let (os, architecture, variant) = (part(), part(), part());
    let variant = if variant.is_empty() { String::new() } else { format!(r#","variant":"{variant}""#) };
    entry_json(image, "", &format!(r#"{{"architecture":"{architecture}","os":"{os}"{variant}}}"#))
}

/// The entry of an image with these annotations (none when empty) and this platform, both JSON.
pub(crate) fn entry_json(image: &Image, annotations: &str, platform: &str) -> String {
    let Image { media_type, manifest, .. } = image;
    let annotations =
        if annotations.is_empty() { String::new() } else { format!(r#","annotations":{annotations}"#) };
    let (digest, size) = (image.digest(), manifest.len());
    format!(
        r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}{annotations},"platform":{platform}}}"#
    )
}

/// Asserts that a response is 200 with these bytes and all that must stand in its headers.
#[track_caller]
pub(crate) fn served_as(response: &Response, media_type: &str, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.text(), String::from_utf8_lossy(bytes));
    assert_eq!(response.body, bytes);
    assert_eq!(response.header("content-type"), Some(media_type));
    assert_eq!(response.header("content-length"), Some(&*bytes.len().to_string()));
    assert_eq!(response.header("docker-content-digest"), Some(&*sha256(bytes)));
    assert_eq!(response.header("content-encoding"), None);
}

/// Asserts that a response is a refusal in the form of the distribution specification; its status, code and
/// message.
#[track_caller]
pub(crate) fn refusal(response: &Response) -> (u16, String, String) {
    assert!(response.status >= 400, "{} {}", response.status, response.text());
    assert_eq!(response.header("content-type"), Some("application/json"), "{}", response.text());
    assert_eq!(response.header("content-length"), Some(&*response.body.len().to_string()));
    let body = response.json();
    let errors = body["errors"].as_array().expect("a list of errors");
    assert_eq!(errors.len(), 1, "{body}");
    let field = |name: &str| errors[0][name].as_str().filter(|text| !text.is_empty()).expect(name).to_owned();
    (response.status, field("code"), field("message"))
}

use std::fs;
use std::io::ErrorKind;

use tempfile::tempdir;

use crate::load::MAX_BYTES;
use crate::{Config, ConfigError};

fn load_bytes(bytes: &[u8]) -> Result<Config, ConfigError> {
    let directory = tempdir().unwrap();
    let path = directory.path().join("onetag.toml");
    fs::write(&path, bytes).unwrap();
    Config::load(&path)
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(load_bytes(b"").unwrap(), Config::default());
}

#[test]
fn a_byte_order_mark_and_windows_lines_are_fine() {
    let config = load_bytes(b"\xEF\xBB\xBF[cache]\r\ntag_ttl = \"1s\"\r\n").unwrap();
    assert_eq!(config.cache.tag_ttl.as_secs(), 1);
}

#[test]
fn a_missing_file_is_named_with_the_reason() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("absent.toml");
    let error = Config::load(&path).unwrap_err();
    assert!(
        matches!(&error, ConfigError::Unreadable { cause, .. } if cause.kind() == ErrorKind::NotFound),
        "{error}"
    );
    assert!(error.to_string().starts_with(&format!("{}: cannot be read: ", path.display())), "{error}");
}

#[test]
fn a_directory_is_not_a_file() {
    let directory = tempdir().unwrap();
    let error = Config::load(directory.path()).unwrap_err();
    assert!(matches!(error, ConfigError::Directory(_)), "{error}");
    assert!(error.to_string().ends_with(": is a directory; name the file in it"), "{error}");
}

#[test]
fn a_file_that_is_not_utf8_is_refused_at_its_place() {
    let error = load_bytes(b"[cache]\n# gr\xC3\xBC\xDFe\n").unwrap_err();
    let ConfigError::NotUtf8(location) = &error else { panic!("{error}") };
    assert_eq!((location.line, location.column), (2, 6));
    assert!(error.to_string().ends_with("onetag.toml:2:6: is not UTF-8 text; save it as UTF-8"), "{error}");
}

#[test]
fn a_file_of_just_the_limit_is_read_and_one_byte_more_is_not() {
    assert!(load_bytes(&vec![b'\n'; MAX_BYTES]).is_ok());
    let error = load_bytes(&vec![b'\n'; MAX_BYTES + 1]).unwrap_err();
    assert!(matches!(error, ConfigError::TooLarge(_)), "{error}");
}

#[test]
fn a_character_on_the_limit_does_not_hide_that_the_file_is_too_large() {
    let mut bytes = vec![b'#'; MAX_BYTES];
    bytes.extend("ü".as_bytes());
    assert!(matches!(load_bytes(&bytes).unwrap_err(), ConfigError::TooLarge(_)));
}

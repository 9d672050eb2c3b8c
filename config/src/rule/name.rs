use serde::{Deserialize, Deserializer, de::Error};

const MAX_LENGTH: usize = 64;

/// Reads the name of a rule, which messages and logs repeat.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let length = name.chars().count();
    if (1..=MAX_LENGTH).contains(&length) && !name.chars().any(char::is_control) {
        Ok(Some(name))
    } else {
        Err(D::Error::custom(format_args!(
            "has to be 1 to {MAX_LENGTH} printable characters, as in \"edge devices\""
        )))
    }
}

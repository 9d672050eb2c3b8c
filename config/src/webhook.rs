use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::value::{Secret, path};

/// Short ones can be guessed, and a header has limits.
const TOKEN_LENGTH: RangeInclusive<usize> = 16..=512;

/// The section `[webhook]`: how a registry that notifies of pushes proves itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    /// What a notification must carry as `Authorization: Bearer TOKEN`; see [`webhook_token_is_fit`].
    /// Without it and without `token_file` notifications have no path.
    pub token: Option<Secret>,
    /// A file that holds the token, and nothing else.
    #[serde(serialize_with = "path::serialize")]
    pub token_file: Option<PathBuf>,
}

/// Whether a text can be the token of `[webhook]`: 16 to 512 visible ASCII characters, no spaces.
/// [`Config::validate`](crate::Config::validate) asks this of `token`; who reads `token_file` asks it of
/// what stands in there.
pub fn webhook_token_is_fit(text: &str) -> bool {
    TOKEN_LENGTH.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

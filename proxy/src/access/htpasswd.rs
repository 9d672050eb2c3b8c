//! Files of names and bcrypt hashes, as `htpasswd -B` writes them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::Path;

use bcrypt::HashParts;

use super::error::{AccessError, LineError};

/// The largest file, in bytes.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// The most users of a file.
pub(super) const MAX_USERS: usize = 10_000;

/// The costs that are taken. One more doubles the time: at 14 a check takes about a second.
pub(super) const COSTS: RangeInclusive<u32> = 4..=14;

const MAX_NAME: usize = 255;

/// The hash of a user's password. Has no `Debug`.
pub(super) struct Hash {
    /// As in the file.
    pub(super) text: Box<str>,
    /// The binary logarithm of the work that a check takes.
    pub(super) cost: u32,
}

/// Reads a file: the hash of each user.
pub(super) fn read(path: &Path) -> Result<HashMap<Box<str>, Hash>, AccessError> {
    let unread = |error| AccessError::Read { path: path.into(), error };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(unread)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(AccessError::TooLarge { path: path.into() });
    }
    parse(&bytes).map_err(|(line, error)| AccessError::Line { path: path.into(), line, error })
}

/// The users of a text; or the number of the first line that cannot be used, and why.
pub(super) fn parse(text: &[u8]) -> Result<HashMap<Box<str>, Hash>, (usize, LineError)> {
    let mut users = HashMap::new();
    let mut lines: HashMap<Box<str>, usize> = HashMap::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let wrong = |error| (number, error);
        let Some((name, hash)) = entry(line).map_err(wrong)? else { continue };
        if let Some(earlier) = lines.insert(name.into(), number) {
            return Err(wrong(LineError::Twice(earlier)));
        }
        if users.len() == MAX_USERS {
            return Err(wrong(LineError::TooMany));
        }
        users.insert(name.into(), hash);
    }
    Ok(users)
}

/// The name and the hash of a line; none where it is empty or a comment.
fn entry(line: &[u8]) -> Result<Option<(&str, Hash)>, LineError> {
    let line = str::from_utf8(line).map_err(|_| LineError::NotUtf8)?.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, hash) = line.split_once(':').ok_or(LineError::NoColon)?;
    if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_control) {
        return Err(LineError::Name);
    }
    Hash::parse(hash).map(|hash| Some((name, hash)))
}

impl Hash {
    fn parse(text: &str) -> Result<Self, LineError> {
        if !["$2a$", "$2b$", "$2y$"].iter().any(|version| text.starts_with(version)) {
            return Err(LineError::NotBcrypt);
        }
        let parts: HashParts = text.parse().map_err(|_| LineError::Damaged)?;
        let cost = parts.get_cost();
        if !COSTS.contains(&cost) {
            return Err(LineError::Cost(cost));
        }
        Ok(Self { text: text.into(), cost })
    }

    /// A hash that is no password's, of this cost: to work for those who do not exist.
    pub(super) fn nobodys(cost: u32) -> Box<str> {
        format!("$2b${cost:02}${:.<53}", "").into()
    }
}

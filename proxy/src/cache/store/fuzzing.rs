//! Records on the disk: a target of `crate::fuzzing`.

use super::Table;
use super::sealed::{open, seal};

/// A table by its first byte, a key up to the end of the line, and a value: what is opened is what was sealed, and
/// nothing else is.
pub(crate) fn sealed_record(data: &[u8]) -> bool {
    let Some((choice, rest)) = data.split_first() else { return false };
    let table = Table::ALL[usize::from(*choice) % Table::ALL.len()];
    let other = Table::ALL[(usize::from(*choice) + 1) % Table::ALL.len()];
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let value = rest.get(end + 1..).unwrap_or_default();
    // No name has such a character.
    let Some(key) = str::from_utf8(&rest[..end]).ok().filter(|key| !key.contains('\0')) else { return false };
    let mut sealed = seal(table, key, value);
    assert!(open(table, key, &sealed).is_some_and(|opened| opened == value), "another value");
    assert!(open(other, key, &sealed).is_none(), "a record of another table");
    assert!(open(table, &format!("{key}x"), &sealed).is_none(), "a record of another key");
    assert!(open(table, key, &sealed[..sealed.len() - 1]).is_none(), "a record that was cut");
    assert!(open(table, key, value).is_none(), "what was never sealed");
    let place = usize::from(*choice) % sealed.len();
    sealed[place] ^= 1 << (choice % 8);
    assert!(open(table, key, &sealed).is_none(), "a record that was damaged");
    true
}

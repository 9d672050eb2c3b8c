//! Records as they are on the disk: with a checksum of the table, the key and the value, so that a record that was
//! damaged is never taken for another one, or for one that says something else (threat T31). The database itself
//! looks at its checksums after a crash alone.

use aws_lc_rs::digest::{Context, SHA256};

use super::Table;

/// The bytes of a checksum: part of a SHA-256, as damage is no forgery.
const SUM: usize = 16;

/// A value with its checksum before it.
pub(super) fn seal(table: Table, key: &str, value: &[u8]) -> Vec<u8> {
    [&sum(table, key, value)[..], value].concat()
}

/// The value, if it is the one that was kept under this key.
pub(super) fn open(table: Table, key: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (found, value) = sealed.split_at_checked(SUM)?;
    (found == sum(table, key, value)).then(|| value.to_vec())
}

fn sum(table: Table, key: &str, value: &[u8]) -> [u8; SUM] {
    let mut context = Context::new(&SHA256);
    for part in [table.name(), key] {
        context.update(part.as_bytes());
        // Neither has such a character, so that no two records are the same to the checksum.
        context.update(b"\0");
    }
    context.update(value);
    let mut sum = [0; SUM];
    sum.copy_from_slice(&context.finish().as_ref()[..SUM]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_what_was_kept_and_where_or_it_is_damaged() {
        let sealed = seal(Table::Tags, "key", b"value");
        assert_eq!(open(Table::Tags, "key", &sealed).as_deref(), Some(&b"value"[..]));
        assert_eq!(open(Table::Links, "key", &sealed), None);
        assert_eq!(open(Table::Tags, "kex", &sealed), None);
        for length in 0..sealed.len() {
            assert_eq!(open(Table::Tags, "key", &sealed[..length]), None, "cut to {length} bytes");
        }
        for bit in 0..8 * sealed.len() {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(Table::Tags, "key", &damaged), None, "bit {bit}");
        }
    }
}

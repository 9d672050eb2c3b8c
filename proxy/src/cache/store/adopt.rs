//! Whose records a store holds: another registry's must not answer for this one.

use bytes::Bytes;

use super::{Store, StoreError, Table, Write};

const UPSTREAM: &str = "upstream";

/// How many records go in one transaction.
const PAGE: usize = 1_000;

/// Makes a store that of this upstream. What it knows of another one is removed, but for merged indexes: their
/// digests were handed out, and say what they are.
pub fn adopt(store: &dyn Store, upstream: &str) -> Result<(), StoreError> {
    match store.get(Table::About, UPSTREAM)? {
        Some(known) if known == upstream.as_bytes() => return Ok(()),
        Some(known) => {
            let known = String::from_utf8_lossy(&known);
            tracing::warn!(%known, now = upstream, "the data directory is another upstream's: it is begun anew");
            for table in [Table::Manifests, Table::Sources, Table::Tags, Table::Links] {
                clear(store, table)?;
            }
        }
        None => {}
    }
    let value = Bytes::copy_from_slice(upstream.as_bytes());
    store.write(&[Write::Put(Table::About, UPSTREAM.into(), value)])
}

fn clear(store: &dyn Store, table: Table) -> Result<(), StoreError> {
    loop {
        let keys = store.keys(table, "", PAGE)?;
        if keys.is_empty() {
            return Ok(());
        }
        store.write(&keys.into_iter().map(|key| Write::Remove(table, key)).collect::<Vec<_>>())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::DiskStore;

    #[test]
    fn another_upstreams_records_are_removed_but_for_merged_indexes() {
        let directory = tempfile::tempdir().unwrap();
        let store = DiskStore::open(directory.path()).unwrap();
        let put = |table, n: usize| Write::Put(table, format!("key {n}"), Bytes::from_static(b"value"));
        adopt(&store, "https://one.example").unwrap();
        let tags: Vec<Write> = (0..1_500).map(|n| put(Table::Tags, n)).collect();
        store.write(&tags).unwrap();
        store.write(&[put(Table::Merged, 1)]).unwrap();
        adopt(&store, "https://one.example").unwrap();
        assert_eq!(store.keys(Table::Tags, "", 2_000).unwrap().len(), 1_500);
        adopt(&store, "https://two.example").unwrap();
        assert_eq!(store.keys(Table::Tags, "", 2_000).unwrap().len(), 0);
        assert_eq!(store.keys(Table::Merged, "", 2_000).unwrap().len(), 1);
    }
}

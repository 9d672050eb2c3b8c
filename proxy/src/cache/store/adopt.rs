//! Whose records a store holds: another registry's must not answer for this one.

use bytes::Bytes;

use super::{Store, StoreError, Table, Write};

const UPSTREAM: &str = "upstream";
const LIFE: &str = "life";

/// How many records go in one transaction.
const PAGE: usize = 1_000;

/// The process that has a store, among all that had it.
#[derive(Debug)]
pub struct Adopted {
    /// Its number.
    pub life: u32,
    /// What has to be written with the first that it keeps: whose the store is now, and which life.
    pub stamp: Vec<Write>,
}

/// Makes a store that of this upstream. What it knows of another one is removed, but for merged indexes: their
/// digests were handed out, and say what they are.
///
/// Fails where that is not possible: then it must not be used.
pub fn adopt(store: &dyn Store, upstream: &str) -> Result<Adopted, StoreError> {
    let (known, last) = match (store.get(Table::About, UPSTREAM), store.get(Table::About, LIFE)) {
        // Whose they are is not known any more.
        (Err(StoreError::Damaged(_)), _) | (_, Err(StoreError::Damaged(_))) => (Some(Vec::new()), None),
        (known, last) => (known?, last?),
    };
    if let Some(known) = known.filter(|known| known != upstream.as_bytes()) {
        let known = String::from_utf8_lossy(&known);
        tracing::warn!(%known, now = upstream, "the data directory is another upstream's: it is begun anew");
        for table in [Table::Manifests, Table::Sources, Table::Tags, Table::Changes, Table::Links] {
            clear(store, table)?;
        }
    }
    let last = last.and_then(|life| String::from_utf8(life).ok()?.parse::<u32>().ok());
    let life = last.unwrap_or_default() + 1;
    let put = |key: &str, value: String| Write::Put(Table::About, key.into(), Bytes::from(value));
    Ok(Adopted { life, stamp: vec![put(UPSTREAM, upstream.into()), put(LIFE, life.to_string())] })
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
        let adopted = adopt(&store, "https://one.example").unwrap();
        store.write(&adopted.stamp).unwrap();
        let tags: Vec<Write> = (0..1_500).map(|n| put(Table::Tags, n)).collect();
        store.write(&tags).unwrap();
        store.write(&[put(Table::Merged, 1)]).unwrap();
        assert_eq!(adopt(&store, "https://one.example").unwrap().life, adopted.life + 1);
        assert_eq!(store.keys(Table::Tags, "", 2_000).unwrap().len(), 1_500);
        adopt(&store, "https://two.example").unwrap();
        assert_eq!(store.keys(Table::Tags, "", 2_000).unwrap().len(), 0);
        assert_eq!(store.keys(Table::Merged, "", 2_000).unwrap().len(), 1);
    }
}

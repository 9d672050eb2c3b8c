//! Where records outlive the process: tables of keys and values, behind one small trait.

mod adopt;
mod disk;
mod error;
mod table;

pub use adopt::adopt;
pub use disk::{DiskStore, OpenError};
pub use error::StoreError;
pub use table::{Table, Write};

/// Keeps records by table and key. Calls may block on a disk.
pub trait Store: Send + Sync {
    /// The value of a key.
    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Does all of this, or nothing of it; when it returns, it is done by this store's own standard.
    fn write(&self, writes: &[Write]) -> Result<(), StoreError>;

    /// At most `limit` keys of a table in their order, beginning with the first that is not below `from`.
    fn keys(&self, table: Table, from: &str, limit: usize) -> Result<Vec<String>, StoreError>;

    /// Removes what was neither written nor touched since `before`, in seconds of the Unix epoch; how many
    /// records that were.
    fn prune(&self, before: u64) -> Result<usize, StoreError>;
}

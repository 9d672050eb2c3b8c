//! Where records outlive the process: tables of keys and values, behind one small trait.

mod adopt;
mod disk;
mod error;
mod table;

pub use adopt::adopt;
pub use disk::{DiskStore, OpenError};
pub use error::StoreError;
pub use table::{Store, Table, Write};

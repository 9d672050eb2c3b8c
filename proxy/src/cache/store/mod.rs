//! Where records outlive the process: tables of keys and values, behind one small trait.

mod adopt;
mod disk;
mod error;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod open;
mod sealed;
mod table;
mod unwritten;

pub use adopt::{Adopted, adopt};
pub use disk::{DiskStore, OpenError};
pub use error::StoreError;
pub(super) use open::takes_nothing;
pub use table::{Store, Table, Write};

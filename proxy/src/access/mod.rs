//! Who a caller is, and what onetag lets it do, where upstreams are asked with onetag's own credentials.

mod basic;
mod caller;
mod decide;
mod error;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod glob;
mod htpasswd;
mod identity;
mod memory;
mod passwords;
mod policy;

#[cfg(test)]
mod tests;

pub use caller::{Caller, Groups, Unknown};
pub use decide::Access;
pub use error::{AccessError, LineError};
pub use identity::Identity;
pub use onetag_config::Action;

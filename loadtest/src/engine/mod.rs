//! The load itself: requests at a constant rate or as fast as they are answered, and what became of each.

mod ask;
mod connect;
mod connection;
mod http1;
mod http2;
mod load;
mod pace;
mod record;

pub(crate) use ask::{ACCEPT, Ask};
pub(crate) use connect::{Address, Protocol};
pub(crate) use connection::Connection;
pub(crate) use load::{Load, Source};
pub(crate) use pace::Pace;
pub(crate) use record::{Class, Second, Totals};

//! Listeners and connections: from a socket to a request, bounded in number and time.

mod admin;
mod connection;
mod explain;
mod header_timer;
mod invalidate;
mod linger;
mod listener;
mod opening;
mod outgoing;
mod peers;
mod query;
mod running;
mod stall;
mod tls;
mod warm;

pub use admin::Admin;
pub use connection::{Handler, Limits};
pub use listener::{BindError, Bound};
pub use running::{Running, Started};
pub use stall::{ReceiveError, Received};
pub use tls::{ClientAuth, ListenerTls, TlsError};

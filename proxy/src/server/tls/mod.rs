//! TLS on a listener: what its files hold, and how they are exchanged while it serves.

mod error;
mod exchange;
mod material;

pub use error::TlsError;
pub use exchange::ListenerTls;
pub use material::ClientAuth;

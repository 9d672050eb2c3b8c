//! The types of the settings: a value that exists is valid, and reads and prints as one string.

mod choice;
mod filter;
mod format;
pub(crate) mod grammar;
mod host;
mod limit;
pub(crate) mod path;
mod reference;
mod secret;
mod size;
mod span;
pub(crate) mod table;
pub(crate) mod text;
mod url;

pub use choice::{Action, ChoiceError, ClientAuth, CredentialSource};
pub use filter::{FilterError, LogFilter};
pub use format::{FormatError, LogFormat};
pub use host::{HostError, HostName, Network, NetworkError};
pub use limit::{Limit, LimitError};
pub use reference::{WarmReference, WarmReferenceError};
pub(crate) use secret::MASK;
pub use secret::Secret;
pub use size::{Size, SizeError};
pub use span::{Age, GrantTtl, Interval, NegativeTtl, Retention, Span, SpanError, StaleGrant, Timeout};
pub use url::{Scheme, UpstreamUrl, UrlError};

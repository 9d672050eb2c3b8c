//! The mark that a request has passed this process, so that one which comes back to it is known for a loop.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use http::HeaderValue;

/// The value of `Via` in all that this process asks of an upstream: `1.1 onetag-` and an id that is another
/// one in each process. A request that arrives with it has been here before.
pub fn own_via() -> &'static HeaderValue {
    static VIA: LazyLock<HeaderValue> = LazyLock::new(|| {
        // The keys of the standard library's hashes are random; the id is no secret.
        let id = RandomState::new().hash_one(std::process::id());
        // Hexadecimal digits are always a legal header value.
        HeaderValue::try_from(format!("1.1 onetag-{id:016x}"))
            .unwrap_or_else(|_| HeaderValue::from_static("1.1 onetag"))
    });
    &VIA
}

//! What came back, or how it failed.

use std::fmt;
use std::io;

use bytes::Bytes;
use http::HeaderMap;

/// A whole response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body, as it came.
    pub body: Bytes,
}

/// Why there is no whole response.
#[derive(Debug)]
pub enum Error {
    /// No connection, or no TLS on it.
    Connect(io::Error),
    /// The connection failed before the head of a response had come.
    Exchange(hyper::Error),
    /// The body broke off.
    Body {
        /// The response with the part of its body that came.
        partial: Response,
        /// Why it broke off.
        cause: String,
    },
    /// No head of a response came in time.
    TimedOut,
}

impl Response {
    /// The value of a header if it is there and text; the first of several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON; panics, showing the body, when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Exchange(error) => write!(f, "no response: {error}"),
            Self::Body { partial, cause } => {
                write!(f, "the body broke off after {} bytes: {cause}", partial.body.len())
            }
            Self::TimedOut => f.write_str("no response in time"),
        }
    }
}

impl std::error::Error for Error {}

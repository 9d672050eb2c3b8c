//! What can fail in a request to the upstream.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use onetag_oci::{Digest, MediaType};

use super::breaker::Last;
use super::cause::Cause;
use super::destination::Refused;
use super::detail::Detail;

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// There is no connection: name resolution, or TCP.
    #[error("cannot connect: {0}")]
    Connect(Cause),
    /// The TLS handshake failed, most often over the certificate.
    #[error("TLS failed: {0}")]
    Tls(Cause),
    /// Too slow.
    #[error("{phase} within {} ms", .limit.as_millis())]
    Timeout {
        /// What was waited for.
        phase: Phase,
        /// For how long.
        limit: Duration,
    },
    /// The connection was cut or reset.
    #[error("the connection broke: {0}")]
    Broken(Cause),
    /// A status that says no more than that the request failed.
    #[error("it answered {status}{detail}")]
    Status {
        /// The status.
        status: StatusCode,
        /// How long the upstream wants to be left alone.
        retry_after: Option<Duration>,
        /// What the upstream says about it.
        detail: Detail,
    },
    /// 401 or 403 after the best that could be tried.
    #[error(transparent)]
    Denied(Denied),
    /// 429.
    #[error("it answered 429 Too Many Requests{detail}")]
    Limited {
        /// How long the upstream wants to be left alone.
        retry_after: Option<Duration>,
        /// What the upstream says about it.
        detail: Detail,
    },
    /// The upstream is down, and was not asked.
    #[error("it failed {outages} times in a row{last} and is being probed")]
    Open {
        /// How many failures in a row it took.
        outages: u32,
        /// The last failure.
        last: Last,
    },
    /// An answer that cannot be right.
    #[error(transparent)]
    Wrong(Wrong),
    /// A redirect that is not followed.
    #[error("the redirect is not followed: {0}")]
    Redirect(Refused),
    /// The body of a request that writes did not come as it should. The upstream has no part in it.
    #[error(transparent)]
    Client(ClientFault),
}

/// What is wrong with the body that a client sends.
#[derive(Debug, thiserror::Error)]
pub enum ClientFault {
    /// The next bytes did not come.
    #[error("the client sent nothing of the body within {} ms", .limit.as_millis())]
    Stalled {
        /// For how long they were waited for.
        limit: Duration,
    },
    /// The bytes come too slowly to be waited for (threat T24).
    #[error("the client sent too little of the body within {} ms", .limit.as_millis())]
    Slow {
        /// The window in which more should have come.
        limit: Duration,
    },
    /// The client's connection broke, or what it sent was no body.
    #[error("the client's body broke: {0}")]
    Broken(Cause),
    /// Less or more than the length that was announced.
    #[error("the body has not the {announced} bytes that its length announced")]
    Length {
        /// The announced length.
        announced: u64,
    },
    /// More than is taken.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The most that is taken.
        limit: u64,
    },
}

/// What a request waited for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Phase {
    /// One of the requests that may be under way at once (`max_in_flight`) to end.
    #[error("no free place among the requests under way")]
    Place,
    /// A connection, with its TLS handshake.
    #[error("no connection")]
    Connect,
    /// The headers of the answer.
    #[error("no response headers")]
    Headers,
    /// The next bytes of a body, or all of a small one.
    #[error("no progress of the body")]
    Body,
    /// The client to take its part of a stream.
    #[error("the client took too little of the body")]
    Client,
}

/// Why there was no way past a 401 or 403.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// The upstream wants an account and none is known.
    #[error("it asks for credentials and there are none for it")]
    NoCredentials,
    /// What was sent was not enough.
    #[error("it answered {status}{detail}")]
    Status {
        /// 401 or 403.
        status: StatusCode,
        /// What the upstream says about it.
        detail: Detail,
        /// What it asks of the caller that the request was for; empty where it was for nobody.
        challenges: Box<[HeaderValue]>,
    },
    /// No challenge, or one that is neither Basic nor Bearer.
    #[error("it answered 401 without a Basic or Bearer challenge")]
    Challenge,
    /// A token server that credentials must not go to (threat T5).
    #[error("the token server that it names is refused: {0}")]
    Realm(Refused),
}

/// Why an answer cannot be right.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// Not HTTP/1.1.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(Cause),
    /// A success or redirect that does not answer what was asked.
    #[error("{0} is no answer to this request")]
    Unexpected(StatusCode),
    /// The content is not what the digest names.
    #[error("the content has the digest {found}")]
    Digest {
        /// What the content's digest is.
        found: Digest,
    },
    /// More bytes than allowed.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The most that is taken.
        limit: u64,
    },
    /// Nothing.
    #[error("the body is empty")]
    Empty,
    /// A manifest must say what it is.
    #[error("there is no Content-Type")]
    Untyped,
    /// A web page, for example.
    #[error("the Content-Type is {0}")]
    Typed(MediaType),
    /// Encoded although identity alone was accepted: the bytes are not the content.
    #[error("the body is encoded although nothing but identity was accepted")]
    Encoded,
    /// The answer must be JSON, and of a certain form.
    #[error("the body is not the JSON that is expected")]
    Json,
    /// The answer to a range request is not that range.
    #[error("the rest of the body starts or ends at another byte than asked for")]
    Range,
    /// No such path is asked for.
    #[error("the path does not belong to the repository")]
    Path,
}

//! Errors as clients see them: one table (distribution-spec, section Error codes).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use onetag_oci::Repository;
use serde::Serialize;

use crate::access::Unknown;
use crate::resolve::ResolveError;
use crate::upstream::{ClientFault, ErrorKind, Phase, UpstreamError};

use super::body::Body;

/// The codes that onetag answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A request that cannot be meant.
    BadRequest,
    /// No such blob.
    BlobUnknown,
    /// The upstream refuses.
    Denied,
    /// The text is no digest.
    DigestInvalid,
    /// The request has passed this very process before.
    Loop,
    /// The text is no reference.
    ManifestInvalid,
    /// No such manifest.
    ManifestUnknown,
    /// A name that is not onetag's.
    Misdirected,
    /// The text is no repository name.
    NameInvalid,
    /// No such repository, or nothing in it that was asked for.
    NameUnknown,
    /// A notification that is none.
    NotificationInvalid,
    /// No such path.
    NotFound,
    /// The part of a list that is asked for is none.
    PageInvalid,
    /// The range of a blob cannot be satisfied.
    RangeInvalid,
    /// The body took too long.
    TimedOut,
    /// The body is too large.
    TooLarge,
    /// Too many requests.
    TooManyRequests,
    /// No credentials, or wrong ones.
    Unauthorized,
    /// No such upload.
    UploadUnknown,
    /// The body of a push is not what it should be.
    UploadInvalid,
    /// The method is not supported here.
    Unsupported,
    /// The upstream cannot be reached, or its answer is wrong.
    BadUpstream,
    /// The upstream has trouble that is likely to pass.
    Unavailable,
    /// A fault of onetag's own.
    Internal,
}

impl Code {
    /// The wire name and the status. Where the specification has no code, the names are those that
    /// registries use.
    fn row(self) -> (&'static str, StatusCode) {
        match self {
            Self::BadRequest => ("UNSUPPORTED", StatusCode::BAD_REQUEST),
            Self::BlobUnknown => ("BLOB_UNKNOWN", StatusCode::NOT_FOUND),
            Self::Denied => ("DENIED", StatusCode::FORBIDDEN),
            Self::DigestInvalid => ("DIGEST_INVALID", StatusCode::BAD_REQUEST),
            Self::Loop => ("UNSUPPORTED", StatusCode::LOOP_DETECTED),
            Self::Misdirected => ("UNSUPPORTED", StatusCode::MISDIRECTED_REQUEST),
            Self::UploadUnknown => ("BLOB_UPLOAD_UNKNOWN", StatusCode::NOT_FOUND),
            Self::ManifestInvalid => ("MANIFEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", StatusCode::NOT_FOUND),
            Self::NameInvalid => ("NAME_INVALID", StatusCode::BAD_REQUEST),
            Self::NameUnknown => ("NAME_UNKNOWN", StatusCode::NOT_FOUND),
            Self::NotificationInvalid => ("NOTIFICATION_INVALID", StatusCode::BAD_REQUEST),
            Self::NotFound => ("UNSUPPORTED", StatusCode::NOT_FOUND),
            Self::PageInvalid => ("PAGINATION_NUMBER_INVALID", StatusCode::BAD_REQUEST),
            Self::RangeInvalid => ("RANGE_INVALID", StatusCode::RANGE_NOT_SATISFIABLE),
            Self::TimedOut => ("UNAVAILABLE", StatusCode::REQUEST_TIMEOUT),
            Self::TooLarge => ("SIZE_INVALID", StatusCode::PAYLOAD_TOO_LARGE),
            Self::TooManyRequests => ("TOOMANYREQUESTS", StatusCode::TOO_MANY_REQUESTS),
            Self::Unauthorized => ("UNAUTHORIZED", StatusCode::UNAUTHORIZED),
            Self::Unsupported => ("UNSUPPORTED", StatusCode::METHOD_NOT_ALLOWED),
            Self::UploadInvalid => ("BLOB_UPLOAD_INVALID", StatusCode::BAD_REQUEST),
            Self::BadUpstream => ("UNAVAILABLE", StatusCode::BAD_GATEWAY),
            Self::Unavailable => ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal => ("UNKNOWN", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The wire name.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The status.
    pub fn status(self) -> StatusCode {
        self.row().1
    }
}

/// An error for a client: little is told, and the log has the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryError {
    code: Code,
    message: Cow<'static, str>,
    /// What the log has beyond the message.
    cause: Option<String>,
    retry_after: Option<Duration>,
    /// By what a caller may prove who it is.
    challenges: Vec<HeaderValue>,
    /// The methods that there are, where the one asked for is none of them.
    allowed: &'static [Method],
}

impl RegistryError {
    /// An error with this message.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let (cause, retry_after, challenges, allowed) = (None, None, Vec::new(), &[]);
        Self { code, message: message.into(), cause, retry_after, challenges, allowed }
    }

    /// Nobody, or somebody with a wrong password.
    pub fn login(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unauthorized, message)
            .challenged(vec![HeaderValue::from_static(r#"Basic realm="onetag""#)])
    }

    /// The same, with the challenges that a caller may answer.
    #[must_use]
    pub fn challenged(self, challenges: Vec<HeaderValue>) -> Self {
        Self { challenges, ..self }
    }

    /// A method that there is not; `allowed` are those that there are.
    pub fn method(allowed: &'static [Method]) -> Self {
        let message = format!("this path knows {}", listed(allowed));
        Self { allowed, ..Self::new(Code::Unsupported, message) }
    }

    /// The same, to be asked again a little later.
    #[must_use]
    pub fn later(self) -> Self {
        Self { retry_after: Some(Duration::from_secs(1)), ..self }
    }

    /// The same challenges, for these repositories, too (rule X2): a token for all is asked for at once.
    #[must_use]
    pub fn with_scopes(mut self, others: &[Repository]) -> Self {
        if !others.is_empty() {
            self.challenges = self.challenges.iter().map(|value| widened(value, others)).collect();
        }
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Whether there is more behind it than what the client is told.
    pub fn has_cause(&self) -> bool {
        self.cause.is_some()
    }

    /// What the log has to tell: the message, or the whole cause behind it.
    pub fn for_the_log(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.message)
    }

    /// The response: an OCI error body.
    pub fn response(&self) -> Response<Body> {
        #[derive(Serialize)]
        struct Wire<'a> {
            errors: [Entry<'a>; 1],
        }
        #[derive(Serialize)]
        struct Entry<'a> {
            code: &'a str,
            message: &'a str,
        }
        let wire = Wire { errors: [Entry { code: self.code.name(), message: &self.message }] };
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let mut response = Response::new(Body::full(Bytes::from(body)));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait).max(1)));
        }
        if !self.allowed.is_empty() {
            headers.extend(HeaderValue::from_str(&listed(self.allowed)).map(|methods| (ALLOW, methods)));
        }
        for challenge in &self.challenges {
            headers.append(WWW_AUTHENTICATE, challenge.clone());
        }
        response
    }
}

/// As in the header `Allow` (RFC 9110, section 10.2.1).
fn listed(methods: &[Method]) -> String {
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}

/// A Bearer challenge with the right to pull from these repositories besides what it asks for.
fn widened(challenge: &HeaderValue, others: &[Repository]) -> HeaderValue {
    let Ok(text) = challenge.to_str() else { return challenge.clone() };
    if !text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("Bearer ")) {
        return challenge.clone();
    }
    let more: Vec<_> = others.iter().map(|other| format!("repository:{other}:pull")).collect();
    let more = more.join(" ");
    let wide = match text.split_once("scope=\"") {
        Some((before, after)) => match after.split_once('"') {
            Some((scope, rest)) => format!("{before}scope=\"{scope} {more}\"{rest}"),
            None => return challenge.clone(),
        },
        None => format!("{text},scope=\"{more}\""),
    };
    HeaderValue::try_from(wide).unwrap_or_else(|_| challenge.clone())
}

/// Rounded up: whoever comes back a moment too early has to wait again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl From<&UpstreamError> for RegistryError {
    fn from(error: &UpstreamError) -> Self {
        if error.is_challenge() {
            // A caller's own credentials were not enough: it is told what the upstream wants.
            return Self {
                cause: Some(error.to_string()),
                ..Self::new(Code::Unauthorized, "the upstream registry asks for credentials")
                    .challenged(error.challenges().to_vec())
            };
        }
        let (code, what) = match error.kind() {
            ErrorKind::Denied(_) => {
                (Code::Denied, "the upstream registry denies access, or there is no such repository")
            }
            ErrorKind::Limited { .. } => (Code::TooManyRequests, "the upstream registry limits its rate"),
            ErrorKind::Connect(_) | ErrorKind::Tls(_) | ErrorKind::Timeout { phase: Phase::Connect, .. } => {
                (Code::BadUpstream, "the upstream registry cannot be reached")
            }
            ErrorKind::Open { .. } => (Code::Unavailable, "the upstream registry is down"),
            ErrorKind::Status { status: StatusCode::LOOP_DETECTED, .. } => {
                (Code::Loop, "the upstream registry leads back to onetag")
            }
            ErrorKind::Status { status, .. } if !status.is_server_error() => {
                (Code::BadUpstream, "the upstream registry refuses the request")
            }
            ErrorKind::Wrong(_) | ErrorKind::Redirect(_) => {
                (Code::BadUpstream, "the upstream registry gave an answer that cannot be right")
            }
            ErrorKind::Client(ClientFault::TooLarge { .. }) => (Code::TooLarge, "the push is refused"),
            ErrorKind::Client(ClientFault::Stalled { .. } | ClientFault::Slow { .. }) => {
                (Code::TimedOut, "the push is given up")
            }
            ErrorKind::Client(ClientFault::Broken(_) | ClientFault::Length { .. }) => {
                (Code::UploadInvalid, "the push is given up")
            }
            ErrorKind::Broken(_) | ErrorKind::Timeout { .. } | ErrorKind::Status { .. } => {
                (Code::Unavailable, "the upstream registry failed")
            }
        };
        let retry_after = match code {
            Code::Unavailable | Code::TooManyRequests => {
                Some(error.retry_after().unwrap_or(Duration::from_secs(1)))
            }
            _ => None,
        };
        let message = format!("{what}: {}", error.kind());
        Self { cause: Some(error.to_string()), retry_after, ..Self::new(code, message) }
    }
}

impl From<Unknown> for RegistryError {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Wrong => Self::login("the user name or the password is wrong"),
            Unknown::Busy => {
                Self::new(Code::TooManyRequests, "too many passwords are being checked just now").later()
            }
        }
    }
}

impl From<UpstreamError> for RegistryError {
    fn from(error: UpstreamError) -> Self {
        Self::from(&error)
    }
}

impl From<ResolveError> for RegistryError {
    fn from(error: ResolveError) -> Self {
        match &error {
            ResolveError::Upstream(upstream) => Self::from(upstream),
            ResolveError::Document { .. } | ResolveError::Blob { .. } | ResolveError::OtherPart { .. } => {
                Self::new(
                    Code::BadUpstream,
                    format!("the upstream registry gave an answer that cannot be right: {error}"),
                )
            }
            ResolveError::Store(_) => Self {
                cause: Some(error.to_string()),
                retry_after: Some(Duration::from_secs(1)),
                ..Self::new(Code::Unavailable, "the data directory cannot be read just now")
            },
            ResolveError::Lost(_) | ResolveError::ForOneAlone => {
                Self::new(Code::Internal, "an internal error; the log has more")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_wire_name_and_status() {
        for (code, name, status) in [
            (Code::BlobUnknown, "BLOB_UNKNOWN", 404),
            (Code::Denied, "DENIED", 403),
            (Code::DigestInvalid, "DIGEST_INVALID", 400),
            (Code::ManifestInvalid, "MANIFEST_INVALID", 400),
            (Code::ManifestUnknown, "MANIFEST_UNKNOWN", 404),
            (Code::NameInvalid, "NAME_INVALID", 400),
            (Code::NameUnknown, "NAME_UNKNOWN", 404),
            (Code::NotificationInvalid, "NOTIFICATION_INVALID", 400),
            (Code::NotFound, "UNSUPPORTED", 404),
            (Code::BadRequest, "UNSUPPORTED", 400),
            (Code::Loop, "UNSUPPORTED", 508),
            (Code::Misdirected, "UNSUPPORTED", 421),
            (Code::UploadUnknown, "BLOB_UPLOAD_UNKNOWN", 404),
            (Code::RangeInvalid, "RANGE_INVALID", 416),
            (Code::TimedOut, "UNAVAILABLE", 408),
            (Code::TooLarge, "SIZE_INVALID", 413),
            (Code::TooManyRequests, "TOOMANYREQUESTS", 429),
            (Code::Unauthorized, "UNAUTHORIZED", 401),
            (Code::Unsupported, "UNSUPPORTED", 405),
            (Code::UploadInvalid, "BLOB_UPLOAD_INVALID", 400),
            (Code::BadUpstream, "UNAVAILABLE", 502),
            (Code::Unavailable, "UNAVAILABLE", 503),
            (Code::Internal, "UNKNOWN", 500),
        ] {
            let response = RegistryError::new(code, "m").response();
            assert_eq!((code.name(), response.status().as_u16()), (name, status));
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        }
        let method = RegistryError::method(&[Method::GET, Method::HEAD]).response();
        assert_eq!(
            (method.status().as_u16(), &method.headers()[ALLOW]),
            (405, &HeaderValue::from_static("GET, HEAD"))
        );
        let login = RegistryError::login("m").response();
        assert_eq!(
            (login.status().as_u16(), login.headers()[WWW_AUTHENTICATE].as_bytes()),
            (401, &br#"Basic realm="onetag""#[..])
        );
    }

    #[test]
    fn a_challenge_is_widened_to_all_repositories_of_a_merge() {
        let others: Vec<Repository> = vec!["arm64v8/app".parse().unwrap(), "arm32v7/app".parse().unwrap()];
        let wide = |text| widened(&HeaderValue::from_static(text), &others).to_str().unwrap().to_owned();
        let all = "repository:arm64v8/app:pull repository:arm32v7/app:pull";
        assert_eq!(
            wide(r#"Bearer realm="https://a/token",service="r",scope="repository:app:pull",error="x""#),
            format!(
                r#"Bearer realm="https://a/token",service="r",scope="repository:app:pull {all}",error="x""#
            )
        );
        assert_eq!(
            wide(r#"Bearer realm="https://a/token""#),
            format!(r#"Bearer realm="https://a/token",scope="{all}""#)
        );
        assert_eq!(wide(r#"Basic realm="a""#), r#"Basic realm="a""#);
    }
}

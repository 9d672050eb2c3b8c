//! Where registries tell of pushes: `POST /onetag/notifications`, for those that know the token.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::Semaphore;

use super::body::Body;
use super::error::{Code, RegistryError};
use super::notification::Notification;
use super::query;
use super::routes::Routes;
use crate::resolve::Change;
use crate::telemetry::{Metrics, NotificationOutcome};

/// Where notifications are sent to. No path of the distribution API begins like this.
pub(super) const PATH: &str = "/onetag/notifications";

/// The largest body.
const MAX_BYTES: usize = 1 << 20;

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many notifications are read at once; the others wait.
const AT_ONCE: usize = 16;

/// What answers the notifications.
pub(super) struct Webhook {
    /// Its hash, so that to compare takes the same time for tokens of all lengths.
    token: digest::Digest,
    places: Semaphore,
}

impl Webhook {
    pub(super) fn new(token: &str) -> Self {
        Self { token: hash(token.as_bytes()), places: Semaphore::new(AT_ONCE) }
    }

    /// Answers a request; its body is read only when it has the token.
    pub(super) async fn answer<B>(
        &self,
        routes: &Routes,
        metrics: &Metrics,
        request: &http::request::Parts,
        body: B,
    ) -> Result<Response<Body>, RegistryError>
    where
        B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        if request.method != Method::POST {
            return Err(RegistryError::method(&[Method::POST]));
        }
        if !self.admits(&request.headers) {
            metrics.notification(NotificationOutcome::Refused);
            let message = "send the token of [webhook] as Authorization: Bearer TOKEN";
            let challenge = HeaderValue::from_static(r#"Bearer realm="onetag""#);
            return Err(RegistryError::new(Code::Unauthorized, message).challenged(vec![challenge]));
        }
        // Each registry tells of itself.
        let registry = query::parameter(request.uri.query().unwrap_or_default(), "registry");
        let unknown = || RegistryError::new(Code::NameUnknown, "no registry of this name is configured");
        let site = routes.named(registry.as_deref().unwrap_or_default()).ok_or_else(unknown)?;
        let _place = self.places.acquire().await;
        let read = read(body).await.and_then(|body| parse(&body));
        let outcome =
            if read.is_ok() { NotificationOutcome::Accepted } else { NotificationOutcome::Malformed };
        metrics.notification(outcome);
        Ok(expired(site.resolver.invalidate(read?).await?))
    }

    /// Whether the request has the token, with or without the word `Bearer`: what Harbor's "Auth Header" holds
    /// is sent as it stands.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes) else { return false };
        let token = match value.split_at_checked(b"Bearer ".len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"Bearer ") => token.trim_ascii_start(),
            _ => value,
        };
        verify_slices_are_equal(hash(token).as_ref(), self.token.as_ref()).is_ok()
    }
}

fn hash(token: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, token)
}

async fn read<B>(body: B) -> Result<Bytes, RegistryError>
where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let too_large = || RegistryError::new(Code::TooLarge, "a notification has at most 1 MiB");
    if body.size_hint().lower() > MAX_BYTES as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(PATIENCE, Limited::new(body, MAX_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => {
            let message = format!("the body broke off: {error}");
            Err(RegistryError::new(Code::NotificationInvalid, message))
        }
        Err(_) => Err(RegistryError::new(Code::TimedOut, "the body did not come within 30 s")),
    }
}

fn parse(body: &[u8]) -> Result<Vec<Change>, RegistryError> {
    let read = Notification::parse(body).map_err(|error| {
        RegistryError::new(Code::NotificationInvalid, format!("this is no notification: {error}"))
    })?;
    if read.skipped > 0 {
        tracing::debug!(events = read.skipped, example = ?read.example, "no names by the grammar; skipped");
    }
    Ok(read.changes.into_iter().collect())
}

fn expired(tags: usize) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from(format!("{{\"expired\":{tags}}}\n"))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_admitted_with_its_scheme_or_alone_and_nothing_else_is() {
        let webhook = Webhook::new("correct-horse-battery");
        let admits = |value: &str| {
            let headers = [(AUTHORIZATION, HeaderValue::from_str(value).unwrap())];
            webhook.admits(&headers.into_iter().collect())
        };
        for value in
            ["Bearer correct-horse-battery", "bearer  correct-horse-battery", "correct-horse-battery"]
        {
            assert!(admits(value), "{value}");
        }
        for value in [
            "",
            "Bearer ",
            "Bearer",
            "Bearer correct-horse-batter",
            "Bearer correct-horse-battery1",
            "Bearer correct-horse-batterY",
            "Basic correct-horse-battery",
            "Bearercorrect-horse-battery",
            "Bearer Bearer correct-horse-battery",
        ] {
            assert!(!admits(value), "{value}");
        }
        assert!(!webhook.admits(&HeaderMap::new()));
    }
}

//! What a tag names, without its bytes: HEAD of a manifest.

use http::{HeaderMap, HeaderName, StatusCode};
use onetag_oci::Digest;

use super::ask::Ask;
use super::attempt::Attempts;
use super::error::UpstreamError;
use super::retry::Retry;
use super::watch::Watch;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// What the upstream says a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// There is no such manifest.
    Absent,
    /// The digest in the header. It tells whether a tag has moved; content is never believed to have it.
    Digest(Digest),
    /// The upstream does not say, or has no HEAD: only a GET tells.
    Unknown,
}

impl Attempts {
    /// Asks with HEAD, and again where that helps.
    pub(super) async fn head(&self, ask: &Ask) -> Result<Head, UpstreamError> {
        let mut retry = Retry::new(&self.retries_told);
        loop {
            match self.head_once(ask).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn head_once(&self, ask: &Ask) -> Result<Head, UpstreamError> {
        let mut watch = self.begin(ask).await?;
        let result = self.head_watched(ask, &mut watch).await;
        self.end(ask, watch, result.as_ref().err());
        result
    }

    async fn head_watched(&self, ask: &Ask, watch: &mut Watch<'_>) -> Result<Head, UpstreamError> {
        let answer = self.ask(ask).await?;
        watch.headers();
        match answer.response.status() {
            StatusCode::OK => Ok(read(answer.response.headers())),
            StatusCode::NOT_FOUND => {
                watch.absent();
                Ok(Head::Absent)
            }
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(Head::Unknown),
            _ => Err(self.failure(ask, answer).await),
        }
    }
}

/// The digest, where there is exactly one that can be read.
fn read(headers: &HeaderMap) -> Head {
    let mut values = headers.get_all(CONTENT_DIGEST).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Head::Unknown };
    value.to_str().ok().and_then(|text| text.trim().parse().ok()).map_or(Head::Unknown, Head::Digest)
}

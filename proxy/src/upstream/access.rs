//! Who may do what: questions whose answer is a status.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use onetag_oci::Repository;

use crate::telemetry::UpstreamKind;

use super::ask::Ask;
use super::attempt::Attempts;
use super::client::Upstream;
use super::error::UpstreamError;
use super::kind::{ErrorKind, Wrong};
use super::retry::Retry;
use super::scope::Scope;
use super::watch::Watch;

impl Upstream {
    /// Whether a repository may be read: its tag list is asked for, and not looked at. `false` when there is no
    /// such repository; where it must not be read, that is an error.
    pub async fn may_read(&self, repository: &Repository) -> Result<bool, UpstreamError> {
        let path = format!("/v2/{repository}/tags/list?n=1");
        let ask = self.ask(UpstreamKind::Other, Method::GET, &path, Scope::pull(repository))?;
        let _place = self.place(&ask, Some(repository)).await?;
        self.attempts.is_there(&ask).await
    }

    /// Asks `GET /v2/`, which says whether the credentials are any. Where they are not, that is an error, on
    /// behalf of a caller with the challenges that it is to answer.
    pub async fn ping(&self) -> Result<(), UpstreamError> {
        let ask = self.ask(UpstreamKind::Probe, Method::GET, "/v2/", Scope::Account)?;
        let _place = self.place(&ask, None).await?;
        if self.attempts.is_there(&ask).await? {
            return Ok(());
        }
        Err(ask.failed(&ask.uri, ErrorKind::Wrong(Wrong::Unexpected(StatusCode::NOT_FOUND))))
    }

    /// The list of repositories, of at most `limit` bytes, a JSON object and only to be passed on. `query` is
    /// that of a caller.
    ///
    /// The status is 200 or 404; the body of a 404 is what it says about itself, or nothing.
    pub async fn catalog(&self, query: Option<&str>, limit: usize) -> Result<Response<Bytes>, UpstreamError> {
        let path = query.map_or_else(|| "/v2/_catalog".to_owned(), |query| format!("/v2/_catalog?{query}"));
        let ask = self.ask(UpstreamKind::Other, Method::GET, &path, Scope::Catalog)?;
        let _place = self.place(&ask, None).await?;
        self.passed(&ask, limit).await
    }
}

impl Attempts {
    /// Whether the answer is a success and not a 404; asked again where that helps.
    async fn is_there(&self, ask: &Ask) -> Result<bool, UpstreamError> {
        let mut retry = Retry::new(&self.retries_told);
        loop {
            match self.is_there_once(ask).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn is_there_once(&self, ask: &Ask) -> Result<bool, UpstreamError> {
        let mut watch = self.begin(ask).await?;
        let result = self.is_there_watched(ask, &mut watch).await;
        self.end(ask, watch, result.as_ref().err());
        result
    }

    async fn is_there_watched(&self, ask: &Ask, watch: &mut Watch<'_>) -> Result<bool, UpstreamError> {
        let answer = self.ask(ask).await?;
        watch.headers();
        let status = answer.response.status();
        if status != StatusCode::NOT_FOUND && !status.is_success() {
            return Err(self.failure(ask, answer).await);
        }
        self.transport.discard(answer.response.into_body()).await;
        if status == StatusCode::NOT_FOUND {
            watch.absent();
        }
        Ok(status.is_success())
    }
}

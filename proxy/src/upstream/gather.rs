//! Questions whose answers are small: gathered whole, checked, and asked again where that helps.

use bytes::Bytes;
use http::StatusCode;
use http::response::Parts;

use super::ask::Ask;
use super::attempt::{Answer, Attempts};
use super::error::UpstreamError;
use super::headers::identity;
use super::kind::{ErrorKind, Wrong};
use super::retry::Retry;
use super::watch::Watch;

/// There is no such thing; the body that says so, empty where it is none to read.
pub(super) struct Absent(pub(super) Bytes);

impl Attempts {
    /// What `check` makes of a 200 with at most `limit` bytes; for a 404 what it says, if that is of a decent size.
    pub(super) async fn gather<T>(
        &self,
        ask: &Ask,
        limit: usize,
        check: impl Fn(&Parts, Bytes) -> Result<T, Wrong>,
    ) -> Result<Result<T, Absent>, UpstreamError> {
        let mut retry = Retry::new(&self.retries_told);
        loop {
            match self.gather_once(ask, limit, &check).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn gather_once<T>(
        &self,
        ask: &Ask,
        limit: usize,
        check: impl Fn(&Parts, Bytes) -> Result<T, Wrong>,
    ) -> Result<Result<T, Absent>, UpstreamError> {
        let mut watch = self.begin(ask).await?;
        let result = self.gather_watched(ask, limit, check, &mut watch).await;
        self.end(ask, watch, result.as_ref().err());
        result
    }

    async fn gather_watched<T>(
        &self,
        ask: &Ask,
        limit: usize,
        check: impl Fn(&Parts, Bytes) -> Result<T, Wrong>,
        watch: &mut Watch<'_>,
    ) -> Result<Result<T, Absent>, UpstreamError> {
        let answer = self.ask(ask).await?;
        watch.headers();
        match answer.response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                watch.absent();
                return Ok(Err(Absent(self.transport.rest(answer.response.into_body()).await)));
            }
            _ => return Err(self.failure(ask, answer).await),
        }
        let Answer { uri, response } = answer;
        let (parts, body) = response.into_parts();
        let failed = |kind| ask.failed(&uri, kind);
        identity(&parts.headers).map_err(|wrong| failed(ErrorKind::Wrong(wrong)))?;
        let bytes = self.transport.gather(body, limit).await.map_err(failed)?;
        check(&parts, bytes).map(Ok).map_err(|wrong| failed(ErrorKind::Wrong(wrong)))
    }
}

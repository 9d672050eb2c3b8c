//! What an upstream asks for is learned before a body goes out: a body cannot be sent twice.

use std::sync::Arc;

use http::StatusCode;

use super::attempt::{Answer, Attempts};
use super::error::UpstreamError;
use super::kind::ErrorKind;
use super::retry::Retry;
use super::watch::Watch;

impl Attempts {
    /// Asks `GET /v2/` where nothing is known yet, once for all that wait.
    pub(super) async fn introduce(self: &Arc<Self>) -> Result<(), UpstreamError> {
        if self.auth.is_introduced() {
            return Ok(());
        }
        let attempts = Arc::clone(self);
        let work =
            || async move { if attempts.auth.is_introduced() { Ok(()) } else { attempts.say_hello().await } };
        let lost = |error| self.hello.failed(&self.hello.uri, ErrorKind::Broken(error));
        self.introductions.join((), work).await.map_err(|error| lost(error.into()))?
    }

    async fn say_hello(&self) -> Result<(), UpstreamError> {
        let mut retry = Retry::new(&self.retries_told);
        loop {
            match self.say_hello_once().await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn say_hello_once(&self) -> Result<(), UpstreamError> {
        let mut watch = self.begin(&self.hello).await?;
        let result = self.say_hello_watched(&mut watch).await;
        self.end(&self.hello, watch, result.as_ref().err());
        result
    }

    async fn say_hello_watched(&self, watch: &mut Watch<'_>) -> Result<(), UpstreamError> {
        let Answer { uri, response } = self.ask(&self.hello).await?;
        watch.headers();
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.failure(&self.hello, Answer { uri, response }).await);
        }
        let own = self.destinations.is_upstream(&uri);
        if own && status == StatusCode::UNAUTHORIZED {
            let denied = |denied| self.hello.failed(&uri, ErrorKind::Denied(denied));
            self.auth.learn(response.headers()).map_err(denied)?;
        } else {
            // Whatever else it says of this path, it asks for nothing here.
            self.auth.asked_for_nothing();
        }
        self.transport.discard(response.into_body()).await;
        Ok(())
    }
}

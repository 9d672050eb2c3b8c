//! A blob from the upstream, out of the repository that has it.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use http::header::CONTENT_RANGE;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use onetag_oci::{Digest, Repository};

use crate::cache::{Feed, FeedError, Opened};
use crate::upstream::{BlobRange, UpstreamBody};

use super::byte_range::ByteRange;
use super::error::ResolveError;
use super::resolver::Resolver;

/// The blob of a repository, or of its source (rule X1).
pub(super) struct UpstreamFeed {
    pub(super) resolver: Arc<Resolver>,
    pub(super) repository: Repository,
    pub(super) digest: Digest,
}

impl Feed for UpstreamFeed {
    fn open(&self, from: u64) -> BoxFuture<'_, Result<Option<Opened>, FeedError>> {
        async move { self.open_from(from).await.map_err(FeedError::from) }.boxed()
    }
}

impl UpstreamFeed {
    async fn open_from(&self, from: u64) -> Result<Option<Opened>, ResolveError> {
        let range = (from > 0).then_some(ByteRange::From(from));
        let fetched = self.resolver.fetch_blob(&self.repository, &self.digest, Method::GET, range);
        let (parts, body) = fetched.await?.into_parts();
        let total = match (parts.status, from) {
            (StatusCode::NOT_FOUND, _) => return Ok(None),
            (StatusCode::OK, 0) => body.size_hint().exact(),
            (StatusCode::PARTIAL_CONTENT, 1..) => Some(total(&parts.headers, from).ok_or(self.other_part())?),
            _ => return Err(self.other_part()),
        };
        let body = body.map_err(|error| FeedError::from(ResolveError::Upstream(error)));
        Ok(Some(Opened { total, body: Box::pin(body) }))
    }

    fn other_part(&self) -> ResolveError {
        ResolveError::OtherPart { repository: self.repository.clone(), digest: self.digest.clone() }
    }
}

impl Resolver {
    /// Asks the repository that is known to have a blob (rule X1), then the one of the request. The status is
    /// 200, 206, 404 or 416.
    pub(super) async fn fetch_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        method: Method,
        range: Option<ByteRange>,
    ) -> Result<Response<UpstreamBody>, ResolveError> {
        let range = range.map(|range| BlobRange { range: range.header(), if_range: None });
        let elsewhere = match self.source(repository, digest).await {
            Ok(Some(source)) => {
                match self.upstream.blob(&source, digest, method.clone(), range.clone()).await {
                    Ok(found) if found.status() != StatusCode::NOT_FOUND => return Ok(found),
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        let found = self.upstream.blob(repository, digest, method, range).await?;
        // It may be elsewhere, where nobody can say just now: that is not to say that there is none.
        if found.status() == StatusCode::NOT_FOUND { elsewhere.map(|()| found) } else { Ok(found) }
    }
}

impl From<ResolveError> for FeedError {
    fn from(error: ResolveError) -> Self {
        let transient = matches!(&error, ResolveError::Upstream(upstream) if upstream.is_transient());
        Self { transient, cause: Arc::new(error) }
    }
}

/// The size of a blob in an answer that must hold all from byte `from` on.
fn total(headers: &HeaderMap, from: u64) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (last, total) = text.strip_prefix("bytes ")?.strip_prefix(&format!("{from}-"))?.split_once('/')?;
    let (last, total): (u64, u64) = (last.parse().ok()?, total.parse().ok()?);
    (last >= from && last.checked_add(1) == Some(total)).then_some(total)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_rest_that_was_asked_for_is_taken() {
        for (text, size) in [
            ("bytes 5-9/10", Some(10)),
            ("bytes 5-8/10", None),
            ("bytes 5-9/*", None),
            ("bytes 50-99/100", None),
            ("bytes 4-9/10", None),
            ("bytes 5-4/5", None),
            ("bytes */10", None),
            ("bytes 5-18446744073709551615/0", None),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_static(text))]);
            assert_eq!(total(&headers, 5), size, "{text}");
        }
    }
}

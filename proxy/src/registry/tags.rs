//! The tag list, as the upstream has it.

use http::{Response, Uri};
use onetag_oci::Repository;

use crate::upstream::Upstream;

use super::body::Body;
use super::error::RegistryError;
use super::passed::pass;

/// Answers a request for a repository's tags.
pub(super) async fn list(
    upstream: &Upstream,
    uri: &Uri,
    repository: &Repository,
) -> Result<Response<Body>, RegistryError> {
    pass(upstream, uri, (repository, repository), "tags/list", "application/json")
        .await
        .map(|response| response.map(Body::full))
}

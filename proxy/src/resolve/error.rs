//! Why a reference could not be resolved.

use std::sync::Arc;

use onetag_oci::{Digest, DocumentError, Reference, Repository};

use crate::cache::{BlobError, Failure};
use crate::flight::FlightLost;
use crate::upstream::UpstreamError;

/// A failure, cheap to clone: all callers of one fill share it. That something does not exist is no
/// failure but an answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// The upstream could not be asked, or its answer could not be used.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The upstream's document is no manifest or index.
    #[error("{repository} {reference}: {error}")]
    Document {
        /// Where it is.
        repository: Repository,
        /// What names it.
        reference: Reference,
        /// What is wrong with it.
        error: Arc<DocumentError>,
    },
    /// The upstream's blob is not what its digest names, or not of the size that it told.
    #[error("{repository} {digest}: {error}")]
    Blob {
        /// Where it is.
        repository: Repository,
        /// What names it.
        digest: Digest,
        /// What is wrong with it.
        error: BlobError,
    },
    /// The upstream answers a question for the rest of a blob with something else.
    #[error("{repository} {digest}: the rest was asked for and another part came")]
    OtherPart {
        /// Where it is.
        repository: Repository,
        /// What names it.
        digest: Digest,
    },
    /// What onetag keeps itself cannot be read.
    #[error(transparent)]
    Store(Failure),
    /// What the upstream answered this caller may not be what it answers others.
    #[error("the upstream's answer is for one caller alone")]
    ForOneAlone,
    /// The work ended without a result.
    #[error(transparent)]
    Lost(#[from] FlightLost),
}

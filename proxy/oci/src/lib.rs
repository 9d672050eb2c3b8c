//! The types of the OCI image and distribution specifications that onetag needs.
//!
//! Pure: no async and no I/O. What stands here knows nothing of onetag's own rules; those are in the
//! `merge` room of the `onetag` crate.

mod accept;
mod descriptor;
mod digest;
mod document;
mod image_config;
mod json;
mod media_type;
mod name;
mod platform;

pub use accept::Accept;
pub use descriptor::Descriptor;
pub use digest::{Digest, DigestError, Hasher};
pub use document::{
    Blob, Document, DocumentError, ImageManifest, Index, MAX_DOCUMENT_BYTES, MAX_INDEX_ENTRIES, blobs_of,
};
pub use image_config::{ImageConfig, MAX_CONFIG_BYTES, REVISION, VERSION};
pub use json::Json;
pub use media_type::MediaType;
pub use name::{NameError, Reference, Repository, Tag};
pub use platform::Platform;

//! Images, indexes and artifacts to fill a registry with, built the same way every time.

mod artifact;
mod builder;
mod config;
mod elf;
mod fixture;
mod index;
mod layer;
pub mod media_type;

pub use crate::digest::{sha256, sha512};
pub use artifact::{
    RawManifest, attestation_of, buildkit_cache_index, cosign_signature, helm_artifact, sbom_of,
    schema1_manifest,
};
pub use builder::ImageBuilder;
pub use fixture::{Image, buildx, hello};
pub use index::{Index, IndexBuilder};
pub use layer::Layer;

#[cfg(test)]
mod tests;

//! What the proofs of the disk share: things to pull, pulls that are judged, files, file systems that fail.

pub(crate) mod files;
pub(crate) mod mount;
pub(crate) mod pull;
pub(crate) mod stock;

//! Layers: one tar archive each, the same bytes on every run.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use tar::{Builder, Header};

use super::media_type as mt;
use crate::digest::sha256;

/// One layer as it lies in the registry.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The media type of its descriptor.
    pub media_type: String,
    /// The bytes of the blob.
    pub bytes: Vec<u8>,
    /// The digest of the uncompressed layer, for the configuration's `rootfs`.
    pub diff_id: String,
}

/// Whose media types a layer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Oci,
    Docker,
}

impl Layer {
    /// A gzipped tar archive of one executable file.
    pub(super) fn of_file(family: Family, path: &str, content: &[u8]) -> Self {
        let archive = archive(path, content);
        let media_type = match family {
            Family::Oci => mt::OCI_LAYER_GZIP,
            Family::Docker => mt::DOCKER_LAYER_GZIP,
        };
        Self { media_type: media_type.to_owned(), bytes: gzip(&archive), diff_id: sha256(&archive) }
    }

    /// Bytes taken as an uncompressed layer, which makes blob and diff id one.
    pub(super) fn raw(family: Family, bytes: Vec<u8>) -> Self {
        let media_type = match family {
            Family::Oci => mt::OCI_LAYER,
            Family::Docker => mt::DOCKER_LAYER,
        };
        Self { media_type: media_type.to_owned(), diff_id: sha256(&bytes), bytes }
    }

    /// The digest of the blob.
    pub fn digest(&self) -> String {
        sha256(&self.bytes)
    }
}

fn archive(path: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let mut builder = Builder::new(Vec::new());
    builder
        .append_data(&mut header, path.trim_start_matches('/'), content)
        .expect("a path that tar can hold");
    builder.into_inner().expect("memory takes every write")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::fast());
    packer.write_all(bytes).expect("memory takes every write");
    packer.finish().expect("memory takes every write")
}

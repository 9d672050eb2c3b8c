use testkit::image::media_type::{DOCKER_LIST, OCI_INDEX};
use testkit::{Image, Registry};

use super::{REPOSITORY, entry, index};

/// The images of a legacy repository: one per architecture, under tags of their own.
pub(crate) struct Legacy {
    pub(crate) amd64: Image,
    pub(crate) arm64: Image,
}

impl Legacy {
    /// As `docker push` writes them.
    pub(crate) fn docker() -> Self {
        Self {
            amd64: Image::builder("linux/amd64").docker().build(),
            arm64: Image::builder("linux/arm64").docker().build(),
        }
    }

    /// As podman, buildah and kaniko write them.
    pub(crate) fn oci() -> Self {
        Self { amd64: Image::builder("linux/amd64").build(), arm64: Image::builder("linux/arm64").build() }
    }

    /// Other images than those of the other constructors and seeds.
    pub(crate) fn seeded(seed: u64) -> Self {
        let build = |platform| Image::builder(platform).docker().seed(seed).build();
        Self { amd64: build("linux/amd64"), arm64: build("linux/arm64") }
    }

    /// Pushes the images as `TAG` and `TAG-arm`.
    pub(crate) fn push(&self, registry: &Registry, tag: &str) {
        registry.push(REPOSITORY, tag, &self.amd64);
        registry.push(REPOSITORY, &format!("{tag}-arm"), &self.arm64);
    }

    /// The exact bytes of the index of both.
    pub(crate) fn merged(&self) -> String {
        let docker = self.amd64.media_type.contains("docker") && self.arm64.media_type.contains("docker");
        let media_type = if docker { DOCKER_LIST } else { OCI_INDEX };
        index(media_type, &[entry(&self.amd64, "linux/amd64"), entry(&self.arm64, "linux/arm64/v8")])
    }
}

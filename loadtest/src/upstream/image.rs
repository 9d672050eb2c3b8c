//! Images and blobs that are made from numbers, the same bytes each time.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

/// The repository of everything.
pub(crate) const REPOSITORY: &str = "load/app";

/// What each image is there for: amd64 under the plain tag, arm64 with `-arm`.
pub(crate) const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// What blobs are made of.
const PIECE: usize = 1 << 20;

/// An image of one architecture.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) config: Bytes,
    pub(crate) config_digest: String,
    pub(crate) manifest: Bytes,
    pub(crate) manifest_digest: String,
    /// An index that has it alone.
    pub(crate) index: Bytes,
}

/// A blob: a stamp of 16 bytes with its number, and then the same pattern over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Blob {
    pub(crate) number: u64,
    /// In bytes.
    pub(crate) size: u64,
}

impl Image {
    /// The image of a number for a place in [`ARCHITECTURES`], with these layers.
    pub(crate) fn new(number: u32, architecture: usize, layers: &[(Blob, String)]) -> Self {
        let architecture = ARCHITECTURES[architecture];
        let ids: Vec<_> = layers.iter().map(|(_, digest)| format!("\"{digest}\"")).collect();
        let config = format!(
            r#"{{"architecture":"{architecture}","os":"linux","config":{{"Labels":{{"number":"{number}"}}}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            ids.join(",")
        );
        let config_digest = digest(config.as_bytes());
        let descriptor =
            |kind, size, digest| format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}"#);
        let layers: Vec<_> =
            layers.iter().map(|(blob, digest)| descriptor(LAYER_TYPE, blob.size, digest.as_str())).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST_TYPE}","config":{},"layers":[{}]}}"#,
            descriptor(CONFIG_TYPE, config.len() as u64, config_digest.as_str()),
            layers.join(",")
        );
        let manifest_digest = digest(manifest.as_bytes());
        let platform = format!(r#""platform":{{"architecture":"{architecture}","os":"linux"}}"#);
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX_TYPE}","manifests":[{{"mediaType":"{MANIFEST_TYPE}","digest":"{manifest_digest}","size":{},{platform}}}]}}"#,
            manifest.len()
        );
        let (config, manifest, index) = (config.into(), manifest.into(), index.into());
        Self { config, config_digest, manifest, manifest_digest, index }
    }
}

impl Blob {
    /// Its bytes, piece by piece.
    pub(crate) fn pieces(self) -> impl Iterator<Item = Bytes> + Send + Sync + use<> {
        let pattern = pattern();
        let mut first = vec![0; usize::try_from(self.size.min(PIECE as u64)).unwrap_or(PIECE)];
        for (at, byte) in first.iter_mut().enumerate() {
            *byte = pattern[at];
        }
        let stamp = (u128::from(self.number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        for (byte, stamp) in first.iter_mut().zip(stamp.to_le_bytes()) {
            *byte ^= stamp;
        }
        let mut left = self.size - first.len() as u64;
        let rest = std::iter::from_fn(move || {
            let size = usize::try_from(left.min(PIECE as u64)).unwrap_or(PIECE);
            left -= size as u64;
            (size > 0).then(|| pattern.slice(..size))
        });
        std::iter::once(Bytes::from(first)).filter(|piece| !piece.is_empty()).chain(rest)
    }

    /// Its digest.
    pub(crate) fn digest(self) -> String {
        let mut context = Context::new(&SHA256);
        self.pieces().for_each(|piece| context.update(&piece));
        name(context.finish().as_ref())
    }
}

/// The tag of an image by its number; the member for arm64 has `-arm` behind it.
pub(crate) fn tag(number: u32) -> String {
    format!("t{number}")
}

/// The same, where both tags are indexes of one image each.
pub(crate) fn index_tag(number: u32) -> String {
    format!("i{number}")
}

/// A megabyte that does not compress.
fn pattern() -> Bytes {
    static PATTERN: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    let make = || {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let words = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        words.take(PIECE / 8).flatten().collect()
    };
    PATTERN.get_or_init(make).clone()
}

/// The digest of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    name(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
}

fn name(hash: &[u8]) -> String {
    let mut name = String::with_capacity(71);
    name.push_str("sha256:");
    for byte in hash {
        for nibble in [byte >> 4, byte & 15] {
            name.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_make_the_same_bytes_again_and_others_for_others() {
        let blob = Blob { number: 7, size: (2 << 20) + 5 };
        assert_eq!(blob.pieces().map(|piece| piece.len() as u64).sum::<u64>(), blob.size);
        let whole: Vec<u8> = blob.pieces().flatten().collect();
        assert_eq!(blob.digest(), digest(&whole));
        assert_ne!(blob.digest(), Blob { number: 8, ..blob }.digest());
        assert_eq!(Blob { number: 0, size: 0 }.pieces().count(), 0);
        let image = Image::new(3, 1, &[(blob, blob.digest())]);
        let manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
        assert_eq!(manifest["config"]["digest"], image.config_digest);
        assert_eq!(manifest["layers"][0]["size"], blob.size);
        assert_ne!(image.manifest_digest, Image::new(4, 1, &[]).manifest_digest);
    }
}

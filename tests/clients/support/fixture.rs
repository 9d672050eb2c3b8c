//! Images that nobody else has, with their platform in the file `/arch`.

use testkit::image::Image;

use super::site::fresh_seed;

/// The platforms of the images that belong together.
pub(crate) const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64/v8"];

/// Bytes in each of the large layers.
const LARGE: usize = 3 << 20;

/// An image of a few bytes.
pub(crate) fn small_image(platform: &str) -> Image {
    Image::builder(platform).file("/arch", platform.as_bytes()).seed(fresh_seed()).build()
}

/// An image with two large layers, which do not become smaller.
pub(crate) fn large_image(platform: &str) -> Image {
    let seed = fresh_seed();
    let builder = Image::builder(platform).file("/arch", platform.as_bytes()).seed(seed);
    builder.file("/data/first", &noise(seed)).file("/data/second", &noise(!seed)).build()
}

/// Bytes that look random (xorshift64).
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(LARGE / 8).flatten().collect()
}

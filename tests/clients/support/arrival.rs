//! What a client holds after a pull, told alike for all clients.

use serde_json::Value;
use testkit::image::Image;

use super::way::Way;

/// An image as it arrived at a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The digest of the image's config, which names variant and `os.version` too.
    pub(crate) config: String,
    /// `os/architecture`, as the client reports it.
    pub(crate) platform: String,
    /// The content of its file `/arch`.
    pub(crate) file: String,
}

impl Arrival {
    /// What is to arrive of `image`, whose file `/arch` holds the name of its platform.
    pub(crate) fn of(image: &Image) -> Self {
        let platform = image.platform.as_ref().expect("an image has a platform");
        Self { config: image.config_digest(), platform: platform_in(platform), file: platform_name(platform) }
    }
}

/// `os/architecture[/variant][/os.version]` of a platform.
pub(crate) fn platform_name(platform: &Value) -> String {
    let parts = ["os", "architecture", "variant", "os.version"];
    let parts: Vec<_> = parts.iter().filter_map(|part| platform[part].as_str()).collect();
    parts.join("/")
}

/// `os/architecture` of a config.
pub(crate) fn platform_in(config: &Value) -> String {
    let field = |name| config[name].as_str().unwrap_or_default();
    format!("{}/{}", field("os"), field("architecture"))
}

/// A client that can be told which platform to pull.
pub(crate) trait Puller {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// What it says when an index has nothing for a platform.
    fn no_match(&self) -> &'static str;

    /// Pulls `reference` for `platform`, which is `os/architecture[/variant]`.
    ///
    /// # Errors
    /// What the client printed, if it refuses.
    ///
    /// # Panics
    /// If the client cannot say what it pulled.
    fn pull(&self, platform: &str, reference: &str) -> Result<Arrival, String>;
}

/// A client that can push, too.
pub(crate) trait Pusher: Puller {
    /// What it is given to be let in.
    fn way(&mut self) -> &mut Way;

    /// Gives its credentials to the client, and the registry's word on them; where it keeps none, with each call.
    ///
    /// # Errors
    /// What the client printed, if it does not get in.
    fn log_in(&self, _address: &str) -> Result<String, String> {
        Ok(String::new())
    }

    /// Loads an image into the client, pushes it, and takes it away again. Returns what the client printed.
    ///
    /// # Errors
    /// What the client printed, if it fails.
    ///
    /// # Panics
    /// If the client does not load the image.
    fn push(&self, image: &Image, reference: &str) -> Result<String, String>;
}

/// `platform` as up to three arguments, behind the flags for os, architecture and variant.
pub(crate) fn platform_args<'a>(flags: [&'a str; 3], platform: &'a str) -> Vec<&'a str> {
    flags.into_iter().zip(platform.split('/')).flat_map(|(flag, part)| [flag, part]).collect()
}

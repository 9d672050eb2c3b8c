//! What a person means by a reference: registry, repository, tag or digest.

use onetag_config::UpstreamUrl;
use onetag_oci::{Reference, Repository};

/// A reference as `docker pull` takes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The registry's host and port, where one is named.
    pub(super) registry: Option<String>,
    pub(super) repository: Repository,
    pub(super) reference: Reference,
}

impl Target {
    /// Reads `[REGISTRY/]REPOSITORY[:TAG|@DIGEST]`. As with Docker, the first part is a registry when it
    /// has a `.` or `:` or is `localhost`; the tag is `latest` when none is named; a digest beats a tag.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, bare)) = text.split_once("://") {
            return Err(format!("{text}: a reference has no scheme; write {bare}"));
        }
        let (registry, rest) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (Some(first.to_owned()), rest)
            }
            _ => (None, text),
        };
        let (name, digest) = match rest.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (rest, None),
        };
        let (name, tag) = name.split_once(':').unwrap_or((name, "latest"));
        let wrong = |part: &str, error: &dyn std::fmt::Display| format!("{text}: {part:?}: {error}");
        let repository: Repository = name.parse().map_err(|error| wrong(name, &error))?;
        let tag = Reference::Tag(tag.parse().map_err(|error| wrong(tag, &error))?);
        let reference = match digest {
            Some(digest) => Reference::Digest(digest.parse().map_err(|error| wrong(digest, &error))?),
            None => tag,
        };
        Ok(Self { registry, repository, reference })
    }

    /// The upstream to ask: the configured one, or else the registry that the reference names.
    pub(super) fn upstream(&self, configured: Option<&UpstreamUrl>) -> Result<UpstreamUrl, String> {
        match (configured, &self.registry) {
            (Some(url), None) => Ok(url.clone()),
            (Some(url), Some(named)) if named == url.authority() => Ok(url.clone()),
            (Some(url), Some(named)) => Err(format!(
                "the reference names the registry {named}, the upstream is {url}; leave one of them out"
            )),
            (None, Some(named)) => {
                let host = named.rsplit_once(':').map_or(named.as_str(), |(host, _)| host);
                let loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
                let scheme = if loopback { "http" } else { "https" };
                let named = if named == "docker.io" { "registry-1.docker.io" } else { named };
                format!("{scheme}://{named}").parse().map_err(|error| format!("{named}: {error}"))
            }
            (None, None) => {
                Err("the reference names no registry; write registry.example.com/team/app:latest, \
                                 or name one with --upstream"
                    .into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Option<String>, String, String) {
        let target = Target::parse(text).unwrap();
        (target.registry, target.repository.to_string(), target.reference.to_string())
    }

    #[test]
    fn references_are_read_as_docker_reads_them() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let named = |text: &str| Some(text.to_owned());
        for (text, registry, repository, reference) in [
            ("app", None, "app", "latest"),
            ("team/app:v1", None, "team/app", "v1"),
            ("localhost/app", named("localhost"), "app", "latest"),
            ("localhost:5080/team/app:v1", named("localhost:5080"), "team/app", "v1"),
            ("registry.example.com/app", named("registry.example.com"), "app", "latest"),
            (&*format!("app:v1@{digest}"), None, "app", &*digest),
        ] {
            assert_eq!(parts(text), (registry, repository.into(), reference.into()), "{text}");
        }
        for bad in ["", "App", "app:", "app@sha256:1", "a.b/", "app:v1:v2", "https://a.b/app"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_registry_is_named_once() {
        let url: UpstreamUrl = "https://a.example".parse().unwrap();
        let upstream = |text: &str, url: Option<&UpstreamUrl>| {
            Target::parse(text).unwrap().upstream(url).map(|url| url.to_string())
        };
        assert_eq!(upstream("app", Some(&url)).unwrap(), "https://a.example");
        assert_eq!(upstream("a.example/app", Some(&url)).unwrap(), "https://a.example");
        assert_eq!(upstream("b.example/app", None).unwrap(), "https://b.example");
        assert_eq!(upstream("localhost:5000/app", None).unwrap(), "http://localhost:5000");
        assert_eq!(upstream("docker.io/library/nginx", None).unwrap(), "https://registry-1.docker.io");
        assert!(upstream("b.example/app", Some(&url)).unwrap_err().contains("leave one"));
        assert!(upstream("app", None).unwrap_err().contains("--upstream"));
    }
}

use testkit::oracle::Content;
use testkit::{DockerRegistry, Match, Registry};

use super::trouble::Trouble;

/// A registry that gets into trouble: the test kit's, or a real one where a process must be stopped.
pub(super) enum Upstream {
    Kit(Registry, String),
    Real(Box<DockerRegistry>),
}

impl Upstream {
    /// One for this trouble; `None` where a program is missing, see [`testkit::require`].
    pub(super) async fn start(trouble: Trouble) -> Option<Self> {
        if trouble == Trouble::Stopped {
            return DockerRegistry::start().map(|registry| Self::Real(Box::new(registry)));
        }
        let registry = Registry::start().await;
        let url = registry.url();
        Some(Self::Kit(registry, url))
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Kit(_, url) => url,
            Self::Real(registry) => registry.url(),
        }
    }

    pub(super) fn push(&self, repository: &str, tag: &str, content: &Content) {
        match (self, content) {
            (Self::Kit(registry, _), Content::Image(image)) => registry.push(repository, tag, image),
            (Self::Kit(registry, _), Content::Index(index)) => registry.push_index(repository, tag, index),
            (Self::Kit(registry, _), Content::Raw(raw)) => {
                registry.put_manifest(repository, tag, &raw.media_type, &raw.bytes)
            }
            (Self::Real(registry), Content::Image(image)) => registry.push(repository, tag, image),
            (Self::Real(registry), Content::Index(index)) => registry.push_index(repository, tag, index),
            (Self::Real(registry), Content::Raw(raw)) => {
                registry.push_manifest(repository, tag, &raw.media_type, &raw.bytes)
            }
        };
    }

    pub(super) async fn enter(&mut self, trouble: Trouble) {
        match self {
            Self::Real(registry) => registry.halt(),
            Self::Kit(registry, _) => match trouble.fault() {
                Some(fault) => {
                    registry.fail(Match::all(), fault);
                }
                None => registry.go_down().await,
            },
        }
    }

    pub(super) async fn leave(&mut self, trouble: Trouble) {
        match self {
            Self::Real(registry) => registry.resume(),
            Self::Kit(registry, _) => match trouble.fault() {
                Some(_) => registry.heal(),
                None => registry.come_back().await,
            },
        }
    }
}

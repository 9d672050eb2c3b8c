//! The scenarios, and what is usual in each.

use std::time::Duration;

use crate::engine::Pace;

/// What is asked for, and in which state the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// A merged tag that is cached.
    TagHit,
    /// The same with HEAD, as containerd and docker ask first.
    HeadHit,
    /// A merged index by its digest.
    DigestHit,
    /// Tags that nobody has asked for: each is merged from two.
    ColdMerge,
    /// Tags that are past their time: the upstream is asked each time whether they changed.
    Revalidate,
    /// Many clients ask for the same cold tag at once.
    Stampede,
    /// A blob that is in the data directory.
    BlobHit,
    /// Blobs that come from the upstream, are verified and kept.
    BlobCold,
    /// A cluster's rollout: all nodes pull an image of 10 layers at once, none of which is cached.
    Rollout,
    /// A morning of laptops: tags at random after Zipf's law, each with the image of one platform.
    Morning,
    /// An upstream that takes 2 s for each answer: cached tags, and 1 % that are not.
    SlowUpstream,
    /// Names that do not exist, ten for each that does.
    Keyflood,
}

impl Scenario {
    pub(crate) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it can be had from a server that is not started for it.
    pub(crate) fn fits_a_target(self) -> bool {
        !matches!(
            self,
            Self::ColdMerge
                | Self::Revalidate
                | Self::Stampede
                | Self::BlobCold
                | Self::Rollout
                | Self::SlowUpstream
        )
    }

    /// The pace where none is asked for: open where waiting is the point, else as much as it takes.
    pub(crate) fn usual_pace(self) -> Pace {
        match self {
            Self::ColdMerge => Pace::Rate(50.0),
            Self::SlowUpstream => Pace::Rate(1_000.0),
            Self::Morning => Pace::Rate(2_000.0),
            _ => Pace::Maximum,
        }
    }

    /// Requests under way where no number is asked for.
    pub(crate) fn usual_concurrency(self) -> usize {
        match self {
            Self::BlobHit | Self::BlobCold => 4,
            Self::Rollout | Self::Stampede => 200,
            // Enough that one that waits for the upstream keeps no other from its time.
            Self::SlowUpstream | Self::ColdMerge => 256,
            _ => 64,
        }
    }

    /// The latency of the upstream where none is asked for.
    pub(crate) fn usual_latency(self) -> Duration {
        match self {
            Self::ColdMerge | Self::Stampede => Duration::from_millis(50),
            Self::Rollout | Self::Morning => Duration::from_millis(20),
            Self::SlowUpstream => Duration::from_secs(2),
            _ => Duration::ZERO,
        }
    }

    /// Whether it ends by itself, when all was asked for.
    pub(crate) fn is_finite(self) -> bool {
        matches!(self, Self::Rollout | Self::BlobCold)
    }

    /// Whether the server answers from what it has, so that the upstream needs none of the load's cores.
    pub(crate) fn is_hit(self) -> bool {
        matches!(self, Self::TagHit | Self::HeadHit | Self::DigestHit | Self::BlobHit)
    }

    /// Whether there is anything to warm up: not where each request is the first of its kind.
    pub(crate) fn warms_up(self) -> bool {
        !matches!(self, Self::Rollout | Self::Stampede | Self::BlobCold | Self::ColdMerge)
    }
}

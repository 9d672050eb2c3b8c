//! Skew: whether the members of one tag come from one build (rule I7).

use std::fmt;
use std::time::Duration;

use onetag_oci::{ImageConfig, ImageManifest, Index, REVISION, VERSION};

/// Before this (1981) a time of creation is a constant of a reproducible build, and says nothing; buildpacks
/// write the first of January 1980.
const SENSIBLE: Duration = Duration::from_hours(11 * 365 * 24);

/// What a member says about the build that it comes from; empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// The revision of the source.
    pub revision: String,
    /// The version of the product.
    pub version: String,
    /// When it was made, since the Unix epoch.
    pub created: Option<Duration>,
    /// Whether it could not be read, so that nobody knows.
    pub unreadable: bool,
}

/// How the members of a tag differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// They name different revisions.
    Revision,
    /// They name different versions.
    Version,
    /// They were made too long after one another.
    Created,
    /// One of them cannot be read.
    Unknown,
}

impl Build {
    /// What an image says: the labels of its config, else the annotations of its manifest.
    pub fn of_image(config: &ImageConfig, manifest: &ImageManifest) -> Self {
        let say = |label: &Option<String>, key| {
            label.as_ref().or_else(|| manifest.annotations.get(key)).cloned().unwrap_or_default()
        };
        Self {
            revision: say(&config.revision, REVISION),
            version: say(&config.version, VERSION),
            created: time_of(&config.created),
            unreadable: false,
        }
    }

    /// What the annotations of an index say.
    pub fn of_index(index: &Index) -> Self {
        let say = |key| index.annotations.get(key).cloned().unwrap_or_default();
        let created = index.annotations.get("org.opencontainers.image.created");
        Self {
            revision: say(REVISION),
            version: say(VERSION),
            created: created.and_then(|text| time_of(text)),
            unreadable: false,
        }
    }

    /// What an image says that cannot be read.
    pub fn unreadable() -> Self {
        Self { unreadable: true, ..Self::default() }
    }

    /// Whether it says nothing at all.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// How the builds differ, if they do: by revision where all name one, else by version, else by more than
/// `gap` between the first and the last.
pub(super) fn between<'a>(builds: impl Iterator<Item = &'a Build> + Clone, gap: Duration) -> Option<Skew> {
    if builds.clone().any(|build| build.unreadable) {
        return Some(Skew::Unknown);
    }
    let verdict = |of: fn(&Build) -> &str| {
        let mut all = builds.clone().map(of);
        let first = all.clone().next()?;
        let said = all.clone().all(|text| !text.is_empty());
        said.then(|| all.any(|text| text != first))
    };
    match (verdict(|build| &build.revision), verdict(|build| &build.version)) {
        (Some(differ), _) => return differ.then_some(Skew::Revision),
        (None, Some(true)) => return Some(Skew::Version),
        (None, _) => {}
    }
    let times = builds.filter_map(|build| build.created).filter(|time| *time > SENSIBLE);
    let (first, last) = (times.clone().min()?, times.max()?);
    (last.saturating_sub(first) > gap).then_some(Skew::Created)
}

impl Skew {
    /// The word for it in headers and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Revision => "revision",
            Self::Version => "version",
            Self::Created => "created",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revision => "its members name different revisions",
            Self::Version => "its members name different versions",
            Self::Created => "its members were made too long after one another",
            Self::Unknown => "one of its members cannot be read to tell its build",
        })
    }
}

/// RFC 3339, fractions of a second left away; none when it is not that or before 1970.
fn time_of(text: &str) -> Option<Duration> {
    let number = |at: std::ops::Range<usize>| text.get(at)?.parse::<u64>().ok();
    let marks = [(4, "-"), (7, "-"), (13, ":"), (16, ":")];
    if !marks.iter().all(|(at, mark)| text.get(*at..=*at) == Some(mark)) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 {
        return None;
    }
    // Days before the first of March of the year zero are counted so that leap days come last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = (days - 719_468) * 86_400 + hour * 3_600 + minute * 60 + second;
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = || {
        let (hours, minutes) = zone.get(1..)?.split_once(':')?;
        Some(u64::from(hours.parse::<u8>().ok()?) * 3_600 + u64::from(minutes.parse::<u8>().ok()?) * 60)
    };
    match zone.get(..1)? {
        "Z" | "z" => Some(Duration::from_secs(seconds)),
        "+" => seconds.checked_sub(offset()?).map(Duration::from_secs),
        "-" => Some(Duration::from_secs(seconds + offset()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(revision: &str, version: &str, created: &str) -> Build {
        let created = time_of(created);
        Build { revision: revision.into(), version: version.into(), created, unreadable: false }
    }

    fn skew(builds: &[Build]) -> Option<Skew> {
        between(builds.iter(), Duration::from_hours(24))
    }

    #[test]
    fn times_are_read_with_their_zone() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56.123456789Z", 951_827_696),
            ("2024-01-01T01:00:00+01:00", 1_704_067_200),
            ("2023-12-31T19:30:00-04:30", 1_704_067_200),
        ] {
            assert_eq!(time_of(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in [
            "",
            "yesterday",
            "2024-01-01",
            "2024-13-01T00:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00-18446744073709551615:00",
            "0001-01-01T00:00:00Z",
            "２０２４-01-01T00:00:00Z",
        ] {
            assert_eq!(time_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn vector_49_different_revisions_are_skew_whatever_else_agrees() {
        let time = "2024-01-01T00:00:00Z";
        assert_eq!(skew(&[build("a", "1", time), build("b", "1", time)]), Some(Skew::Revision));
        assert_eq!(skew(&[build("a", "1", time), build("a", "2", "2024-03-01T00:00:00Z")]), None);
        assert_eq!(skew(&[build("", "1", time), build("b", "2", time)]), Some(Skew::Version));
        assert_eq!(skew(&[build("a", "1", time), Build::unreadable()]), Some(Skew::Unknown));
    }

    #[test]
    fn without_revisions_the_times_decide() {
        let at = |time| build("", "1", time);
        assert_eq!(skew(&[at("2024-01-01T00:00:00Z"), at("2024-01-01T23:00:00Z")]), None);
        assert_eq!(skew(&[at("2024-01-01T00:00:00Z"), at("2024-01-03T00:00:00Z")]), Some(Skew::Created));
        assert_eq!(skew(&[at("1970-01-01T00:00:00Z"), at("2024-01-03T00:00:00Z")]), None);
        assert_eq!(skew(&[at(""), at("2024-01-03T00:00:00Z")]), None);
        assert_eq!(skew(&[]), None);
    }
}

//! Why a tag's answer is what it is, for people and for scripts.

use std::time::Instant;

use onetag_oci::{Descriptor, Digest, MediaType, Platform, Repository, Tag};
use serde::{Serialize, Serializer};

use crate::cache::{Content, TagRecord};
use crate::merge::{Address, Finding, Member, Outcome, Verdict, is_image, normalise};

use super::fill::Case;
use super::gather::Found;

/// All that went into the answer for one tag.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The repository.
    pub repository: String,
    /// The tag, or the digest that was asked for in its place.
    pub reference: String,
    /// What the answer is.
    pub answer: Answer,
    /// The rule that decides: its name, or `merge` for the section of that name.
    pub rule: String,
    /// What the tag itself is at the upstream, before anything is merged.
    pub upstream_digest: Option<Digest>,
    /// The digest that a pull of the tag shows; none when absent.
    pub digest: Option<Digest>,
    /// The type of what it shows.
    pub media_type: Option<MediaType>,
    /// The platforms of the answer, in their order.
    pub entries: Vec<ExplainedEntry>,
    /// The base and every candidate, in order of precedence.
    pub members: Vec<ExplainedMember>,
    /// How the members differ in the build that they come from, if they do (rule I7).
    pub skew: Option<String>,
    /// Why the rule withholds what there is.
    pub withheld: Option<String>,
    /// What is answered to clients just now; none where nothing is in the cache.
    pub cached: Option<Cached>,
}

/// The answer that clients get from the cache.
#[derive(Debug, Clone, Serialize)]
pub struct Cached {
    /// Its digest; none where the cache says that there is no such tag.
    pub digest: Option<Digest>,
    /// As in the header Onetag-Source: `merged`, `passed`, `held` or `stale`; else `withheld` or `absent`.
    pub source: &'static str,
    /// Seconds since the upstream last said so.
    pub age_seconds: u64,
    /// Seconds for which it is still answered without asking; 0 where the next request asks.
    pub fresh_seconds: u64,
    /// Seconds since which an earlier answer is held (rule I7).
    pub held_seconds: Option<u64>,
}

impl From<&TagRecord> for Cached {
    fn from(record: &TagRecord) -> Self {
        Self {
            digest: record.tagged.as_ref().map(|tagged| tagged.content.digest.clone()),
            source: record.source(),
            age_seconds: record.confirmed.elapsed().as_secs(),
            fresh_seconds: record.fresh_until.saturating_duration_since(Instant::now()).as_secs(),
            held_seconds: record.held.map(|since| since.elapsed().as_secs()),
        }
    }
}

/// What the answer to a tag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// An index that onetag built.
    Merged,
    /// The upstream's bytes as they are.
    Passed,
    /// Nothing: the rule requires more than there is.
    Withheld,
    /// Nothing: the upstream has no such tag and no member of it that can be used.
    Absent,
}

/// One image of the answer.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedEntry {
    /// What it runs on.
    #[serde(serialize_with = "as_text")]
    pub platform: Platform,
    /// Its manifest.
    pub digest: Digest,
    /// The tag that it comes from.
    pub from: String,
    /// The pattern that found that tag.
    pub rule: String,
    /// What says the platform.
    pub platform_source: PlatformSource,
}

/// What says the platform of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformSource {
    /// The image's config (rule P1).
    Config,
    /// The index that lists it (rule I2).
    Index,
    /// The rule, which is believed (rule P8).
    Rule,
}

/// One tag that was considered.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedMember {
    /// The tag.
    pub tag: String,
    /// The pattern that made it a candidate: `{tag}` for the base, or one like `{tag}-arm64`.
    pub rule: String,
    /// What became of it.
    pub state: MemberState,
    /// The digest of what the tag names, when it is there.
    pub digest: Option<Digest>,
    /// The platforms that the answer takes from it.
    #[serde(serialize_with = "all_as_text")]
    pub platforms: Vec<Platform>,
    /// What there is to say about it.
    pub notes: Vec<Note>,
}

/// What became of a tag that was considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// The answer has images of it.
    Used,
    /// It is the answer, untouched.
    Passed,
    /// It is there and gives nothing to the answer.
    LeftOut,
    /// The upstream has no such tag.
    Absent,
    /// It was not asked for: no tag of the repository has this suffix, or the base stands for itself.
    NotAsked,
}

/// Something to say about a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Whether a person should look at it.
    pub warning: bool,
    /// The sentence.
    pub text: String,
}

impl Explanation {
    /// Tells a merge that was decided.
    pub(super) fn new(
        repository: &Repository,
        tag: &Tag,
        case: &Case<'_>,
        content: Option<&Content>,
    ) -> Self {
        let base = case.found.first().filter(|first| first.is_base);
        Self {
            repository: repository.to_string(),
            reference: tag.to_string(),
            answer: match (&case.selection.outcome, content) {
                (Outcome::Withheld(_), _) => Answer::Withheld,
                (_, None) => Answer::Absent,
                (Outcome::Merged(_), _) => Answer::Merged,
                _ => Answer::Passed,
            },
            rule: case.rule.name.clone(),
            upstream_digest: base.map(|base| base.content.digest.clone()),
            digest: content.map(|content| content.digest.clone()),
            media_type: content.map(|content| content.media_type.clone()),
            entries: entries(case),
            members: members(tag, case),
            skew: case.selection.skew.map(|skew| skew.to_string()),
            withheld: match &case.selection.outcome {
                Outcome::Withheld(why) => Some(why.to_string()),
                _ => None,
            },
            cached: None,
        }
    }

    /// Tells what a digest is.
    pub(super) fn of_digest(
        repository: &Repository,
        digest: &Digest,
        content: Option<&Content>,
        entries: &[Descriptor],
    ) -> Self {
        let explain = |entry: &Descriptor| {
            let platform = entry.platform.clone()?;
            Some(ExplainedEntry {
                platform,
                digest: entry.digest.clone(),
                from: digest.to_string(),
                rule: String::new(),
                platform_source: PlatformSource::Index,
            })
        };
        Self {
            repository: repository.to_string(),
            reference: digest.to_string(),
            answer: if content.is_some() { Answer::Passed } else { Answer::Absent },
            rule: String::new(),
            upstream_digest: content.map(|content| content.digest.clone()),
            digest: content.map(|content| content.digest.clone()),
            media_type: content.map(|content| content.media_type.clone()),
            entries: entries.iter().filter(|entry| is_image(entry)).filter_map(explain).collect(),
            members: Vec::new(),
            skew: None,
            withheld: None,
            cached: None,
        }
    }

    /// Whether anything needs a person.
    pub fn has_warnings(&self) -> bool {
        let noted = self.members.iter().any(|member| member.notes.iter().any(|note| note.warning));
        noted || self.skew.is_some() || self.withheld.is_some()
    }
}

/// The images of the answer, and the tags that they come from.
fn entries(case: &Case<'_>) -> Vec<ExplainedEntry> {
    let (all, origins) = match &case.selection.outcome {
        Outcome::Nothing | Outcome::Withheld(_) => (&[][..], Vec::new()),
        Outcome::Pass(place) => {
            let own = case.members[*place].content.as_deref().unwrap_or(&[]);
            (own, vec![*place; own.len()])
        }
        Outcome::Merged(index) => (&index.entries[..], index.origins.clone()),
    };
    let images = all.iter().zip(origins).filter(|(entry, _)| is_image(entry));
    let explain = |(entry, place): (&Descriptor, usize)| {
        let Member { address, claim, .. } = &case.members[place];
        let found = entry.platform.as_ref()?;
        let platform = normalise(found, claim).map_or_else(|| found.clone(), |normal| normal.platform);
        let is_merged = matches!(case.selection.outcome, Outcome::Merged(_));
        let notes = &case.selection.verdicts[place].findings;
        let is_note = |finding: &Finding| matches!(finding, Finding::Overruled { .. });
        let overruled = is_merged && notes.iter().any(is_note);
        Some(ExplainedEntry {
            platform,
            digest: entry.digest.clone(),
            from: address.to_string(),
            rule: pattern(case, address),
            platform_source: match (overruled, case.found[place].is_single()) {
                (true, _) => PlatformSource::Rule,
                (false, true) => PlatformSource::Config,
                (false, false) => PlatformSource::Index,
            },
        })
    };
    images.filter_map(explain).collect()
}

/// The pattern that found an address.
fn pattern(case: &Case<'_>, address: &Address) -> String {
    let candidate = case.candidates.iter().find(|candidate| candidate.address == *address);
    candidate.map_or_else(|| "{tag}".into(), |candidate| candidate.pattern.clone())
}

/// The base and every candidate, found or not.
fn members(tag: &Tag, case: &Case<'_>) -> Vec<ExplainedMember> {
    let judged = |place: usize| {
        let passed = case.selection.outcome == Outcome::Pass(place);
        let verdict = &case.selection.verdicts[place];
        let withheld = matches!(case.selection.outcome, Outcome::Withheld(_));
        let state = match (passed, withheld || verdict.used.is_empty()) {
            (true, _) => MemberState::Passed,
            (false, false) => MemberState::Used,
            (false, true) => MemberState::LeftOut,
        };
        (state, &case.found[place].content.digest, verdict)
    };
    let explain = |address: &Address, pattern: String, place: Option<usize>, unfound: MemberState| {
        let member = |state| ExplainedMember::new(address, pattern, state);
        match place.map(judged) {
            Some((state, digest, verdict)) => member(state).judged(digest, verdict),
            None => member(unfound),
        }
    };
    let candidates = case.candidates.iter().map(|candidate| {
        let asked = case.knowledge.allows(candidate.place) && !case.base_alone;
        let unfound = if asked { MemberState::Absent } else { MemberState::NotAsked };
        let is_it = |found: &Found| !found.is_base && found.address == candidate.address;
        let place = case.found.iter().position(is_it);
        explain(&candidate.address, candidate.pattern.clone(), place, unfound)
    });
    let base = case.found.iter().position(|found| found.is_base);
    let base_address = base.map_or_else(|| tag.clone().into(), |place| case.found[place].address.clone());
    let base = explain(&base_address, "{tag}".into(), base, MemberState::Absent);
    std::iter::once(base).chain(candidates).collect()
}

impl ExplainedMember {
    /// A candidate of which nothing is known but its name.
    fn new(address: &Address, rule: String, state: MemberState) -> Self {
        Self { tag: address.to_string(), rule, state, digest: None, platforms: Vec::new(), notes: Vec::new() }
    }

    /// Adds what the merge said of it.
    fn judged(mut self, digest: &Digest, verdict: &Verdict) -> Self {
        self.digest = Some(digest.clone());
        self.platforms.clone_from(&verdict.used);
        self.notes = verdict.findings.iter().map(Note::from).collect();
        self
    }
}

impl From<&Finding> for Note {
    fn from(finding: &Finding) -> Self {
        Self { warning: finding.is_warning(), text: finding.to_string() }
    }
}

fn as_text<S: Serializer>(platform: &Platform, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(platform)
}

fn all_as_text<S: Serializer>(platforms: &[Platform], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(platforms.iter().map(ToString::to_string))
}

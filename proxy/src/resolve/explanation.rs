//! Why a tag's answer is what it is, for people and for scripts.

use onetag_oci::{Descriptor, Digest, MediaType, Platform, Repository, Tag};
use serde::{Serialize, Serializer};

use crate::cache::{Content, Tagged};
use crate::merge::{Finding, Outcome, Verdict, is_image, normalise};

use super::fill::Case;

/// All that went into the answer for one tag.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The repository.
    pub repository: String,
    /// The tag, or the digest that was asked for in its place.
    pub reference: String,
    /// What the answer is.
    pub answer: Answer,
    /// The digest that a pull of the tag shows; none when absent.
    pub digest: Option<Digest>,
    /// The type of what it shows.
    pub media_type: Option<MediaType>,
    /// The platforms of the answer, in their order.
    pub entries: Vec<ExplainedEntry>,
    /// The base and every candidate, in order of precedence.
    pub members: Vec<ExplainedMember>,
}

/// What the answer to a tag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// An index that onetag built.
    Merged,
    /// The upstream's bytes as they are.
    Passed,
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
}

/// One tag that was considered.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedMember {
    /// The tag.
    pub tag: String,
    /// What made it a candidate: the rule `{tag}`, or `{tag}-<suffix>`.
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
    pub(super) fn new(repository: &Repository, tag: &Tag, case: &Case, tagged: Option<&Tagged>) -> Self {
        let content = tagged.map(|tagged| &tagged.content);
        Self {
            repository: repository.to_string(),
            reference: tag.to_string(),
            answer: match (&case.selection.outcome, content) {
                (_, None) => Answer::Absent,
                (Outcome::Merged(_), _) => Answer::Merged,
                _ => Answer::Passed,
            },
            digest: content.map(|content| content.digest.clone()),
            media_type: content.map(|content| content.media_type.clone()),
            entries: entries(case),
            members: members(tag, case),
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
            Some(ExplainedEntry { platform, digest: entry.digest.clone(), from: digest.to_string() })
        };
        Self {
            repository: repository.to_string(),
            reference: digest.to_string(),
            answer: if content.is_some() { Answer::Passed } else { Answer::Absent },
            digest: content.map(|content| content.digest.clone()),
            media_type: content.map(|content| content.media_type.clone()),
            entries: entries.iter().filter(|entry| is_image(entry)).filter_map(explain).collect(),
            members: Vec::new(),
        }
    }

    /// Whether anything needs a person.
    pub fn has_warnings(&self) -> bool {
        self.members.iter().any(|member| member.notes.iter().any(|note| note.warning))
    }
}

/// The images of the answer, and the tags that they come from.
fn entries(case: &Case) -> Vec<ExplainedEntry> {
    let members = case.members.iter().zip(&case.selection.verdicts);
    let source = |entry: &Descriptor| {
        let mut from = members.clone().filter(|(_, verdict)| !verdict.used.is_empty());
        from.find(|(member, _)| member.content.iter().flatten().any(|own| own.digest == entry.digest))
    };
    let explain = |entry: &Descriptor| {
        let (member, _) = source(entry)?;
        let found = entry.platform.as_ref()?;
        let platform = normalise(found, member.token).map_or_else(|| found.clone(), |normal| normal.platform);
        Some(ExplainedEntry { platform, digest: entry.digest.clone(), from: member.tag.to_string() })
    };
    let all = match &case.selection.outcome {
        Outcome::Nothing => &[],
        Outcome::Pass(place) => case.members[*place].content.as_deref().unwrap_or(&[]),
        Outcome::Merged(index) => &index.entries[..],
    };
    all.iter().filter(|entry| is_image(entry)).filter_map(explain).collect()
}

/// The base and every candidate, found or not.
fn members(tag: &Tag, case: &Case) -> Vec<ExplainedMember> {
    let judged = |wanted: &Tag| {
        let place = case.found.iter().position(|found| found.tag == *wanted)?;
        let passed = case.selection.outcome == Outcome::Pass(place);
        let verdict = &case.selection.verdicts[place];
        let state = match (passed, verdict.used.is_empty()) {
            (true, _) => MemberState::Passed,
            (false, false) => MemberState::Used,
            (false, true) => MemberState::LeftOut,
        };
        Some((state, &case.found[place].content.digest, verdict))
    };
    let explain = |tag: &Tag, suffix: Option<&str>, unfound: MemberState| match judged(tag) {
        Some((state, digest, verdict)) => ExplainedMember::new(tag, suffix, state).judged(digest, verdict),
        None => ExplainedMember::new(tag, suffix, unfound),
    };
    let candidates = case.candidates.iter().map(|candidate| {
        let asked = case.knowledge.allows(candidate.suffix) && !case.base_alone;
        let unfound = if asked { MemberState::Absent } else { MemberState::NotAsked };
        explain(&candidate.tag, Some(candidate.token.text), unfound)
    });
    std::iter::once(explain(tag, None, MemberState::Absent)).chain(candidates).collect()
}

impl ExplainedMember {
    /// A candidate of which nothing is known but its name.
    fn new(tag: &Tag, suffix: Option<&str>, state: MemberState) -> Self {
        Self {
            tag: tag.to_string(),
            rule: suffix.map_or("{tag}".into(), |suffix| format!("{{tag}}-{suffix}")),
            state,
            digest: None,
            platforms: Vec::new(),
            notes: Vec::new(),
        }
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

//! One fill: everything between a cold tag and its answer.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use onetag_config::Skew as SkewRule;
use onetag_oci::{Descriptor, Digest, Document, Platform, Reference, Repository, Tag};

use crate::cache::{Basis, Content, Knowledge, Origin, Single, Tagged};
use crate::merge::{
    Candidate, Claim, Finding, Member, Outcome, Rule, Selection, is_image, is_referrer, normalise, select,
};

use super::error::ResolveError;
use super::explanation::{Answer, Explanation, MemberState};
use super::gather::{Found, FoundTags, Gather};
use super::resolver::Resolver;

/// How many warnings about one member a fill logs, and how much of each (threat T37).
const LOGGED_NOTES: usize = 8;
const LOGGED_CHARACTERS: usize = 400;

/// The longest list of members in a header; proxies in front have small buffers.
const MEMBERS_BYTES: usize = 1_000;

/// What a fill brings.
pub(super) struct Filled {
    /// The answer; none when there is no such tag.
    pub(super) tagged: Option<Arc<Tagged>>,
    /// Why the rule withholds what there is.
    pub(super) withheld: Option<Arc<str>>,
    /// Whether the upstream lacks content that it lists itself: the answer may be less than the truth.
    pub(super) incomplete: bool,
    /// What is to be told of it, if it is what clients get.
    pub(super) report: Report,
}

/// What the operator is told of a fill.
pub(super) struct Report {
    explanation: Explanation,
    selection: Selection,
}

/// One merge, decided: what was considered, what was found, and the verdicts.
pub(super) struct Case<'a> {
    pub(super) rule: &'a Rule,
    pub(super) candidates: Vec<Candidate>,
    pub(super) knowledge: Knowledge,
    pub(super) base_alone: bool,
    /// What is there; `members` and the verdicts of `selection` stand in the same order.
    pub(super) found: Vec<Found>,
    pub(super) members: Vec<Member>,
    pub(super) selection: Selection,
    /// What of other repositories the answer leads to (rule X1).
    pub(super) closure: Vec<(Digest, Repository)>,
    /// Whether the closure was too much, so that less is answered than there is.
    pub(super) refused: bool,
}

impl Resolver {
    /// Asks the upstream what a tag is now, past all caches of tags, and says why. No tag's answer
    /// changes by it.
    pub async fn explain(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Explanation, ResolveError> {
        let case = self.decide(repository, tag, true).await?;
        let content = case.content();
        let mut explanation = Explanation::new(repository, tag, &case, content.as_deref());
        explanation.cached = self.tags.get(&(repository.clone(), tag.clone())).map(|record| (&record).into());
        Ok(explanation)
    }

    /// Says what a digest is: never more or less than its own bytes (rule T10).
    pub async fn explain_digest(
        self: &Arc<Self>,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Explanation, ResolveError> {
        let Some(content) = self.manifest(repository, digest).await? else {
            return Ok(Explanation::of_digest(repository, digest, None, &[]));
        };
        let document = Document::parse(&content.bytes, &content.media_type).map_err(|error| {
            let (repository, reference) = (repository.clone(), Reference::Digest(digest.clone()));
            ResolveError::Document { repository, reference, error: Arc::new(error) }
        })?;
        let source = self.source(repository, digest).await.ok().flatten();
        let home = source.as_ref().unwrap_or(repository);
        let (entries, _) = Gather::new(self, repository).reader(home).content(&content, &document).await?;
        Ok(Explanation::of_digest(repository, digest, Some(&content), &entries.unwrap_or_default()))
    }

    /// Gathers, decides, keeps. The content is kept before its digest is told to anyone (rule D4).
    pub(super) async fn fill(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Filled, ResolveError> {
        let case = self.decide(repository, tag, false).await?;
        let tagged = self.keep(repository, &case).await;
        let content = tagged.as_ref().map(|tagged| &*tagged.content);
        let explanation = Explanation::new(repository, tag, &case, content);
        let withheld = match &case.selection.outcome {
            Outcome::Withheld(why) => Some(why.to_string().into()),
            _ => None,
        };
        let incomplete = case.refused || case.selection.is_incomplete();
        let report = Report { explanation, selection: case.selection };
        Ok(Filled { tagged, withheld, incomplete, report })
    }

    /// `thorough`: what a lone base holds is looked into as well, though it passes whatever it is.
    async fn decide(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
        thorough: bool,
    ) -> Result<Case<'_>, ResolveError> {
        let rule = self.rules.of(repository, tag);
        let candidates = rule.candidates(repository, tag);
        let knowledge = self.occurring.get(&(repository.clone(), rule.place));
        if knowledge == Knowledge::Unknown && !candidates.is_empty() && !self.alone {
            self.learn_members(repository, tag, &candidates);
        }
        let asked: Vec<_> =
            candidates.iter().filter(|other| knowledge.allows(other.place) && self.takes(other)).collect();
        let gather = Gather::new(self, repository);
        let home = self.home(repository, tag).await?;
        let policy = rule.policy_for(repository, tag);
        let FoundTags { found, base_alone } = gather.tags(&home, tag, &asked, &policy).await?;
        let occurs = |other: &&&Candidate| found.iter().any(|found| found.address == other.address);
        let occurring = asked.iter().filter(occurs).fold(0, |mask, other| mask | 1 << other.place);
        if occurring != 0 {
            self.occurring.found(&(repository.clone(), rule.place), occurring);
        }
        let lone = found.first().filter(|first| first.is_base && (base_alone || found.len() == 1));
        let as_it_is = lone.filter(|_| !thorough && policy.platforms.is_empty());
        let (members, selection) = if let Some(base) = as_it_is {
            (vec![base.as_it_is()], Selection::pass())
        } else {
            let deeply = found.len() > 1 && (thorough || policy.skew == SkewRule::Hold);
            let members = gather.members(&found, deeply).await?;
            let selection = select(&members, &policy);
            (members, selection)
        };
        let reached = gather.closure(&found, &selection).await?;
        let (closure, refusal) =
            reached.map_or_else(|finding| (Vec::new(), Some(finding)), |all| (all, None));
        let refused = refusal.is_some();
        let mut case =
            Case { rule, candidates, knowledge, base_alone, found, members, selection, closure, refused };
        if let Some(finding) = refusal {
            case.refuse(finding);
        }
        Ok(case)
    }

    /// Whether a candidate may be a member of what is answered.
    fn takes(&self, candidate: &Candidate) -> bool {
        !self.alone || candidate.address.repository.is_none()
    }

    /// The repository in which a tag is: that of the image which a signature's tag names (rule G2), else
    /// the one that was asked for.
    pub(super) async fn home(&self, repository: &Repository, tag: &Tag) -> Result<Repository, ResolveError> {
        let source = match is_referrer(tag).then(|| subject_of(tag)).flatten() {
            Some(digest) => self.source(repository, &digest).await?,
            None => None,
        };
        Ok(source.unwrap_or_else(|| repository.clone()))
    }

    async fn keep(&self, repository: &Repository, case: &Case<'_>) -> Option<Arc<Tagged>> {
        let content = case.content()?;
        if !case.closure.is_empty() {
            self.merged.keep_sources(repository, case.closure.clone()).await;
        }
        let (origin, entries) = match &case.selection.outcome {
            Outcome::Merged(index) => {
                self.merged.keep(repository, &content).await;
                (Origin::Merged, &index.entries[..])
            }
            Outcome::Pass(place) => (Origin::Passed, case.members[*place].content.as_deref().unwrap_or(&[])),
            Outcome::Nothing | Outcome::Withheld(_) => return None,
        };
        let base = case.found.first().filter(|first| first.is_base && first.is_single());
        let single = match (base, content.media_type.is_index()) {
            (_, false) => Single::Manifest(Arc::clone(&content)),
            (Some(base), true) => Single::Manifest(Arc::clone(&base.content)),
            (None, true) => amd64_child(entries),
        };
        let members = HeaderValue::from_str(&shortened(&case.sources()));
        let members = members.unwrap_or(HeaderValue::from_static(""));
        let skew = case.selection.skew.map(|skew| HeaderValue::from_static(skew.word()));
        let images = entries.iter().filter(|entry| is_image(entry)).count().max(1);
        let basis = case.basis(images);
        Some(Arc::new(Tagged { content, single, origin, members, skew, images, basis }))
    }

    /// Tells the log and the metrics what was decided; `served`: whether clients get that.
    pub(super) fn report(&self, Report { explanation, selection }: &Report, served: bool) {
        match explanation.answer {
            Answer::Merged if served => self.metrics.merged.inc(),
            Answer::Passed if served => self.metrics.passed.inc(),
            _ => {}
        }
        let Explanation { repository, reference: tag, .. } = explanation;
        for member in &explanation.members {
            if member.state == MemberState::LeftOut {
                self.metrics.members_left_out.inc();
            }
            let warnings = || member.notes.iter().filter(|note| note.warning);
            for note in warnings().take(LOGGED_NOTES) {
                let text: String = note.text.chars().take(LOGGED_CHARACTERS).collect();
                tracing::warn!(%repository, %tag, member = %member.tag, "{text}");
            }
            let more = warnings().count().saturating_sub(LOGGED_NOTES);
            if more > 0 {
                tracing::warn!(%repository, %tag, member = %member.tag, "and {more} more like these");
            }
        }
        if let Some(skew) = &selection.skew {
            self.metrics.merges_skewed.inc();
            tracing::warn!(%repository, %tag, rule = %explanation.rule, "{skew}");
        }
        if let Some(why) = &explanation.withheld {
            tracing::warn!(%repository, %tag, rule = %explanation.rule, "{why}");
        }
        if let Outcome::Merged(index) = &selection.outcome
            && served
        {
            let used = explanation.members.iter().filter(|member| member.state == MemberState::Used);
            let from: Vec<&str> = used.map(|member| member.tag.as_str()).collect();
            tracing::info!(%repository, %tag, digest = %index.digest, from = from.join(","), "merged");
        }
        self.metrics.merges_refused.inc_by(selection.is_refused().into());
    }
}

impl Case<'_> {
    /// The content of the answer.
    fn content(&self) -> Option<Arc<Content>> {
        match &self.selection.outcome {
            Outcome::Nothing | Outcome::Withheld(_) => None,
            Outcome::Pass(place) => Some(Arc::clone(&self.found[*place].content)),
            Outcome::Merged(index) => {
                let (media_type, digest) = (index.media_type.clone(), index.digest.clone());
                Some(Arc::new(Content::new(&index.bytes, media_type, digest)))
            }
        }
    }

    /// The addresses that the answer is made of.
    fn sources(&self) -> Vec<String> {
        let used = |place: &usize| match &self.selection.outcome {
            Outcome::Pass(passed) => passed == place,
            _ => !self.selection.verdicts[*place].used.is_empty(),
        };
        (0..self.members.len()).filter(used).map(|place| self.members[place].address.to_string()).collect()
    }

    /// What the upstream said, for later checks.
    fn basis(&self, images: usize) -> Basis {
        let tag = |found: &Found| (found.address.clone(), found.content.digest.clone());
        let occur = self.candidates.iter().filter(|other| self.knowledge.allows(other.place)).count();
        let members = self.found.iter().filter(|found| !found.is_base).count();
        // A lone image may yet get members, in a repository that has none so far.
        let settled = matches!(self.knowledge, Knowledge::Known(_)) && members == occur && images > 1;
        Basis {
            tags: self.found.iter().map(tag).collect(),
            alone: self.base_alone,
            complete: self.base_alone || self.candidates.is_empty() || settled,
            incomplete: self.refused || self.selection.is_incomplete(),
            found: Instant::now(),
        }
    }

    /// Refuses the merge: the base passes if there is one of this repository.
    fn refuse(&mut self, finding: Finding) {
        let own = self.found.first().is_some_and(|first| first.is_base && first.address.repository.is_none());
        self.selection.outcome = if own { Outcome::Pass(0) } else { Outcome::Nothing };
        self.selection.skew = None;
        if let Some(first) = self.selection.verdicts.first_mut() {
            first.findings.push(finding);
        }
    }
}

/// The digest that the tag of a signature or of other referrers names, as in `sha256-<hex>.sig`.
fn subject_of(tag: &Tag) -> Option<Digest> {
    let (algorithm, rest) = tag.as_str().split_once('-')?;
    let hex = [".sig", ".att", ".sbom"].iter().find_map(|suffix| rest.strip_suffix(suffix)).unwrap_or(rest);
    format!("{algorithm}:{hex}").parse().ok()
}

/// The addresses as one list, cut with the number of those that are left out.
fn shortened(addresses: &[String]) -> String {
    let mut text = String::new();
    for (place, address) in addresses.iter().enumerate() {
        if text.len() + address.len() > MEMBERS_BYTES {
            return format!("{text}, +{}", addresses.len() - place);
        }
        if place > 0 {
            text.push_str(", ");
        }
        text.push_str(address);
    }
    text
}

/// The linux/amd64 child, for clients that take no index (rule T8).
fn amd64_child(entries: &[Descriptor]) -> Single {
    let wanted = Platform::new("linux", "amd64", "");
    let is_wanted = |entry: &&Descriptor| {
        let platform = entry.platform.as_ref().and_then(|platform| normalise(platform, &Claim::Nothing));
        entry.media_type.is_image_manifest() && platform.is_some_and(|normal| normal.platform == wanted)
    };
    entries.iter().find(is_wanted).map_or(Single::None, |entry| Single::Child(entry.digest.clone()))
}

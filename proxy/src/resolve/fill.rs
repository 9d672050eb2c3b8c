//! One fill: everything between a cold tag and its answer.

use std::sync::Arc;

use onetag_oci::{Descriptor, Digest, Platform, Reference, Repository, Tag};

use crate::cache::{Content, Knowledge, Single, Tagged};
use crate::merge::{Candidate, Member, Outcome, Selection, normalise, select};

use super::error::ResolveError;
use super::explanation::{Answer, Explanation, MemberState};
use super::gather::{Found, FoundTags, Gather};
use super::resolver::Resolver;

/// What a fill brings.
pub(super) struct Filled {
    /// The answer; none when there is no such tag.
    pub(super) tagged: Option<Arc<Tagged>>,
    /// Whether the upstream lacks content that it lists itself: the answer may be less than the truth.
    pub(super) incomplete: bool,
    /// Why it is this one.
    pub(super) explanation: Explanation,
}

/// One merge, decided: what was considered, what was found, and the verdicts.
pub(super) struct Case {
    pub(super) candidates: Vec<Candidate>,
    pub(super) knowledge: Knowledge,
    pub(super) base_alone: bool,
    /// What is there; `members` and the verdicts of `selection` stand in the same order.
    pub(super) found: Vec<Found>,
    pub(super) members: Vec<Member>,
    pub(super) selection: Selection,
}

impl Resolver {
    /// Asks the upstream what a tag is now, past all caches of tags, and says why.
    pub async fn explain(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Explanation, ResolveError> {
        self.filled(repository, tag, true).await.map(|filled| filled.explanation)
    }

    /// Says what a digest is: never more or less than its own bytes (rule T10).
    pub async fn explain_digest(
        self: &Arc<Self>,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Explanation, ResolveError> {
        let Some((content, document)) = self.document(repository, &Reference::Digest(digest.clone())).await?
        else {
            return Ok(Explanation::of_digest(repository, digest, None, &[]));
        };
        let entries = Gather::new(self, repository).content(&content, &document).await?.unwrap_or_default();
        Ok(Explanation::of_digest(repository, digest, Some(&content), &entries))
    }

    /// Gathers, decides, keeps. The content is kept before its digest is told to anyone (rule D4).
    pub(super) async fn fill(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Filled, ResolveError> {
        self.filled(repository, tag, false).await
    }

    /// `thorough`: what a lone base holds is looked into as well, though it passes whatever it is.
    async fn filled(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
        thorough: bool,
    ) -> Result<Filled, ResolveError> {
        let case = self.decide(repository, tag, thorough).await?;
        let tagged = self.keep(repository, &case).await;
        let explanation = Explanation::new(repository, tag, &case, tagged.as_deref());
        self.report(&explanation, &case.selection);
        Ok(Filled { tagged, incomplete: case.selection.is_incomplete(), explanation })
    }

    async fn decide(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
        thorough: bool,
    ) -> Result<Case, ResolveError> {
        let candidates = self.scheme.candidates(tag);
        let knowledge = self.suffixes.get(repository);
        if knowledge == Knowledge::Unknown && !candidates.is_empty() {
            self.learn_suffixes(repository);
        }
        let asked: Vec<_> =
            candidates.iter().filter(|other| knowledge.allows(other.suffix)).cloned().collect();
        let gather = Gather::new(self, repository);
        let FoundTags { found, base_alone } = gather.tags(tag, &asked, self.policy).await?;
        let lone = found.first().filter(|first| first.token.is_none() && (base_alone || found.len() == 1));
        let (members, selection) = if let Some(base) = lone.filter(|_| !thorough) {
            (vec![base.as_it_is()], Selection::pass())
        } else {
            let members = gather.members(&found).await?;
            let selection = select(&members, self.policy);
            (members, selection)
        };
        Ok(Case { candidates, knowledge, base_alone, found, members, selection })
    }

    async fn keep(&self, repository: &Repository, case: &Case) -> Option<Arc<Tagged>> {
        let (content, entries) = match &case.selection.outcome {
            Outcome::Nothing => return None,
            Outcome::Pass(place) => {
                let entries = case.members[*place].content.as_deref().unwrap_or(&[]);
                (Arc::clone(&case.found[*place].content), entries)
            }
            Outcome::Merged(index) => {
                let (bytes, media_type) = (index.bytes.clone(), index.media_type.clone());
                let content = Arc::new(Content::new(bytes, media_type, index.digest.clone()));
                self.merged.keep(repository, &content).await;
                self.manifests.put(repository, &content);
                (content, &index.entries[..])
            }
        };
        let base = case.found.first().filter(|first| first.token.is_none() && first.is_single());
        let single = match (base, content.media_type.is_index()) {
            (_, false) => Single::Manifest(Arc::clone(&content)),
            (Some(base), true) => Single::Manifest(Arc::clone(&base.content)),
            (None, true) => amd64_child(entries),
        };
        Some(Arc::new(Tagged { content, single }))
    }

    fn report(&self, explanation: &Explanation, selection: &Selection) {
        match explanation.answer {
            Answer::Merged => self.metrics.merged.inc(),
            Answer::Passed => self.metrics.passed.inc(),
            Answer::Absent => {}
        }
        for member in &explanation.members {
            if member.state == MemberState::LeftOut {
                self.metrics.members_left_out.inc();
            }
            for note in member.notes.iter().filter(|note| note.warning) {
                let Explanation { repository, reference: tag, .. } = explanation;
                tracing::warn!(%repository, %tag, member = %member.tag, "{}", note.text);
            }
        }
        if let Outcome::Merged(index) = &selection.outcome {
            let used = explanation.members.iter().filter(|member| member.state == MemberState::Used);
            let from: Vec<&str> = used.map(|member| member.tag.as_str()).collect();
            let Explanation { repository, reference: tag, .. } = explanation;
            tracing::info!(%repository, %tag, digest = %index.digest, from = from.join(","), "merged");
        }
        self.metrics.merges_refused.inc_by(selection.is_refused().into());
    }
}

/// The linux/amd64 child, for clients that take no index (rule T8).
fn amd64_child(entries: &[Descriptor]) -> Single {
    let wanted = Platform::new("linux", "amd64", "");
    let is_wanted = |entry: &&Descriptor| {
        let platform = entry.platform.as_ref().and_then(|platform| normalise(platform, None));
        entry.media_type.is_image_manifest() && platform.is_some_and(|normal| normal.platform == wanted)
    };
    entries.iter().find(is_wanted).map_or(Single::None, |entry| Single::Child(entry.digest.clone()))
}

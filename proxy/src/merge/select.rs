//! Which entries make up the index, and whether there is to be one at all.

use std::collections::HashSet;

use onetag_oci::{Descriptor, Digest, Platform, Tag};

use super::entry::{self, Kind};
use super::finding::Finding;
use super::index::MergedIndex;
use super::platform::normalise;
use super::token::Token;

/// A tag that was found, with all that is needed to merge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its tag.
    pub tag: Tag,
    /// The token that its name ends in; none for the base.
    pub token: Option<&'static Token>,
    /// Its entries, flattened (rule I1): an image as one entry with the platform of its config, an index
    /// as its entries. Or why it can be no member.
    pub content: Result<Vec<Descriptor>, Finding>,
}

/// What a merge may do where the rules leave a choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Complete a base that already is an index with several platforms, instead of passing it on.
    pub complete_index: bool,
}

/// What the tag's answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No member can be used.
    Nothing,
    /// The bytes of the member at this place, as they are (rules I4, I5).
    Pass(usize),
    /// A merged index.
    Merged(MergedIndex),
}

/// What became of one member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The platforms that the answer takes from this member.
    pub used: Vec<Platform>,
    /// What there is to say about the rest.
    pub findings: Vec<Finding>,
}

/// The result of [`select`]: the answer, and a verdict for each member in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The tag's answer.
    pub outcome: Outcome,
    /// One verdict for each member.
    pub verdicts: Vec<Verdict>,
}

impl Selection {
    /// The one member there is passes, unjudged.
    pub fn pass() -> Self {
        Self { outcome: Outcome::Pass(0), verdicts: vec![Verdict::default()] }
    }

    /// Whether something that the upstream itself lists was not there, so that the outcome may be less
    /// than the truth.
    pub fn is_incomplete(&self) -> bool {
        let mut findings = self.verdicts.iter().flat_map(|verdict| &verdict.findings);
        findings.any(|finding| matches!(finding, Finding::Missing(_)))
    }

    /// Whether there would have been a merged index, had it not broken a limit (rule L1).
    pub fn is_refused(&self) -> bool {
        let mut findings = self.verdicts.iter().flat_map(|verdict| &verdict.findings);
        findings.any(|finding| matches!(finding, Finding::TooLarge { .. } | Finding::TooMuch))
    }
}

/// Whether an index has images for more than one platform, so that it stands for itself.
pub fn has_several_platforms(entries: &[Descriptor]) -> bool {
    let images = entries.iter().filter(|entry| is_image(entry));
    let platforms = images.filter_map(|entry| normalise(entry.platform.as_ref()?, None));
    platforms.map(|normal| normal.platform).collect::<HashSet<_>>().len() > 1
}

/// Whether an entry is an image, rather than an attestation or an artifact.
pub fn is_image(entry: &Descriptor) -> bool {
    entry::kind(entry) == Kind::Image
}

/// Decides what a tag is, from its members in order of precedence: the base first, if there is one.
pub fn select(members: &[Member], policy: Policy) -> Selection {
    let mut picks = Picks { members, verdicts: vec![Verdict::default(); members.len()], kept: Vec::new() };
    if let Some(base) = members.first().filter(|member| member.token.is_none())
        && picks.stands_for_itself(base, policy)
    {
        return Selection { outcome: Outcome::Pass(0), verdicts: picks.verdicts };
    }
    // Which member would be short of requests depends on what is cached: then there is no merge (rule D3).
    if let Some(place) = members.iter().position(|member| member.content == Err(Finding::TooMuch)) {
        picks.verdicts[place].findings.push(Finding::TooMuch);
        return Selection { outcome: Outcome::Pass(0), verdicts: picks.verdicts };
    }
    for place in 0..members.len() {
        picks.take(place);
    }
    picks.decide()
}

/// An image that goes into the answer.
struct Kept {
    descriptor: Descriptor,
    key: Key,
    place: usize,
}

/// Two entries with one key are for the same machines; a zstd twin has a key of its own (rule T5).
type Key = (Platform, bool);

struct Picks<'a> {
    members: &'a [Member],
    verdicts: Vec<Verdict>,
    kept: Vec<Kept>,
}

impl Picks<'_> {
    /// Whether the base goes out as it is, whatever else there may be: it cannot be merged, or it needs
    /// no completion (rules P11, T4, I4).
    fn stands_for_itself(&mut self, base: &Member, policy: Policy) -> bool {
        let entries = match &base.content {
            Ok(entries) => entries,
            Err(finding) => {
                self.verdicts[0].findings.push(finding.clone());
                return true;
            }
        };
        let images = || entries.iter().filter(|entry| is_image(entry));
        if let Some(unclear) = images().find(|entry| normal_platform(entry, None).is_none()) {
            self.verdicts[0].findings.push(Finding::NoPlatform(unclear.digest.clone()));
            return true;
        }
        if images().next().is_none() {
            self.verdicts[0].findings.push(Finding::NoImages);
            return true;
        }
        let alone = has_several_platforms(entries) && !policy.complete_index;
        if alone {
            self.verdicts[0].used = images().filter_map(|entry| normal_platform(entry, None)).collect();
        }
        alone
    }

    /// Takes what a member adds to the answer.
    fn take(&mut self, place: usize) {
        let members = self.members;
        match &members[place].content {
            Err(finding) => self.verdicts[place].findings.push(finding.clone()),
            Ok(entries) => {
                let images = entries.iter().filter(|entry| is_image(entry));
                let before = (self.kept.len(), self.verdicts[place].findings.len());
                images.for_each(|image| self.take_image(place, image));
                if before == (self.kept.len(), self.verdicts[place].findings.len()) {
                    self.verdicts[place].findings.push(Finding::NoImages);
                }
            }
        }
    }

    fn take_image(&mut self, place: usize, image: &Descriptor) {
        let Member { token, .. } = self.members[place];
        let findings = &mut self.verdicts[place].findings;
        let Some(normal) = image.platform.as_ref().and_then(|found| normalise(found, token)) else {
            findings.push(Finding::NoPlatform(image.digest.clone()));
            return;
        };
        let platform = normal.platform;
        if let Some(token) = token.filter(|token| !token.allows(&platform)) {
            findings.push(Finding::OutsideToken { platform: platform.into(), token: token.text });
            return;
        }
        let key = (comparable(&platform), entry::is_zstd(image));
        if let Some(rival) = self.kept.iter().find(|kept| kept.key == key) {
            let other = self.members[rival.place].tag.clone();
            let same = rival.descriptor.digest == image.digest;
            findings.push(if same {
                Finding::Same { other }
            } else {
                Finding::Shadowed { platform: platform.into(), by: other }
            });
            return;
        }
        if let Some(variant) = normal.dropped_variant {
            findings.push(Finding::VariantDropped { platform: platform.clone().into(), variant });
        }
        if normal.assumed_variant {
            findings.push(Finding::VariantAssumed(platform.clone().into()));
        }
        self.verdicts[place].used.push(platform.clone());
        let descriptor = Descriptor { platform: Some(platform), ..image.clone() };
        self.kept.push(Kept { descriptor, key, place });
    }

    /// One contributing member passes as it is; several make an index (rules I4, I5).
    fn decide(mut self) -> Selection {
        let first = self.kept.first().map(|kept| kept.place);
        let several = self.kept.iter().any(|kept| Some(kept.place) != first);
        let outcome = match (first, several) {
            (None, _) if self.members.first().is_some_and(|member| member.token.is_none()) => {
                Outcome::Pass(0)
            }
            (None, _) => Outcome::Nothing,
            (Some(place), false) => Outcome::Pass(place),
            (Some(place), true) => match MergedIndex::build(self.entries()) {
                Ok(index) => Outcome::Merged(index),
                Err(finding) => {
                    self.verdicts[place].findings.push(finding);
                    Outcome::Pass(place)
                }
            },
        };
        Selection { outcome, verdicts: self.verdicts }
    }

    /// The images, the attestations of exactly those images (rule I3), and what else the base lists.
    fn entries(&self) -> Vec<Descriptor> {
        let images: HashSet<&Digest> = self.kept.iter().map(|kept| &kept.descriptor.digest).collect();
        let mut entries: Vec<Descriptor> = self.kept.iter().map(|kept| kept.descriptor.clone()).collect();
        let mut seen = HashSet::new();
        for member in self.members {
            for entry in member.content.iter().flatten() {
                let belongs = match entry::kind(entry) {
                    Kind::Attestation(subject) => images.contains(&subject),
                    Kind::Other => member.token.is_none(),
                    Kind::Image | Kind::Ignored => false,
                };
                if belongs && seen.insert(&entry.digest) {
                    entries.push(entry.clone());
                }
            }
        }
        entries
    }
}

fn normal_platform(entry: &Descriptor, token: Option<&Token>) -> Option<Platform> {
    normalise(entry.platform.as_ref()?, token).map(|normal| normal.platform)
}

/// The platform without what does not tell machines apart.
fn comparable(platform: &Platform) -> Platform {
    let mut key = platform.clone();
    key.os_features.sort();
    key.other.clear();
    key
}

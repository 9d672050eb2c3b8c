//! Which entries make up the index, and whether there is to be one at all.

use std::collections::HashSet;
use std::fmt;

use onetag_config::PlatformSource;
use onetag_oci::{Descriptor, Digest, Platform};

use super::claim::Claim;
use super::entry::{self, Kind};
use super::finding::Finding;
use super::index::MergedIndex;
use super::platform::normalise;
use super::policy::Policy;
use super::rules::Address;
use super::skew::{self, Build, Skew};

/// A tag that was found, with all that is needed to merge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it is.
    pub address: Address,
    /// Whether it is the tag that was asked for.
    pub is_base: bool,
    /// What its name says about its platform.
    pub claim: Claim,
    /// Its entries, flattened (rule I1): an image as one entry with the platform of its config, an index
    /// as its entries. Or why it can be no member.
    pub content: Result<Vec<Descriptor>, Finding>,
    /// What it says about the build that it comes from.
    pub build: Build,
}

/// What the tag's answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No member can be used.
    Nothing,
    /// The rule asks for more than there is.
    Withheld(Withheld),
    /// The bytes of the member at this place, as they are (rules I4, I5).
    Pass(usize),
    /// A merged index.
    Merged(MergedIndex),
}

/// What the rule asks for and the upstream does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withheld {
    /// The tag itself (`require_base`).
    NoBase,
    /// Images for these platforms (`platforms`).
    Platforms(Vec<Platform>),
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBase => {
                f.write_str("the rule requires the tag itself, and the upstream has only members")
            }
            Self::Platforms(missing) => {
                let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
                write!(f, "the rule requires {}, which no member has", missing.join(", "))
            }
        }
    }
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
    /// How the members of a merged index differ, if they do (rule I7).
    pub skew: Option<Skew>,
}

impl Selection {
    /// The one member there is passes, unjudged.
    pub fn pass() -> Self {
        Self { outcome: Outcome::Pass(0), verdicts: vec![Verdict::default()], skew: None }
    }

    /// Whether something that the upstream itself lists was not there, or not what it is listed as, so that
    /// the outcome may be less than the truth.
    pub fn is_incomplete(&self) -> bool {
        let mut findings = self.verdicts.iter().flat_map(|verdict| &verdict.findings);
        findings.any(|finding| matches!(finding, Finding::Missing(_) | Finding::Mistyped { .. }))
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
    images.filter_map(normal_platform).collect::<HashSet<_>>().len() > 1
}

/// Whether an entry is an image, rather than an attestation or an artifact.
pub fn is_image(entry: &Descriptor) -> bool {
    entry::kind(entry) == Kind::Image
}

/// Decides what a tag is, from its members in order of precedence: the base first, if there is one.
pub fn select(members: &[Member], policy: &Policy) -> Selection {
    let verdicts = vec![Verdict::default(); members.len()];
    let mut picks = Picks { members, policy, verdicts, kept: Vec::new() };
    if let Some(base) = members.first().filter(|member| member.is_base)
        && picks.stands_for_itself(base)
    {
        return picks.end(Outcome::Pass(0));
    }
    // Which member would be short of requests depends on what is cached: then there is no merge (rule D3).
    if let Some(place) = members.iter().position(|member| member.content == Err(Finding::TooMuch)) {
        picks.verdicts[place].findings.push(Finding::TooMuch);
        let has_base = members.first().is_some_and(|member| member.is_base);
        return picks.end(if has_base { Outcome::Pass(0) } else { Outcome::Nothing });
    }
    for place in 0..members.len() {
        picks.take(place);
    }
    let outcome = picks.decide();
    picks.end(outcome)
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
    policy: &'a Policy,
    verdicts: Vec<Verdict>,
    kept: Vec<Kept>,
}

impl Picks<'_> {
    /// Whether the base goes out as it is, whatever else there may be: it cannot be merged, or it needs
    /// no completion (rules P11, T4, I4).
    fn stands_for_itself(&mut self, base: &Member) -> bool {
        let entries = match &base.content {
            Ok(entries) => entries,
            Err(finding) => {
                self.verdicts[0].findings.push(finding.clone());
                return true;
            }
        };
        let images = || entries.iter().filter(|entry| is_image(entry));
        if let Some(unclear) = images().find(|entry| normal_platform(entry).is_none()) {
            self.verdicts[0].findings.push(Finding::NoPlatform(unclear.digest.clone()));
            return true;
        }
        if images().next().is_none() {
            self.verdicts[0].findings.push(Finding::NoImages);
            return true;
        }
        let alone = has_several_platforms(entries) && !self.policy.complete_index;
        if alone {
            self.verdicts[0].used = images().filter_map(normal_platform).collect();
        }
        alone
    }

    /// Takes what a member adds to the answer.
    fn take(&mut self, place: usize) {
        let members = self.members;
        match &members[place].content {
            Err(finding) => self.verdicts[place].findings.push(finding.clone()),
            Ok(entries) => {
                let images: Vec<_> = entries.iter().filter(|entry| is_image(entry)).collect();
                let before = (self.kept.len(), self.verdicts[place].findings.len());
                // Which of several images the rule means, only these can say.
                let overrule = self.policy.platform_source == PlatformSource::Rule && images.len() == 1;
                for image in images {
                    self.take_image(place, image, overrule);
                }
                if before == (self.kept.len(), self.verdicts[place].findings.len()) {
                    self.verdicts[place].findings.push(Finding::NoImages);
                }
            }
        }
    }

    fn take_image(&mut self, place: usize, image: &Descriptor, overrule: bool) {
        let Member { claim, .. } = &self.members[place];
        let findings = &mut self.verdicts[place].findings;
        let mut normal = image.platform.as_ref().and_then(|found| normalise(found, claim));
        if overrule && !normal.as_ref().is_some_and(|normal| claim.allows(&normal.platform)) {
            let own = normal.take().map_or_else(Platform::default, |normal| normal.platform);
            normal = normalise(&claim.overrule(&own), claim);
            if normal.as_ref().is_some_and(|normal| normal.platform != own) {
                findings.push(Finding::Overruled { platform: own.into(), by: claim.text() });
            }
        }
        let Some(normal) = normal else {
            findings.push(Finding::NoPlatform(image.digest.clone()));
            return;
        };
        let platform = normal.platform;
        if !claim.allows(&platform) {
            findings.push(Finding::OutsideToken { platform: platform.into(), claim: claim.text() });
            return;
        }
        let key = (comparable(&platform), entry::is_zstd(image));
        if let Some(rival) = self.kept.iter().find(|kept| kept.key == key) {
            let other = self.members[rival.place].address.clone();
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
    fn decide(&mut self) -> Outcome {
        let first = self.kept.first().map(|kept| kept.place);
        let several = self.kept.iter().any(|kept| Some(kept.place) != first);
        let has_base = self.members.first().is_some_and(|member| member.is_base);
        match (first, several) {
            (Some(_), _) if self.policy.require_base && !has_base => Outcome::Withheld(Withheld::NoBase),
            (None, _) if has_base => Outcome::Pass(0),
            (None, _) => Outcome::Nothing,
            (Some(place), false) => Outcome::Pass(place),
            (Some(place), true) => match MergedIndex::build(self.entries()) {
                Ok(index) => Outcome::Merged(index),
                Err(finding) => {
                    self.verdicts[place].findings.push(finding);
                    Outcome::Pass(place)
                }
            },
        }
    }

    /// The outcome, unless the rule requires platforms that it does not have; and the skew of a merge.
    fn end(self, outcome: Outcome) -> Selection {
        let missing = self.missing(&outcome);
        let outcome =
            if missing.is_empty() { outcome } else { Outcome::Withheld(Withheld::Platforms(missing)) };
        let used = self.members.iter().zip(&self.verdicts).filter(|(_, verdict)| !verdict.used.is_empty());
        let skew = match &outcome {
            Outcome::Merged(_) if self.policy.skew != onetag_config::Skew::Ignore => {
                skew::between(used.map(|(member, _)| &member.build), self.policy.skew_gap)
            }
            _ => None,
        };
        Selection { outcome, verdicts: self.verdicts, skew }
    }

    /// The required platforms that an outcome does not have; what is no image lacks none.
    fn missing(&self, outcome: &Outcome) -> Vec<Platform> {
        let entries = match outcome {
            Outcome::Nothing | Outcome::Withheld(_) => return Vec::new(),
            Outcome::Merged(index) => &index.entries,
            Outcome::Pass(place) => match &self.members[*place].content {
                Ok(entries) if entries.iter().any(is_image) => entries,
                _ => return Vec::new(),
            },
        };
        let has = |wanted: &Platform| {
            let own = entries.iter().filter(|entry| is_image(entry)).filter_map(normal_platform);
            // What the rule is believed to say of a member that passes is in its verdict alone.
            let mut found = match outcome {
                Outcome::Pass(place) if !self.verdicts[*place].used.is_empty() => {
                    self.verdicts[*place].used.clone()
                }
                _ => own.collect(),
            }
            .into_iter();
            let of = |p: &Platform| (p.os.clone(), p.architecture.clone(), p.variant.clone());
            found.any(|found| of(&found) == of(wanted))
        };
        self.policy.platforms.iter().filter(|wanted| !has(wanted)).cloned().collect()
    }

    /// The images, the attestations of exactly those images (rule I3), and what else the base lists.
    fn entries(&self) -> Vec<(Descriptor, usize)> {
        let images: HashSet<(usize, &Digest)> =
            self.kept.iter().map(|kept| (kept.place, &kept.descriptor.digest)).collect();
        let mut entries: Vec<_> =
            self.kept.iter().map(|kept| (kept.descriptor.clone(), kept.place)).collect();
        let mut seen = HashSet::new();
        for (place, member) in self.members.iter().enumerate() {
            for entry in member.content.iter().flatten() {
                let belongs = match entry::kind(entry) {
                    // Nobody attests for another member's image.
                    Kind::Attestation(subject) => images.contains(&(place, &subject)),
                    Kind::Other => member.is_base,
                    Kind::Image | Kind::Ignored => false,
                };
                if belongs && seen.insert(&entry.digest) {
                    entries.push((entry.clone(), place));
                }
            }
        }
        entries
    }
}

fn normal_platform(entry: &Descriptor) -> Option<Platform> {
    normalise(entry.platform.as_ref()?, &Claim::Nothing).map(|normal| normal.platform)
}

/// The platform without what does not tell machines apart.
fn comparable(platform: &Platform) -> Platform {
    let mut key = platform.clone();
    key.os_features.sort();
    key.other.clear();
    key
}

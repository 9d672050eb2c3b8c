//! The rules: which tags could be members of which (rule sections 7 and 9).

use std::fmt;
use std::time::Duration;

use onetag_config::{MAX_MEMBERS, MemberPattern, Merge, Part, Skew, Word};
use onetag_oci::{Platform, Repository, Tag};

use super::claim::Claim;
use super::platform::normalise;
use super::policy::Policy;
use super::token::Token;

// What is known of a repository's members fits one machine word.
const _: () = assert!(MAX_MEMBERS <= u32::BITS as usize);

/// The longest tag (distribution-spec, section Pulling manifests).
const MAX_TAG: usize = 128;

/// All rules, in order of precedence; the last one matches everything.
#[derive(Debug, Clone)]
pub struct Rules(Vec<Rule>);

/// One rule: what it finds, and how that is merged.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name, for people.
    pub name: String,
    /// Its place among the rules.
    pub place: usize,
    /// How its members are merged.
    pub policy: Policy,
    /// Whether tag lists leave out its members.
    pub hide_members: bool,
    /// None for the section `[merge]`, which matches all.
    matches: Option<onetag_config::Rule>,
    members: Vec<Pattern>,
}

/// One member pattern, its word put in.
#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    /// None where it is the same repository.
    repository: Option<Vec<Part>>,
    tag: Vec<Part>,
    claim: Claim,
}

/// Where a member is: a tag, and its repository where that is another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Its repository, where that is not the one that was asked for.
    pub repository: Option<Repository>,
    /// Its tag.
    pub tag: Tag,
}

/// A tag that may hold a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where it would be.
    pub address: Address,
    /// What its name says about its platform.
    pub claim: Claim,
    /// The pattern that named it, as a person writes it.
    pub pattern: String,
    /// The pattern's place in its rule, below [`MAX_MEMBERS`].
    pub place: usize,
}

impl Rules {
    /// The rules of a configuration.
    pub fn new(rules: &[onetag_config::Rule], merge: &Merge) -> Self {
        let mut all: Vec<Rule> =
            rules.iter().enumerate().map(|(place, rule)| Rule::configured(place, rule, merge)).collect();
        all.push(Rule::usual(all.len(), merge));
        Self(all)
    }

    /// The rule for a tag: the first one that matches.
    pub fn of(&self, repository: &Repository, tag: &Tag) -> &Rule {
        let matches = |rule: &&Rule| {
            rule.matches.as_ref().is_none_or(|rule| rule.matches(repository.as_str(), tag.as_str()))
        };
        self.0.iter().find(matches).unwrap_or(&self.0[self.0.len() - 1])
    }

    /// The members of the same repository that a tag could be, under the rule at this place ([`Rule::mask`]).
    pub fn mask(&self, place: usize, tag: &Tag) -> u32 {
        self.0.get(place).map_or(0, |rule| rule.mask(tag.as_str()))
    }

    /// For each rule by its place, all that decides which answer a tag gets, as text. Names and times do not.
    pub fn identities(&self) -> Vec<String> {
        let identity = |Rule { policy, members, .. }: &Rule| {
            let Policy { complete_index, platform_source, require_base, skip_denied, platforms, .. } = policy;
            let members: Vec<_> = members.iter().map(|member| (&member.text, member.claim.text())).collect();
            format!(
                "{members:?} {complete_index} {platform_source:?} {require_base} {skip_denied} {platforms:?}"
            )
        };
        self.0.iter().map(identity).collect()
    }

    /// Whether any rule leaves members out of tag lists.
    pub fn hide_members(&self) -> bool {
        self.0.iter().any(|rule| rule.hide_members)
    }

    /// Whether any rule has members in other repositories.
    pub fn reach_elsewhere(&self) -> bool {
        self.0.iter().any(|rule| rule.elsewhere() != 0)
    }

    /// Whether the rule at this place has members in other repositories.
    pub fn has_elsewhere(&self, place: usize) -> bool {
        self.0.get(place).is_some_and(|rule| rule.elsewhere() != 0)
    }

    /// For how long any rule may hold a coherent answer.
    pub fn longest_hold(&self) -> Duration {
        let holding = self.0.iter().filter(|rule| rule.policy.skew == Skew::Hold);
        holding.map(|rule| rule.policy.skew_grace).max().unwrap_or_default()
    }
}

impl Rule {
    /// The rule of the section `[merge]`: `{tag}-<suffix>` in every repository.
    fn usual(place: usize, merge: &Merge) -> Self {
        let members = merge.suffixes.iter().copied().map(suffix).collect();
        let (policy, hide_members) = (Policy::usual(merge), merge.hide_members);
        Self { name: "merge".into(), place, policy, hide_members, matches: None, members }
    }

    fn configured(place: usize, rule: &onetag_config::Rule, merge: &Merge) -> Self {
        let own = rule.words();
        let words = if own.is_empty() { &merge.suffixes } else { &own };
        let patterns = rule.patterns();
        let members = if patterns.is_empty() {
            words.iter().copied().map(suffix).collect()
        } else {
            patterns.iter().flat_map(|pattern| expand(pattern, words)).collect()
        };
        let preset = rule.preset.as_ref().map(ToString::to_string);
        Self {
            name: rule.name.clone().or(preset).unwrap_or_else(|| format!("rule {}", place + 1)),
            place,
            policy: Policy {
                complete_index: rule.complete_index.unwrap_or(merge.complete_index),
                platform_source: rule.platform_source,
                require_base: rule.require_base,
                skip_denied: rule.skip_denied,
                platforms: rule.platforms.iter().map(required).collect(),
                skew: rule.skew.unwrap_or(merge.skew),
                skew_gap: rule.skew_gap.unwrap_or(merge.skew_gap).get(),
                skew_grace: rule.skew_grace.unwrap_or(merge.skew_grace).get(),
            },
            hide_members: rule.hide_members.unwrap_or(merge.hide_members),
            matches: Some(rule.clone()),
            members,
        }
    }

    /// The tags that could hold members of `tag`, in order of precedence.
    ///
    /// There are none for a tag that is itself such a member, for the tags of signatures and other
    /// referrers (`sha256-...`, rule P11), and none that would be no legal name.
    pub fn candidates(&self, repository: &Repository, tag: &Tag) -> Vec<Candidate> {
        if is_referrer(tag) || self.is_member(repository, tag) {
            return Vec::new();
        }
        let mut found: Vec<Candidate> = Vec::new();
        for (place, pattern) in self.members.iter().enumerate() {
            let Some(address) = pattern.address(repository, tag) else { continue };
            let is_base = address.repository.is_none() && address.tag == *tag;
            if !is_base && found.iter().all(|other| other.address != address) {
                let (claim, pattern) = (pattern.claim.clone(), pattern.text.clone());
                found.push(Candidate { address, claim, pattern, place });
            }
        }
        found
    }

    /// Whether any member may be in the same repository.
    pub fn has_local(&self) -> bool {
        self.members.iter().any(|pattern| pattern.repository.is_none())
    }

    /// The members in other repositories, one bit for each by its place.
    pub fn elsewhere(&self) -> u32 {
        let bit = |(place, pattern): (usize, &Pattern)| u32::from(pattern.repository.is_some()) << place;
        self.members.iter().enumerate().map(bit).sum()
    }

    /// The members of the same repository that a tag could be, one bit for each by its place.
    pub fn mask(&self, tag: &str) -> u32 {
        let local = |pattern: &Pattern| pattern.repository.is_none() && pattern.is_tag(tag);
        let bit = |(place, pattern): (usize, &Pattern)| u32::from(local(pattern)) << place;
        self.members.iter().enumerate().map(bit).sum()
    }

    /// How this tag's members are merged. A member's own tag is that member: what the rule requires of the
    /// merged tag is not required of it.
    pub fn policy_for(&self, repository: &Repository, tag: &Tag) -> Policy {
        let policy = self.policy.clone();
        if is_referrer(tag) || self.is_member(repository, tag) {
            return Policy { platforms: Vec::new(), require_base: false, ..policy };
        }
        policy
    }

    /// Whether a tag is one architecture's by its name: it has the form of a member, or is a bare word.
    fn is_member(&self, repository: &Repository, tag: &Tag) -> bool {
        self.members.iter().any(|pattern| {
            let bare = pattern.repository.is_none() && pattern.claim.text() == tag.as_str();
            let here = || match &pattern.repository {
                None => true,
                Some(parts) => is_own(parts) && fits(parts, repository.as_str()),
            };
            bare || (pattern.is_tag(tag.as_str()) && here())
        })
    }
}

/// Whether a pattern of a repository's name depends on the one that was asked for.
fn is_own(parts: &[Part]) -> bool {
    parts.iter().any(|part| matches!(part, Part::Repo | Part::Name))
}

/// Whether a tag is a signature's or another referrer's (rules P11, G2).
pub fn is_referrer(tag: &Tag) -> bool {
    tag.as_str().starts_with("sha256-") || tag.as_str().starts_with("sha512-")
}

fn suffix(word: Word) -> Pattern {
    let tag = vec![Part::Tag, Part::Literal(format!("-{word}").into())];
    Pattern { text: format!("{{tag}}-{word}"), repository: None, tag, claim: claimed(word) }
}

/// The pattern once for each word, or once where it has no `{arch}`.
fn expand(pattern: &MemberPattern, words: &[Word]) -> Vec<Pattern> {
    let with = |word: &str, claim: Claim| {
        let put = |parts: &[Part]| parts.iter().map(|part| put_in(part, word)).collect::<Vec<_>>();
        let (repository, tag) = pattern.parts();
        let text = pattern.to_string().replace("{arch}", word);
        Pattern { text, repository: repository.map(put), tag: put(tag), claim }
    };
    if pattern.has_arch() {
        return words.iter().map(|word| with(word.as_str(), claimed(*word))).collect();
    }
    let claim = match (pattern.platform(), pattern.literal_word()) {
        (Some(platform), _) => Claim::Platform(Box::new(required(platform))),
        (None, Some(word)) => claimed(word),
        (None, None) => Claim::Nothing,
    };
    vec![with("", claim)]
}

fn claimed(word: Word) -> Claim {
    Claim::Word(Token::of(word))
}

fn put_in(part: &Part, word: &str) -> Part {
    match part {
        Part::Arch => Part::Literal(word.into()),
        other => other.clone(),
    }
}

/// A platform of the configuration, in normal form.
pub fn required(platform: &onetag_config::RequiredPlatform) -> Platform {
    let named = Platform::new(&platform.os, &platform.architecture, &platform.variant);
    normalise(&named, &Claim::Nothing).map_or(named, |normal| normal.platform)
}

impl Pattern {
    /// The address of the member, if it is a legal one.
    fn address(&self, repository: &Repository, tag: &Tag) -> Option<Address> {
        let fill = |parts: &Vec<Part>| filled(parts, repository.as_str(), tag.as_str());
        let other: Option<Repository> = match &self.repository {
            None => None,
            Some(parts) => Some(fill(parts).parse().ok()?),
        };
        let repository = other.filter(|other| other != repository);
        Some(Address { repository, tag: fill(&self.tag).parse().ok()? })
    }

    fn is_tag(&self, tag: &str) -> bool {
        tag.len() <= MAX_TAG && fits(&self.tag, tag)
    }
}

/// The text of a pattern for this repository and tag.
fn filled(parts: &[Part], repository: &str, tag: &str) -> String {
    let (namespace, name) = repository.rsplit_once('/').unwrap_or(("", repository));
    let mut text = String::new();
    let mut bare = false;
    for part in parts {
        let piece = match part {
            // An empty namespace takes the slash behind it along.
            Part::Literal(literal) if bare => literal.strip_prefix('/').unwrap_or(literal),
            Part::Literal(literal) => literal,
            Part::Tag => tag,
            Part::Repo => repository,
            Part::Namespace => namespace,
            Part::Name => name,
            Part::Arch => "",
        };
        bare = matches!(part, Part::Namespace) && namespace.is_empty();
        text.push_str(piece);
    }
    text
}

/// Whether a text has the form of a pattern.
fn fits(parts: &[Part], text: &str) -> bool {
    let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
    let legal = |piece: &str| match part {
        Part::Name | Part::Tag => !piece.is_empty() && !piece.contains('/'),
        _ => !piece.is_empty(),
    };
    // An empty namespace takes the slash behind it along.
    if let (Part::Namespace, [Part::Literal(literal), behind @ ..]) = (part, rest)
        && let Some(literal) = literal.strip_prefix('/')
        && text.strip_prefix(literal).is_some_and(|text| !text.contains('/') && fits(behind, text))
    {
        return true;
    }
    match (part, rest) {
        (Part::Literal(literal), _) => text.strip_prefix(&**literal).is_some_and(|text| fits(rest, text)),
        (_, []) => legal(text),
        (_, [Part::Literal(literal)]) => text.strip_suffix(&**literal).is_some_and(legal),
        _ => (1..text.len())
            .filter(|end| text.is_char_boundary(*end))
            .any(|end| legal(&text[..end]) && fits(rest, &text[end..])),
    }
}

impl From<Tag> for Address {
    fn from(tag: Tag) -> Self {
        Self { repository: None, tag }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(repository) = &self.repository {
            write!(f, "{repository}:")?;
        }
        write!(f, "{}", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use onetag_config::Config;

    use super::*;

    fn rules(text: &str) -> Rules {
        let config =
            Config::parse(text, std::path::Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"));
        Rules::new(&config.rule, &config.merge)
    }

    fn candidates(rules: &Rules, repository: &str, tag: &str) -> Vec<String> {
        let (repository, tag) = (repository.parse().unwrap(), tag.parse().unwrap());
        let found = rules.of(&repository, &tag).candidates(&repository, &tag);
        found.iter().map(|candidate| candidate.address.to_string()).collect()
    }

    fn suffixes(list: &str) -> Rules {
        rules(&format!("[merge]\nsuffixes = [{list}]"))
    }

    #[test]
    fn a_tag_has_a_candidate_for_each_suffix_in_order() {
        let found = candidates(&suffixes("\"arm\", \"arm64\""), "app", "latest");
        assert_eq!(found, ["latest-arm", "latest-arm64"]);
    }

    #[test]
    fn a_members_own_tag_has_no_candidates() {
        let rules = suffixes("\"arm\", \"arm64\"");
        for tag in ["latest-arm", "v1.2-arm64", "arm", "arm64"] {
            assert!(candidates(&rules, "app", tag).is_empty(), "{tag}");
        }
    }

    #[test]
    fn vector_43_words_that_merely_end_in_a_token_are_no_members() {
        let rules = suffixes("\"arm\"");
        for tag in ["latest-alarm", "charm-1", "alarm", "v1.arm"] {
            assert_eq!(candidates(&rules, "app", tag), [format!("{tag}-arm")], "{tag}");
        }
        let before = self::rules("[[rule]]\npreset = \"prefix\"");
        for tag in ["charm-1", "alarmhf-v1"] {
            assert_eq!(candidates(&before, "app", tag).len(), 7, "{tag}");
        }
        assert!(candidates(&before, "app", "armhf-v1").is_empty());
    }

    #[test]
    fn vector_44_tags_of_referrers_have_no_candidates() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig")] {
            assert!(candidates(&suffixes("\"arm\""), "app", &tag).is_empty(), "{tag}");
        }
    }

    #[test]
    fn a_candidate_never_outgrows_a_tag() {
        let rules = suffixes("\"arm64v8\"");
        assert!(candidates(&rules, "app", &"t".repeat(121)).is_empty());
        assert_eq!(candidates(&rules, "app", &"t".repeat(120)).len(), 1);
    }

    #[test]
    fn the_mask_has_a_bit_for_each_suffix_of_a_tag() {
        let rules = suffixes("\"arm\", \"x86_64\"");
        let rule = rules.of(&"app".parse().unwrap(), &"latest".parse().unwrap());
        for (tag, mask) in
            [("latest-arm", 0b01), ("v1-x86_64", 0b10), ("alarm", 0), ("-arm", 0), ("", 0), ("é-arm", 1)]
        {
            assert_eq!(rule.mask(tag), mask, "{tag}");
        }
    }

    #[test]
    fn placeholders_stand_for_parts_of_the_name() {
        let rules = rules(
            "[[rule]]\nrepositories = [\"*/*\", \"alone\"]\n\
             members = [\"{namespace}/{arch}-{name}:{tag}\", \"far/{name}-{arch}:v{tag}\"]\narch = [\"arm64\"]",
        );
        assert_eq!(candidates(&rules, "team/app", "1"), ["team/arm64-app:1", "far/app-arm64:v1"]);
        assert_eq!(candidates(&rules, "alone", "1"), ["arm64-alone:1", "far/alone-arm64:v1"]);
        assert!(candidates(&rules, "team/arm64-app", "1").is_empty(), "a member's repository");
        let bare = self::rules("[[rule]]\npreset = \"repository-prefix\"");
        assert!(candidates(&bare, "aarch64-alone", "1").is_empty(), "a member's repository");
        assert_eq!(candidates(&bare, "alone", "1").len(), 5);
        assert!(candidates(&rules, "far/app-arm64", "v1").is_empty(), "a member's repository");
        assert!(!candidates(&rules, "far/app-arm64", "1").is_empty());
    }

    #[test]
    fn names_and_claims_come_from_the_rule() {
        let rules = rules(
            "[[rule]]\nname = \"edge\"\nrepositories = [\"a\"]\n\
             members = [{ pattern = \"{tag}-edge\", platform = \"linux/arm/v6\" }, \"{tag}-linux-arm64\", \"{tag}-gpu\"]\n\
             [[rule]]\nrepositories = [\"b\"]\npreset = \"prefix\"\n[[rule]]\nrepositories = [\"c\"]",
        );
        let of = |repository: &str| rules.of(&repository.parse().unwrap(), &"latest".parse().unwrap());
        let names = ["a", "b", "c", "d"].map(|repository| of(repository).name.clone());
        assert_eq!(names, ["edge", "prefix", "rule 3", "merge"]);
        let found = of("a").candidates(&"a".parse().unwrap(), &"latest".parse().unwrap());
        let claims: Vec<String> = found.iter().map(|candidate| candidate.claim.text()).collect();
        assert_eq!(claims, ["linux/arm/v6", "arm64", ""]);
    }
}

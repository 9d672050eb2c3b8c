//! Reads the pattern of a member.

use std::str::FromStr;

use super::member::MemberPattern;
use super::pattern::{DELIMITERS, MAX_LENGTH, PLACEHOLDERS, Part, PatternError};
use super::word::Word;
use crate::keys::nearest;
use crate::value::grammar::{fits_tag, is_in_repository, is_in_tag, is_repository};
use crate::value::text::Text;

impl Text for MemberPattern {
    const NOUN: &'static str = "pattern";
}

impl FromStr for MemberPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match text.len() {
            0 => return Err(PatternError::Empty),
            length if length > MAX_LENGTH => return Err(PatternError::TooLong),
            _ => {}
        }
        let (repository, tag) = split(text)?;
        let pattern = Self {
            text: text.into(),
            repository: repository.map(Into::into),
            tag: tag.into(),
            platform: None,
        };
        check_placeholders(&pattern)?;
        check_delimiters(&pattern)?;
        check_repository(&pattern)?;
        check_tag(&pattern)?;
        if pattern.is_in_same_repository() && *pattern.tag == [Part::Tag] {
            return Err(PatternError::Base);
        }
        Ok(pattern)
    }
}

/// The repository, where there is one, and the tag.
fn split(text: &str) -> Result<(Option<Vec<Part>>, Vec<Part>), PatternError> {
    let mut sides = text.split(':').map(read_parts).collect::<Result<Vec<_>, _>>()?;
    let tag = sides.pop().unwrap_or_default();
    let repository = sides.pop();
    if !sides.is_empty() {
        return Err(PatternError::Colons);
    }
    let names_repository = |part: &Part| match part {
        Part::Literal(text) => text.contains('/'),
        other => other.is_of_repository(),
    };
    match &repository {
        Some(repository) if repository.is_empty() => Err(PatternError::NoRepository(text[1..].into())),
        Some(_) if tag.is_empty() => Err(PatternError::NoTag(format!("{text}{{tag}}").into())),
        None if tag.iter().any(names_repository) => Err(PatternError::NoTag(with_tag_behind(text))),
        _ => Ok((repository, tag)),
    }
}

fn with_tag_behind(text: &str) -> Box<str> {
    let repository = text.replacen("{tag}", "", 1);
    format!("{}:{{tag}}", repository.trim_matches(DELIMITERS)).into()
}

fn read_parts(mut text: &str) -> Result<Vec<Part>, PatternError> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let end = text.find(['{', '}']).unwrap_or(text.len());
        if end > 0 {
            parts.push(Part::Literal(text[..end].into()));
        }
        text = match text[end..].chars().next() {
            None => break,
            Some('}') => return Err(PatternError::Unbalanced('}')),
            Some(_) => &text[end + 1..],
        };
        let (name, rest) = text.split_once('}').ok_or(PatternError::Unbalanced('{'))?;
        parts.push(read_placeholder(name)?);
        text = rest;
    }
    Ok(parts)
}

fn read_placeholder(name: &str) -> Result<Part, PatternError> {
    if name.is_empty() {
        return Err(PatternError::EmptyBraces);
    }
    if name.contains('{') {
        return Err(PatternError::Unbalanced('{'));
    }
    Part::placeholder(name)
        .ok_or_else(|| nearest(name, &PLACEHOLDERS).map_or(PatternError::Placeholder, PatternError::Misspelt))
}

fn check_placeholders(pattern: &MemberPattern) -> Result<(), PatternError> {
    let repository = pattern.repository.as_deref().unwrap_or_default();
    if repository.contains(&Part::Tag) {
        return Err(PatternError::TagInRepository);
    }
    if let Some(part) = pattern.tag.iter().find(|part| part.is_of_repository()) {
        return Err(PatternError::RepositoryInTag(part.clone()));
    }
    for name in PLACEHOLDERS {
        let part = Part::placeholder(name);
        if let Some(part) = part.filter(|part| pattern.all_parts().filter(|other| *other == part).count() > 1)
        {
            return Err(PatternError::Twice(part));
        }
    }
    let has = |part: &Part| repository.contains(part);
    if has(&Part::Repo) && (has(&Part::Namespace) || has(&Part::Name)) {
        return Err(PatternError::RepoTwice);
    }
    Ok(())
}

fn check_delimiters(pattern: &MemberPattern) -> Result<(), PatternError> {
    let tag = delimited(&pattern.tag);
    let delimited = match pattern.repository.as_deref() {
        Some(repository) => format!("{}:{tag}", delimited(repository)),
        None => tag,
    };
    if *delimited == *pattern.text { Ok(()) } else { Err(PatternError::Touching(delimited.into())) }
}

/// The parts as text, with a delimiter wherever one is missing.
fn delimited(parts: &[Part]) -> String {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        if let Some(before) = at.checked_sub(1).map(|at| &parts[at])
            && touches(before, part)
        {
            let is_namespace = *before == Part::Namespace || *part == Part::Namespace;
            text.push(if is_namespace { '/' } else { '-' });
        }
        text.push_str(&part.to_string());
    }
    text
}

/// Whether names run into each other: two placeholders, or a name that was asked for and a word.
fn touches(before: &Part, after: &Part) -> bool {
    match (before, after) {
        (Part::Literal(_), Part::Literal(_) | Part::Arch) | (Part::Arch, Part::Literal(_)) => false,
        (Part::Literal(text), _) => Word::all().any(|word| {
            text.strip_suffix(word.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with(DELIMITERS))
        }),
        (_, Part::Literal(text)) => Word::all().any(|word| {
            text.strip_prefix(word.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(DELIMITERS))
        }),
        _ => true,
    }
}

fn check_repository(pattern: &MemberPattern) -> Result<(), PatternError> {
    let Some(parts) = pattern.repository.as_deref() else { return Ok(()) };
    if let Some(c) = strange(parts, is_in_repository) {
        let legal = |c: char| if is_in_repository(c) { c } else { '-' };
        let repaired = repaired(parts, |text| text.to_lowercase().chars().map(legal).collect());
        let text = format!("{repaired}:{}", joined(&pattern.tag));
        return Err(PatternError::RepositoryCharacter(c, if_valid(text)));
    }
    if is_repository(&sample(parts)) { Ok(()) } else { Err(PatternError::Repository) }
}

fn check_tag(pattern: &MemberPattern) -> Result<(), PatternError> {
    let parts = &*pattern.tag;
    let repository = pattern.repository.as_deref().map(|parts| joined(parts) + ":").unwrap_or_default();
    let suggestion = |tag: &str| if_valid(format!("{repository}{tag}"));
    if let Some(c) = strange(parts, is_in_tag) {
        let legal = |c: char| if is_in_tag(c) { c } else { '-' };
        let repaired = repaired(parts, |text| text.chars().map(legal).collect());
        return Err(PatternError::TagCharacter(c, suggestion(&repaired)));
    }
    let text = joined(parts);
    match text.chars().next() {
        Some(start @ ('.' | '-')) => {
            Err(PatternError::TagStart(start, suggestion(text.trim_start_matches(['.', '-']))))
        }
        _ if fits_tag(&sample(parts)) => Ok(()),
        _ => Err(PatternError::LongTag),
    }
}

/// The first character of the literal text that may not stand there.
fn strange(parts: &[Part], legal: impl Fn(char) -> bool) -> Option<char> {
    parts.iter().find_map(|part| match part {
        Part::Literal(text) => text.chars().find(|c| !legal(*c)),
        _ => None,
    })
}

fn repaired(parts: &[Part], repair: impl Fn(&str) -> String) -> String {
    let text = |part: &Part| match part {
        Part::Literal(text) => repair(text),
        other => other.to_string(),
    };
    parts.iter().map(text).collect()
}

/// What is suggested has to be right itself, and not full of what stands for wrong characters.
fn if_valid(text: String) -> Option<Box<str>> {
    let is_plain = !text.contains("--") && !text.ends_with('-');
    (is_plain && text.parse::<MemberPattern>().is_ok()).then(|| text.into())
}

fn joined(parts: &[Part]) -> String {
    parts.iter().map(ToString::to_string).collect()
}

/// The shortest name that the parts can become.
fn sample(parts: &[Part]) -> String {
    let text = |part: &Part| match part {
        Part::Literal(text) => text.to_string(),
        _ => "a".into(),
    };
    parts.iter().map(text).collect()
}

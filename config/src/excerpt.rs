use std::fmt;

use crate::keys::{LISTS, MEMBER, known, sections_of};
use crate::value::MASK;

/// How much of a line is shown before the caret, and in all.
const BEFORE: usize = 80;
const WIDTH: usize = 120;

/// One line of a file with a caret below. What may hold a secret is masked; a setting is masked unless it
/// is known to be harmless, because a misspelt `pasword` holds a secret, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    line: String,
    /// How many characters stand before the caret.
    caret: usize,
}

impl Excerpt {
    /// The line around a byte offset that is a character boundary, at this column from 1.
    pub(crate) fn new(text: &str, offset: usize, column: usize) -> Self {
        let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let line = text[start..].lines().next().unwrap_or_default();
        let line =
            if in_multiline_string(&text[..start]) { MASK.into() } else { masked(line, &text[..start]) };
        let caret = (column - 1).min(line.chars().count());
        let skipped = caret.saturating_sub(BEFORE);
        // Control characters would act on the terminal, and tabs would move the caret.
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        Self { line: line.chars().skip(skipped).take(WIDTH).map(printable).collect(), caret: caret - skipped }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}\n  {:caret$}^", self.line, "", caret = self.caret)
    }
}

/// Whether a text ends within one: its lines tell nothing about what they are.
fn in_multiline_string(text: &str) -> bool {
    ["\"\"\"", "'''"].iter().any(|quotes| text.matches(quotes).count() % 2 == 1)
}

/// The line as it may be shown, given the lines before it.
fn masked(line: &str, before: &str) -> String {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    let name = key.trim();
    if line.trim().is_empty() || is_header(line) || is_harmless(name, value) || is_of_list(line, before) {
        line.into()
    } else if !name.is_empty() && is_bare_key(name) && line.contains('=') {
        format!("{key}= {MASK}")
    } else {
        MASK.into()
    }
}

fn is_harmless(name: &str, value: &str) -> bool {
    let setting = name.rsplit('.').next().unwrap_or(name);
    let word = setting.split_whitespace().next().unwrap_or_default();
    // `url = "https://name:password@host"`, and an inline table or a second setting behind the first.
    let odd = if setting == "url" { value.contains(['@', '?', '#']) } else { value.contains(['{', '=']) };
    // A section that is written as a value may hold anything.
    let is_section = known("").contains(&word);
    !sections_of(word).is_empty() && !is_section && !odd && !may_hold_secret(name) && !may_hold_secret(value)
}

/// Whether a text speaks of a password or a token.
fn may_hold_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("pass") || text.contains("token")
}

/// Whether a line is a setting of a `[[rule]]` or a `[[warm]]`, or an entry of a list that is one, and holds nothing but strings,
/// braces and the words of a member: patterns have braces, and a list often has a line per entry.
fn is_of_list(line: &str, before: &str) -> bool {
    let own = setting(line);
    let Some(name) =
        own.or_else(|| before.lines().rev().take_while(|line| !is_header(line)).find_map(setting))
    else {
        return false;
    };
    let rest = if own.is_some() { line.split_once('=').unwrap_or_default().1 } else { line };
    // What stands outside of the quotes; of an even number of pieces, the last is a string that is not closed.
    let pieces: Vec<&str> = rest.split('"').collect();
    let bare = pieces.iter().step_by(2);
    let words = bare.flat_map(|text| text.split(|c: char| c.is_whitespace() || "[]{},=".contains(c)));
    let header = before.lines().rev().find(|line| is_header(line)).unwrap_or_default().trim();
    let section = header.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")).unwrap_or_default();
    LISTS.contains(&section)
        && known(section).contains(&name)
        && pieces.len() % 2 == 1
        && !may_hold_secret(line)
        && words.into_iter().all(|word| word.is_empty() || MEMBER.1.contains(&word))
}

/// The name of the setting that begins on a line.
fn setting(line: &str) -> Option<&str> {
    let name = line.split_once('=')?.0.trim();
    (!name.is_empty() && is_bare_key(name)).then_some(name)
}

fn is_header(line: &str) -> bool {
    let name = line.trim().trim_start_matches('[').trim_end_matches(']');
    line.trim_start().starts_with('[') && is_bare_key(name)
}

fn is_bare_key(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

//! An explanation as a person reads it.

use std::fmt::Write;

use comfy_table::{Table, presets};

use crate::resolve::{Answer, ExplainedEntry, ExplainedMember, Explanation, MemberState, PlatformSource};

/// The explanation as text of several lines.
pub(super) fn explain(explanation: &Explanation) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{}", headline(explanation));
    if !explanation.entries.is_empty() {
        let _ = writeln!(text, "\n{}", entries(explanation));
    }
    if explanation.members.iter().any(|member| member.digest.is_some()) {
        let _ = writeln!(text, "\n{}", members(explanation));
    }
    let absent = names(explanation, MemberState::Absent);
    if !absent.is_empty() {
        let _ = writeln!(text, "\nabsent: {absent}");
    }
    let not_asked = names(explanation, MemberState::NotAsked);
    if !not_asked.is_empty() {
        let _ = writeln!(text, "not asked for: {not_asked}");
    }
    if let Some(skew) = &explanation.skew {
        let _ = writeln!(text, "warning: skew: {skew}");
    }
    for member in &explanation.members {
        for note in &member.notes {
            let kind = if note.warning { "warning" } else { "note" };
            let _ = writeln!(text, "{kind}: {}: {}", member.tag, note.text);
        }
    }
    text
}

fn headline(explanation: &Explanation) -> String {
    let Explanation { repository, reference, digest, media_type, .. } = explanation;
    let separator = if reference.contains(':') { '@' } else { ':' };
    let what = match explanation.answer {
        Answer::Merged => "a merged index",
        Answer::Passed => "the upstream's own bytes",
        Answer::Withheld => {
            let why = explanation.withheld.as_deref().unwrap_or_default();
            return format!("{repository}{separator}{reference}: {why}\nrule: {}", explanation.rule);
        }
        Answer::Absent => return format!("{repository}{separator}{reference}: there is nothing to pull"),
    };
    let digest = digest.as_ref().map_or_else(String::new, ToString::to_string);
    let media_type = media_type.as_ref().map_or("", |media_type| media_type.as_str());
    let mut text = format!("{repository}{separator}{reference}: a pull gets {what}\n{digest}\n{media_type}");
    if let Some(upstream) =
        explanation.upstream_digest.as_ref().filter(|own| Some(*own) != explanation.digest.as_ref())
    {
        let _ = write!(text, "\nin the place of {upstream}");
    }
    if !explanation.rule.is_empty() {
        let _ = write!(text, "\nrule: {}", explanation.rule);
    }
    text
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Without the padding that would stand at the end of each line.
fn render(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn entries(explanation: &Explanation) -> String {
    let mut table = table(&["PLATFORM", "FROM", "RULE", "SAID BY", "MANIFEST"]);
    for entry in &explanation.entries {
        let said_by = match entry.platform_source {
            PlatformSource::Config => "config",
            PlatformSource::Index => "index",
            PlatformSource::Rule => "rule",
        };
        let ExplainedEntry { platform, from, rule, digest, .. } = entry;
        table.add_row([&platform.to_string(), from, rule, said_by, &digest.to_string()]);
    }
    render(&table)
}

fn members(explanation: &Explanation) -> String {
    let mut table = table(&["TAG", "RULE", "STATE"]);
    let there = |member: &&ExplainedMember| member.digest.is_some();
    for member in explanation.members.iter().filter(there) {
        let state = match member.state {
            MemberState::Used => "used",
            MemberState::Passed => "passed as it is",
            MemberState::LeftOut => "left out",
            MemberState::Absent | MemberState::NotAsked => "absent",
        };
        table.add_row([&member.tag, &member.rule, state]);
    }
    render(&table)
}

fn names(explanation: &Explanation, state: MemberState) -> String {
    let members = explanation.members.iter().filter(|member| member.state == state);
    members.map(|member| member.tag.as_str()).collect::<Vec<_>>().join(", ")
}

//! Files as text: each below a comment with its path.

use std::fmt;

/// Everything that is printed.
#[derive(Debug)]
pub(super) struct Output {
    /// What holds for all of it.
    pub(super) notes: Vec<String>,
    pub(super) files: Vec<File>,
}

/// A file for a client.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    /// What a person has to know or do.
    pub(super) notes: Vec<String>,
    /// Ends with a newline; empty for a file that only its owner has.
    pub(super) content: String,
}

impl File {
    /// Without notes.
    pub(super) fn new(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self { path: path.into(), notes: Vec::new(), content: content.into() }
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// A line of a file; a comment where it is only offered.
pub(super) fn line(indent: &str, holds: bool, text: &str) -> String {
    let comment = if holds { "" } else { "#" };
    format!("{indent}{comment}{text}\n")
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comments = |f: &mut fmt::Formatter<'_>, notes: &[String]| {
            notes.iter().try_for_each(|note| writeln!(f, "# {note}"))
        };
        comments(f, &self.notes)?;
        for file in &self.files {
            writeln!(f, "\n# {}", file.path)?;
            comments(f, &file.notes)?;
            f.write_str(&file.content)?;
        }
        Ok(())
    }
}

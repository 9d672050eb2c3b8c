//! What came of a proof: its figures, and the bounds that were broken.

use std::fmt::{self, Display};

/// So many broken bounds are shown; the others are counted.
const SHOWN: usize = 12;

#[derive(Default)]
pub(crate) struct Verdict {
    figures: Vec<String>,
    details: Vec<String>,
    broken: Vec<String>,
}

impl Verdict {
    pub(crate) fn figure(&mut self, name: &str, value: impl Display) {
        self.figures.push(format!("{name} {value}"));
    }

    /// A line below the figures.
    pub(crate) fn detail(&mut self, line: String) {
        self.details.push(line);
    }

    /// A figure that must be zero.
    pub(crate) fn none(&mut self, name: &str, count: usize) {
        self.figure(name, count);
        self.bound(count == 0, || format!("{name}: {count}, and there must be none"));
    }

    /// A bound; `broken` says what is wrong where it does not hold.
    pub(crate) fn bound(&mut self, holds: bool, broken: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(broken());
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.broken.is_empty()
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.figures.join("  "))?;
        for detail in &self.details {
            write!(f, "\n  {detail}")?;
        }
        for broken in self.broken.iter().take(SHOWN) {
            write!(f, "\n  BROKEN: {broken}")?;
        }
        match self.broken.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  BROKEN: {more} more"),
        }
    }
}

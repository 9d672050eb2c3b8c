//! What onetag promises, next to what was measured.

use serde::Serialize;

use super::Spread;
use crate::report::Run;

/// One promise.
#[derive(Debug, Serialize)]
pub(crate) struct Bar {
    pub(crate) work: String,
    /// As in `>= 1.2 x nginx`.
    pub(crate) wanted: String,
    pub(crate) measured: Spread,
    pub(crate) unit: &'static str,
    pub(crate) met: bool,
    /// What is to be known about the number.
    pub(crate) note: String,
}

/// A bound on a median.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    /// `against` follows the number of the bound, as `x nginx` or `MiB`.
    pub(crate) fn new(work: &str, bound: Bound, against: &str, measured: Spread, unit: &'static str) -> Self {
        let (sign, number, met) = match bound {
            Bound::AtLeast(number) => (">=", number, measured.median >= number),
            Bound::AtMost(number) => ("<=", number, measured.median <= number),
        };
        let wanted = format!("{sign} {number} {against}");
        Self { work: work.to_owned(), wanted, measured, unit, met, note: String::new() }
    }

    pub(crate) fn with_note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// The same, not met and void where a request failed or none was answered in these runs: what a server does not
    /// do costs it nothing.
    pub(super) fn of<'a>(self, runs: impl IntoIterator<Item = &'a Run>) -> Self {
        let (mut failed, mut silent) = (0, false);
        for run in runs {
            failed += run.failed;
            silent |= run.answered == 0;
        }
        self.void(failed, silent)
    }

    pub(super) fn void(self, failed: u64, silent: bool) -> Self {
        if failed == 0 && !silent {
            return self;
        }
        let note =
            format!("void: {failed} requests failed{}", if silent { ", or none was answered" } else { "" });
        Self { met: false, note, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_by_the_median() {
        let measured = Spread { min: 0.5, median: 1.0, max: 2.0 };
        assert!(Bar::new("tag hit", Bound::AtLeast(1.0), "x nginx", measured, "x").met);
        assert!(!Bar::new("tag hit", Bound::AtMost(0.9), "MiB", measured, "MiB").met);
        assert_eq!(Bar::new("a", Bound::AtLeast(1.2), "x nginx", measured, "x").wanted, ">= 1.2 x nginx");
        let bar = || Bar::new("tag hit", Bound::AtLeast(1.0), "x nginx", measured, "x");
        assert!(bar().void(0, false).met && !bar().void(1, false).met && !bar().void(0, true).met);
    }
}

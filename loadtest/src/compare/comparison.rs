//! What a comparison gave, as data and as text.

use super::bars::Bar;
use std::fmt::Write as _;

use serde::Serialize;

use crate::report::table;

/// What a comparison gave.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// How often each server took each work, in turn with the others.
    pub(crate) rounds: usize,
    pub(crate) works: Vec<Work>,
    pub(crate) bars: Vec<Bar>,
}

/// One kind of requests, and how each server did.
#[derive(Debug, Serialize)]
pub(crate) struct Work {
    pub(crate) name: String,
    /// Of [`Standing::rates`].
    pub(crate) unit: &'static str,
    /// onetag first.
    pub(crate) standings: Vec<Standing>,
}

/// One server's rounds of a work.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    pub(crate) server: String,
    pub(crate) rates: Spread,
    /// Microseconds of the server's processor for each request, or for each MiB.
    pub(crate) cpu: Spread,
    /// How many times its rate onetag's is, round by round.
    pub(crate) ratio: Option<Spread>,
    /// The same of processor time: how many times onetag's this server's is.
    pub(crate) cpu_ratio: Option<Spread>,
    /// Share of its cores that the server took: far below 1, the load was the limit, or the disk.
    pub(crate) busy: f64,
    pub(crate) failed: u64,
}

/// One number a round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of one number at least; of none, all are zero.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return Self { min: 0.0, median: 0.0, max: 0.0 } };
        let median = f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]);
        Self { min: sorted[0], median, max: sorted[last] }
    }
}

impl Comparison {
    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for work in &self.works {
            writeln!(text, "{}, {} rounds\n", work.name, self.rounds).ok();
            let unit = format!("{}/s", work.unit);
            let cpu = format!("us/{}", work.unit);
            let mut rows = table(&[
                "",
                &unit,
                "least .. most",
                &cpu,
                "onetag is",
                "least .. most",
                "by cpu",
                "busy",
                "failed",
            ]);
            for standing in &work.standings {
                let (rates, ratio) = (standing.rates, standing.ratio);
                let times = |ratio: Option<Spread>| {
                    ratio.map(|ratio| format!("{:.2} x", ratio.median)).unwrap_or_default()
                };
                rows.add_row([
                    standing.server.clone(),
                    crate::report::count(rates.median),
                    format!("{} .. {}", crate::report::count(rates.min), crate::report::count(rates.max)),
                    format!("{:.1}", standing.cpu.median),
                    times(ratio),
                    ratio.map(|ratio| format!("{:.2} .. {:.2}", ratio.min, ratio.max)).unwrap_or_default(),
                    times(standing.cpu_ratio),
                    format!("{:.0} %", standing.busy * 100.0),
                    standing.failed.to_string(),
                ]);
            }
            writeln!(text, "{rows}\n").ok();
        }
        let mut rows = table(&["work", "bar", "measured", "least .. most", ""]);
        for bar in &self.bars {
            let value = bar.measured;
            let digits = if value.median.abs() < 100.0 { 2 } else { 0 };
            rows.add_row([
                bar.work.clone(),
                bar.wanted.clone(),
                format!("{:.digits$} {}", value.median, bar.unit),
                format!("{:.digits$} .. {:.digits$}", value.min, value.max),
                format!(
                    "{}{}{}",
                    if bar.met { "met" } else { "MISSED" },
                    if bar.note.is_empty() { "" } else { ": " },
                    bar.note
                ),
            ]);
        }
        writeln!(text, "{rows}").ok();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_and_the_ends() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { min: 1.0, median: 2.0, max: 3.0 });
        assert_eq!(Spread::of([1.0, 2.0]), Spread { min: 1.0, median: 1.5, max: 2.0 });
        assert_eq!(Spread::of([]), Spread { min: 0.0, median: 0.0, max: 0.0 });
    }
}

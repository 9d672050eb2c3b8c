//! What plots are drawn against.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::Ranged;

use crate::report::table::{count, time};

/// What an axis spans, and where it is labelled. Points are given in the axis's own measure: see [`stretched`]
/// and [`logarithm`].
#[derive(Clone)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    marks: Vec<(f64, String)>,
    pub(super) name: &'static str,
}

/// The place of a percentile: each further 9 is as far as the one before.
pub(super) fn stretched(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).max(1e-9).log10()
}

/// The place of a time in microseconds; below one, it is drawn as one.
pub(super) fn logarithm(micros: f64) -> f64 {
    micros.max(1.0).log10()
}

impl Axis {
    /// From 0 to a round number that none of these is above.
    pub(super) fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let top = values.into_iter().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let top = if top > 0.0 { top } else { 1.0 };
        let steps = || (-6..=300).flat_map(|decade| [1.0, 2.0, 5.0].map(|first| (first, decade)));
        let (first, decade) =
            steps().find(|(first, decade)| first * 10f64.powi(*decade) * 5.0 >= top).unwrap_or((1.0, 300));
        let step = first * 10f64.powi(decade);
        let to = (top / step).ceil() * step;
        let digits = usize::try_from(-decade).unwrap_or(0);
        let text = |value: f64| if digits == 0 { count(value) } else { format!("{value:.digits$}") };
        let places = (0..=5u32).map(|number| f64::from(number) * step).filter(|at| *at <= to * 1.001);
        Self { from: 0.0, to, marks: places.map(|at| (at, text(at))).collect(), name: "" }
    }

    /// From 0 to the last of these seconds.
    pub(super) fn seconds(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let last = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let mut axis = Self { name: "seconds", ..Self::linear(values) };
        if last > 0.0 {
            axis.to = last;
            axis.marks.retain(|(at, _)| *at <= last);
        }
        axis
    }

    /// Rows from the top down, without marks: row 0 is from 0 to -1.
    pub(super) fn rows(count: u32) -> Self {
        Self { from: -f64::from(count), to: 0.0, marks: Vec::new(), name: "" }
    }

    pub(super) fn percentiles() -> Self {
        let marks = [50.0, 90.0, 99.0, 99.9, 99.99].map(|mark| (stretched(mark), mark.to_string()));
        Self { from: 0.0, to: stretched(99.99), marks: marks.into(), name: "percentile" }
    }

    /// A logarithmic axis on which all of these microseconds are.
    pub(super) fn times(micros: impl IntoIterator<Item = f64>) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 1.0_f64);
        for time in micros.into_iter().filter(|time| time.is_finite()) {
            (least, most) = (least.min(time.max(1.0)), most.max(time));
        }
        let tens = (0..=12).map(|decade| 10f64.powi(decade));
        let round: Vec<f64> = tens.clone().flat_map(|ten| [ten, 2.0 * ten, 5.0 * ten]).collect();
        let from = round.iter().copied().rfind(|time| *time <= least.min(most)).unwrap_or(1.0);
        let to = round.iter().copied().find(|time| *time >= most && *time > from).unwrap_or(1e13);
        let within = |time: &f64| (from..=to).contains(time);
        let mut marks: Vec<f64> = round.into_iter().filter(within).collect();
        if marks.len() > 7 {
            marks = tens.filter(within).collect();
        }
        // They are whole numbers.
        let mark = |micros: f64| (micros.log10(), time(micros).replace(".00", ""));
        Self { from: from.log10(), to: to.log10(), marks: marks.into_iter().map(mark).collect(), name: "" }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    /// What is beyond an end is drawn there.
    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(&value.clamp(self.from, self.to), limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let marks = if hint.weight().allow_light_points() { &[] } else { self.marks.as_slice() };
        marks.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let mark = self.marks.iter().find(|(at, _)| at.total_cmp(value).is_eq());
        mark.map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn axes_have_round_marks() {
        assert_eq!(
            labels(&Axis::linear([81_234.0, f64::NAN])),
            ["0", "20,000", "40,000", "60,000", "80,000", "100,000"]
        );
        assert_eq!(labels(&Axis::linear([0.7])), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(&Axis::linear([])), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Axis::seconds([33.0])), ["0", "10", "20", "30"]);
        assert_eq!(labels(&Axis::times([130.0, 1_700.0])), ["100 us", "200 us", "500 us", "1 ms", "2 ms"]);
        assert_eq!(labels(&Axis::times([12.0, 3e6])), ["10 us", "100 us", "1 ms", "10 ms", "100 ms", "1 s"]);
        assert_eq!(labels(&Axis::percentiles()), ["50", "90", "99", "99.9", "99.99"]);
    }

    #[test]
    fn axes_of_anything_have_a_length() {
        for values in
            [vec![], vec![0.0], vec![-1.0], vec![f64::INFINITY], vec![f64::MAX], vec![f64::MIN_POSITIVE]]
        {
            for axis in
                [Axis::linear(values.clone()), Axis::seconds(values.clone()), Axis::times(values.clone())]
            {
                assert!(axis.from < axis.to, "{values:?}");
            }
        }
    }

    #[test]
    fn percentiles_are_as_far_apart_as_their_nines() {
        assert!((stretched(90.0) - 1.0).abs() < 1e-9 && (stretched(99.99) - 4.0).abs() < 1e-9);
        assert!(stretched(100.0).is_finite() && stretched(0.0).abs() < 1e-9);
    }
}

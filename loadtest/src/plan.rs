//! What a scenario asks for, request by request.

use std::sync::Arc;

use crate::engine::{Ask, Source};

/// A source made of a function from the request's number.
pub(crate) struct Numbered<F> {
    classes: Vec<&'static str>,
    ask: F,
}

impl<F: Fn(u64) -> Option<Ask> + Send + Sync> Source for Numbered<F> {
    fn classes(&self) -> Vec<&'static str> {
        self.classes.clone()
    }

    fn ask(&self, number: u64) -> Option<Ask> {
        (self.ask)(number)
    }
}

/// Requests by number.
pub(crate) fn numbered(
    classes: &[&'static str],
    ask: impl Fn(u64) -> Option<Ask> + Send + Sync + 'static,
) -> Arc<dyn Source> {
    Arc::new(Numbered { classes: classes.to_vec(), ask })
}

/// The same requests over and over.
pub(crate) fn cycle(class: &'static str, asks: Vec<Ask>) -> Arc<dyn Source> {
    numbered(&[class], move |number| asks.get(place(number, asks.len())).cloned())
}

/// Each request once.
pub(crate) fn once(classes: &[&'static str], asks: Vec<Ask>) -> Arc<dyn Source> {
    numbered(classes, move |number| asks.get(usize::try_from(number).ok()?).cloned())
}

fn place(number: u64, length: usize) -> usize {
    usize::try_from(number % length.max(1) as u64).unwrap_or(0)
}

/// A number that looks random, the same for the same one (splitmix64).
pub(crate) fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Zipf's law: the place `k`, counted from 1, comes up in proportion to `1 / k`.
pub(crate) struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(places: u32) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=places.max(1)).map(|k| {
            sum += 1.0 / f64::from(k);
            sum
        });
        Self { cumulative: cumulative.collect() }
    }

    /// The place, from 0, for a number that is random over all of `u64`.
    pub(crate) fn place(&self, random: u64) -> usize {
        let last = self.cumulative.last().copied().unwrap_or(1.0);
        #[expect(clippy::cast_precision_loss, reason = "a random number")]
        let wanted = random as f64 / u64::MAX as f64 * last;
        self.cumulative.partition_point(|sum| *sum < wanted).min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_favours_the_first() {
        let zipf = Zipf::new(1_000);
        let mut counts = vec![0; 1_000];
        for number in 0..100_000 {
            counts[zipf.place(scatter(number))] += 1;
        }
        // 1 / H(1000) is 0.1336.
        assert!((12_500..14_200).contains(&counts[0]), "{}", counts[0]);
        assert!((6_000..7_300).contains(&counts[1]), "{}", counts[1]);
        assert_eq!(zipf.place(u64::MAX), 999);
        assert_eq!(zipf.place(0), 0);
    }

    #[test]
    fn what_comes_once_ends() {
        let source = once(&["a"], vec![Ask::get("/1"), Ask::get("/2")]);
        assert_eq!(source.ask(1).map(|ask| ask.path.to_string()).as_deref(), Some("/2"));
        assert!(source.ask(2).is_none());
        let source = cycle("a", vec![Ask::get("/1"), Ask::get("/2")]);
        assert_eq!(source.ask(3).map(|ask| ask.path.to_string()).as_deref(), Some("/2"));
    }
}

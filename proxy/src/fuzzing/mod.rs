//! What reads the bytes of peers, each as one function that panics where a promise is broken: the fuzz targets in
//! `fuzz/`, whose inputs the tests replay (`docs/fuzzing.md`).
//!
//! Only built with `--cfg fuzzing`, which cargo-fuzz sets, and for the tests of this crate.

mod configuration;
mod documents;
mod merging;
mod targets;

#[cfg(test)]
mod tests;

pub use targets::{TARGETS, Target, run};

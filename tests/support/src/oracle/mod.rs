//! A second opinion on merging: the bytes that the merge rules ask for, derived without the product's code.
//!
//! It is written from the rules alone and writes its JSON by hand, so that neither a misreading nor a
//! serialiser's habit of the product can hide behind the same one here. It is slow and plain on purpose.

mod answer;
mod content;
mod entry;
mod flatten;
mod json;
mod platform;
mod token;

pub use answer::{Answer, Member, answer};
pub use content::{Content, Contents};

#[cfg(test)]
mod tests;

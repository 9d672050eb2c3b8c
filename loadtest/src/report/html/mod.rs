//! A page with plots, complete in itself.

mod axis;
mod page;
mod plots;
mod style;
#[cfg(test)]
mod tests;

pub(super) use page::page;

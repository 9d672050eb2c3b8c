//! The same requests against onetag and its neighbours, in one run.

mod alone;
mod bars;
mod comparison;
mod field;
mod rounds;

pub(crate) use bars::Bar;
pub(crate) use comparison::{Comparison, Spread, Standing, Work};
pub(crate) use rounds::{CompareArgs, compare};

//! What the load is like: the scenarios, and how each is set up.

mod kinds;
mod own;
mod prepare;
mod target;

pub(crate) use kinds::Scenario;
pub(crate) use own::{Own, Plan as OwnPlan, fetch};
pub(crate) use prepare::prepare;
pub(crate) use target::Target;

//! What was measured, as data; the table, the page and the JSON file are made from it.

mod data;
mod html;
mod machine;
mod publish;
mod table;

pub(crate) use data::{ClassReport, Report, Run, SecondReport, Times};
pub(crate) use publish::publish;
pub(crate) use table::{count, table};

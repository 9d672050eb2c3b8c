//! What the client tests share: the set-up, the daemons and the way to call a program.

mod command;
mod daemon;
mod scratch;
mod site;

pub(crate) use command::{available, client, has_buildkit, run};
pub(crate) use daemon::Daemon;
pub(crate) use scratch::Scratch;
pub(crate) use site::{ARCHITECTURES, ELSEWHERE, Form, HOST, Site, reference_in};

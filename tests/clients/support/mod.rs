//! What the client tests share: the set-up, the daemons and the way to call a program.

mod arrival;
mod command;
mod daemon;
mod scratch;
mod site;

pub(crate) use arrival::{Arrival, Puller, platform_args, platform_in, platform_name};
pub(crate) use command::{available, client, has_buildkit, run, try_run};
pub(crate) use daemon::Daemon;
pub(crate) use scratch::Scratch;
pub(crate) use site::{ARCHITECTURES, Content, ELSEWHERE, Form, HOST, Site, fresh_seed, reference_in};

//! What the client tests share: the set-up, the daemons and the way to call a program.

mod archive;
mod arrival;
mod command;
mod daemon;
mod fixture;
mod front;
mod scratch;
mod site;
mod way;

pub(crate) use archive::archive;
pub(crate) use arrival::{Arrival, Puller, Pusher, platform_args, platform_in, platform_name};
pub(crate) use command::{available, client, has_buildkit, run, try_run};
pub(crate) use daemon::Daemon;
pub(crate) use fixture::{PLATFORMS, large_image, small_image};
pub(crate) use front::{Front, Loopback, READER, WRITER};
pub(crate) use scratch::Scratch;
pub(crate) use site::{ARCHITECTURES, Content, ELSEWHERE, Form, HOST, Site, fresh_seed, reference_in};
pub(crate) use way::Way;

//! The servers that take the load: onetag and its neighbours.

mod bare;
mod callgrind;
mod docker_registry;
mod machine;
mod nginx;
mod onetag;

pub(crate) use bare::{Bare, BareArgs, serve as serve_bare};
pub(crate) use callgrind::read as read_counts;
pub(crate) use docker_registry::DockerRegistry;
pub(crate) use nginx::Nginx;
pub(crate) use onetag::{Onetag, Settings};

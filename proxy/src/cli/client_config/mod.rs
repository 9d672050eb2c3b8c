//! `onetag client-config`: what a client needs to pull through this onetag, ready to paste.

mod command;
mod containerd;
mod docker;
mod endpoint;
mod k3s;
mod kubernetes;
mod output;
mod podman;
mod registries;

#[cfg(test)]
mod tests;

pub(super) use command::client_config;

//! Real container clients pull and push through onetag, in front of a real registry.
//!
//! Each test starts its own registry, its own onetag and, where the client needs one, its own daemon,
//! all on free ports and in a temporary directory. A client that is not installed skips its tests
//! visibly, and fails them where the environment has `CI` set.

mod access;
mod buildah;
mod client_config;
mod containerd;
mod docker;
mod mirror;
mod platforms;
mod podman;
mod push;
mod refusal;
mod skopeo;
mod support;

//! What all flows share: a registry with onetag in front, the legacy pair, expected bytes, errors, memory.

mod blob_site;
mod expect;
mod legacy;
mod poll;
mod process;
mod site;

pub(crate) use blob_site::{BlobSite, distinct_bytes, refused};
pub(crate) use expect::{entry, entry_json, index, refusal, served_as};
pub(crate) use legacy::Legacy;
pub(crate) use poll::eventually;
pub(crate) use process::{
    bin, command, failure, memory, peak_memory, reads, serve, serve_bin, serve_config, serve_with, text,
    whole_log,
};
pub(crate) use site::{ACCEPT, REPOSITORY, Site, manifest_path};

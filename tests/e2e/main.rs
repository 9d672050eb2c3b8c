//! onetag as a process between scripted registries and plain clients, over loopback.
//!
//! Each test starts its own registry and its own onetag on free ports; nothing is shared, so all run side by
//! side. The expected bytes are written by hand and the digests computed by the test kit.

mod accept;
mod access;
mod admin;
mod auth;
mod blob;
mod blob_cache;
mod blob_cache_faults;
mod cli;
mod conformance;
mod cost;
mod descriptors;
mod differential;
mod errors;
mod explain;
mod freshness;
mod grants;
mod inspect;
mod invalidate;
mod isolation;
mod listener;
mod malformed;
mod merge;
mod notifications;
mod oci_client;
mod outage;
mod passthrough;
mod platforms;
mod push;
mod real_registry;
mod restart;
mod rules;
mod skew;
mod stale;
mod stop;
mod support;
mod tags;
mod tls;
mod upstream_lies;
mod upstreams;
mod warm;

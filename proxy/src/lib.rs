//! onetag: one tag, every architecture.
//!
//! The floor plan and a request's life are in `docs/ARCHITECTURE.md`. Rooms by floor, from the ground:
//! `telemetry`, `flight`, `sendfile` and `merge`; `upstream`, `cache` and `access`; `resolve`; `registry`; `server`; `cli`.
//! Imports go down only; a test enforces it.

pub mod access;
pub mod cache;
pub mod cli;
pub mod flight;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
pub mod merge;
pub mod registry;
pub mod resolve;
pub mod sendfile;
pub mod server;
pub mod telemetry;
pub mod upstream;

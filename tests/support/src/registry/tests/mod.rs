//! The registry behaves as one, and misbehaves as told.

mod access;
mod faults;
mod lies;
mod pull;
mod push;
mod recording;
mod uploads;
mod variants;

//! The registry behind onetag.

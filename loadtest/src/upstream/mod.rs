//! A registry that costs next to nothing: images are made when they are asked for, from their number, and blobs are the
//! same megabyte over and over. So a million tags need no memory here, and what is measured is the server in front.

mod image;
mod serve;

pub(crate) use image::{ARCHITECTURES, Blob, Image, REPOSITORY, digest, index_tag, tag};
pub(crate) use serve::Upstream;

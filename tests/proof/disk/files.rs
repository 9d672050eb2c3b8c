//! What is in a data directory.

use std::fs;
use std::path::{Path, PathBuf};

use testkit::sha256;

/// The files of blobs, in the order of their names.
pub(crate) fn blobs(data: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        entries(&data.join("blobs/sha256")).iter().flat_map(|it| entries(it)).collect();
    found.sort();
    found
}

/// What is arriving, or was when the process ended.
pub(crate) fn arriving(data: &Path) -> Vec<PathBuf> {
    entries(&data.join("blobs/arriving"))
}

/// The file of a blob.
pub(crate) fn of_blob(data: &Path, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").expect("a digest");
    data.join("blobs/sha256").join(&hex[..2]).join(hex)
}

/// Files whose content does not have the digest of their name.
pub(crate) fn wrong_blobs(data: &Path) -> Vec<PathBuf> {
    let mut files = blobs(data);
    files.retain(|file| {
        let content = fs::read(file).expect("a file that can be read");
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        sha256(&content) != format!("sha256:{name}")
    });
    files
}

/// What has no business in a data directory.
pub(crate) fn strange(data: &Path) -> Vec<PathBuf> {
    let known = ["onetag.redb", "blobs", "arriving", "sha256"];
    let mut all = entries(data);
    all.extend(entries(&data.join("blobs")));
    all.retain(|path| !known.iter().any(|name| path.ends_with(name)));
    all
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten();
    found.map(|entry| entry.expect("a directory that can be read").path()).collect()
}

//! A temporary directory for programs that mount things in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A temporary directory; dropping it unmounts what is left in it and removes it.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        // Short, because daemons keep Unix sockets in it, whose paths end at 108 bytes.
        Self(tempfile::Builder::new().prefix("ot").tempdir().expect("a temporary directory"))
    }

    /// `name` inside the directory, as an argument for a program.
    pub(crate) fn arg(&self, name: &str) -> String {
        self.path(name).to_str().expect("temporary paths are UTF-8").to_owned()
    }

    /// `name` inside the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the file `name`, with its folders, and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file stands in a folder")).expect("its folder");
        std::fs::write(&path, content).expect("the file is written");
        self.arg(name)
    }

    /// A folder `name` with a Dockerfile on top of `base` that copies a file and sets a label, so that
    /// a build for any platform runs nothing. Returns its path.
    pub(crate) fn build_context(&self, name: &str, base: &str) -> String {
        self.write(&format!("{name}/added"), "added\n");
        self.write(
            &format!("{name}/Dockerfile"),
            format!("FROM {base}\nLABEL built=yes\nCOPY added /added\n"),
        );
        self.arg(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for mount in mounts_under(self.0.path()) {
            let _ = Command::new("umount").arg("--lazy").arg(mount).status();
        }
    }
}

/// The mount points at or under `directory`, the innermost first.
fn mounts_under(directory: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut found: Vec<_> = points.filter(|point| point.starts_with(directory)).collect();
    found.reverse();
    found
}

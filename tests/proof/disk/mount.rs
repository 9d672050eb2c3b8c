//! File systems that fail: one that is small, and one that turns read-only under whoever has files open.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A mounted file system; unmounted when dropped.
pub(crate) struct Mounted {
    place: TempDir,
    _image: Option<TempDir>,
}

impl Mounted {
    /// A file system in memory with so many MiB; `None` where there is no right to mount (see [`missing`]).
    pub(crate) fn small(mebibytes: u64) -> Option<Self> {
        let place = tempfile::tempdir().expect("a directory");
        let size = format!("size={mebibytes}m,mode=700");
        let path = place.path().as_os_str().to_owned();
        let made = run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "onetag-proof"]).arg(path));
        match made {
            Ok(()) => Some(Self { place, _image: None }),
            Err(why) => missing(&why),
        }
    }

    /// An ext4 file system that turns read-only at the first error. A file system cannot be remounted read-only while
    /// somebody writes to it, but this one does it by itself.
    pub(crate) fn fragile(mebibytes: u64) -> Option<Self> {
        let (place, image) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let file = image.path().join("ext4");
        File::create(&file).and_then(|file| file.set_len(mebibytes << 20)).expect("a sparse file");
        let made = run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&file)).and_then(|()| {
            let mut mount = Command::new("mount");
            run(mount.args(["-t", "ext4", "-o", "loop,errors=remount-ro"]).arg(&file).arg(place.path()))
        });
        match made {
            Ok(()) => Some(Self { place, _image: Some(image) }),
            Err(why) => missing(&why),
        }
    }

    /// Turns read-only from now on, whatever is open.
    pub(crate) fn fail(&self) {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("Linux tells what is mounted");
        let place = self.path().to_str().expect("a path in UTF-8");
        let mount = mounts.lines().find(|line| line.split(' ').nth(1) == Some(place)).expect("it is mounted");
        let device = mount.split(' ').next().and_then(|device| device.rsplit('/').next()).expect("a device");
        fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "proof").expect("ext4 takes an error");
        let refused = fs::write(self.path().join("probe"), "").expect_err("it is read-only");
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem, "{refused}");
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Takes so many bytes, or all that there are, and one file for it.
    pub(crate) fn fill(&self, name: &str, bytes: u64) -> PathBuf {
        let path = self.path().join(name);
        let mut file = File::create(&path).expect("a file");
        let piece = [0x55; 4096];
        let mut left = bytes;
        while left > 0 && file.write_all(&piece).is_ok() {
            left = left.saturating_sub(4096);
        }
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let path = self.path().as_os_str().to_owned();
        if run(Command::new("umount").arg(&path)).is_err() {
            // Somebody still has a file open: it goes when that one goes.
            let _told_by_the_directory = run(Command::new("umount").arg("-l").arg(&path));
        }
    }
}

/// In CI there must be a way to mount; elsewhere it is said aloud that there is none.
fn missing(why: &str) -> Option<Mounted> {
    assert!(std::env::var_os("CI").is_none(), "no file system can be mounted: {why}");
    // Not by eprintln!, which lints keep for programs.
    let _closed = writeln!(std::io::stderr(), "SKIPPED: no file system can be mounted: {why}");
    None
}

fn run(command: &mut Command) -> Result<(), String> {
    let told = |output: Output| String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(told(output)),
        Err(error) => Err(error.to_string()),
    }
}

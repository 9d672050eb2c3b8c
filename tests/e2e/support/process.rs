use std::path::Path;
use std::process::Output;
use std::time::Duration;

use testkit::{Onetag, run};

/// Whoever runs the tests may have credentials; they stay out of them.
const NO_DOCKER_CONFIG: (&str, &str) = ("DOCKER_CONFIG", "/nonexistent");

/// The program under test.
pub(crate) fn bin() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_onetag"))
}

/// A running `onetag serve` in front of `upstream`.
pub(crate) fn serve(upstream: &str, args: &[&str]) -> Onetag {
    serve_with(&[&["--upstream", upstream], args].concat(), &[])
}

/// A running `onetag serve` with these arguments and variables.
pub(crate) fn serve_with(args: &[&str], env: &[(&str, &str)]) -> Onetag {
    Onetag::start_with(bin(), args, &[&[NO_DOCKER_CONFIG], env].concat())
}

/// A running `onetag serve` with these settings.
pub(crate) fn serve_config(settings: &str, args: &[&str]) -> Onetag {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("onetag.toml");
    std::fs::write(&path, settings).expect("it can be written");
    let path = path.to_str().expect("it is text");
    // It is read once, before anything is told.
    serve_with(&[&["--config", path], args].concat(), &[])
}

/// The same as [`serve`] with another program in the place of the one under test.
pub(crate) fn serve_bin(bin: &Path, upstream: &str, args: &[&str]) -> Onetag {
    Onetag::start_with(bin, &[&["--upstream", upstream], args].concat(), &[NO_DOCKER_CONFIG])
}

/// Any command of onetag, run to its end.
pub(crate) fn command(args: &[&str], env: &[(&str, &str)]) -> Output {
    run(bin(), args, &[&[NO_DOCKER_CONFIG], env].concat())
}

/// A command that must end with `code` and without a word on standard output; what it says on standard error.
pub(crate) fn failure(code: i32, args: &[&str]) -> String {
    let output = command(args, &[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert_eq!(text(&output.stdout), "", "{args:?}");
    said
}

/// Everything that a running onetag has written, once it is killed: only then has all of it been read.
pub(crate) fn whole_log(mut onetag: Onetag) -> String {
    onetag.kill();
    onetag.wait(Duration::from_secs(5));
    onetag.stdout_text() + &onetag.stderr_text()
}

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The most memory that a process had in use at once, in bytes.
pub(crate) fn peak_memory(onetag: &Onetag) -> usize {
    status(onetag, "VmHWM:")
}

/// The memory that a process has in use, in bytes.
pub(crate) fn memory(onetag: &Onetag) -> usize {
    status(onetag, "VmRSS:")
}

/// How often a process has read from files so far; what it takes from sockets is not in it.
pub(crate) fn reads(onetag: &Onetag) -> usize {
    let io = std::fs::read_to_string(format!("/proc/{}/io", onetag.pid())).expect("it runs");
    let line = io.lines().find_map(|line| line.strip_prefix("syscr: ")).expect("Linux tells it");
    line.parse().expect("a number")
}

fn status(onetag: &Onetag, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", onetag.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

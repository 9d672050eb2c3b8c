//! Programs that some tests need.

use std::io::Write as _;

/// Whether `program` can be started. In CI (the variable `CI` is set) its absence is a failure; elsewhere it is
/// said aloud and the caller skips its test.
pub fn require(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
        // Not by eprintln!, which the test harness hides for a test that passes.
        let _closed = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
    }
    found
}

//! What may come into the build from outside, asked of cargo itself.

use std::fs;
use std::process::Command;

use crate::rules;

/// Licences that a user of onetag need not think about.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// A second TLS or cryptography stack beside rustls on aws-lc-rs, and what would bring one in.
const SECOND_STACKS: &[&str] = &["boring-sys", "native-tls", "openssl", "openssl-sys", "ring"];

/// Every package that is built for one of the platforms of the container image, tests and build scripts
/// included: its name and licence expression. `cargo metadata` would list disabled ones too.
fn packages() -> Vec<(String, String)> {
    ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"].iter().flat_map(|target| tree(target)).collect()
}

fn tree(target: &str) -> Vec<(String, String)> {
    let cargo = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--workspace", "--edges", "all", "--target", target])
        .args(["--prefix", "none", "--format", "{p}\t{l}\t"])
        .current_dir(crate::top())
        .output()
        .expect("cargo runs");
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let text = String::from_utf8(cargo.stdout).expect("cargo prints UTF-8");
    text.lines().filter_map(package).collect()
}

/// `NAME vVERSION (WHERE)<tab>LICENCE<tab>`, then perhaps a mark.
fn package(line: &str) -> Option<(String, String)> {
    let mut columns = line.split('\t');
    let name = columns.next()?.split(' ').next()?;
    Some((name.to_owned(), columns.next()?.to_owned()))
}

/// Whether the allowed licences satisfy an expression. Read as a conjunction of alternatives, which is
/// never more lenient than the expression, however it nests.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], " ").replace('/', " OR ");
    expression
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|alternative| LICENCES.contains(&alternative.trim())))
}

#[test]
fn every_licence_is_permissive() {
    let packages = packages();
    assert!(packages.len() > 50, "only {} packages: is this the whole workspace?", packages.len());
    let found: Vec<_> = packages.iter().filter(|(_, licence)| !is_allowed(licence)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn there_is_one_tls_stack() {
    let packages = packages();
    assert!(packages.iter().any(|(name, _)| name == "aws-lc-rs"), "the one that should be there is not");
    let found: Vec<_> = packages.iter().filter(|(name, _)| SECOND_STACKS.contains(&name.as_str())).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_declared_dependency_has_its_reason_written_down() {
    let manifest = fs::read_to_string(crate::top().join("Cargo.toml")).expect("a readable manifest");
    let reasons = fs::read_to_string(crate::top().join("docs/dependencies.md")).expect("a readable document");
    let declared = rules::table(&manifest, "[workspace.dependencies]");
    assert!(!declared.is_empty(), "no dependencies at all?");
    let ours = ["onetag", "onetag-config", "onetag-oci", "testkit"];
    let found: Vec<_> = declared
        .iter()
        .filter(|name| !ours.contains(name) && !reasons.contains(&format!("`{name}`")))
        .collect();
    assert!(found.is_empty(), "not in docs/dependencies.md: {found:?}");
}

#[test]
fn licence_expressions_are_judged() {
    for allowed in
        ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0", "MIT  OR  ISC"]
    {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND OpenSSL", "LGPL-2.1-or-later"] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

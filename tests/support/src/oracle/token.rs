//! What the word in a tag's name stands for (P7), and what it may fill in (P3, P9).

/// The platforms that a word allows: architecture and variant, the variant empty for any.
pub(super) fn set(word: &str) -> &'static [(&'static str, &'static str)] {
    match word {
        "arm" => &[("arm", ""), ("arm64", "")],
        "armhf" => &[("arm", "v6"), ("arm", "v7")],
        "armel" => &[("arm", "v5"), ("arm", "v6")],
        "armv5" | "arm32v5" => &[("arm", "v5")],
        "armv6" | "arm32v6" => &[("arm", "v6")],
        "armv7" | "arm32v7" => &[("arm", "v7")],
        "arm64" | "aarch64" | "arm64v8" => &[("arm64", "")],
        "amd64" | "x86_64" | "x64" => &[("amd64", "")],
        "386" | "i386" => &[("386", "")],
        "s390x" => &[("s390x", "")],
        "riscv64" => &[("riscv64", "")],
        _ => panic!("the oracle does not know the word {word}"),
    }
}

/// The architecture that a config without one is taken to have: the word's, if it stands for only one.
pub(super) fn architecture(word: &str) -> Option<&'static str> {
    let (first, _) = set(word).first()?;
    set(word).iter().all(|(architecture, _)| architecture == first).then_some(first)
}

/// The variant of an arm image that does not say its own.
pub(super) fn arm_variant(word: Option<&str>) -> &'static str {
    match word {
        Some("armel") => "v6",
        Some(word) => match set(word) {
            [("arm", variant)] => variant,
            _ => "v7",
        },
        None => "v7",
    }
}

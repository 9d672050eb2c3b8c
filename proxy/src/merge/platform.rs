//! The normal form of a platform (rules P3 to P6, P9).
//!
//! Two platforms are the same when their normal forms are equal; the normal form is also what is
//! written into a merged index, so comparison and emission cannot drift apart.

use onetag_oci::Platform;

use super::claim::Claim;

/// A platform in normal form, and what had to be assumed or dropped to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normal {
    /// The normal form.
    pub platform: Platform,
    /// A variant that makes no sense for its architecture and was dropped (rule P6).
    pub dropped_variant: Option<String>,
    /// arm without a variant: v7 was assumed (rule P9).
    pub assumed_variant: bool,
}

/// Brings a platform into normal form, or says nothing when os or architecture are missing and nothing
/// that the member's name claims fills the gap (rule P3).
pub fn normalise(found: &Platform, claim: &Claim) -> Option<Normal> {
    let hint = claim.hint();
    let mut platform = found.clone();
    platform.os = canonical_os(if found.os.is_empty() { claim.os() } else { &found.os });
    if platform.os.is_empty() {
        return None;
    }
    let (architecture, implied) = canonical_architecture(&found.architecture);
    platform.architecture = architecture;
    if platform.architecture.is_empty() {
        let (architecture, variant) = hint?;
        architecture.clone_into(&mut platform.architecture);
        if platform.variant.is_empty() {
            variant.clone_into(&mut platform.variant);
        }
    }
    if platform.variant.is_empty() {
        implied.clone_into(&mut platform.variant);
    }
    Some(with_canonical_variant(platform, hint))
}

fn canonical_os(os: &str) -> String {
    match os.trim().to_ascii_lowercase().as_str() {
        "macos" => "darwin".into(),
        other => other.into(),
    }
}

/// The GOARCH name, and the variant that the old name implied.
fn canonical_architecture(architecture: &str) -> (String, &'static str) {
    match architecture.trim().to_ascii_lowercase().as_str() {
        "x86_64" | "x86-64" => ("amd64".into(), ""),
        "aarch64" => ("arm64".into(), ""),
        "i386" => ("386".into(), ""),
        "armhf" => ("arm".into(), "v7"),
        "armel" => ("arm".into(), "v6"),
        other => (other.into(), ""),
    }
}

fn with_canonical_variant(mut platform: Platform, hint: Option<(&str, &str)>) -> Normal {
    let variant = clean_variant(&platform.variant);
    let mut dropped_variant = None;
    let mut assumed_variant = false;
    platform.variant = match (platform.architecture.as_str(), variant.as_str()) {
        ("amd64", "" | "v1") => String::new(),
        ("amd64", "v2" | "v3" | "v4" | "v5" | "v6" | "v7" | "v9") => variant,
        ("amd64", _) => {
            dropped_variant = Some(platform.variant);
            String::new()
        }
        ("arm64", "" | "v8.0") => "v8".into(),
        ("arm", "") => {
            let hinted = hint.filter(|(architecture, _)| *architecture == "arm").map(|(_, variant)| variant);
            assumed_variant = hinted.is_none();
            hinted.unwrap_or("v7").into()
        }
        _ => variant,
    };
    Normal { platform, dropped_variant, assumed_variant }
}

/// `armv7`, `ARMv7` and `7` are `v7`.
fn clean_variant(variant: &str) -> String {
    let lower = variant.trim().to_ascii_lowercase();
    // Of what is no variant nothing is stripped: there would be something to strip from the rest again.
    let is_variant = |rest: &&str| {
        rest.is_empty() || rest.starts_with(|first: char| first == 'v' || first.is_ascii_digit())
    };
    let bare = lower.strip_prefix("arm").filter(is_variant).unwrap_or(&lower);
    if bare.starts_with(|first: char| first.is_ascii_digit()) { format!("v{bare}") } else { bare.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::token::Token;
    use super::*;

    fn normal(os: &str, architecture: &str, variant: &str, token: Option<&str>) -> Option<Normal> {
        let claim = token.and_then(Token::find).map_or(Claim::Nothing, Claim::Word);
        normalise(&Platform::new(os, architecture, variant), &claim)
    }

    fn text(architecture: &str, variant: &str) -> String {
        normal("linux", architecture, variant, None).unwrap().platform.to_string()
    }

    #[test]
    fn vector_07_arm64_variants_are_all_v8() {
        for variant in ["8", "v8", "", "v8.0", "armv8", "V8"] {
            assert_eq!(text("arm64", variant), "linux/arm64/v8", "{variant}");
        }
        assert_eq!(text("arm64", "v9"), "linux/arm64/v9");
    }

    #[test]
    fn vector_08_amd64_v1_is_the_baseline() {
        for variant in ["", "v1", "1"] {
            assert_eq!(text("amd64", variant), "linux/amd64", "{variant}");
        }
        assert_eq!(text("amd64", "v3"), "linux/amd64/v3");
    }

    #[test]
    fn vector_09_a_variant_that_amd64_does_not_have_is_dropped_and_told() {
        for variant in ["v8", "armv7l", "haswell", "v10"] {
            let normal = normal("linux", "amd64", variant, None).unwrap();
            assert_eq!(normal.platform.to_string(), "linux/amd64");
            assert_eq!(normal.dropped_variant.as_deref(), Some(variant));
        }
    }

    #[test]
    fn vector_11_old_names_become_goarch() {
        for (old, new) in [
            ("x86_64", "linux/amd64"),
            ("X86-64", "linux/amd64"),
            ("aarch64", "linux/arm64/v8"),
            ("i386", "linux/386"),
            ("armhf", "linux/arm/v7"),
            ("armel", "linux/arm/v6"),
            ("riscv64", "linux/riscv64"),
        ] {
            assert_eq!(text(old, ""), new);
        }
        assert_eq!(normal("macOS", "arm64", "", None).unwrap().platform.os, "darwin");
    }

    #[test]
    fn vectors_13_to_15_arm_without_a_variant() {
        let assumed = normal("linux", "arm", "", None).unwrap();
        assert_eq!((assumed.platform.variant.as_str(), assumed.assumed_variant), ("v7", true));
        let hinted = normal("linux", "arm", "", Some("arm32v6")).unwrap();
        assert_eq!((hinted.platform.variant.as_str(), hinted.assumed_variant), ("v6", false));
        let said = normal("linux", "arm", "v6", Some("armhf")).unwrap();
        assert_eq!((said.platform.variant.as_str(), said.assumed_variant), ("v6", false));
        assert_eq!(text("arm", "7"), "linux/arm/v7");
        assert_eq!(text("arm", "armv5"), "linux/arm/v5");
        assert_eq!(text("arm", "arm"), "linux/arm/v7");
    }

    #[test]
    fn vector_29_the_os_is_never_guessed_the_architecture_only_by_the_token() {
        assert_eq!(normal("", "arm64", "", Some("arm64")), None);
        assert_eq!(normal("linux", "", "", None), None);
        assert_eq!(normal("linux", "", "", Some("arm")), None);
        let filled = normal("linux", "", "", Some("arm64")).unwrap();
        assert_eq!(filled.platform.to_string(), "linux/arm64/v8");
    }

    #[test]
    fn all_other_fields_are_kept() {
        let mut windows = Platform::new("windows", "amd64", "");
        windows.os_version = "10.0.20348.1".into();
        windows.os_features = vec!["win32k".into()];
        assert_eq!(normalise(&windows, &Claim::Nothing).unwrap().platform, windows);
    }
}

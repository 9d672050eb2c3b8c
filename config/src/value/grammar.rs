//! The grammar of names (distribution-spec, section Pulling manifests).

const MAX_REPOSITORY: usize = 255;
const MAX_TAG: usize = 128;

/// Whether a character may stand in a repository.
pub(crate) fn is_in_repository(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '/')
}

/// Whether a character may stand in a tag.
pub(crate) fn is_in_tag(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Whether a text is a repository.
pub(crate) fn is_repository(text: &str) -> bool {
    fits_repository(text) && text.chars().all(is_in_repository) && text.split('/').all(is_component)
}

/// Whether a text is not too long for a repository.
pub(crate) fn fits_repository(text: &str) -> bool {
    text.len() <= MAX_REPOSITORY
}

/// Whether a text of allowed characters is not too long for a tag.
pub(crate) fn fits_tag(text: &str) -> bool {
    text.len() <= MAX_TAG
}

/// Letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_component(text: &str) -> bool {
    let is_separator = |c: char| matches!(c, '.' | '_' | '-');
    let joint =
        |joint: &str| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|byte| byte == b'-');
    !text.is_empty()
        && !text.starts_with(is_separator)
        && !text.ends_with(is_separator)
        && text.split(|c| !is_separator(c)).all(joint)
}

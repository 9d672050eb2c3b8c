//! The Accept header of a manifest request (rules T7 to T9).

use crate::MediaType;

/// What a client can take as the answer to a manifest request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accept {
    index: bool,
}

impl Accept {
    /// Reads all Accept header lines; each may hold several media types, separated by commas, with
    /// parameters that do not matter here.
    ///
    /// No line at all, and wildcards, take everything (rule T9).
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut says_nothing = true;
        for mut list in lines {
            while !list.is_empty() {
                let (range, rest) = first_range(list);
                if takes_index(range) {
                    return Self { index: true };
                }
                says_nothing &= range.is_empty();
                list = rest;
            }
        }
        Self { index: says_nothing }
    }

    /// Whether the client takes an image index or a manifest list.
    pub fn takes_index(self) -> bool {
        self.index
    }
}

/// The first media range of a list, without its parameters, and what comes behind it.
fn first_range(list: &[u8]) -> (&[u8], &[u8]) {
    let end = list.iter().position(|byte| matches!(byte, b',' | b';')).unwrap_or(list.len());
    let (range, behind) = list.split_at(end);
    let next = behind.iter().position(|byte| *byte == b',').map_or(behind.len(), |comma| comma + 1);
    (range.trim_ascii(), &behind[next..])
}

fn takes_index(range: &[u8]) -> bool {
    let index_types = [MediaType::OciIndex, MediaType::DockerList];
    let is = |text: &str| range.eq_ignore_ascii_case(text.as_bytes());
    is("*/*") || is("application/*") || index_types.iter().any(|known| is(known.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    fn takes(lines: &[&str]) -> bool {
        Accept::parse(lines.iter().map(|line| line.as_bytes())).takes_index()
    }

    #[test]
    fn no_accept_and_wildcards_take_the_index() {
        assert!(takes(&[]));
        assert!(takes(&["", " , "]));
        assert!(takes(&["*/*"]));
        assert!(takes(&[MANIFEST, "*/*;q=0.1"]));
        assert!(takes(&["application/*"]));
    }

    #[test]
    fn the_index_type_is_found_on_any_line_and_in_any_place() {
        assert!(takes(&["application/json", MANIFEST, INDEX]));
        assert!(takes(&[&format!("{MANIFEST} ,{};q=0.5, text/plain", INDEX.to_uppercase())]));
    }

    #[test]
    fn an_explicit_accept_without_an_index_type_does_not_take_it() {
        assert!(!takes(&[MANIFEST]));
        assert!(!takes(&["application/json, text/html"]));
        assert!(!takes(&["application/vnd.oci.image.index.v1+jsonx"]));
    }
}

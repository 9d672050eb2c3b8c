//! The query of a request: looked at by its decoded parameters, forwarded as it came.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The first parameter of this name, decoded. None where it is not there, or no UTF-8.
pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    parameters(query, name).next()
}

/// The first parameter of this name, decoded; what is no UTF-8 is U+FFFD, so that it is seen to be there.
pub(super) fn parameter_lossy<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let (_, value, _) = pairs(query).find(|(key, _, _)| key == name)?;
    Some(value.unwrap_or(Cow::Borrowed("\u{fffd}")))
}

/// All parameters of this name, decoded; what is no UTF-8 is left out.
pub(super) fn parameters<'a>(query: &'a str, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
    pairs(query).filter(move |(key, _, _)| key == name).filter_map(|(_, value, _)| value)
}

/// The query without the parameters of these names; the others are as they came.
pub(super) fn without(query: &str, names: &[&str]) -> String {
    let kept = pairs(query).filter(|(key, _, _)| !names.contains(&&**key)).map(|(_, _, raw)| raw);
    kept.collect::<Vec<_>>().join("&")
}

type Pair<'a> = (Cow<'a, str>, Option<Cow<'a, str>>, &'a str);

/// Names and values, and the text that they are read from.
fn pairs(query: &str) -> impl Iterator<Item = Pair<'_>> {
    query.split('&').filter(|raw| !raw.is_empty()).map(|raw| {
        let (key, value) = raw.split_once('=').unwrap_or((raw, ""));
        (percent_decode_str(key).decode_utf8_lossy(), percent_decode_str(value).decode_utf8().ok(), raw)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_the_rest_is_forwarded_untouched() {
        let query = "_state=a%2Bb%3D&digest=sha256%3Aab&n%73=docker.io&&flag";
        assert_eq!(parameter(query, "digest").unwrap(), "sha256:ab");
        assert_eq!(parameter(query, "ns").unwrap(), "docker.io");
        assert_eq!(parameter(query, "flag").unwrap(), "");
        assert_eq!(parameter(query, "from"), None);
        assert_eq!(parameter("ns=%ff", "ns"), None);
        assert_eq!(parameter_lossy("ns=%ff&ns=a", "ns").unwrap(), "\u{fffd}");
        assert_eq!(parameter_lossy("a&ns", "ns").unwrap(), "");
        assert_eq!(parameter_lossy("a", "ns"), None);
        assert_eq!(parameters("tag=a&tag=b", "tag").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(without(query, &["ns"]), "_state=a%2Bb%3D&digest=sha256%3Aab&flag");
        assert_eq!(without("ns=a", &["ns"]), "");
    }
}

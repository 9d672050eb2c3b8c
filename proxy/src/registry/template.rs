//! Headers of answers that differ in their values alone.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The names of such headers, in their order. An answer's map is a copy of this one: no name is hashed, and nothing
/// grows.
pub(super) struct Template<const N: usize>(HeaderMap);

impl<const N: usize> Template<N> {
    /// Headers of these names.
    pub(super) fn new(names: [HeaderName; N]) -> Self {
        const NOTHING: HeaderValue = HeaderValue::from_static("");
        Self(names.into_iter().map(|name| (name, NOTHING)).collect())
    }

    /// The headers with these values, in the order of the names.
    pub(super) fn filled(&self, values: [HeaderValue; N]) -> HeaderMap {
        let mut headers = self.0.clone();
        for (place, value) in headers.values_mut().zip(values) {
            *place = value;
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ETAG, VARY};

    use super::*;

    #[test]
    fn each_name_gets_its_own_value() {
        let template = Template::new([VARY, ETAG]);
        for values in [["a", "b"], ["c", "d"]] {
            let headers = template.filled(values.map(HeaderValue::from_static));
            let expected = [(VARY, values[0]), (ETAG, values[1])];
            let filled: Vec<_> =
                headers.iter().map(|(name, value)| (name.clone(), value.to_str().unwrap())).collect();
            assert_eq!(filled, expected);
        }
    }
}

//! The header fields that are asked for of every request, found in one look at all that it has.

use http::header::{ACCEPT, AUTHORIZATION, GetAll, HOST, IF_NONE_MATCH, VIA};
use http::{HeaderMap, HeaderValue};

/// These fields of one request.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) accept: Lines<'a>,
    pub(super) authorization: Lines<'a>,
    pub(super) host: Lines<'a>,
    pub(super) if_none_match: Lines<'a>,
    pub(super) via: Lines<'a>,
}

/// All lines of one field.
#[derive(Default)]
pub(super) enum Lines<'a> {
    #[default]
    None,
    One(&'a HeaderValue),
    Several(GetAll<'a, HeaderValue>),
}

impl<'a> Fields<'a> {
    /// Looks for them.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            let lines = match *name {
                ACCEPT => &mut fields.accept,
                AUTHORIZATION => &mut fields.authorization,
                HOST => &mut fields.host,
                IF_NONE_MATCH => &mut fields.if_none_match,
                VIA => &mut fields.via,
                _ => continue,
            };
            *lines = match lines {
                Lines::None => Lines::One(value),
                Lines::One(_) => Lines::Several(headers.get_all(name)),
                Lines::Several(_) => continue,
            };
        }
        fields
    }
}

impl<'a> Lines<'a> {
    /// Each of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a HeaderValue> {
        let (one, several) = match self {
            Self::None => (None, None),
            Self::One(line) => (Some(*line), None),
            Self::Several(lines) => (None, Some(lines.iter())),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_each_field_is_found_in_its_order() {
        let lines = [
            (ACCEPT, "a"),
            (IF_NONE_MATCH, "1"),
            (HOST, "h"),
            (IF_NONE_MATCH, "2"),
            (http::header::RANGE, "r"),
            (IF_NONE_MATCH, "3"),
            (VIA, "v"),
            (VIA, "w"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        let fields = Fields::of(&headers);
        let of = |lines: &Lines<'_>| -> Vec<_> {
            lines.iter().map(|line| line.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(of(&fields.if_none_match), ["1", "2", "3"]);
        assert_eq!((of(&fields.via), of(&fields.accept)), (vec!["v".into(), "w".into()], vec!["a".into()]));
        assert!(matches!(fields.host, Lines::One(_)) && matches!(fields.authorization, Lines::None));
    }
}

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

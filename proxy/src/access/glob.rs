//! Patterns of users' names.

/// A pattern in which `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameGlob(Box<str>);

impl From<&str> for NameGlob {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl NameGlob {
    /// Whether a name is one of these. Takes each piece where it stands first: later ones can only lose by more.
    pub(super) fn matches(&self, name: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return *self.0 == *name };
        let Some(mut name) = name.strip_prefix(start) else { return false };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        for piece in middle.split('*') {
            let Some(at) = name.find(piece) else { return false };
            name = &name[at + piece.len()..];
        }
        name.ends_with(end)
    }
}

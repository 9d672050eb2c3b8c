//! The rules: which tags, also of other repositories, are taken together, and when that holds.

mod check;
mod entry;
mod glob;
mod list;
mod member;
mod name;
mod pattern;
mod platform;
mod preset;
mod read;
mod skew;
mod source;
mod word;

pub use self::glob::{GlobError, RepositoryGlob, TagGlob};
pub use check::MAX_MEMBERS;
pub(crate) use check::exceeds_members;
pub use entry::Rule;
pub(crate) use list::{Distinct, distinct, once, repeated};
pub use member::MemberPattern;
pub use pattern::{Part, PatternError};
pub use platform::{PlatformError, RequiredPlatform};
pub use preset::{Preset, PresetError};
pub use skew::{Skew, SkewError};
pub use source::{PlatformSource, SourceError};
pub use word::{Word, WordError};

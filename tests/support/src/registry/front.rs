//! What the servers of one registry share: the journal and the script of faults.

use super::fault::Script;
use super::journal::Journal;

#[derive(Default)]
pub(super) struct Front {
    pub(super) journal: Journal,
    pub(super) script: Script,
}

use std::fmt;

use testkit::Fault;

/// A sort of trouble that a registry can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// Nobody listens.
    Killed,
    /// The process does not run; the system accepts connections for it.
    Stopped,
    /// It accepts, and never answers.
    Dropping,
    /// It resets each connection.
    Resetting,
    Unavailable,
    Limited,
    /// It speaks TLS where nobody does.
    Garbage,
}

impl Trouble {
    pub(super) const ALL: [Self; 7] = [
        Self::Killed,
        Self::Stopped,
        Self::Dropping,
        Self::Resetting,
        Self::Unavailable,
        Self::Limited,
        Self::Garbage,
    ];

    /// What befalls each request, where it is that.
    pub(super) fn fault(self) -> Option<Fault> {
        match self {
            Self::Killed | Self::Stopped => None,
            Self::Dropping => Some(Fault::StallHeaders),
            Self::Resetting => Some(Fault::Reset),
            Self::Unavailable => Some(Fault::status(503)),
            Self::Limited => Some(Fault::status(429)),
            // A handshake that failed, as a TLS server tells who speaks plain HTTP to it.
            Self::Garbage => Some(Fault::Garbage(vec![0x15, 3, 1, 0, 2, 2, 70])),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Dropping => "dropping",
            Self::Resetting => "resetting",
            Self::Unavailable => "503",
            Self::Limited => "429",
            Self::Garbage => "garbage",
        })
    }
}

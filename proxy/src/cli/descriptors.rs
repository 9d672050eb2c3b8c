//! File descriptors: as many as the system allows, and no more connections than they suffice for
//! (threat T34).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is kept for all but clients' connections and the upstream's for them: files, the admin listener.
const RESERVE: u64 = 256;

/// The least that is worth running with.
const LEAST_CONNECTIONS: usize = 16;

/// Raises the limit of open files as far as it goes, and returns how many connections there may be of the
/// `wanted` ones. Each may need one to the upstream as well.
pub(super) fn connections(wanted: usize) -> usize {
    let Some(limit) = raised() else { return wanted };
    let granted = affordable(limit, wanted);
    if granted < wanted {
        tracing::warn!(
            open_files = limit,
            max_connections = granted,
            wanted,
            "too few open files for max_connections: raise the limit (ulimit -n, LimitNOFILE=) to twice \
             max_connections and 256 more"
        );
    }
    granted
}

/// The limit of open files, raised to what the system allows; `None` when there is none.
fn raised() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, highest) {
        Ok(()) => limit.maximum,
        // What is there has to do.
        Err(_) => limit.current,
    }
}

fn affordable(limit: u64, wanted: usize) -> usize {
    let most = usize::try_from(limit.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX);
    wanted.min(most.max(LEAST_CONNECTIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_halved_with_the_files_and_never_more_than_wanted() {
        for (limit, wanted, granted) in [
            (20_256, 10_000, 10_000),
            (20_254, 10_000, 9_999),
            (1_024, 10_000, 384),
            (1_024, 100, 100),
            (300, 10_000, 22),
            (64, 10_000, 16),
            (64, 4, 4),
            (u64::MAX, usize::MAX, usize::MAX / 2 - 128),
        ] {
            assert_eq!(affordable(limit, wanted), granted, "{limit} files, {wanted} wanted");
        }
    }
}

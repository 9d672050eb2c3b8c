//! The least that an upstream has to send: one that drips would hold a download for ever (threat T26).

use std::time::Duration;

use super::feed::BlobError;

/// Over how much waiting the rate is averaged.
pub(super) const WINDOW: Duration = Duration::from_mins(1);

/// The lowest rate, in bytes per second.
const LEAST: u64 = 1 << 10;

/// What came while the upstream was waited for. Time in which the disk or a client was is none of it.
pub(super) struct Rate {
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl Rate {
    pub(super) fn over(window: Duration) -> Self {
        Self { window, waited: Duration::ZERO, bytes: 0 }
    }

    /// Notes what came after how long a wait.
    pub(super) fn note(&mut self, waited: Duration, bytes: usize) -> Result<(), BlobError> {
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < self.window {
            return Ok(());
        }
        let enough = u128::from(self.bytes) * 1000 >= u128::from(LEAST) * self.waited.as_millis();
        let (waited, bytes) = (self.waited, self.bytes);
        *self = Self::over(self.window);
        if enough { Ok(()) } else { Err(BlobError::Slow { bytes, waited }) }
    }

    /// Notes that the upstream was away. A long absence counts half a window at most: how long it may be is
    /// decided elsewhere, and what comes after it is to have its chance.
    pub(super) fn note_absence(&mut self, waited: Duration) {
        self.waited += waited.min(self.window / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_minute_of_waiting_has_to_bring_sixty_kibibytes() {
        let mut rate = Rate::over(WINDOW);
        for _ in 0..180 {
            rate.note(SECOND, 1024).unwrap();
        }
        rate.note(59 * SECOND, 1 << 20).unwrap();
        rate.note(SECOND, 0).unwrap();
        rate.note(59 * SECOND, 1).unwrap();
        let slow = rate.note(59 * SECOND, 1).unwrap_err();
        assert_eq!(slow.to_string(), "the blob drips: 2 bytes came in 118s of waiting");
        rate.note(60 * SECOND, 60 << 10).unwrap();
        assert!(rate.note(60 * SECOND, (60 << 10) - 1).is_err());
    }

    #[test]
    fn short_absences_add_up_and_a_long_one_leaves_a_chance() {
        let mut rate = Rate::over(WINDOW);
        rate.note_absence(300 * SECOND);
        rate.note(29 * SECOND, 10).unwrap();
        rate.note(SECOND, 60 << 10).unwrap();
        let mut dripping = (0..60).map(|_| {
            rate.note_absence(SECOND);
            rate.note(Duration::ZERO, 1)
        });
        assert!(dripping.any(|noted| noted.is_err()));
    }
}

//! What was found out about logins, so that a request does not cost a bcrypt run.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use aws_lc_rs::rand::SystemRandom;
use moka::sync::Cache;

use super::basic::Login;
use super::error::AccessError;

/// How many wrong logins are remembered.
const WRONG: u64 = 10_000;

/// For how long: a client with an old password asks several times within seconds.
const WRONG_FOR: Duration = Duration::from_secs(10);

/// A keyed hash of a login: tells equal ones, and says nothing to whoever has not the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Proof([u8; 32]);

impl Proof {
    /// Whether both are of one login, in a time that does not depend on how far they agree.
    pub(super) fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// The key of the hashes, which lives as long as this process at most, and the logins that were wrong lately.
pub(super) struct Memory {
    key: Key,
    wrong: Cache<Proof, ()>,
}

impl Memory {
    pub(super) fn new() -> Result<Self, AccessError> {
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new()).map_err(|_| AccessError::NoRandomness)?;
        Ok(Self { key, wrong: Cache::builder().max_capacity(WRONG).time_to_live(WRONG_FOR).build() })
    }

    /// No name has a colon, so no two logins are one text.
    pub(super) fn proof(&self, login: &Login) -> Proof {
        let mut context = Context::with_key(&self.key);
        for piece in [login.user().as_bytes(), b":", login.password()] {
            context.update(piece);
        }
        let mut proof = Proof([0; 32]);
        proof.0.copy_from_slice(context.sign().as_ref());
        proof
    }

    /// Whether this login was wrong a moment ago.
    pub(super) fn was_wrong(&self, proof: &Proof) -> bool {
        self.wrong.contains_key(proof)
    }

    pub(super) fn note_wrong(&self, proof: Proof) {
        self.wrong.insert(proof, ());
    }
}

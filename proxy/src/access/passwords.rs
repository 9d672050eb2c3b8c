//! Checking passwords: off the runtime, few at once, and as much work for users that do not exist (threat T41).

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use super::basic::Login;
use super::caller::{Caller, Groups, Unknown};
use super::error::AccessError;
use super::htpasswd::{COSTS, Hash};
use super::memory::{Memory, Proof};
use crate::flight::Flights;

/// How many passwords are checked at once: each takes a processor for itself.
const AT_ONCE: usize = 2;

/// How many more may wait for that. Those that wait hold a password.
const WAITING: usize = 64;

/// Whether a password is that of a bcrypt hash. Tests count what is asked of it.
pub(super) type Bcrypt = Box<dyn Fn(&[u8], &str) -> bool + Send + Sync>;

/// The users of a file of passwords.
pub(super) struct Passwords {
    users: HashMap<Box<str>, User>,
    /// The highest cost of all: so much is worked for each wrong login.
    highest: u32,
    bcrypt: Bcrypt,
    memory: Memory,
    checks: Flights<Proof, Result<(), Unknown>>,
    places: Semaphore,
    turns: Semaphore,
}

struct User {
    hash: Hash,
    caller: Caller,
    /// The right login, once it was shown.
    proof: OnceLock<Proof>,
}

impl Passwords {
    /// Knows these users, and which groups each belongs to.
    pub(super) fn new(
        hashes: HashMap<Box<str>, Hash>,
        groups: impl Fn(&str) -> Groups,
        bcrypt: Bcrypt,
    ) -> Result<Self, AccessError> {
        let highest = hashes.values().map(|hash| hash.cost).max().unwrap_or(*COSTS.start());
        let user = |(name, hash): (Box<str>, Hash)| {
            let caller = Caller::Known { user: Arc::from(&*name), groups: groups(&name) };
            (name, User { hash, caller, proof: OnceLock::new() })
        };
        Ok(Self {
            users: hashes.into_iter().map(user).collect(),
            highest,
            bcrypt,
            memory: Memory::new()?,
            checks: Flights::default(),
            places: Semaphore::new(AT_ONCE + WAITING),
            turns: Semaphore::new(AT_ONCE),
        })
    }

    /// How many users there are.
    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    /// Whose login this is. Equal logins that come together are checked once.
    pub(super) async fn caller(self: &Arc<Self>, login: Login) -> Result<Caller, Unknown> {
        let proof = self.memory.proof(&login);
        let user = self.users.get(login.user());
        let verdict = if let Some(verdict) = self.remembered(user, &proof) {
            verdict
        } else {
            let check = || Arc::clone(self).check(login, proof);
            self.checks.join(proof, check).await.unwrap_or(Err(Unknown::Busy))
        };
        verdict.and_then(|()| user.map(|user| user.caller.clone()).ok_or(Unknown::Wrong))
    }

    fn remembered(&self, user: Option<&User>, proof: &Proof) -> Option<Result<(), Unknown>> {
        if user.and_then(|user| user.proof.get()).is_some_and(|right| right.is(proof)) {
            return Some(Ok(()));
        }
        self.memory.was_wrong(proof).then_some(Err(Unknown::Wrong))
    }

    async fn check(self: Arc<Self>, login: Login, proof: Proof) -> Result<(), Unknown> {
        if let Some(verdict) = self.remembered(self.users.get(login.user()), &proof) {
            return verdict;
        }
        let _place = self.places.try_acquire().map_err(|_| Unknown::Busy)?;
        let _turn = self.turns.acquire().await.map_err(|_| Unknown::Busy)?;
        let this = Arc::clone(&self);
        let work = move || {
            let is_right = this.is_right(&login);
            this.note(&login, proof, is_right);
            is_right
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Unknown::Wrong),
            Err(_) => Err(Unknown::Busy),
        }
    }

    fn note(&self, login: &Login, proof: Proof, is_right: bool) {
        match self.users.get(login.user()) {
            Some(user) if is_right => drop(user.proof.set(proof)),
            _ => self.memory.note_wrong(proof),
        }
    }

    /// Checks a login. A wrong one costs the work of the highest cost, whoever it names.
    fn is_right(&self, login: &Login) -> bool {
        let run = |hash: &str| (self.bcrypt)(login.password(), hash);
        let Some(User { hash, .. }) = self.users.get(login.user()) else {
            run(&Hash::nobodys(self.highest));
            return false;
        };
        if run(&hash.text) {
            return true;
        }
        // Each cost is twice the work of the one before, so these and the run above add up to the highest.
        for cost in hash.cost..self.highest {
            run(&Hash::nobodys(cost));
        }
        false
    }
}

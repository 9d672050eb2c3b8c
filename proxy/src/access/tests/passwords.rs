use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::super::passwords::Bcrypt;
use super::super::{Access, Caller, Unknown};
use super::{ALICE, BOB, basic, file, known, with_file};

/// Every run of bcrypt: its cost, and how many there are at once.
#[derive(Default)]
struct Watched {
    costs: Mutex<Vec<u32>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Watched {
    /// bcrypt itself, watched; each run waits until the gate is gone.
    fn bcrypt(self: &Arc<Self>, gate: Option<mpsc::Receiver<()>>) -> Bcrypt {
        let (watched, gate) = (Arc::clone(self), gate.map(Mutex::new));
        Box::new(move |password, hash| {
            let now = watched.now.fetch_add(1, Ordering::SeqCst) + 1;
            watched.most.fetch_max(now, Ordering::SeqCst);
            watched.costs.lock().expect("a lock").push(hash[4..6].parse().expect("a cost"));
            if let Some(gate) = &gate {
                gate.lock().expect("a lock").recv().expect_err("nothing is sent");
            }
            let is_right = bcrypt::verify(password, hash).expect("a fit hash");
            watched.now.fetch_sub(1, Ordering::SeqCst);
            is_right
        })
    }

    fn access(self: &Arc<Self>, text: &str, gate: Option<mpsc::Receiver<()>>) -> Arc<Access> {
        let (_folder, path) = file(text);
        let settings = with_file(Some(path));
        Arc::new(Access::load_with(&settings, false, self.bcrypt(gate)).expect("a fit file"))
    }

    fn take(&self) -> Vec<u32> {
        std::mem::take(&mut self.costs.lock().expect("a lock"))
    }
}

async fn login(access: &Access, user: &str, password: &str) -> Result<Caller, Unknown> {
    access.caller(Some(&basic(user, password)), None).await
}

/// The steps of all runs: each cost is twice the work of the one before.
fn work(costs: &[u32]) -> u64 {
    costs.iter().map(|cost| 1 << cost).sum()
}

#[tokio::test]
async fn t41_a_wrong_password_and_an_unknown_user_are_the_same_work() {
    let watched = Arc::new(Watched::default());
    let access = watched.access(&format!("{ALICE}\n"), None);
    for user in ["alice", "nobody"] {
        assert_eq!(login(&access, user, "wrong").await, Err(Unknown::Wrong));
        assert_eq!(watched.take(), [5], "{user}");
    }
    let access = watched.access(&format!("{ALICE}\n{BOB}"), None);
    for user in ["alice", "bob", "nobody", ""] {
        assert_eq!(login(&access, user, "wrong").await, Err(Unknown::Wrong));
        assert_eq!(work(&watched.take()), 1 << 6, "{user}");
    }
}

#[tokio::test]
async fn a_login_is_checked_once_whether_it_is_right_or_wrong() {
    let watched = Arc::new(Watched::default());
    let access = watched.access(ALICE, None);
    for _ in 0..3 {
        assert_eq!(login(&access, "alice", "correct horse").await, Ok(known("alice", &[])));
    }
    assert_eq!(watched.take(), [5]);
    for user in ["alice", "nobody"] {
        for _ in 0..3 {
            assert_eq!(login(&access, user, "wrong").await, Err(Unknown::Wrong));
        }
        assert_eq!(watched.take(), [5], "{user}");
    }
    // What is remembered of one login says nothing of others.
    assert_eq!(login(&access, "alice", "correct hors").await, Err(Unknown::Wrong));
    assert_eq!(login(&access, "alicec", "orrect horse").await, Err(Unknown::Wrong));
    assert_eq!(login(&access, "alice", "correct horse").await, Ok(known("alice", &[])));
    assert_eq!(watched.take(), [5, 5]);
}

#[tokio::test]
async fn a_wrong_login_does_not_stand_for_one_that_is_split_elsewhere() {
    let access = Arc::new(Watched::default()).access(ALICE, None);
    assert_eq!(login(&access, "alicec", "orrect horse").await, Err(Unknown::Wrong));
    assert_eq!(login(&access, "alice", "correct horse").await, Ok(known("alice", &[])));
}

#[tokio::test]
async fn another_access_remembers_nothing() {
    let watched = Arc::new(Watched::default());
    for _ in 0..2 {
        let access = watched.access(ALICE, None);
        assert_eq!(login(&access, "alice", "correct horse").await, Ok(known("alice", &[])));
        assert_eq!(watched.take(), [5]);
    }
}

/// Lets all that can go on do so.
async fn settle(watched: &Watched) {
    while watched.now.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn equal_logins_that_come_together_are_one_check() {
    let watched = Arc::new(Watched::default());
    let (open, gate) = mpsc::channel();
    let access = watched.access(ALICE, Some(gate));
    let callers: Vec<_> = (0..200)
        .map(|_| {
            let access = Arc::clone(&access);
            tokio::spawn(async move { login(&access, "alice", "correct horse").await })
        })
        .collect();
    settle(&watched).await;
    // Who leaves does not take the check along.
    callers[..100].iter().for_each(tokio::task::JoinHandle::abort);
    drop(open);
    for caller in callers.into_iter().skip(100) {
        assert_eq!(caller.await.expect("an answer"), Ok(known("alice", &[])));
    }
    assert_eq!(watched.take(), [5]);
}

#[tokio::test]
async fn two_passwords_are_checked_at_once_and_sixty_four_wait() {
    let watched = Arc::new(Watched::default());
    let (open, gate) = mpsc::channel();
    let access = watched.access(ALICE, Some(gate));
    let callers: Vec<_> = (0..2 + 64)
        .map(|number| {
            let access = Arc::clone(&access);
            tokio::spawn(async move { login(&access, "alice", &format!("wrong {number}")).await })
        })
        .collect();
    settle(&watched).await;
    let one_more = login(&access, "alice", "correct horse");
    let busy = tokio::time::timeout(Duration::from_secs(20), one_more).await.expect("an answer at once");
    assert_eq!(busy, Err(Unknown::Busy));
    drop(open);
    for caller in callers {
        assert_eq!(caller.await.expect("an answer"), Err(Unknown::Wrong));
    }
    assert_eq!(watched.most.load(Ordering::SeqCst), 2);
    assert_eq!(watched.take().len(), 66);
    // What was busy was not wrong.
    assert_eq!(login(&access, "alice", "correct horse").await, Ok(known("alice", &[])));
}

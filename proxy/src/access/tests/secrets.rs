//! Threat T8: nothing that can be printed has a secret in it.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::super::Access;
use super::{ALICE, basic, file, with_file, with_passwords};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("a lock").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn t8_no_password_or_hash_is_printed() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone());
    let guard = tracing::subscriber::set_default(subscriber.finish());
    tracing::trace!("the log is read");
    let access = with_passwords(ALICE);
    let mut printed = vec![format!("{access:?} {access:#?}")];
    for password in ["correct horse", "canary-password"] {
        let caller = access.caller(Some(&basic("alice", password)), None).await;
        printed.push(format!("{caller:?}"));
        printed.extend(caller.err().map(|error| error.to_string()));
    }
    drop(guard);
    printed.push(String::from_utf8(log.0.lock().expect("a lock").clone()).expect("a text"));
    let printed = printed.join("\n");
    assert!(printed.contains("the log is read") && printed.contains("alice"));
    for secret in ["correct", "canary", "abcdefghijklmnop", "HNbAKRhp", "Y29ycmVjdCBob3JzZQ"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}

#[test]
fn t8_an_error_repeats_nothing_of_the_file() {
    for text in ["canary", "canary:canary", ":canary", "x:$2y$99$canary", "x:$apr1$canary", "canary\u{1}:x"] {
        let (_folder, path) = file(text);
        let error = Access::load(&with_file(Some(path)), false);
        let error = error.expect_err("a refusal");
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains("canary"), "{printed}");
    }
}

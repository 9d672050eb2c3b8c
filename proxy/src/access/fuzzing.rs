//! Credentials and files of passwords: targets of `crate::fuzzing`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use super::basic::Login;
use super::htpasswd::{COSTS, MAX_USERS, parse};

/// The value of `Authorization`: name and password are those that stand in it.
pub(crate) fn login(data: &[u8]) -> bool {
    let Some(login) = read(data) else { return false };
    assert!(!login.user().contains(|c: char| c == ':' || c.is_control()), "a name that HTTP cannot carry");
    assert!(login.password().len() <= 72, "more of a password than counts");
    let text = [login.user().as_bytes(), b":", login.password()].concat();
    // Cut after 72 bytes, it may end within a character.
    if str::from_utf8(&text).is_ok() {
        let again = read(format!("Basic {}", STANDARD.encode(text)).as_bytes()).expect("the same login");
        assert!(again.user() == login.user() && again.password() == login.password(), "another login");
    }
    true
}

fn read(value: &[u8]) -> Option<Login> {
    Login::read(&HeaderValue::from_bytes(value).ok()?).ok().flatten()
}

/// A file of passwords: what is accepted says the same when it is written again, and can be checked.
pub(crate) fn htpasswd(data: &[u8]) -> bool {
    let Ok(users) = parse(data) else { return false };
    assert!(users.len() <= MAX_USERS, "too many users");
    let mut text = String::new();
    for (name, hash) in &users {
        assert!(COSTS.contains(&hash.cost) && !name.is_empty() && !name.contains(':'), "a bad user");
        text = format!("{text}{name}:{}\n", hash.text);
    }
    let again = parse(text.as_bytes()).map_err(|(line, _)| line).expect("the same users");
    let same = users.iter().all(|(name, hash)| again.get(name).is_some_and(|other| other.text == hash.text));
    assert!(same && again.len() == users.len(), "other users");
    // The cheapest cost alone, for speed. That it is not the password is as good as that it is none.
    if let Some(hash) = users.values().find(|hash| hash.cost == *COSTS.start()) {
        let _ = bcrypt::verify(b"password", &hash.text);
    }
    !users.is_empty()
}

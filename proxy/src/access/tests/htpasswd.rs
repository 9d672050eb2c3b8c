use std::fmt::Write as _;

use super::super::htpasswd::{MAX_BYTES, MAX_USERS};
use super::super::{Access, AccessError, LineError};
use super::{ALICE, BOB, basic, file, known, with_file, with_passwords};

fn refused(text: impl AsRef<[u8]>) -> AccessError {
    let (_folder, path) = file(text);
    let settings = with_file(Some(path));
    Access::load(&settings, false).expect_err("a refusal")
}

#[tokio::test]
async fn passwords_hashed_by_another_implementation_are_right() {
    let access = with_passwords(&format!(
        "# users\n\n{ALICE}\r\n  {BOB}  \n\
         caf\u{e9}:$2b$04$CCCCCCCCCCCCCCCCCCCCC.6J0Hp4CaZbuQulzAJZjLOVV1xDJsWFq\n\
         old:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n\
         long:$2b$04$CCCCCCCCCCCCCCCCCCCCC.ug0A3dTXhy5U.dFjx/qguZ8I4CB77BC"
    ));
    let (whole, cut) = ("x".repeat(80), "x".repeat(72));
    for (user, password) in [
        ("alice", "correct horse"),
        ("bob", "bob's"),
        ("caf\u{e9}", "gr\u{f6}\u{df}er:als"),
        ("old", "U*U"),
        // bcrypt reads 72 bytes.
        ("long", &whole),
        ("long", &cut),
    ] {
        let caller = access.caller(Some(&basic(user, password)), None).await;
        assert_eq!(caller, Ok(known(user, &[])), "{user}");
        let wrong = access.caller(Some(&basic(user, &format!("y{password}"))), None).await;
        assert!(wrong.is_err(), "{user}");
    }
}

#[test]
fn a_line_that_cannot_be_used_is_named() {
    let hash = ALICE.split_once(':').expect("a colon").1;
    let with_cost = |cost: &str| format!("{ALICE}\nbob:$2y${cost}{}", &hash[6..]);
    for (text, line, expected) in [
        (format!("{ALICE}\n#\nbob"), 3, LineError::NoColon),
        (format!(":{hash}"), 1, LineError::Name),
        (format!("{}:{hash}", "n".repeat(256)), 1, LineError::Name),
        (format!("a\tb:{hash}"), 1, LineError::Name),
        (format!("{ALICE}\n{BOB}\n{ALICE}"), 3, LineError::Twice(1)),
        ("bob:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00".into(), 1, LineError::NotBcrypt),
        ("bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=".into(), 1, LineError::NotBcrypt),
        ("bob:rqXexS6ZhobKA".into(), 1, LineError::NotBcrypt),
        ("bob:".into(), 1, LineError::NotBcrypt),
        (format!("bob:$2x{}", &hash[3..]), 1, LineError::NotBcrypt),
        (format!("bob:{}", &hash[..59]), 1, LineError::Damaged),
        (format!("{ALICE}:comment"), 1, LineError::Damaged),
        (format!("bob:{}\u{e9}", &hash[..58]), 1, LineError::Damaged),
        (with_cost("03"), 2, LineError::Cost(3)),
        (with_cost("15"), 2, LineError::Cost(15)),
        (with_cost("31"), 2, LineError::Cost(31)),
        (with_cost("-1"), 2, LineError::Damaged),
    ] {
        let error = refused(&text);
        let AccessError::Line { line: found, error: reason, .. } = &error else { panic!("{error}") };
        assert_eq!((*found, *reason), (line, expected), "{text}");
        assert!(error.to_string().contains(&format!("htpasswd:{line}: ")), "{error}");
    }
    let AccessError::Line { line: 2, error: LineError::NotUtf8, .. } = refused(b"#\nbob\xff:x") else {
        panic!("bytes that are no text are refused");
    };
}

#[test]
fn another_hash_is_answered_with_the_command_that_makes_a_fit_one() {
    assert!(refused("bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=").to_string().contains("htpasswd -B"));
}

#[test]
fn a_file_has_limits() {
    let hash = ALICE.split_once(':').expect("a colon").1;
    let users = |count: usize| {
        (0..count).fold(String::new(), |mut text, user| {
            writeln!(text, "{user}:{hash}").expect("a text");
            text
        })
    };
    with_passwords(&users(MAX_USERS));
    let error = refused(users(MAX_USERS + 1));
    assert!(
        matches!(error, AccessError::Line { error: LineError::TooMany, line, .. } if line == MAX_USERS + 1)
    );
    let fits = usize::try_from(MAX_BYTES).expect("a length");
    with_passwords(&"#".repeat(fits));
    assert!(matches!(refused("#".repeat(fits + 1)), AccessError::TooLarge { .. }));
    let settings = with_file(Some("/nowhere/htpasswd".into()));
    assert!(matches!(Access::load(&settings, false), Err(AccessError::Read { .. })));
}

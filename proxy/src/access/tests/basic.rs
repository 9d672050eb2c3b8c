use http::HeaderValue;

use super::super::{Caller, Unknown};
use super::{ALICE, basic, encoded, identity, known, with_passwords};

#[tokio::test]
async fn credentials_of_each_form_are_taken_or_refused() {
    let access = with_passwords(ALICE);
    let alice = || Ok(known("alice", &[]));
    let good = "YWxpY2U6Y29ycmVjdCBob3JzZQ==";
    let text = |text: &str| HeaderValue::from_str(text).expect("a header value");
    for (header, expected) in [
        (basic("alice", "correct horse"), alice()),
        (text(&format!("bAsIc   {good} ")), alice()),
        // podman without credentials.
        (text("Basic Og=="), Ok(Caller::Anonymous)),
        (basic("alice", "wrong"), Err(Unknown::Wrong)),
        (basic("alice", ""), Err(Unknown::Wrong)),
        (basic("", "correct horse"), Err(Unknown::Wrong)),
        (basic("Alice", "correct horse"), Err(Unknown::Wrong)),
        (basic("alice", "correct horse:"), Err(Unknown::Wrong)),
        (basic("alice", "correct horse\0"), Err(Unknown::Wrong)),
        // bcrypt repeats the password and a NUL: to it this one is the right one.
        (basic("alice", "correct horse\0correct horse"), Err(Unknown::Wrong)),
        (basic("alice", &"x".repeat(5_000)), Err(Unknown::Wrong)),
        (text(&format!("Bearer {good}")), Err(Unknown::Wrong)),
        (text(&format!("Basic{good}")), Err(Unknown::Wrong)),
        (text(&format!("Basic {good}=")), Err(Unknown::Wrong)),
        (text("Basic %%%%"), Err(Unknown::Wrong)),
        (text("Basic"), Err(Unknown::Wrong)),
        (text(""), Err(Unknown::Wrong)),
        (text("Basic "), Err(Unknown::Wrong)),
        (encoded(b"alice"), Err(Unknown::Wrong)),
        (encoded(b"alice:\xff"), Err(Unknown::Wrong)),
        (HeaderValue::from_bytes(b"Basic \xff").expect("opaque bytes"), Err(Unknown::Wrong)),
    ] {
        assert_eq!(access.caller(Some(&header), None).await, expected, "{header:?}");
    }
    assert_eq!(access.caller(None, None).await, Ok(Caller::Anonymous));
}

#[tokio::test]
async fn a_right_password_decides_and_a_wrong_one_is_refused_beside_a_certificate() {
    let access = with_passwords(ALICE);
    let eve = identity("eve", &["x"]);
    for (header, expected) in [
        (None, Ok(known("eve", &["x"]))),
        (Some(basic("", "")), Ok(known("eve", &["x"]))),
        (Some(basic("alice", "correct horse")), Ok(known("alice", &[]))),
        (Some(basic("alice", "wrong")), Err(Unknown::Wrong)),
        (Some(basic("eve", "")), Err(Unknown::Wrong)),
        (Some(HeaderValue::from_static("Bearer x")), Err(Unknown::Wrong)),
    ] {
        assert_eq!(access.caller(header.as_ref(), Some(&eve)).await, expected, "{header:?}");
    }
}

#[tokio::test]
async fn credentials_are_ignored_where_no_password_could_be_right() {
    let access = super::Access::load(&super::Config::default(), false).expect("no file");
    for header in [basic("alice", "correct horse"), HeaderValue::from_static("Bearer x")] {
        assert_eq!(access.caller(Some(&header), None).await, Ok(Caller::Anonymous));
    }
}

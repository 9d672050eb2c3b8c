use super::valid;
use crate::{Secret, webhook_token_is_fit};

/// The message that the settings give with this token.
fn refused(token: &str) -> String {
    let mut config = valid();
    config.webhook.token = Some(Secret::from(token));
    config.validate().expect_err("the token is unfit").to_string()
}

#[test]
fn a_token_is_sixteen_to_512_visible_characters() {
    for fit in ["0123456789abcdef", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", &"x".repeat(512)] {
        assert!(webhook_token_is_fit(fit), "{fit}");
        let mut config = valid();
        config.webhook.token = Some(Secret::from(fit));
        config.validate().unwrap();
    }
    let long = "x".repeat(513);
    for unfit in [
        "",
        "***",
        "hunter2hunter2x",
        "hunter2 hunter2hunter2",
        "hunter2hunter2hunter2\n",
        "hunter2hunter2\u{e9}\u{e9}",
        &long,
    ] {
        assert!(!webhook_token_is_fit(unfit), "{unfit:?}");
        assert_eq!(
            refused(unfit),
            "webhook.token (--webhook-token): the token has to be 16 to 512 visible ASCII characters without spaces; take a long \
             random one"
        );
    }
}

#[test]
fn one_source_of_the_token_is_enough() {
    let mut config = valid();
    config.webhook.token_file = Some("/p".into());
    config.validate().unwrap();
    config.webhook.token = Some("hunter2hunter2hunter2".into());
    let message = config.validate().unwrap_err().to_string();
    assert_eq!(message, "webhook.token (--webhook-token): webhook.token_file is set, too; keep one of them");
}

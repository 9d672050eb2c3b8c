use std::time::Duration;

use futures_util::future::join_all;
use testkit::{Fault, Kind, Match, Registry};

use super::super::{Denied, ErrorKind, Wrong};
use super::{APP, Site, bearer_challenge, image, seen, status, with_account};

async fn registry_with_basic() -> Registry {
    let registry = Registry::builder().basic("jo", "pa:ss").start().await;
    registry.push(APP, "latest", &image());
    registry
}

async fn registry_with_tokens() -> Registry {
    let registry = Registry::builder().bearer(None).start().await;
    registry.push(APP, "latest", &image());
    registry
}

#[tokio::test]
async fn an_account_is_shown_after_the_challenge_and_then_at_once() {
    let registry = registry_with_basic().await;
    let site = Site::new(&with_account(&registry.url(), "jo", "pa:ss"));
    for _ in 0..2 {
        assert!(site.manifest("latest").await.unwrap().is_some());
    }
    let shown: Vec<_> = registry.requests().iter().map(|r| r.header("authorization").is_some()).collect();
    assert_eq!(shown, [false, true, true]);
    assert_eq!(site.counted("manifest", "ok"), 2);
}

#[tokio::test]
async fn without_or_with_wrong_credentials_it_is_denied() {
    let registry = registry_with_basic().await;
    let anonymous = Site::of(&registry);
    let error = anonymous.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied(Denied::NoCredentials)), "{error}");
    let wrong = Site::new(&with_account(&registry.url(), "jo", "wrong"));
    registry.forget_requests();
    let error = wrong.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied(Denied::Status { .. })), "{error}");
    assert!(
        error.to_string().ends_with("it answered 401 Unauthorized (UNAUTHORIZED: authentication required)")
    );
    assert_eq!((seen(&registry), wrong.counted("manifest", "denied")), ((2, 0), 1));
}

#[tokio::test]
async fn a_challenge_without_basic_or_bearer_is_denied() {
    let registry = Registry::start().await;
    for challenge in ["Negotiate", "Digest realm=\"x\"", "Bearer service=\"s\"", "\""] {
        let fault = status(401, &[("www-authenticate", challenge)], "");
        registry.fail_times(1, Match::all(), fault);
        let error = Site::of(&registry).manifest("latest").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Denied(Denied::Challenge)), "{error}");
    }
}

#[tokio::test]
async fn one_token_serves_a_hundred_callers() {
    let registry = registry_with_tokens().await;
    registry.fail_times(1, Match::token(), Fault::Delay(Duration::from_millis(100)));
    let site = Site::of(&registry);
    let answers = join_all((0..100).map(|_| site.manifest("latest"))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().is_some()));
    assert_eq!((seen(&registry).1, site.counted("token", "ok")), (1, 1));
    registry.forget_requests();
    site.manifest("latest").await.unwrap().unwrap();
    assert_eq!(seen(&registry), (1, 0));
}

#[tokio::test]
async fn each_repository_has_its_own_token_and_a_known_challenge_is_not_run_into_again() {
    let registry = registry_with_tokens().await;
    let site = Site::of(&registry);
    site.manifest("latest").await.unwrap().unwrap();
    let other = "team/other".parse().unwrap();
    assert!(site.upstream.manifest(&other, &"latest".parse().unwrap()).await.unwrap().is_none());
    assert_eq!(seen(&registry), (3, 2));
    let scopes: Vec<_> =
        registry.requests().into_iter().filter(|r| r.kind == Kind::Token).map(|r| r.query).collect();
    assert_eq!(
        scopes,
        [
            "service=testkit-registry&scope=repository%3Ateam%2Fapp%3Apull",
            "service=testkit-registry&scope=repository%3Ateam%2Fother%3Apull"
        ]
    );
}

#[tokio::test]
async fn the_scope_is_ours_whatever_the_challenge_says() {
    let registry = registry_with_tokens().await;
    let realm = format!("http://{}/token", registry.token_address().unwrap());
    for scope in ["repository:team/secret:pull,push,delete", "registry:catalog:*", ""] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"testkit-registry\",scope=\"{scope}\"");
        let fault = status(401, &[("www-authenticate", &challenge)], "");
        registry.fail_times(1, Match::manifest(APP, "latest"), fault);
        assert!(Site::of(&registry).manifest("latest").await.unwrap().is_some());
    }
    let tokens: Vec<_> = registry.requests().into_iter().filter(|r| r.kind == Kind::Token).collect();
    assert_eq!(tokens.len(), 3);
    assert!(tokens.iter().all(|r| r.query.ends_with("scope=repository%3Ateam%2Fapp%3Apull")));
}

#[tokio::test]
async fn the_account_goes_to_the_token_server_and_the_token_to_the_registry() {
    let registry = Registry::builder().bearer(Some(("jo", "secret"))).start().await;
    registry.push(APP, "latest", &image());
    let site = Site::new(&with_account(&registry.url(), "jo", "secret"));
    site.manifest("latest").await.unwrap().unwrap();
    for request in registry.requests() {
        let shown = request.header("authorization").unwrap_or_default();
        let is_basic = shown.starts_with("Basic ");
        assert_eq!(is_basic, request.kind == Kind::Token, "{request:?}");
    }
    let wrong = Site::new(&with_account(&registry.url(), "jo", "wrong"));
    let error = wrong.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied(Denied::Status { .. })), "{error}");
    let realm = format!("GET http://{}/token: it answered 401", registry.token_address().unwrap());
    assert!(error.to_string().starts_with(&realm), "{error}");
    assert_eq!((wrong.counted("token", "denied"), wrong.counted("manifest", "denied")), (1, 1));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let registry = Registry::builder().bearer(None).token_ttl(Duration::from_secs(1)).start().await;
    registry.push(APP, "latest", &image());
    let site = Site::of(&registry);
    site.manifest("latest").await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(920)).await;
    site.manifest("latest").await.unwrap().unwrap();
    let refusals = registry.count(|request| request.status == 401);
    assert_eq!((seen(&registry), refusals), ((3, 2), 1));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_callers() {
    let registry = registry_with_tokens().await;
    let site = Site::of(&registry);
    site.manifest("latest").await.unwrap().unwrap();
    registry.forget_requests();
    let realm = format!("http://{}/token", registry.token_address().unwrap());
    registry.fail_times(20, Match::manifest(APP, "latest"), bearer_challenge(&realm));
    // Until the last of the twenty has been refused.
    registry.fail_times(1, Match::token(), Fault::Delay(Duration::from_millis(500)));
    let answers = join_all((0..20).map(|_| site.manifest("latest"))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().is_some()));
    assert_eq!(seen(&registry), (40, 1));
}

#[tokio::test]
async fn a_token_that_is_refused_again_is_not_renewed_again() {
    let registry = registry_with_tokens().await;
    let site = Site::of(&registry);
    site.manifest("latest").await.unwrap().unwrap();
    registry.forget_requests();
    let realm = format!("http://{}/token", registry.token_address().unwrap());
    registry.fail(Match::manifest(APP, "latest"), bearer_challenge(&realm));
    let error = site.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied(Denied::Status { .. })), "{error}");
    assert_eq!(seen(&registry), (2, 1));
}

#[tokio::test]
async fn a_token_answer_is_bounded_and_must_hold_a_token() {
    let large = format!("{{\"token\":\"{}\"}}", "t".repeat(64 << 10));
    for (fault, too_large) in [
        (Fault::Endless, true),
        (status(200, &[], &large), true),
        (status(200, &[], "<html>"), false),
        (status(200, &[], "{\"token\":\"\"}"), false),
        (status(200, &[], "{\"token\":\"a\\r\\nX-Evil: 1\"}"), false),
    ] {
        let registry = registry_with_tokens().await;
        registry.fail(Match::token(), fault);
        let site = Site::of(&registry);
        let error = site.manifest("latest").await.unwrap_err();
        let ErrorKind::Wrong(wrong) = error.kind() else { panic!("{error}") };
        assert_eq!(matches!(wrong, Wrong::TooLarge { .. }), too_large, "{error}");
        assert_eq!((seen(&registry), site.counted("token", "wrong")), ((1, 1), 1));
    }
}

#[tokio::test]
async fn a_token_is_also_called_access_token() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let realm = format!("{}/oauth?account=x", registry.url());
    registry.fail_times(1, Match::manifest(APP, "latest"), bearer_challenge(&realm));
    registry
        .fail(Match::all().path("/oauth"), status(200, &[], r#"{"access_token":"abc","expires_in":null}"#));
    Site::of(&registry).manifest("latest").await.unwrap().unwrap();
    let requests = registry.requests();
    assert_eq!(requests[1].query, "account=x&service=testkit-registry&scope=repository%3Ateam%2Fapp%3Apull");
    assert_eq!(requests[2].header("authorization"), Some("Bearer abc"));
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_post_and_shown_to_nobody_else() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let realm = format!("{}/oauth", registry.url());
    registry.fail_times(1, Match::manifest(APP, "latest"), bearer_challenge(&realm));
    let answer = status(200, &[], r#"{"access_token":"abc","refresh_token":"new"}"#);
    registry.fail(Match::all().path("/oauth").method("POST"), answer);
    let site = Site::new(&with_account(&registry.url(), "<token>", "identity"));
    site.manifest("latest").await.unwrap().unwrap();
    let requests = registry.requests();
    assert_eq!(requests[1].method, "POST");
    assert_eq!(requests[1].query, "");
    assert_eq!(requests[1].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(requests[1].header("authorization"), None);
    assert_eq!(requests[2].header("authorization"), Some("Bearer abc"));
}

#[tokio::test]
async fn a_failing_token_server_is_asked_again_with_the_request() {
    let registry = registry_with_tokens().await;
    registry.fail_times(2, Match::token(), Fault::status(503));
    let site = Site::of(&registry);
    site.manifest("latest").await.unwrap().unwrap();
    assert_eq!((site.counted("token", "failed"), site.counted("token", "ok")), (2, 1));
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_secret() {
    let canary = "canary-pa55word";
    let log = super::log::Log::default();
    let _guard = log.capture_everything();
    let registry = Registry::builder().bearer(Some(("jo", canary))).start().await;
    registry.push(APP, "latest", &image());
    let settings = with_account(&registry.url(), "jo", canary);
    let site = Site::new(&settings);
    site.manifest("latest").await.unwrap().unwrap();
    registry.fail(Match::token(), Fault::Cut { after: 3 });
    registry.fail(Match::manifest(APP, "latest"), Fault::status(401));
    let error = site.manifest("latest").await.unwrap_err();
    let text = format!("{}{error}{error:?}{site:?}{settings:?}", log.text(), site = site.upstream);
    assert!(text.contains("upstream answered"), "the log is captured: {text}");
    let encoded = registry.requests().into_iter().filter(|r| r.kind == Kind::Token);
    let encoded: Vec<_> = encoded.map(|r| r.header("authorization").unwrap()[6..].to_owned()).collect();
    assert!(!encoded.is_empty());
    for secret in [canary, &encoded[0], "testkit-token-"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

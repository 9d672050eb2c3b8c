//! Credentials, tokens, certificates, and the second server that must see none of them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::client::{Client, Error, Response, get, request};
use crate::image::Image;
use crate::registry::{BlobServer, Fault, Kind, Match, Registry};
use crate::tls::Authority;

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
}

/// A parameter of the challenge in a response.
fn challenge(response: &Response, name: &str) -> Option<String> {
    let text = response.header("www-authenticate")?;
    let (_, rest) = text.split_once(&format!("{name}=\""))?;
    Some(rest.split('"').next()?.to_owned())
}

async fn token(realm: &str, scope: &str, authorization: Option<&str>) -> Response {
    let url = format!("{realm}?service=testkit-registry&scope={scope}");
    let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
    get(&url, &headers).await.unwrap()
}

#[tokio::test]
async fn basic_credentials_are_asked_for_everywhere() {
    let registry = Registry::builder().basic("user", "secret").start().await;
    registry.push("app", "latest", &Image::builder("linux/amd64").build());
    for path in ["", "app/manifests/latest", "app/tags/list", "unknown/x"] {
        let url = format!("{}/v2/{path}", registry.url());
        let refused = get(&url, &[]).await.unwrap();
        assert_eq!(
            (refused.status, challenge(&refused, "realm").as_deref()),
            (401, Some("testkit")),
            "{path}"
        );
        assert_eq!(refused.json()["errors"][0]["code"], "UNAUTHORIZED");
    }
    let url = format!("{}/v2/app/manifests/latest", registry.url());
    for (authorization, status) in [
        (basic("user", "secret"), 200),
        (basic("user", "wrong"), 401),
        ("Basic Og==".into(), 401),
        ("Basic".into(), 401),
    ] {
        assert_eq!(
            get(&url, &[("authorization", &authorization)]).await.unwrap().status,
            status,
            "{authorization}"
        );
    }
}

#[tokio::test]
async fn an_account_reaches_its_own_repositories_until_it_is_revoked() {
    let registry = Registry::builder().basic("root", "r").account("ci", "c", &["team/app"]).start().await;
    let image = Image::builder("linux/amd64").build();
    registry.push("team/app", "latest", &image);
    registry.push("other", "latest", &image);
    let ci = basic("ci", "c");
    let status = async |repository: &str| {
        let url = format!("{}/v2/{repository}/manifests/latest", registry.url());
        get(&url, &[("authorization", &ci)]).await.unwrap().status
    };
    assert_eq!((status("team/app").await, status("other").await), (200, 403));
    registry.revoke("ci");
    assert_eq!(status("team/app").await, 401);
}

#[tokio::test]
async fn a_token_opens_what_its_scope_names() {
    let registry = Registry::builder().bearer(Some(("user", "secret"))).start().await;
    registry.push("team/app", "latest", &Image::builder("linux/amd64").build());
    let url = format!("{}/v2/team/app/manifests/latest", registry.url());
    let refused = get(&url, &[]).await.unwrap();
    assert_eq!(
        (refused.status, challenge(&refused, "scope").as_deref()),
        (401, Some("repository:team/app:pull"))
    );
    assert_eq!(challenge(&refused, "service").as_deref(), Some("testkit-registry"));
    let realm = challenge(&refused, "realm").unwrap();
    let user = basic("user", "secret");
    assert_eq!(token(&realm, "repository:team/app:pull", None).await.status, 401);
    assert_eq!(token(&realm, "repository:team/app:pull", Some(&basic("user", "no"))).await.status, 401);
    for (scope, get_status, put_status) in [
        ("repository:team/app:pull", 200, 401),
        ("repository:team/app:pull,push", 200, 400),
        ("repository:other:pull&scope=repository:team/app:pull", 200, 401),
        ("repository:other:pull", 401, 401),
    ] {
        let issued = token(&realm, scope, Some(&user)).await;
        assert_eq!(issued.json()["expires_in"], 300);
        let bearer = format!("Bearer {}", issued.json()["token"].as_str().unwrap());
        let headers = [("authorization", bearer.as_str())];
        assert_eq!(get(&url, &headers).await.unwrap().status, get_status, "{scope}");
        assert_eq!(request("PUT", &url, &headers, "x").await.unwrap().status, put_status, "{scope}");
    }
    assert_eq!(registry.count(|request| request.kind == Kind::Token), 6);
    let port = registry.token_address().unwrap().port();
    assert!(
        registry.requests().iter().all(|request| (request.kind == Kind::Token) == (request.port == port))
    );
}

#[tokio::test]
async fn a_token_ends_with_its_time_or_with_its_account() {
    let ttl = Duration::from_millis(800);
    let registry = Registry::builder().bearer(None).token_ttl(ttl).start().await;
    let ping = format!("{}/v2/", registry.url());
    let refused = get(&ping, &[]).await.unwrap();
    assert_eq!(challenge(&refused, "scope"), None);
    let realm = challenge(&refused, "realm").unwrap();
    let bearer = async |authorization: Option<&str>, realm: &str| {
        let issued = token(realm, "repository:app:pull", authorization).await.json();
        format!("Bearer {}", issued["token"].as_str().unwrap())
    };
    let short = bearer(None, &realm).await;
    assert_eq!(get(&ping, &[("authorization", &short)]).await.unwrap().status, 200);
    tokio::time::sleep(ttl).await;
    let late = get(&ping, &[("authorization", &short)]).await.unwrap();
    assert_eq!((late.status, challenge(&late, "error").as_deref()), (401, Some("invalid_token")));

    let registry = Registry::builder().bearer(Some(("user", "secret"))).start().await;
    let ping = format!("{}/v2/", registry.url());
    let realm = challenge(&get(&ping, &[]).await.unwrap(), "realm").unwrap();
    let held = bearer(Some(&basic("user", "secret")), &realm).await;
    assert_eq!(get(&ping, &[("authorization", &held)]).await.unwrap().status, 200);
    registry.revoke("user");
    assert_eq!(get(&ping, &[("authorization", &held)]).await.unwrap().status, 401);
}

#[tokio::test]
async fn a_mount_needs_access_to_its_source() {
    let registry = Registry::builder().basic("root", "r").account("ci", "c", &["app"]).start().await;
    let digest = registry.put_blob("private", "secret");
    let url = format!("{}/v2/app/blobs/uploads/?mount={digest}&from=private", registry.url());
    let post = async |user: &str, password: &str| {
        request("POST", &url, &[("authorization", &basic(user, password))], "").await.unwrap().status
    };
    assert_eq!(post("ci", "c").await, 202);
    assert!(!registry.has_blob("app", &digest));
    assert_eq!(post("root", "r").await, 201);
}

#[tokio::test]
async fn https_needs_the_authority_and_a_valid_certificate() {
    let authority = Authority::new();
    let registry = Registry::builder().tls(&authority).bearer(None).start().await;
    assert!(registry.url().starts_with("https://127.0.0.1:"));
    let ping = format!("{}/v2/", registry.url());
    let refused = Client::trusting(&authority.ca_pem()).get(&ping, &[]).await.unwrap();
    assert!(challenge(&refused, "realm").unwrap().starts_with("https://"));
    let stranger = Client::trusting(&Authority::new().ca_pem()).get(&ping, &[]).await;
    assert!(matches!(stranger, Err(Error::Connect(_))));

    let expired = Registry::builder().tls_expired(&authority).start().await;
    let outcome = Client::trusting(&authority.ca_pem()).get(&format!("{}/v2/", expired.url()), &[]).await;
    let Err(Error::Connect(error)) = outcome else { panic!("an expired certificate was accepted") };
    assert!(error.to_string().to_lowercase().contains("expired"), "{error}");
}

#[tokio::test]
async fn redirected_blobs_come_from_the_second_server_without_credentials() {
    let registry = Registry::builder().basic("user", "secret").start().await;
    let digest = registry.put_blob("app", "content");
    let second = registry.redirect_blobs_to_second_server().await;
    let user = basic("user", "secret");
    let redirect =
        get(&format!("{}/v2/app/blobs/{digest}", registry.url()), &[("authorization", &user)]).await.unwrap();
    let location = redirect.header("location").unwrap();
    assert_eq!((redirect.status, location), (307, second.url_of(&digest).as_str()));
    assert_eq!(get(location, &[]).await.unwrap().text(), "content");
    assert_eq!(get(location, &[("range", "bytes=3-")]).await.unwrap().text(), "tent");
    assert_eq!(get(location, &[("authorization", &user)]).await.unwrap().status, 400);
    let (unsigned, _) = location.split_once('?').unwrap();
    assert_eq!(get(unsigned, &[]).await.unwrap().status, 403);
    let requests = second.requests();
    let carried: Vec<bool> =
        requests.iter().map(|request| request.header("authorization").is_some()).collect();
    assert_eq!(carried, [false, false, true, false]);
}

#[tokio::test]
async fn a_blob_server_of_its_own_serves_its_bytes_and_fails_on_command() {
    let server = BlobServer::start(&[b"one", b"two"]).await;
    let url = server.url_of(&crate::sha256("two"));
    assert_eq!(get(&url, &[]).await.unwrap().text(), "two");
    assert_eq!(get(&server.url_of(&crate::sha256("three")), &[]).await.unwrap().status, 404);
    server.fail_times(1, Match::all(), Fault::status(403));
    assert_eq!(get(&url, &[]).await.unwrap().status, 403);
    assert_eq!(get(&url, &[]).await.unwrap().status, 200);
}

//! Requests on behalf of callers.

use http::{HeaderValue, Method};
use http_body_util::BodyExt;
use testkit::{Fault, Kind, Match, Registry};

use super::super::kind::{Denied, ErrorKind};
use super::super::{Upstream, UpstreamError};
use super::server::{Server, answer};
use super::writes::{open, send};
use super::{APP, Site, app, digest, image, settings, status, with_account};

/// `jo:secret`.
const RIGHT: &str = "Basic am86c2VjcmV0";

fn caller(site: &Site, authorization: &str) -> Upstream {
    site.upstream.on_behalf(Some(authorization.parse().unwrap()))
}

async fn manifest(upstream: &Upstream) -> Result<bool, UpstreamError> {
    let manifest = upstream.manifest(&app(), &"latest".parse().unwrap()).await;
    manifest.map(|manifest| manifest.is_some())
}

fn denied(error: &UpstreamError) -> Vec<&str> {
    assert!(matches!(error.kind(), ErrorKind::Denied(Denied::Status { .. })), "{error}");
    error.challenges().iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn a_caller_is_asked_for_with_its_own_credentials_alone() {
    let registry = Registry::builder().basic("jo", "secret").start().await;
    registry.push(APP, "latest", &image());
    let site = Site::new(&with_account(&registry.url(), "jo", "secret"));
    // onetag's own account is known to be good, and what the upstream asks for too.
    assert!(site.manifest("latest").await.unwrap().is_some());
    registry.forget_requests();
    assert!(!site.upstream.is_on_behalf() && caller(&site, RIGHT).is_on_behalf());
    for (upstream, shown) in [
        (caller(&site, RIGHT), Some(RIGHT)),
        (caller(&site, "Basic am86d3Jvbmc="), Some("Basic am86d3Jvbmc=")),
        (caller(&site, "Bearer canary"), Some("Bearer canary")),
        (site.upstream.on_behalf(None), None),
    ] {
        match manifest(&upstream).await {
            Ok(found) => assert!(found && shown == Some(RIGHT)),
            Err(error) => assert_eq!(denied(&error).len(), 1, "{error}"),
        }
        let requests = registry.requests();
        assert_eq!(requests.len(), 1, "no challenge is answered");
        assert_eq!(requests[0].header("authorization"), shown);
        registry.forget_requests();
    }
}

#[tokio::test]
async fn no_token_server_is_asked_for_a_caller() {
    let registry = Registry::builder().bearer(Some(("jo", "secret"))).start().await;
    registry.push(APP, "latest", &image());
    let site = Site::new(&with_account(&registry.url(), "jo", "secret"));
    let error = manifest(&caller(&site, RIGHT)).await.unwrap_err();
    let told = denied(&error);
    assert!(told[0].starts_with("Bearer realm=\"http://"), "{told:?}");
    let error = caller(&site, RIGHT).ping().await.unwrap_err();
    assert!(denied(&error)[0].starts_with("Bearer realm=\"http://"));
    assert_eq!(registry.count(|request| request.kind == Kind::Token), 0);
    // Nor is anything learned from it that onetag's own requests are sent with.
    registry.forget_requests();
    assert!(site.manifest("latest").await.unwrap().is_some());
    assert_eq!(super::seen(&registry), (2, 1));
}

#[tokio::test]
async fn a_caller_is_told_a_bounded_number_of_challenges_and_onetags_own_are_told_to_nobody() {
    let long = format!("Basic realm=\"{}\"", "r".repeat(4 << 10));
    let server = Server::start(move |seen| {
        let mut response = answer(if seen.method == Method::GET { 401 } else { 403 }, &[], "");
        response.headers_mut().append("www-authenticate", HeaderValue::from_str(&long).unwrap());
        for number in 0..20 {
            let value = HeaderValue::from_str(&format!("Basic realm=\"{number}\"")).unwrap();
            response.headers_mut().append("www-authenticate", value);
        }
        response
    })
    .await;
    let site = Site::new(&with_account(&server.url(), "jo", "secret"));
    let other = caller(&site, RIGHT);
    let expected: Vec<_> = (0..8).map(|number| format!("Basic realm=\"{number}\"")).collect();
    for error in [
        manifest(&other).await.unwrap_err(),
        other.may_read(&app()).await.unwrap_err(),
        other.ping().await.unwrap_err(),
        other.catalog(None, 99).await.unwrap_err(),
        open(&other).await.unwrap_err(),
        send(&other, "body").await.unwrap_err(),
    ] {
        assert_eq!(denied(&error), expected);
        assert!(!format!("{error:?}").contains("realm"), "{error:?}");
    }
    assert_eq!(server.lines().len(), 6);
    assert!(server.seen().iter().all(|seen| seen.authorization() == Some(RIGHT)));
    let error = site.manifest("latest").await.unwrap_err();
    assert_eq!(denied(&error), [""; 0]);
}

#[tokio::test]
async fn the_limit_of_one_caller_shuts_nobody_else_out() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let site = Site::of(&registry);
    registry.fail_times(1, Match::all(), status(429, &[("retry-after", "60")], ""));
    let error = manifest(&caller(&site, "Bearer a")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limited { .. }), "{error}");
    assert!(manifest(&caller(&site, "Bearer b")).await.unwrap());
    assert!(site.manifest("latest").await.unwrap().is_some());
    // And onetag's own limit is not that of a caller.
    registry.fail_times(1, Match::all(), status(429, &[("retry-after", "60")], ""));
    for _ in 0..2 {
        assert!(matches!(site.manifest("latest").await.unwrap_err().kind(), ErrorKind::Limited { .. }));
    }
    assert!(manifest(&caller(&site, "Bearer a")).await.unwrap());
}

#[tokio::test]
async fn t04_a_callers_credentials_go_to_the_upstream_alone() {
    let registry = Registry::builder().basic("jo", "secret").start().await;
    let name = registry.put_blob(APP, b"the bytes of a layer");
    let storage = registry.redirect_blobs_to_second_server().await;
    let site = Site::new(&settings(&registry.url()));
    let blob = caller(&site, RIGHT).blob(&app(), &digest(&name), Method::GET, None).await.unwrap();
    assert_eq!(blob.into_body().collect().await.unwrap().to_bytes(), "the bytes of a layer");
    assert_eq!(storage.requests().len(), 1);
    assert_eq!(storage.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_stream_that_is_cut_is_resumed_with_the_callers_credentials() {
    let registry = Registry::builder().basic("jo", "secret").start().await;
    let name = registry.put_blob(APP, [7; 100]);
    let site = Site::new(&settings(&registry.url()));
    registry.fail_times(1, Match::all(), Fault::Cut { after: 40 });
    let blob = caller(&site, RIGHT).blob(&app(), &digest(&name), Method::GET, None).await.unwrap();
    assert_eq!(blob.into_body().collect().await.unwrap().to_bytes().len(), 100);
    let shown: Vec<_> =
        registry.requests().iter().map(|r| r.header("authorization").map(str::to_owned)).collect();
    assert_eq!(shown, [Some(RIGHT.to_owned()), Some(RIGHT.to_owned())]);
}

#[tokio::test]
async fn a_callers_credentials_do_not_print() {
    let log = super::log::Log::default();
    let _guard = log.capture_everything();
    let registry = Registry::builder().basic("jo", "secret").start().await;
    let site = Site::of(&registry);
    let upstream = caller(&site, "Bearer canary");
    let error = manifest(&upstream).await.unwrap_err();
    let text = format!("{}{error}{error:?}{upstream:?}", log.text());
    assert!(text.contains("upstream answered") && !text.contains("canary"), "{text}");
}

#[tokio::test]
async fn whether_a_repository_may_be_read_is_asked_of_its_tag_list() {
    let registry = Registry::builder().basic("jo", "secret").start().await;
    registry.push(APP, "latest", &image());
    let site = Site::new(&with_account(&registry.url(), "jo", "secret"));
    for upstream in [site.upstream.clone(), caller(&site, RIGHT)] {
        assert!(upstream.may_read(&app()).await.unwrap());
        assert!(!upstream.may_read(&"team/none".parse().unwrap()).await.unwrap());
    }
    assert!(denied(&site.upstream.on_behalf(None).may_read(&app()).await.unwrap_err()).len() == 1);
    let asked = registry.requests().into_iter().map(|request| format!("{}?{}", request.path, request.query));
    assert!(asked.into_iter().all(|asked| asked.ends_with("/tags/list?n=1")));
    registry.fail(Match::tags(APP), Fault::status(500));
    let error = site.upstream.may_read(&app()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Status { .. }), "{error}");
}

#[tokio::test]
async fn a_ping_says_whether_credentials_are_any() {
    let registry = Registry::builder().bearer(Some(("jo", "secret"))).start().await;
    Site::new(&with_account(&registry.url(), "jo", "secret")).upstream.ping().await.unwrap();
    let tokens: Vec<_> = registry.requests().into_iter().filter(|r| r.kind == Kind::Token).collect();
    assert_eq!(tokens.len(), 1);
    assert!(!tokens[0].query.contains("scope"), "{}", tokens[0].query);
    let wrong = Site::new(&with_account(&registry.url(), "jo", "wrong"));
    assert_eq!(denied(&wrong.upstream.ping().await.unwrap_err()), [""; 0]);
}

#[tokio::test]
async fn the_catalog_is_passed_on_with_a_token_of_its_own_scope() {
    let server = Server::start(|seen| match seen.authorization() {
        _ if seen.path.starts_with("/token") => answer(200, &[], "{\"token\":\"t\"}"),
        Some("Bearer t") => {
            let headers =
                [("link", "</v2/_catalog?last=a&n=1>; rel=\"next\""), ("content-type", "application/json")];
            answer(200, &headers, "{\"repositories\":[\"a\"]}")
        }
        _ => {
            let challenge = format!("Bearer realm=\"http://{}/token\"", seen.header("host").unwrap());
            answer(401, &[("www-authenticate", &challenge)], "")
        }
    })
    .await;
    let site = Site::new(&settings(&server.url()));
    let list = site.upstream.catalog(Some("n=1"), 99).await.unwrap();
    assert_eq!((list.status().as_u16(), list.body().as_ref()), (200, &b"{\"repositories\":[\"a\"]}"[..]));
    assert_eq!(list.headers()["link"], "</v2/_catalog?last=a&n=1>; rel=\"next\"");
    assert_eq!(server.lines()[1..], ["GET /token?scope=registry%3Acatalog%3A%2A", "GET /v2/_catalog?n=1"]);
    let error = site.upstream.catalog(None, 10).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Wrong(_)), "{error}");
}

#[tokio::test]
async fn each_request_carries_the_mark_of_this_process() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let site = Site::of(&registry);
    manifest(&site.upstream).await.unwrap();
    manifest(&site.upstream.on_behalf(None)).await.unwrap();
    send(&site.upstream, "body").await.unwrap();
    let own = super::super::own_via().to_str().unwrap();
    assert!(own.starts_with("1.1 onetag-") && own.len() == 27, "{own}");
    assert!(registry.requests().iter().all(|request| request.header("via") == Some(own)));
    assert_eq!(registry.requests().len(), 4);
}

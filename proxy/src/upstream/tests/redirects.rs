use http::{Method, StatusCode};
use http_body_util::BodyExt;
use testkit::{Authority, BlobServer, Fault, Match, Registry};

use super::super::{ErrorKind, Refused};
use super::{APP, Site, app, digest, image, settings, with_account};

const BLOB: &[u8] = b"the bytes of a layer";

fn redirect(to: &str) -> Fault {
    Fault::Redirect { to: to.to_owned(), code: 307 }
}

#[tokio::test]
async fn t04_storage_behind_a_redirect_never_sees_authorization() {
    for builder in
        [Registry::builder().basic("jo", "secret"), Registry::builder().bearer(Some(("jo", "secret")))]
    {
        let registry = builder.start().await;
        let name = registry.put_blob(APP, BLOB);
        let storage = registry.redirect_blobs_to_second_server().await;
        let site = Site::new(&with_account(&registry.url(), "jo", "secret"));
        let blob = site.upstream.blob(&app(), &digest(&name), Method::GET, None).await.unwrap();
        assert_eq!(blob.into_body().collect().await.unwrap().to_bytes(), BLOB);
        let small = site.upstream.small_blob(&app(), &digest(&name), 100).await.unwrap();
        assert_eq!(small.unwrap(), BLOB);
        let requests = storage.requests();
        assert_eq!(requests.len(), 2);
        assert!(requests.iter().all(|request| request.header("authorization").is_none()));
    }
}

#[tokio::test]
async fn a_redirect_at_the_upstream_itself_keeps_authorization() {
    let registry = Registry::builder().basic("jo", "secret").start().await;
    let image = image();
    registry.push(APP, "latest", &image);
    let site = Site::new(&with_account(&registry.url(), "jo", "secret"));
    for code in [301, 302, 303, 307, 308] {
        let to = format!("/v2/{APP}/manifests/{}", image.digest());
        registry.fail_times(1, Match::manifest(APP, "latest"), Fault::Redirect { to, code });
        assert_eq!(site.manifest("latest").await.unwrap().unwrap().bytes, image.manifest);
    }
}

#[tokio::test]
async fn five_hops_are_followed_and_no_more() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let site = Site::of(&registry);
    registry.fail_times(5, Match::manifest(APP, "latest"), redirect("latest?again"));
    assert!(site.manifest("latest").await.unwrap().is_some());
    registry.forget_requests();
    registry.fail(Match::manifest(APP, "latest"), redirect("latest"));
    let error = site.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Redirect(Refused::TooMany(5))), "{error}");
    assert_eq!(registry.requests().len(), 6);
}

#[tokio::test]
async fn a_redirect_to_where_no_storage_is_gets_no_connection() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let bystander = BlobServer::start(&[]).await;
    let with_userinfo = bystander.url().replace("://", "://registry.example.com@");
    for (to, why) in [
        ("http://169.254.169.254/", Refused::Special),
        ("//127.1/", Refused::Special),
        (&with_userinfo, Refused::Userinfo),
        ("file:///etc/passwd", Refused::Malformed),
        ("http://", Refused::Malformed),
    ] {
        registry.fail_times(1, Match::all(), redirect(to));
        let site = Site::of(&registry);
        let error = site.manifest("latest").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Redirect(w) if *w == why), "{error}");
        assert_eq!(site.counted("manifest", "wrong"), 1);
    }
    registry.fail_times(1, Match::all(), Fault::status(307));
    let error = Site::of(&registry).manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Redirect(Refused::Malformed)), "{error}");
    assert_eq!(bystander.requests().len(), 0);
}

#[tokio::test]
async fn no_redirect_leads_out_of_tls() {
    let authority = Authority::new();
    let registry = Registry::builder().tls(&authority).start().await;
    registry.push(APP, "latest", &image());
    let plain = BlobServer::start(&[]).await;
    registry.fail(Match::all(), redirect(&format!("{}/x", plain.url())));
    let folder = tempfile::tempdir().unwrap();
    let ca_file = Some(authority.write_ca(folder.path()));
    let site = Site::new(&onetag_config::Upstream { ca_file, ..settings(&registry.url()) });
    let error = site.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Redirect(Refused::Unencrypted)), "{error}");
    assert_eq!(plain.requests().len(), 0);
}

#[tokio::test]
async fn a_refusal_of_the_storage_is_not_one_of_the_account_and_its_signature_stays_secret() {
    let registry = Registry::start().await;
    let name = registry.put_blob(APP, BLOB);
    let storage = registry.redirect_blobs_to_second_server().await;
    storage.fail(Match::all(), Fault::status(403));
    let site = Site::of(&registry);
    let error = site.upstream.blob(&app(), &digest(&name), Method::GET, None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Status { status: StatusCode::FORBIDDEN, .. }), "{error}");
    let (from, to) = (registry.url(), storage.url());
    let text = format!(
        "GET {from}/v2/{APP}/blobs/{name}: redirected to {to}/blobs/{name}: it answered 403 Forbidden"
    );
    assert_eq!(error.to_string(), text);
}

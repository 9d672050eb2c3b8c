use http::Uri;
use testkit::{BlobServer, Match, Registry};

use super::super::destination::{Destinations, Refused};
use super::super::{Denied, ErrorKind};
use super::{APP, Site, bearer_challenge, image, seen, with_account};

fn admitted(upstream: &str, named: &str) -> Result<(), Refused> {
    let destinations = Destinations::new(&upstream.parse().unwrap());
    named.parse::<Uri>().map_or(Err(Refused::Malformed), |uri| destinations.admit(&uri).map(|_| ()))
}

#[test]
fn a_public_registry_may_name_public_https_hosts_only() {
    let upstream = "https://registry.example.com";
    for good in [
        "https://auth.example.com/token",
        "https://registry.example.com:8443/token",
        "https://93.184.216.34/token",
        "https://[2606:2800:220:1::1]/token",
    ] {
        assert_eq!(admitted(upstream, good), Ok(()), "{good}");
    }
    for (bad, why) in [
        ("http://auth.example.com/token", Refused::Unencrypted),
        ("https://jo:pass@auth.example.com/token", Refused::Userinfo),
        ("https://jo@registry.example.com/token", Refused::Userinfo),
        ("/token", Refused::Malformed),
        ("ftp://auth.example.com/token", Refused::Malformed),
        ("https://auth/token", Refused::Inside),
        ("https://localhost/token", Refused::Inside),
        ("https://a.localhost./token", Refused::Inside),
        ("https://127.0.0.1/token", Refused::Inside),
        ("https://10.1.2.3/token", Refused::Inside),
        ("https://172.31.0.1/token", Refused::Inside),
        ("https://192.168.0.1/token", Refused::Inside),
        ("https://100.64.0.1/token", Refused::Inside),
        ("https://[::1]/token", Refused::Inside),
        ("https://[fc00::1]/token", Refused::Inside),
        ("https://[::ffff:10.0.0.1]/token", Refused::Inside),
        ("https://[64:ff9b::7f00:1]/token", Refused::Inside),
        ("https://169.254.169.254/token", Refused::Special),
        ("https://[::ffff:169.254.169.254]/token", Refused::Special),
        ("https://[fe80::1]/token", Refused::Special),
        ("https://[fd00:ec2::254]/token", Refused::Special),
        ("https://100.100.100.200/token", Refused::Special),
        ("https://metadata.google.internal/token", Refused::Special),
        ("https://0.0.0.0/token", Refused::Special),
        ("https://2130706433/token", Refused::Special),
        ("https://127.1/token", Refused::Special),
        ("https://0x7f.0.0.0x1/token", Refused::Special),
    ] {
        assert_eq!(admitted(upstream, bad), Err(why), "{bad}");
    }
}

#[test]
fn a_registry_inside_may_name_hosts_that_are_no_deeper_inside() {
    for (upstream, named, admission) in [
        ("http://registry:5000", "http://auth:5001/token", Ok(())),
        ("http://registry:5000", "https://10.0.0.1/token", Ok(())),
        ("http://registry:5000", "http://auth.example.com/token", Ok(())),
        ("http://10.0.0.1", "http://registry/token", Ok(())),
        ("http://10.0.0.1", "http://127.0.0.1/token", Err(Refused::Inside)),
        ("https://10.0.0.1", "http://10.0.0.2/token", Err(Refused::Unencrypted)),
        ("http://127.0.0.1:5000", "http://localhost:5001/token", Ok(())),
        ("http://localhost:5000", "http://10.0.0.1/token", Ok(())),
        ("http://127.0.0.1:5000", "http://169.254.169.254/token", Err(Refused::Special)),
        ("http://169.254.1.1", "http://169.254.1.1:81/token", Ok(())),
    ] {
        assert_eq!(admitted(upstream, named), admission, "{upstream} {named}");
    }
}

#[tokio::test]
async fn t05_a_refused_realm_gets_no_connection() {
    let bystander = BlobServer::start(&[]).await;
    let with_userinfo = bystander.url().replace("://", "://jo@");
    for (realm, why) in [
        ("http://169.254.169.254/latest/meta-data", Refused::Special),
        ("http://[fe80::1]/token", Refused::Special),
        ("http://2130706433/token", Refused::Special),
        (&with_userinfo, Refused::Userinfo),
        ("token", Refused::Malformed),
        ("", Refused::Malformed),
    ] {
        let registry = Registry::start().await;
        registry.push(APP, "latest", &image());
        registry.fail(Match::all(), bearer_challenge(realm));
        let site = Site::new(&with_account(&registry.url(), "jo", "secret"));
        let error = site.manifest("latest").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Denied(Denied::Realm(w)) if *w == why), "{error}");
        assert_eq!(seen(&registry), (1, 0));
        let asked =
            ["ok", "failed", "timeout", "denied", "wrong"].map(|outcome| site.counted("token", outcome));
        assert_eq!(asked, [0; 5], "{realm}");
    }
    assert_eq!(bystander.requests().len(), 0);
}

#[tokio::test]
async fn t05_a_realm_that_moves_to_another_host_gets_no_credentials() {
    let registry = Registry::builder().bearer(Some(("jo", "secret"))).start().await;
    registry.push(APP, "latest", &image());
    let site = Site::new(&with_account(&registry.url(), "jo", "secret"));
    site.manifest("latest").await.unwrap().unwrap();
    let elsewhere = BlobServer::start(&[]).await;
    registry.fail(Match::all(), bearer_challenge(&format!("{}/token", elsewhere.url())));
    let error = site.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied(Denied::Realm(Refused::Moved))), "{error}");
    assert_eq!(elsewhere.requests().len(), 0);
    registry.heal();
    assert!(site.manifest("latest").await.unwrap().is_some());
}

#[tokio::test]
async fn a_token_server_that_redirects_is_not_followed() {
    let registry = Registry::builder().bearer(Some(("jo", "secret"))).start().await;
    let elsewhere = BlobServer::start(&[]).await;
    registry.fail(Match::token(), testkit::Fault::Redirect { to: elsewhere.url(), code: 307 });
    let site = Site::new(&with_account(&registry.url(), "jo", "secret"));
    let error = site.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Wrong(super::super::Wrong::Unexpected(_))), "{error}");
    assert_eq!(elsewhere.requests().len(), 0);
}

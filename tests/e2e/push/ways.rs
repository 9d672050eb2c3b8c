//! The way back: a Location leads to onetag, by the way that the client came.

use testkit::client::Client;
use testkit::{DockerRegistry, Locations, Registry, sha256};

use super::{ALL, Pushed, begun, with_digest};
use crate::support::{REPOSITORY, refusal, serve_config};

#[tokio::test]
async fn a_location_leads_back_by_the_way_that_the_client_came() {
    let registry = Registry::start().await;
    let post = format!("/v2/{REPOSITORY}/blobs/uploads/");
    let x =
        [("x-forwarded-proto", "https"), ("x-forwarded-host", "r.example"), ("x-forwarded-prefix", "/reg")];
    let standard = [("forwarded", "for=192.0.2.9;host=\"f.example:8443\";proto=https"), x[1], x[2]];
    let evil = [x[0], ("x-forwarded-host", "evil.example, r.example"), ("x-forwarded-prefix", "//evil")];
    let trusted = "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]";
    for (settings, headers, begins) in [
        ("", x, "/v2/"),
        ("", standard, "/v2/"),
        ("[server]\nexternal_url = \"https://set.example/x\"", x, "https://set.example/x/v2/"),
        (trusted, x, "https://r.example/reg/v2/"),
        (trusted, standard, "https://f.example:8443/reg/v2/"),
        (trusted, evil, "https://r.example/v2/"),
        ("[server]\ntrusted_proxies = [\"192.0.2.1\"]", x, "/v2/"),
        ("[server]\ntrusted_proxies = [\"192.0.2.1\"]", standard, "/v2/"),
    ] {
        let settings = format!("[upstream]\nurl = \"{}\"\n{ALL}{settings}\n", registry.url());
        let onetag = serve_config(&settings, &[]);
        let url = format!("{}{post}", onetag.url());
        let got = Client::plain().request("POST", &url, &headers, "").await.unwrap();
        let location = got.header("location").unwrap_or_default();
        assert!(location.starts_with(begins), "{settings}: {location}");
    }
}

#[tokio::test]
async fn an_upload_comes_back_to_the_registry_that_ns_named() {
    for locations in [Locations::Absolute, Locations::Foreign] {
        let (other, named) =
            (Registry::start().await, Registry::builder().locations(locations).start().await);
        let settings = format!(
            "[[registry]]\nname = \"one.example:5000\"\n[registry.upstream]\nurl = \"{}\"\n",
            named.url()
        );
        let site = Pushed::over(other, &settings);
        let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/?ns=one.example:5000");
        let begun = site.send("POST", &uploads, &[], "").await;
        let location = begun.header("location").expect("a Location").to_owned();
        let sent = site.send("PATCH", &location, &[], "hel").await;
        assert_eq!(sent.status, 202, "{}", sent.text());
        let location = sent.header("location").expect("a Location");
        let closing = with_digest(location, &sha256("hello"));
        let done = site.send("PUT", &closing, &[], "lo").await;
        assert_eq!(done.status, 201, "{}", done.text());
        assert!(named.has_blob(REPOSITORY, &sha256("hello")));
        let blob = site.send("GET", done.header("location").expect("a Location"), &[], "").await;
        assert_eq!((blob.status, &*blob.body), (200, &b"hello"[..]));
        assert_eq!(site.registry.requests().len(), 0, "the other one is not asked");
        assert!(named.requests().iter().all(|request| !request.query.contains("ns=")));
    }
}

#[tokio::test]
async fn t02_a_blob_is_no_form_whatever_a_client_calls_it() {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let site = Pushed::start("").await;
    let location = begun(&site).await;
    assert_eq!(site.send("PATCH", &location, &[form], "from=team%2Fsecret").await.status, 202);
    let patches = || site.registry.requests().into_iter().filter(|request| request.method == "PATCH");
    assert!(patches().all(|patch| patch.header("content-type") == Some("application/octet-stream")));
    assert_eq!(patches().count(), 1);
    // A registry that reads forms, as the one of the distribution project does, with an account that may read all.
    let Some(registry) = DockerRegistry::start_with_basic() else { return };
    let secret = registry.push_blob("secret/app", b"secret");
    let settings = format!(
        "[upstream]\nurl = \"{}\"\nusername = \"{}\"\npassword = \"{}\"\n[[allow]]\nanonymous = true\n\
         repositories = [\"team/*\"]\nactions = [\"pull\", \"push\"]\n",
        registry.url(),
        DockerRegistry::USER,
        DockerRegistry::PASSWORD
    );
    let onetag = serve_config(&settings, &[]);
    let url = format!("{}/v2/{REPOSITORY}/blobs/", onetag.url());
    let begin = format!("{url}uploads/");
    let client = Client::plain();
    let ways = [
        (begin.clone(), format!("mount={secret}&from=secret%2Fapp")),
        (format!("{begin}?mount={secret}"), "from=secret%2Fapp".to_owned()),
        (format!("{begin}?mount={secret}&from=secret%2Fapp"), String::new()),
    ];
    for (url, body) in ways {
        let got = client.request("POST", &url, &[form], body.clone()).await.unwrap();
        assert_ne!(got.status, 201, "{url} {body}");
    }
    let got = client.get(&format!("{url}{secret}"), &[]).await.unwrap();
    assert_eq!((refusal(&got).0, &*refusal(&got).1), (404, "BLOB_UNKNOWN"));
}

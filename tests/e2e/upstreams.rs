//! Several upstreams behind one onetag: each request leads to its own (threats T10, T12, T14, T15).

mod certificates;
mod elsewhere;
mod hosts;
mod lists;
mod refusals;

use std::time::Duration;

use testkit::client::{self, Client, Response, basic, send_raw};
use testkit::{Onetag, Registry, sha256};
use tokio::io::AsyncReadExt as _;

use crate::support::{ACCEPT, Legacy, REPOSITORY, refusal, serve, serve_config, whole_log};

const ALL: &str = "[[allow]]\nanonymous = true\nactions = [\"pull\", \"push\", \"delete\"]\n";

/// Three registries that have the same names with different content.
struct Three {
    registries: [Registry; 3],
    legacies: [Legacy; 3],
    onetag: Onetag,
    settings: String,
    data: tempfile::TempDir,
}

/// How each of them is meant: what stands before the repository's name, the query, and the host.
const WAYS: [(usize, &str, &str, &str); 6] = [
    (0, "", "", "onetag.example"),
    (1, "one.example/", "", "onetag.example"),
    (2, "mirror/two/", "", "onetag.example"),
    (1, "", "?ns=one.example", "onetag.example"),
    (2, "", "?ns=two.example:5000", "onetag.example"),
    (2, "", "", "two.onetag.example"),
];

impl Three {
    async fn start(more: &str) -> Self {
        let registries = [Registry::start().await, Registry::start().await, Registry::start().await];
        let legacies = [1, 2, 3].map(Legacy::seeded);
        for (registry, legacy) in registries.iter().zip(&legacies) {
            legacy.push(registry, "latest");
        }
        let data = tempfile::tempdir().expect("a folder");
        let [zero, one, two] = registries.each_ref().map(Registry::url);
        let settings = format!(
            "[upstream]\nurl = \"{zero}\"\n{ALL}[cache]\ndata_dir = {:?}\ntag_ttl = \"1h\"\n\
             [[registry]]\nname = \"one.example\"\n[registry.upstream]\nurl = \"{one}\"\n\
             [[registry]]\nname = \"two.example:5000\"\nprefix = \"mirror/two\"\nhosts = [\"two.onetag.example\"]\n\
             [registry.upstream]\nurl = \"{two}\"\n{more}",
            data.path().to_str().expect("text")
        );
        Self { onetag: serve_config(&settings, &[]), registries, legacies, settings, data }
    }

    async fn ask(&self, path: &str, query: &str, host: &str) -> Response {
        self.ask_for(path, query, host, &[]).await
    }

    async fn ask_for(&self, path: &str, query: &str, host: &str, more: &[(&str, &str)]) -> Response {
        let url = format!("{}{path}{query}", self.onetag.url());
        client::get(&url, &[&[ACCEPT, ("host", host)], more].concat()).await.expect("onetag answers")
    }

    async fn check_all(&self) {
        for (which, prefix, query, host) in WAYS {
            let legacy = &self.legacies[which];
            let repository = format!("/v2/{prefix}{REPOSITORY}");
            let tag = self.ask(&format!("{repository}/manifests/latest"), query, host).await;
            assert_eq!(tag.text(), legacy.merged(), "{prefix} {query} {host}");
            let namespace = query.strip_prefix("?ns=");
            assert_eq!(tag.header("oci-namespace"), namespace);
            let digest = sha256(legacy.merged());
            let layer = &legacy.arm64.layers[0].bytes;
            for (path, bytes) in [
                (format!("manifests/{digest}"), legacy.merged().as_bytes()),
                (format!("manifests/{}", legacy.arm64.digest()), &legacy.arm64.manifest[..]),
                (format!("blobs/{}", sha256(layer)), &layer[..]),
            ] {
                let whole = format!("{repository}/{path}");
                assert_eq!(self.ask(&whole, query, host).await.body, bytes, "{prefix}");
                let range = self.ask_for(&whole, query, host, &[("range", "bytes=3-9")]).await;
                assert!(range.body == bytes[3..10] || range.body == bytes, "{prefix}");
                for (other, prefix, query, host) in WAYS.iter().filter(|(other, ..)| *other != which) {
                    let path = format!("/v2/{prefix}{REPOSITORY}/{path}");
                    assert_eq!(
                        self.ask(&path, query, host).await.status,
                        404,
                        "{other}: {path}{query} of {which}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn t12_names_that_are_the_same_in_three_registries_never_mix_in_memory_or_on_disk() {
    let mut three = Three::start("").await;
    three.check_all().await;
    three.check_all().await;
    three.onetag.kill();
    three.onetag.wait(Duration::from_secs(5));
    three.onetag = serve_config(&three.settings, &[]);
    three.check_all().await;
    assert!(three.data.path().join("registries/one.example").is_dir());
}

#[tokio::test]
async fn t15_a_registry_that_is_not_configured_is_a_404_and_nobody_is_asked() {
    let three = Three::start("").await;
    for query in [
        "ns=elsewhere.example",
        "ns=127.0.0.1",
        "ns=one.example:443",
        "ns=two.example",
        "ns=one.example%2F",
        "ns=one.example&ns=..",
        "ns=..&ns=one.example",
        "n%73=elsewhere.example",
        "ns=%00",
        "ns=%ff",
        "ns=",
        "ns",
    ] {
        let path = format!("/v2/{REPOSITORY}/manifests/latest");
        let got = three.ask(&path, &format!("?{query}"), "o").await;
        if query == "ns=one.example&ns=.." {
            assert_eq!(got.text(), three.legacies[1].merged(), "the first counts");
            three.registries[1].forget_requests();
            continue;
        }
        assert_eq!((refusal(&got).0, &*refusal(&got).1), (404, "NAME_UNKNOWN"), "{query}");
    }
    for registry in &three.registries {
        assert_eq!(registry.requests().len(), 0);
    }
}

#[tokio::test]
async fn without_a_default_upstream_only_the_others_are_there() {
    let registry = Registry::start().await;
    Legacy::docker().push(&registry, "latest");
    let onetag = serve_config(
        &format!("[[registry]]\nname = \"one.example\"\n[registry.upstream]\nurl = \"{}\"\n", registry.url()),
        &[],
    );
    let status =
        async |path: &str| client::get(&format!("{}{path}", onetag.url()), &[ACCEPT]).await.unwrap().status;
    assert_eq!(status("/v2/one.example/team/app/manifests/latest").await, 200);
    assert_eq!(status("/v2/team/app/manifests/latest").await, 404);
    assert_eq!(status("/v2/").await, 200);
}

#[tokio::test]
async fn official_images_have_two_names_and_one_cache() {
    let registry = Registry::start().await;
    let image = Legacy::docker().amd64;
    registry.push("library/nginx", "latest", &image);
    let settings =
        format!("[[registry]]\nname = \"docker.io\"\n[registry.upstream]\nurl = \"{}\"\n", registry.url());
    let onetag = serve_config(&settings, &[]);
    for path in ["docker.io/nginx", "docker.io/library/nginx"] {
        let url = format!("{}/v2/{path}/manifests/latest", onetag.url());
        assert_eq!(client::get(&url, &[ACCEPT]).await.unwrap().body, image.manifest);
    }
    assert_eq!(registry.count(|request| request.path == "/v2/library/nginx/manifests/latest"), 1);
}

#[tokio::test]
async fn what_is_pushed_to_one_registry_goes_there_and_links_stay_with_the_prefix() {
    let three = Three::start("").await;
    let begin = format!("{}/v2/mirror/two/new/app/blobs/uploads/", three.onetag.url());
    let answer = Client::plain().request("POST", &begin, &[], "").await.unwrap();
    let location = answer.header("location").unwrap().to_owned();
    assert!(location.starts_with("/v2/mirror/two/new/app/blobs/uploads/"), "{location}");
    let digest = sha256("hello");
    let separator = if location.contains('?') { '&' } else { '?' };
    let put = format!("{}{location}{separator}digest={digest}", three.onetag.url());
    assert_eq!(Client::plain().request("PUT", &put, &[], "hello").await.unwrap().status, 201);
    assert!(three.registries[2].has_blob("new/app", &digest));
    // A page of the tag list.
    let page = three.ask(&format!("/v2/one.example/{REPOSITORY}/tags/list"), "?n=1", "o").await;
    assert_eq!(page.json()["name"], format!("one.example/{REPOSITORY}"));
    let link = page.header("link").unwrap();
    assert!(link.starts_with(&format!("</v2/one.example/{REPOSITORY}/tags/list?")), "{link}");
}

#[tokio::test]
async fn each_registry_has_its_own_credentials_and_its_own_way_to_let_callers_in() {
    let open = Registry::builder().basic("onetag", "secret").start().await;
    let closed = Registry::builder().basic("jo", "hunter2").start().await;
    Legacy::docker().push(&open, "latest");
    Legacy::docker().push(&closed, "latest");
    let onetag = serve_config(
        &format!(
            "[upstream]\nurl = \"{}\"\nusername = \"onetag\"\npassword = \"secret\"\n\
             [[registry]]\nname = \"c.example\"\n[registry.upstream]\nurl = \"{}\"\ncredentials = \"client\"\n",
            open.url(),
            closed.url()
        ),
        &[],
    );
    let jo = basic("jo", "hunter2");
    let status = async |path: &str, headers: &[(&str, &str)]| {
        let url = format!("{}/v2/{path}team/app/manifests/latest", onetag.url());
        client::get(&url, &[&[ACCEPT], headers].concat()).await.unwrap().status
    };
    assert_eq!(status("", &[]).await, 200);
    assert_eq!(status("c.example/", &[]).await, 401);
    assert_eq!(status("c.example/", &[("authorization", &jo)]).await, 200);
    let sent = |registry: &Registry| registry.count(|request| request.header("authorization") == Some(&jo));
    assert!(sent(&closed) > 0);
    assert_eq!(sent(&open), 0);
}

#[tokio::test]
async fn the_admin_listener_and_notifications_reach_the_registry_that_is_named() {
    let three = Three::start("[webhook]\ntoken = \"0123456789abcdef\"\n").await;
    let tag =
        async || three.ask(&format!("/v2/one.example/{REPOSITORY}/manifests/latest"), "", "o").await.text();
    assert_eq!(tag().await, three.legacies[1].merged());
    let push = |seed| {
        let legacy = Legacy::seeded(seed);
        legacy.push(&three.registries[1], "latest");
        legacy.merged()
    };
    let pushed = push(21);
    assert_ne!(tag().await, pushed);
    let invalidate = format!("{}/invalidate?ref=one.example/{REPOSITORY}:latest", three.onetag.admin_url());
    assert_eq!(client::request("POST", &invalidate, &[], "").await.unwrap().status, 200);
    assert_eq!(tag().await, pushed);
    let pushed = push(22);
    let event = format!(
        r#"{{"events":[{{"action":"push","target":{{"repository":"{REPOSITORY}","tag":"latest","digest":"{}"}}}}]}}"#,
        sha256("x")
    );
    let token = ("authorization", "Bearer 0123456789abcdef");
    for (query, status) in [("?registry=nobody", 404), ("?registry=one.example", 200)] {
        let url = format!("{}/onetag/notifications{query}", three.onetag.url());
        assert_eq!(client::request("POST", &url, &[token], event.clone()).await.unwrap().status, status);
    }
    assert_eq!(tag().await, pushed);
    let explain = format!("{}/explain?ref=one.example/{REPOSITORY}:latest", three.onetag.admin_url());
    assert_eq!(client::get(&explain, &[]).await.unwrap().json()["answer"], "merged");
}

#[tokio::test]
async fn t14_a_host_that_is_not_onetags_is_refused_and_an_absolute_target_counts() {
    let three = Three::start("[server]\nhosts = [\"onetag.example\"]\n").await;
    let path = format!("/v2/{REPOSITORY}/manifests/latest");
    for (host, status) in [
        ("onetag.example", 200),
        ("ONETAG.example:5080", 200),
        ("two.onetag.example", 200),
        ("evil.example", 421),
        ("127.0.0.1", 421),
    ] {
        assert_eq!(three.ask(&path, "", host).await.status, status, "{host}");
    }
    for (head, status) in [
        ("GET http://evil.example/v2/ HTTP/1.1\r\nhost: onetag.example", "421"),
        ("GET http://onetag.example/v2/ HTTP/1.1\r\nhost: evil.example", "200"),
        ("GET /v2/ HTTP/1.1", "400"),
        ("GET /v2/ HTTP/1.1\r\nhost: onetag.example\r\nhost: evil.example", "400"),
        ("GET /v2/ HTTP/1.1\r\nhost: onetag.example@evil.example", "400"),
    ] {
        let raw = format!("{head}\r\nconnection: close\r\n\r\n");
        let mut stream = send_raw(three.onetag.address(), raw.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {answer}");
    }
}

#[tokio::test]
async fn t10_nothing_of_a_client_reaches_the_upstream_but_what_it_asks_for() {
    let registry = Registry::start().await;
    Legacy::docker().push(&registry, "latest");
    let onetag = serve_config(&format!("[upstream]\nurl = \"{}\"\n{ALL}", registry.url()), &[]);
    let odd = [
        ("connection", "authorization, x-secret"),
        ("authorization", "Basic am86aHVudGVyMg=="),
        ("x-secret", "canary"),
        ("cookie", "canary"),
        ("proxy-authorization", "canary"),
        ("x-forwarded-for", "canary"),
        ("te", "trailers"),
        ("expect", "canary"),
    ];
    let urls = [
        format!("{}/v2/{REPOSITORY}/manifests/latest", onetag.url()),
        format!("{}/v2/{REPOSITORY}/tags/list", onetag.url()),
    ];
    for url in &urls {
        client::get(url, &[&[ACCEPT], &odd[..7]].concat()).await.unwrap();
    }
    let post = format!("{}/v2/{REPOSITORY}/blobs/uploads/", onetag.url());
    let begun = client::request("POST", &post, &odd[..7], "").await.unwrap();
    let location = format!("{}{}", onetag.url(), begun.header("location").unwrap());
    let said = [("content-range", "0-4"), ("content-type", "application/octet-stream"), ("digest", "canary")];
    client::request("PATCH", &location, &[&odd[..7], &said].concat(), "hello").await.unwrap();
    let layer = registry.put_blob(REPOSITORY, "0123456789");
    let blob = format!("{}/v2/{REPOSITORY}/blobs/{layer}", onetag.url());
    let asked = [("range", "bytes=2-"), ("if-none-match", "canary")];
    let part = client::get(&blob, &[&odd[..7], &asked].concat()).await.unwrap();
    assert_eq!((part.status, &*part.body), (206, &b"23456789"[..]));
    assert!(registry.requests().len() > 5);
    let own = ["host", "user-agent", "via", "accept", "accept-encoding", "content-length"];
    for request in registry.requests() {
        let described: &[&str] = match request.method.as_str() {
            "PATCH" => &["content-type", "content-range"],
            "GET" if request.path.contains("/blobs/") => &["range", "if-range"],
            _ => &[],
        };
        for (name, value) in &request.headers {
            let known = own.contains(&name.as_str()) || described.contains(&name.as_str());
            assert!(known, "{} {}: {name}: {value:?}", request.method, request.path);
            assert!(value.to_str().is_ok_and(|value| !value.contains("canary")), "{name}: {value:?}");
        }
    }
    let passed = |name: &str| registry.count(|request| request.header(name).is_some());
    assert_eq!((passed("content-range"), passed("range")), (1, 1));
}

#[tokio::test]
async fn an_upstream_that_is_onetag_itself_is_found_out() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let onetag = serve(&format!("http://{address}"), &["--listen", &address]);
    for path in ["manifests/latest", "tags/list"] {
        let url = format!("{}/v2/{REPOSITORY}/{path}", onetag.url());
        let got = client::get(&url, &[ACCEPT]).await.unwrap();
        assert_eq!((refusal(&got).0, &*refusal(&got).1), (508, "UNSUPPORTED"), "{path}");
    }
    let log = whole_log(onetag);
    let told: Vec<_> = log.lines().filter(|line| line.contains("leads back to it")).collect();
    assert_eq!(told.len(), 2, "one line for each request of a client: {log}");
}

#[tokio::test]
async fn a_loop_of_two_onetags_ends_in_an_error_in_time() {
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (first, second) = (free(), free());
    let patience = ["--header-timeout", "1s", "--listen"];
    let _second = serve(&format!("http://{first}"), &[&patience[..], &[&second]].concat());
    let first = serve(&format!("http://{second}"), &[&patience[..], &[&first]].concat());
    for path in ["tags/list", "manifests/latest"] {
        let url = format!("{}/v2/{REPOSITORY}/{path}", first.url());
        let got = Client::plain().timeout(Duration::from_secs(10)).get(&url, &[ACCEPT]).await.unwrap();
        assert!(refusal(&got).0 >= 500, "{path}: {}", got.status);
    }
}

#[tokio::test]
async fn tags_of_members_are_hidden_and_pages_are_whole() {
    let registry = Registry::start().await;
    let image = Legacy::docker().amd64;
    for n in 0..30 {
        registry.push(REPOSITORY, &format!("v{n:02}"), &image);
        registry.push(REPOSITORY, &format!("v{n:02}-arm"), &image);
    }
    registry.push(REPOSITORY, "lone-arm64", &image);
    let settings = format!("[upstream]\nurl = \"{}\"\n[merge]\nhide_members = true\n", registry.url());
    let onetag = serve_config(&settings, &[]);
    let all: Vec<String> =
        std::iter::once("lone-arm64".to_owned()).chain((0..30).map(|n| format!("v{n:02}"))).collect();
    for n in [0, 1, 7, 31, 100] {
        let (mut found, mut next) = (Vec::new(), Some(format!("/v2/{REPOSITORY}/tags/list?n={n}")));
        while let Some(path) = next {
            let page = client::get(&format!("{}{path}", onetag.url()), &[]).await.unwrap();
            let tags = page.json()["tags"].as_array().unwrap().clone();
            assert!(tags.len() <= n);
            found.extend(tags.iter().map(|tag| tag.as_str().unwrap().to_owned()));
            next = page
                .header("link")
                .map(|link| link.trim_start_matches('<').split_once('>').unwrap().0.to_owned());
        }
        assert_eq!(found, if n == 0 { Vec::new() } else { all.clone() }, "{n}");
    }
    let wrong = client::get(&format!("{}/v2/{REPOSITORY}/tags/list?n=x", onetag.url()), &[]).await.unwrap();
    assert_eq!((refusal(&wrong).0, &*refusal(&wrong).1), (400, "PAGINATION_NUMBER_INVALID"));
}

#[tokio::test]
async fn a_registry_without_a_list_of_referrers_has_the_tag_that_stands_for_it() {
    let registry = Registry::builder().without_referrers().start().await;
    let legacy = Legacy::oci();
    legacy.push(&registry, "latest");
    let digest = legacy.amd64.digest();
    let entry = |kind: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":3,"artifactType":"{kind}"}}"#,
            sha256(kind)
        )
    };
    let listed = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{},{}]}}"#,
        entry("a/b"),
        entry("c/d")
    );
    registry.put_manifest(
        REPOSITORY,
        &digest.replace(':', "-"),
        "application/vnd.oci.image.index.v1+json",
        listed.as_bytes(),
    );
    let onetag = serve(&registry.url(), &[]);
    let get = async |query: &str| {
        client::get(&format!("{}/v2/{REPOSITORY}/referrers/{digest}{query}", onetag.url()), &[])
            .await
            .unwrap()
    };
    assert_eq!(get("").await.text(), listed);
    let chosen = get("?artifactType=c%2Fd").await;
    assert_eq!(chosen.header("oci-filters-applied"), Some("artifactType"));
    assert_eq!(chosen.json()["manifests"].as_array().unwrap().len(), 1);
    let none = client::get(&format!("{}/v2/{REPOSITORY}/referrers/{}", onetag.url(), sha256("x")), &[])
        .await
        .unwrap();
    assert_eq!(none.status, 404);
}

#[tokio::test]
async fn t4_a_login_goes_to_the_registry_that_it_is_meant_for_and_to_no_other() {
    let [one, two] = [
        Registry::builder().basic("jo", "one").start().await,
        Registry::builder().basic("jo", "two").start().await,
    ];
    let site = |name: &str, url: &str| {
        format!(
            "[[registry]]\nname = \"{name}.example\"\nhosts = [\"{name}.onetag\"]\n[registry.upstream]\nurl = \"{url}\"\n\
             credentials = \"client\"\n"
        )
    };
    let onetag = serve_config(&(site("one", &one.url()) + &site("two", &two.url())), &[]);
    Legacy::docker().push(&one, "latest");
    let login = basic("jo", "one");
    let ask = async |path: &str, host: &str| {
        let headers = [ACCEPT, ("host", host), ("authorization", &*login)];
        client::get(&format!("{}{path}", onetag.url()), &headers).await.unwrap().status
    };
    assert_eq!(ask("/v2/team/app/manifests/latest", "one.onetag").await, 200);
    for (path, host) in [
        ("/v2/one.example/team/app/manifests/latest", "onetag"),
        ("/v2/two.example/team/app/manifests/latest", "onetag"),
        ("/v2/team/app/manifests/latest?ns=two.example", "onetag"),
    ] {
        assert_eq!(ask(path, host).await, 401, "{path}");
    }
    assert_eq!(two.count(|request| request.header("authorization").is_some()), 0);
}

#[tokio::test]
async fn t1_neither_the_catalog_nor_another_registrys_names_tell_what_may_not_be_read() {
    let [one, two] = [Registry::start().await, Registry::start().await];
    let image = Legacy::docker().amd64;
    for name in ["mirror/hidden", "pub/a", "pub/b", "secret/a", "secret/z"] {
        one.push(name, "latest", &image);
    }
    two.push("open", "latest", &image);
    let onetag = serve_config(
        &format!(
            "[upstream]\nurl = \"{}\"\n[[allow]]\nanonymous = true\nrepositories = [\"pub/**\", \"mirror/**\"]\n\
             [[registry]]\nname = \"two.example\"\nprefix = \"mirror\"\n[registry.upstream]\nurl = \"{}\"\n",
            one.url(),
            two.url()
        ),
        &[],
    );
    let get = async |path: &str| client::get(&format!("{}{path}", onetag.url()), &[ACCEPT]).await.unwrap();
    assert_eq!(get("/v2/mirror/open/manifests/latest").await.status, 200);
    let own = one.url().replace("http://", "");
    assert_eq!(get(&format!("/v2/mirror/hidden/manifests/latest?ns={own}")).await.status, 404);
    let (mut found, mut next) = (Vec::new(), Some("/v2/_catalog?n=1".to_owned()));
    while let Some(path) = next {
        let page = get(&path).await;
        let link = page.header("link").map(ToOwned::to_owned);
        assert!(
            !page.text().contains("secret/") && !link.as_ref().is_some_and(|link| link.contains("secret")),
            "{} {link:?}",
            page.text()
        );
        found.extend(page.json()["repositories"].as_array().unwrap().iter().map(ToString::to_string));
        next = link.map(|link| link.trim_start_matches('<').split_once('>').unwrap().0.to_owned());
    }
    assert_eq!(found, [r#""pub/a""#, r#""pub/b""#].map(String::from));
}

#[tokio::test]
async fn t13_a_push_that_is_refused_changes_nothing() {
    let registry = Registry::builder().basic("jo", "secret").start().await;
    Legacy::docker().push(&registry, "latest");
    let settings = format!(
        "[upstream]\nurl = \"{}\"\ncredentials = \"client\"\n[cache]\ntag_ttl = \"1h\"\n",
        registry.url()
    );
    let onetag = serve_config(&settings, &[]);
    let (url, jo) = (format!("{}/v2/{REPOSITORY}/manifests/latest", onetag.url()), basic("jo", "secret"));
    let pull = async || client::get(&url, &[ACCEPT, ("authorization", &*jo)]).await.unwrap().status;
    assert_eq!(pull().await, 200);
    let asked = registry.count(|request| request.header("authorization").is_some());
    let media_type = ("content-type", "application/vnd.oci.image.manifest.v1+json");
    for _ in 0..3 {
        assert_eq!(client::request("PUT", &url, &[media_type], "{}").await.unwrap().status, 401);
        assert_eq!(pull().await, 200);
    }
    assert_eq!(
        registry.count(|request| request.header("authorization").is_some()),
        asked,
        "hits stayed hits"
    );
}

//! Lists of several registries: each page is of the one that the first was of, and named as the client names it.

use serde_json::json;
use testkit::client::{self, Response};
use testkit::{Image, Onetag, Registry};

use super::{ALL, REPOSITORY, Three};
use crate::support::{Legacy, refusal, serve_config};

/// Follows the Links from a path on; all entries of this field, and how many pages there were.
async fn pages(onetag: &Onetag, path: &str, host: &str, field: &str) -> (Vec<String>, usize) {
    let (mut found, mut count, mut next) = (Vec::new(), 0, Some(path.to_owned()));
    while let Some(path) = next {
        let page = get(onetag, &path, host).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        let entries = page.json()[field].as_array().expect("a list").clone();
        found.extend(entries.iter().map(|entry| entry.as_str().expect("text").to_owned()));
        count += 1;
        next = page
            .header("link")
            .map(|link| link.trim_start_matches('<').split_once('>').expect("it is there").0.into());
    }
    (found, count)
}

async fn get(onetag: &Onetag, path: &str, host: &str) -> Response {
    client::get(&format!("{}{path}", onetag.url()), &[("host", host)]).await.expect("onetag answers")
}

/// A tag that only this registry has.
fn mark(three: &Three) {
    for (number, registry) in three.registries.iter().enumerate() {
        registry.push(REPOSITORY, &format!("only-{number}"), &Legacy::docker().amd64);
        registry.push(&format!("of/{number}"), "latest", &Legacy::docker().amd64);
    }
}

/// By which names, query and host each registry is reached.
const WAYS: [(usize, &str, &str, &str); 4] = [
    (0, "", "", "o"),
    (1, "one.example/", "", "o"),
    (1, "", "&ns=one.example", "o"),
    (2, "", "", "two.onetag.example"),
];

#[tokio::test]
async fn t15_every_page_of_the_tags_is_of_the_registry_of_the_first() {
    for settings in ["", "[merge]\nhide_members = true\n"] {
        let three = Three::start(settings).await;
        mark(&three);
        for (which, prefix, query, host) in WAYS {
            let path = format!("/v2/{prefix}{REPOSITORY}/tags/list?n=1{query}");
            let (tags, count) = pages(&three.onetag, &path, host, "tags").await;
            let all = ["latest".to_owned(), "latest-arm".to_owned(), format!("only-{which}")];
            let left: Vec<_> = all.iter().filter(|tag| settings.is_empty() || *tag != "latest-arm").collect();
            assert_eq!((tags.iter().collect::<Vec<_>>(), count), (left.clone(), left.len()), "{path} {host}");
            let name = get(&three.onetag, &path, host).await.json()["name"].clone();
            assert_eq!(name, format!("{prefix}{REPOSITORY}"));
        }
    }
}

#[tokio::test]
async fn t15_every_page_of_the_catalog_is_of_the_registry_of_the_first() {
    let three = Three::start("").await;
    mark(&three);
    for (which, prefix, query, host) in WAYS.iter().filter(|(_, prefix, ..)| prefix.is_empty()) {
        let path = format!("/v2/_catalog?n=1{query}");
        let (found, count) = pages(&three.onetag, &path, host, "repositories").await;
        assert_eq!(
            (found, count),
            (vec![format!("of/{which}"), REPOSITORY.to_owned()], 2),
            "{prefix}{query}"
        );
    }
}

#[tokio::test]
async fn the_catalog_of_each_registry_lists_what_the_caller_may_read_there() {
    let (one, two) = (Registry::start().await, Registry::start().await);
    for registry in [&one, &two] {
        for name in ["team/app", "open/app", "secret/app"] {
            registry.push(name, "latest", &Legacy::docker().amd64);
        }
    }
    let settings = format!(
        "[upstream]\nurl = \"{}\"\n[[allow]]\nanonymous = true\nrepositories = [\"team/*\", \"two.example/open/*\"]\n\
         [[registry]]\nname = \"two.example\"\nhosts = [\"two.onetag.example\"]\n[registry.upstream]\nurl = \"{}\"\n",
        one.url(),
        two.url()
    );
    let onetag = serve_config(&settings, &[]);
    let list = async |query: &str, host: &str| {
        get(&onetag, &format!("/v2/_catalog{query}"), host).await.json()["repositories"].clone()
    };
    assert_eq!(list("", "o").await, json!(["team/app"]));
    assert_eq!(list("?ns=two.example", "o").await, json!(["open/app"]));
    assert_eq!(list("", "two.onetag.example").await, json!(["open/app"]));
    let (all, _) = pages(&onetag, "/v2/_catalog?n=1", "o", "repositories").await;
    assert_eq!(all, ["team/app"], "a page may be empty, and the next one is found");
    for (name, status) in [("open/app", 404), ("team/app", 200), ("two.example/open/app", 200)] {
        assert_eq!(get(&onetag, &format!("/v2/{name}/tags/list"), "o").await.status, status, "{name}");
    }
}

#[tokio::test]
async fn official_images_keep_the_name_that_the_client_has_for_them() {
    let hub = Registry::start().await;
    for tag in ["a", "b"] {
        hub.push("library/nginx", tag, &Legacy::docker().amd64);
    }
    let settings = format!(
        "{ALL}[[registry]]\nname = \"docker.io\"\n[registry.upstream]\nurl = \"{}\"\n\
         [[registry]]\nname = \"plain.example\"\n[registry.upstream]\nurl = \"{}\"\n",
        hub.url(),
        hub.url()
    );
    let onetag = serve_config(&settings, &[]);
    for name in ["docker.io/nginx", "docker.io/library/nginx"] {
        let path = format!("/v2/{name}/tags/list?n=1");
        assert_eq!(pages(&onetag, &path, "o", "tags").await, (vec!["a".into(), "b".into()], 2));
        let page = get(&onetag, &path, "o").await;
        assert_eq!(page.json()["name"], name);
        assert!(page.header("link").unwrap().starts_with(&format!("</v2/{name}/tags/list?")));
        let post = format!("{}/v2/{name}/blobs/uploads/", onetag.url());
        let begun = client::request("POST", &post, &[], "").await.unwrap();
        assert!(begun.header("location").unwrap().starts_with(&format!("/v2/{name}/blobs/uploads/")));
    }
    // Only there, and only for a name of one part.
    for name in ["plain.example/nginx", "docker.io/other/nginx"] {
        assert_eq!(get(&onetag, &format!("/v2/{name}/tags/list"), "o").await.status, 404, "{name}");
    }
}

#[tokio::test]
async fn three_thousand_tags_are_listed_by_several_rules_below_a_prefix() {
    let registry = Registry::start().await;
    let manifest = Image::builder("linux/amd64").docker().build();
    let put = |tag: &str| registry.put_manifest(REPOSITORY, tag, &manifest.media_type, &manifest.manifest);
    for number in 0..1000 {
        for tag in [format!("v{number:03}"), format!("v{number:03}-arm64"), format!("edge-{number:03}-arm")] {
            put(&tag);
        }
    }
    put("edge-001");
    let settings = format!(
        "[[rule]]\ntags = [\"v*\"]\nhide_members = true\n[[rule]]\ntags = [\"edge-*\"]\nhide_members = false\n\
         [[registry]]\nname = \"one.example\"\n[registry.upstream]\nurl = \"{}\"\n",
        registry.url()
    );
    let onetag = serve_config(&settings, &[]);
    let mut left: Vec<String> =
        (0..1000).flat_map(|n| [format!("v{n:03}"), format!("edge-{n:03}-arm")]).collect();
    left.push("edge-001".into());
    left.sort();
    for (n, count) in [("?n=700", 3), ("", 1), ("?n=2001", 1), ("?n=100000", 1)] {
        let path = format!("/v2/one.example/{REPOSITORY}/tags/list{n}");
        let found = pages(&onetag, &path, "o", "tags").await;
        assert!(found == (left.clone(), count), "{n}: {} tags on {} pages", found.0.len(), found.1);
    }
}

#[tokio::test]
async fn an_n_that_is_no_number_is_refused_whether_members_are_hidden_or_not() {
    for settings in ["", "[merge]\nhide_members = true\n"] {
        let three = Three::start(settings).await;
        for n in ["x", "-1", "", "1.5", "%20", "99999999999999999999999"] {
            let got = get(&three.onetag, &format!("/v2/{REPOSITORY}/tags/list?n={n}"), "o").await;
            assert_eq!((refusal(&got).0, &*refusal(&got).1), (400, "PAGINATION_NUMBER_INVALID"), "{n}");
        }
        assert!(three.registries.iter().all(|registry| registry.requests().is_empty()));
        let none = get(&three.onetag, &format!("/v2/{REPOSITORY}/tags/list?n=0"), "o").await;
        assert_eq!((&none.json()["tags"], none.header("link")), (&json!([]), None));
    }
}

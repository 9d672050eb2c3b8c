//! What clients learn from `GET /v2/` and from refusals (wire rules 5 and 10).

use testkit::client::{Client, Response, basic};
use testkit::{Account, Registry};

use crate::isolation::{
    HASH, PASSWORD, PRIVATE, Private, SECRET, Who, accounts, basic_registry, bearer_registry, htpasswd,
    manifest,
};

const CLIENT: &str = "credentials = \"client\"";

/// All challenges, one a line.
fn challenges(response: &Response) -> Vec<String> {
    let values = response.headers.get_all("www-authenticate").iter();
    values.map(|value| value.to_str().expect("text").to_owned()).collect()
}

async fn ping(url: &str, headers: &[(&str, &str)]) -> Response {
    Client::plain().get(&format!("{url}/v2/"), headers).await.expect("an answer")
}

#[tokio::test]
async fn where_callers_are_asked_for_by_the_upstream_its_own_challenge_is_what_they_get() {
    for builder in [basic_registry(), bearer_registry()] {
        let private = Private::start(builder, CLIENT).await;
        let (here, there) = (private.onetag.url(), private.registry.url());
        for headers in [&[][..], &[("authorization", "Bearer none")], &[("authorization", "Basic eDp5")]] {
            let (got, theirs) = (ping(here, headers).await, ping(&there, headers).await);
            assert_eq!((got.status, challenges(&got)), (401, challenges(&theirs)), "{headers:?}");
            assert_eq!(got.header("docker-distribution-api-version"), Some("registry/2.0"));
            assert_eq!(got.json()["errors"][0]["code"], "UNAUTHORIZED");
        }
        let url = private.url("/v2/");
        let Who::Login(login) = Who::account("right") else { unreachable!("it is a login") };
        assert_eq!(login.request("GET", &url, &[], "").await.expect("an answer").status, 200);
        assert_eq!(private.status(&Who::account("right"), &manifest("latest")).await, 200);
    }
}

#[tokio::test]
async fn where_onetag_decides_it_asks_for_a_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = htpasswd(folder.path(), &["right"]);
    let private = Private::start(Registry::builder(), &format!("[access]\nhtpasswd = {file:?}")).await;
    let asks = ["Basic realm=\"onetag\""];
    let wrong = [basic("right", "wrong"), basic("unknown", PASSWORD), basic("right", HASH), "Basic".into()];
    let mut told = Vec::new();
    for authorization in &wrong {
        let got = ping(private.onetag.url(), &[("authorization", authorization)]).await;
        assert_eq!((got.status, &*challenges(&got)), (401, &asks.map(String::from)[..]), "{authorization}");
        let mut headers = got.headers.clone();
        headers.remove("x-request-id");
        headers.remove("date");
        told.push((format!("{headers:?}"), got.text()));
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
    // Podman sends an empty account for nobody.
    for nobody in [&[][..], &[("authorization", "Basic Og==")]] {
        let got = ping(private.onetag.url(), nobody).await;
        assert_eq!((got.status, &*challenges(&got)), (401, &asks.map(String::from)[..]), "{nobody:?}");
    }
    let right = basic("right", PASSWORD);
    assert_eq!(ping(private.onetag.url(), &[("authorization", &right)]).await.status, 200);
}

#[tokio::test]
async fn an_empty_account_is_nobody() {
    let builder = accounts(Registry::builder().basic("root", SECRET));
    let builder = builder.admit(Account::anonymous().repositories(&[PRIVATE]).actions(&["pull"]));
    let private = Private::start(builder, CLIENT).await;
    let nobody = Who::Header("Basic Og==".to_owned());
    assert_eq!(private.status(&nobody, &manifest("latest")).await, 200);
    let sent = private.registry.requests();
    assert!(!sent.is_empty() && sent.iter().all(|request| request.header("authorization").is_none()));
    let folder = tempfile::tempdir().expect("a folder");
    let file = htpasswd(folder.path(), &["right"]);
    let settings =
        format!("[access]\nhtpasswd = {file:?}\n[[allow]]\nanonymous = true\nrepositories = [\"{PRIVATE}\"]");
    let private = Private::start(Registry::builder(), &settings).await;
    assert_eq!(private.status(&nobody, &manifest("latest")).await, 200);
    assert_eq!(private.status(&nobody, "/v2/").await, 200);
    assert_eq!(private.status(&nobody, "/v2/other/app/tags/list").await, 401);
    assert_eq!(
        private.status(&Who::login("right", "wrong"), &manifest("latest")).await,
        200,
        "asked for nothing"
    );
    assert_eq!(private.status(&Who::basic("right", "wrong"), &manifest("latest")).await, 401);
}

#[tokio::test]
async fn with_two_authorizations_nobody_can_say_who_is_meant() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = htpasswd(folder.path(), &["right"]);
    let decides = format!("[access]\nhtpasswd = {file:?}");
    for (builder, settings, password) in
        [(basic_registry(), CLIENT, SECRET), (Registry::builder(), &*decides, PASSWORD)]
    {
        let private = Private::start(builder, settings).await;
        let right = basic("right", password);
        assert_eq!(private.status(&Who::Header(right.clone()), &manifest("latest")).await, 200);
        for path in [manifest("latest"), "/v2/".to_owned(), format!("/v2/{PRIVATE}/tags/list")] {
            for second in [&*right, "Basic Og=="] {
                let headers = [("authorization", &*right), ("authorization", second)];
                let got = Client::plain().get(&private.url(&path), &headers).await.expect("an answer");
                assert_eq!(got.status, 400, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_challenge_asks_for_all_repositories_that_a_tag_is_made_of() {
    let settings =
        format!("{CLIENT}\n[[rule]]\npreset = \"repository-suffix\"\narch = [\"arm64\", \"armv7\"]");
    let private = Private::start(bearer_registry(), &settings).await;
    for who in [Who::nobody(), Who::Header("Bearer none".into())] {
        let got = private.get(&who, &manifest("latest")).await;
        let all = challenges(&got).concat();
        for part in ["team/app:pull", "team/app-arm64:pull", "team/app-armv7:pull"] {
            assert_eq!(all.matches(&format!("repository:{part}")).count(), 1, "{all}");
        }
        let one = challenges(&private.get(&who, &manifest(&private.legacy.amd64.digest())).await).concat();
        assert!(one.contains("repository:team/app:pull") && !one.contains("app-arm"), "{one}");
    }
}

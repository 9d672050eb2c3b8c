//! Nothing that proves who somebody is gets out: neither into the log, nor onto the disk, nor to another host (threat
//! T8, goal G13).

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use testkit::client::{self, Client};
use testkit::registry::Builder;
use testkit::{Account, Authority, BlobServer, Fault, Match, Registry, sha256};

use crate::isolation::{HASH, PASSWORD, PRIVATE, Private, SECRET, Who, htpasswd, manifest};
use crate::support::{ACCEPT, Legacy, distinct_bytes, eventually, serve_config, whole_log};

const USER: &str = "canary-user";
const CANARY: &str = "canary-3e7d1f-password";
const OWN: &str = "canary-9b52c8-own-password";
const HOOK: &str = "canary-5a1f0b-webhook-token";
const WRONG: &str = "canary-c0ffee-wrong-password";
const TRACE: &str = "[log]\nlevel = \"trace\"\n";

/// Every form that a password goes in.
fn forms(user: &str, password: &str) -> Vec<String> {
    // However long the name before it, this part of a password is the same in one of three shifts.
    let part = |cut: usize| BASE64.encode(&password[cut..cut + (password.len() - cut) / 3 * 3]);
    let whole = BASE64.encode(format!("{user}:{password}"));
    (0..3).map(part).chain([password.to_owned(), whole]).collect()
}

/// Does all that is done with credentials, and much that fails.
async fn exercise(private: &Private, who: &Who, storage: &BlobServer) -> String {
    let layer = sha256(&private.legacy.arm64.layers[0].bytes);
    let blob = format!("/v2/{PRIVATE}/blobs/{layer}");
    assert_eq!(private.status(who, &manifest("latest")).await, 200);
    let mut told = String::new();
    for path in private.paths.iter().chain([&blob]) {
        private.status(who, path).await;
        told += &private.get(&Who::nobody(), path).await.text();
        told += &private.get(&Who::basic(USER, WRONG), path).await.text();
    }
    let Who::Header(header) = who else { panic!("it is told by a header") };
    let uploads = private.url(&format!("/v2/{PRIVATE}/blobs/uploads/"));
    let own = [("authorization", &**header)];
    let client = Client::plain();
    let bytes = distinct_bytes(10_000);
    let one = format!("{uploads}?digest={}", sha256(&bytes));
    told += &client.request("POST", &one, &own, bytes).await.expect("an answer").text();
    told += &client.request("POST", &uploads, &own, "").await.expect("an answer").text();
    for (code, path) in [(500, "other"), (403, "third"), (401, "fourth"), (429, "fifth")] {
        private.registry.fail(Match::all(), Fault::status(code));
        told += &private.get(who, &manifest(path)).await.text();
        private.registry.heal();
    }
    storage.fail(Match::all(), Fault::status(403));
    let lost = private.registry.put_blob(PRIVATE, b"a blob that the storage refuses");
    told += &private.get(who, &format!("/v2/{PRIVATE}/blobs/{lost}")).await.text();
    let admin = private.onetag.admin_url();
    for path in ["metrics", "explain?ref=team/app:latest", "explain?ref=team/app:none"] {
        told += &client::get(&format!("{admin}/{path}"), &[]).await.expect("an answer").text();
    }
    told
}

/// The name of every file below a folder, and all that is in it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let read = |path: std::path::PathBuf| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![(path.display().to_string(), std::fs::read(&path).expect("a file"))]
        }
    };
    entries.flat_map(read).collect()
}

/// Asserts that no secret stands in the log, on disk, in what was told, or in what the storage was sent.
fn assert_clean(private: Private, mut told: String, storage: &BlobServer, secrets: &[String]) {
    let arrived = storage.requests();
    assert!(!arrived.is_empty(), "blobs came from the storage");
    for request in arrived {
        assert_eq!(request.header("authorization"), None);
        writeln!(told, "{:?}", request.headers).expect("a text");
    }
    let (log, data) = private.into_log();
    assert!(log.contains("TRACE") && log.contains("upstream answered"), "it tells all that it can");
    assert!(!log.contains("panicked"));
    let mut places = files(data.path());
    assert!(places.len() >= 2, "a database and blobs: {}", places.len());
    places.extend([("the log".to_owned(), log.into_bytes()), ("an answer".to_owned(), told.into_bytes())]);
    for (name, bytes) in &places {
        for secret in secrets {
            let at = bytes.windows(secret.len()).position(|part| part == secret.as_bytes());
            assert_eq!(at, None, "{secret} is in {name}");
        }
    }
}

async fn with_the_callers_own(builder: Builder, who: impl AsyncFn(&Registry) -> Who) {
    let builder = builder.admit(Account::new(USER, CANARY));
    let settings = format!("credentials = \"client\"\n{TRACE}");
    let private = Private::start(builder, &settings).await;
    let storage = private.registry.redirect_blobs_to_second_server().await;
    let who = who(&private.registry).await;
    let told = exercise(&private, &who, &storage).await;
    let mut secrets = [forms(USER, CANARY), forms(USER, WRONG)].concat();
    secrets.extend(["testkit-token-", "X-Sig"].map(String::from));
    assert_clean(private, told, &storage, &secrets);
}

#[tokio::test]
async fn t8_a_callers_password_is_nowhere() {
    with_the_callers_own(Registry::builder().basic("root", SECRET), async |_| Who::basic(USER, CANARY)).await;
}

#[tokio::test]
async fn t8_a_callers_token_is_nowhere() {
    with_the_callers_own(Registry::builder().bearer(None), async |registry| {
        Who::token_for(registry, (USER, CANARY), &[PRIVATE], "pull,push").await
    })
    .await;
}

#[tokio::test]
async fn t8_onetags_own_password_and_those_of_its_users_are_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = htpasswd(folder.path(), &["jo"]);
    let builders = [Registry::builder().basic("own", OWN), Registry::builder().bearer(Some(("own", OWN)))];
    for builder in builders {
        let settings = format!(
            "username = \"own\"\npassword = \"{OWN}\"\n{TRACE}[webhook]\ntoken = \"{HOOK}\"\n\
             [access]\nhtpasswd = {file:?}\n[[allow]]\nusers = [\"jo\"]\nactions = [\"pull\", \"push\"]\n"
        );
        let private = Private::start(builder, &settings).await;
        let storage = private.registry.redirect_blobs_to_second_server().await;
        let who = Who::basic("jo", PASSWORD);
        let mut told = exercise(&private, &who, &storage).await;
        for token in [format!("Bearer {HOOK}"), HOOK.to_owned(), format!("Bearer {HOOK}-wrong")] {
            let url = private.url("/onetag/notifications");
            let got = client::request("POST", &url, &[("authorization", &token)], "{}").await;
            told += &got.expect("an answer").text();
        }
        let mut secrets = [forms("own", OWN), forms("jo", PASSWORD), forms(USER, WRONG)].concat();
        secrets.extend([HOOK, HASH, &HASH[7..], "testkit-token-", "X-Sig"].map(String::from));
        assert_clean(private, told, &storage, &secrets);
    }
}

#[tokio::test]
async fn t8_the_keys_of_certificates_are_nowhere() {
    let (folder, authority, clients) =
        (tempfile::tempdir().expect("a folder"), Authority::new(), Authority::new());
    let server = authority.server_identity();
    let (certificate, key) = server.write(folder.path(), "server");
    let ca = clients.write_ca(folder.path());
    let (shown, registry) = (clients.client_identity("jo"), Registry::start().await);
    Legacy::docker().push(&registry, "latest");
    let settings = format!(
        "[upstream]\nurl = \"{}\"\n{TRACE}[tls]\ncertificate = {certificate:?}\nkey = {key:?}\nclient_ca = {ca:?}\n",
        registry.url()
    );
    let mut onetag = serve_config(&settings, &[]);
    let url = format!("{}{}", onetag.url(), manifest("latest"));
    let client = Client::trusting(&authority.ca_pem());
    assert!(client.get(&url, &[ACCEPT]).await.is_err(), "nobody comes without a certificate");
    let got = client.identity(&shown).get(&url, &[ACCEPT]).await.expect("an answer");
    assert_eq!(got.status, 200);
    onetag.hang_up();
    eventually("read again", async || onetag.stderr_text().contains("read again")).await;
    let log = whole_log(onetag);
    assert!(log.contains("TRACE"));
    for line in
        [server.key, shown.key].iter().flat_map(|key| key.lines()).filter(|line| !line.contains("---"))
    {
        assert!(!log.contains(line));
    }
}

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{Empty, Full};

use super::super::kind::{Denied, ErrorKind, Wrong};
use super::super::{Actions, Target, Upstream, UpstreamError, Write, Written};
use super::server::{Seen, Server, answer};
use super::{Site, app, settings, with_account};

pub(super) const UPLOADS: &str = "/v2/team/app/blobs/uploads/";

pub(super) fn write(method: Method, path: &str) -> Write {
    Write {
        method,
        target: Target::Path(path.to_owned()),
        repository: app(),
        actions: Actions::Push,
        from: None,
        headers: HeaderMap::new(),
        limit: None,
        patience: Duration::from_secs(2),
    }
}

/// Opens an upload: a write without a body.
pub(super) async fn open(upstream: &Upstream) -> Result<Written, UpstreamError> {
    upstream.write(write(Method::POST, UPLOADS), Empty::new()).await
}

/// Sends a piece: a write with a body.
pub(super) async fn send(upstream: &Upstream, body: &'static str) -> Result<Written, UpstreamError> {
    upstream.write(write(Method::PATCH, &format!("{UPLOADS}1")), Full::from(body)).await
}

fn is_hello(seen: &Seen) -> bool {
    seen.path == "/v2/"
}

#[tokio::test]
async fn a_write_arrives_with_its_body_and_what_comes_back_is_what_a_client_may_see() {
    let server = Server::start(|seen| {
        let headers = [
            ("location", "up?_state=a%2Fb%3D"),
            ("range", "0-3"),
            ("docker-upload-uuid", "up"),
            ("oci-tag", "a"),
            ("oci-tag", "b"),
            ("set-cookie", "x=y"),
        ];
        if is_hello(seen) { answer(200, &[], "{}") } else { answer(202, &headers, "ignored") }
    })
    .await;
    let site = Site::new(&settings(&server.url()));
    let said = [
        ("content-type", "application/octet-stream"),
        ("content-range", "0-3"),
        ("content-length", "7"),
        ("transfer-encoding", "chunked"),
        ("expect", "100-continue"),
        ("connection", "content-type"),
        ("cookie", "x=y"),
        ("authorization", "Basic Og=="),
    ];
    let mut patch = write(Method::PATCH, &format!("{UPLOADS}1?_state=c"));
    patch.headers =
        said.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
    let written = site.upstream.write(patch, Full::from("body")).await.unwrap();
    assert_eq!((written.status, written.body), (StatusCode::ACCEPTED, Bytes::new()));
    let location = format!("{}{UPLOADS}up?_state=a%2Fb%3D", server.url());
    assert_eq!(written.location.unwrap(), *location);
    let names: Vec<_> =
        written.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let expected: [(_, &[u8]); 4] =
        [("range", b"0-3"), ("docker-upload-uuid", b"up"), ("oci-tag", b"a"), ("oci-tag", b"b")];
    assert_eq!(names, expected);

    assert_eq!(server.lines(), ["GET /v2/", "PATCH /v2/team/app/blobs/uploads/1?_state=c"]);
    let seen = &server.seen()[1];
    assert_eq!(seen.body.as_deref(), Some(&b"body"[..]));
    let mut names: Vec<_> = seen.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let expected =
        ["accept-encoding", "content-length", "content-range", "content-type", "host", "user-agent", "via"];
    assert_eq!(names, expected);
    assert_eq!(seen.header("content-length"), Some("4"));
    assert_eq!(site.counted("write", "ok"), 1);
}

#[tokio::test]
async fn a_body_has_a_length_where_it_is_known_and_is_chunked_elsewhere() {
    let server = Server::start(|_| answer(201, &[], "")).await;
    let site = Site::new(&settings(&server.url()));
    open(&site.upstream).await.unwrap();
    send(&site.upstream, "known").await.unwrap();
    let pieces =
        ["un", "", "known"].map(|piece| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(piece))));
    let unknown = http_body_util::StreamBody::new(futures_util::stream::iter(pieces));
    site.upstream.write(write(Method::PUT, "/v2/team/app/manifests/latest"), unknown).await.unwrap();
    site.upstream.write(write(Method::DELETE, "/v2/team/app/manifests/latest"), Empty::new()).await.unwrap();
    let framed = |seen: &Seen| {
        let header = |name| seen.header(name).map(str::to_owned);
        (header("content-length"), header("transfer-encoding"), seen.body.clone().unwrap())
    };
    let framings: Vec<_> = server.seen()[1..].iter().map(framed).collect();
    let length = |length: &str| Some(length.to_owned());
    assert_eq!(
        framings,
        [
            (length("0"), None, Bytes::new()),
            (length("5"), None, "known".into()),
            (None, length("chunked"), "unknown".into()),
            (None, None, Bytes::new()),
        ]
    );
}

#[tokio::test]
async fn what_is_asked_for_is_learned_before_a_body_goes_out_once_for_all() {
    let server = Server::start(|seen| match seen.authorization() {
        None => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
        Some(_) => answer(202, &[], ""),
    })
    .await;
    let site = Site::new(&with_account(&server.url(), "jo", "secret"));
    let writes = join_all((0..5).map(|_| send(&site.upstream, "body"))).await;
    assert!(writes.into_iter().all(|written| written.is_ok()));
    let (hellos, writes): (Vec<_>, Vec<_>) = server.seen().into_iter().partition(is_hello);
    assert_eq!((hellos.len(), writes.len()), (1, 5));
    assert!(writes.iter().all(|seen| seen.authorization() == Some("Basic am86c2VjcmV0")));
    assert_eq!((site.counted("probe", "ok"), site.counted("write", "ok")), (1, 5));
}

#[tokio::test]
async fn a_challenge_to_a_write_without_a_body_is_answered_once() {
    for (password, written) in [("secret", true), ("wrong", false)] {
        let server = Server::start(|seen| match seen.authorization() {
            _ if is_hello(seen) => answer(200, &[], ""),
            Some("Basic am86c2VjcmV0") => answer(202, &[], ""),
            _ => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
        })
        .await;
        let site = Site::new(&with_account(&server.url(), "jo", password));
        let result = open(&site.upstream).await;
        assert_eq!(result.is_ok(), written);
        assert!(result.err().is_none_or(|error| {
            matches!(error.kind(), ErrorKind::Denied(Denied::Status { .. })) && error.challenges().is_empty()
        }));
        assert_eq!(server.lines().len(), 3, "{:?}", server.lines());
    }
}

/// A registry that gives out `t1`, `t2` and so on, and takes the last one only once it is `revoked`.
async fn with_tokens() -> Server {
    let given = std::sync::atomic::AtomicUsize::new(0);
    let revoked = std::sync::atomic::AtomicBool::new(false);
    Server::start(move |seen| {
        use std::sync::atomic::Ordering::SeqCst;
        let last = format!("Bearer t{}", given.load(SeqCst));
        match seen.authorization() {
            _ if seen.path.starts_with("/token") => {
                let token = given.fetch_add(1, SeqCst) + 1;
                answer(200, &[], &format!("{{\"token\":\"t{token}\",\"expires_in\":300}}"))
            }
            _ if seen.path.ends_with("/revoke") => {
                revoked.store(true, SeqCst);
                answer(202, &[], "")
            }
            Some(shown) if shown == last && !revoked.swap(false, SeqCst) => answer(202, &[], ""),
            _ => {
                let challenge = format!("Bearer realm=\"http://{}/token\"", seen.header("host").unwrap());
                answer(401, &[("www-authenticate", &challenge)], "")
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_write_with_a_body_is_never_repeated_but_the_clients_own_repetition_finds_a_new_token() {
    let server = with_tokens().await;
    let site = Site::new(&settings(&server.url()));
    send(&site.upstream, "one").await.unwrap();
    site.upstream.write(write(Method::POST, &format!("{UPLOADS}revoke")), Empty::new()).await.unwrap();
    let error = send(&site.upstream, "two").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied(Denied::Status { .. })), "{error}");
    send(&site.upstream, "two").await.unwrap();
    let bodies: Vec<_> = server
        .seen()
        .iter()
        .filter(|seen| seen.method == Method::PATCH)
        .map(|seen| (seen.authorization().unwrap().to_owned(), seen.body.clone().unwrap()))
        .collect();
    let expected = [("Bearer t1", "one"), ("Bearer t1", "two"), ("Bearer t2", "two")];
    assert_eq!(bodies, expected.map(|(token, body)| (token.to_owned(), Bytes::from(body))));
    assert_eq!(site.counted("write", "denied"), 1);
}

#[tokio::test]
async fn each_kind_of_work_has_a_token_of_its_own() {
    let server = with_tokens().await;
    let site = Site::new(&settings(&server.url()));
    let with = |method: Method, actions, from: Option<&str>| Write {
        actions,
        from: from.map(|name| name.parse().unwrap()),
        ..write(method, &format!("{UPLOADS}1"))
    };
    for (method, actions, from) in [
        (Method::PATCH, Actions::Push, None),
        (Method::PATCH, Actions::Push, Some("team/base")),
        (Method::DELETE, Actions::Delete, None),
        (Method::GET, Actions::Pull, None),
    ] {
        for _ in 0..2 {
            // The server takes the last token only: another one that is kept is refused, and renewed.
            site.upstream.write(with(method.clone(), actions, from), Empty::new()).await.unwrap();
        }
    }
    let scopes: Vec<_> = server
        .lines()
        .into_iter()
        .filter_map(|line| line.strip_prefix("GET /token?").map(str::to_owned))
        .collect();
    assert_eq!(
        scopes,
        [
            "scope=repository%3Ateam%2Fapp%3Apull%2Cpush",
            "scope=repository%3Ateam%2Fapp%3Apull%2Cpush&scope=repository%3Ateam%2Fbase%3Apull",
            "scope=repository%3Ateam%2Fapp%3Adelete",
            "scope=repository%3Ateam%2Fapp%3Apull",
        ]
    );
    let writes: Vec<_> = server.seen().into_iter().filter(|seen| seen.path.starts_with(UPLOADS)).collect();
    let tokens: Vec<_> = writes.iter().map(|seen| seen.authorization().unwrap().to_owned()).collect();
    let expected = [1, 1, 2, 2, 3, 3, 4, 4].map(|number| format!("Bearer t{number}"));
    assert_eq!(tokens, expected);
}

#[tokio::test]
async fn a_refusal_is_passed_on_with_its_body_and_a_redirect_or_a_fault_is_an_error() {
    for (status, passed) in [
        (400, true),
        (404, true),
        (405, true),
        (409, true),
        (413, true),
        (416, true),
        (307, false),
        (500, false),
        (503, false),
    ] {
        let headers = [("location", "/elsewhere"), ("content-type", "application/json")];
        let server = Server::start(move |seen| {
            if is_hello(seen) { answer(200, &[], "") } else { answer(status, &headers, "{\"errors\":[]}") }
        })
        .await;
        let site = Site::new(&settings(&server.url()));
        match send(&site.upstream, "body").await {
            Ok(written) => {
                assert!(passed, "{status}");
                assert_eq!((written.status.as_u16(), written.body), (status, Bytes::from("{\"errors\":[]}")));
                assert_eq!(written.headers["content-type"], "application/json");
            }
            Err(error) => {
                assert!(!passed, "{error}");
                match error.kind() {
                    ErrorKind::Wrong(Wrong::Unexpected(found)) => assert_eq!(found.as_u16(), 307),
                    ErrorKind::Status { status: found, .. } => assert_eq!(found.as_u16(), status),
                    _ => panic!("{error}"),
                }
            }
        }
        assert_eq!(server.lines().len(), 2, "nothing is repeated or followed");
    }
}

#[tokio::test]
async fn a_path_of_another_repository_is_not_written_to() {
    let server = Server::start(|_| answer(202, &[], "")).await;
    let site = Site::new(&settings(&server.url()));
    for path in [
        "/v2/team/other/blobs/uploads/",
        "/v2/team/app/../other/blobs/uploads/",
        "/v2/team/app//",
        "/v2/team/app/%2e%2e/x",
    ] {
        let error = site.upstream.write(write(Method::POST, path), Empty::new()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Wrong(Wrong::Path)), "{path}: {error}");
    }
    assert_eq!(server.lines().len(), 0);
}

//! Bodies that do not go as they should.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use testkit::{Fault, Match, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::super::kind::{ClientFault, ErrorKind, Phase};
use super::super::pace::Pace;
use super::super::{BoxError, Fault as Whose, Refused, Target, Upstream, UpstreamError, Write, Written};
use super::outages::until_open;
use super::server::{Server, answer, listen};
use super::writes::{UPLOADS, open, send, write};
use super::{Site, millis, settings, status, with_account};

type Piece = Result<Bytes, BoxError>;

/// A body that comes through a channel.
pub(super) fn channel()
-> (mpsc::Sender<Piece>, impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static) {
    let (sender, mut pieces) = mpsc::channel::<Piece>(1);
    let stream = futures_util::stream::poll_fn(move |cx| pieces.poll_recv(cx));
    (sender, StreamBody::new(futures_util::StreamExt::map(stream, |piece| piece.map(Frame::data))))
}

pub(super) fn patch() -> Write {
    write(Method::PATCH, &format!("{UPLOADS}1"))
}

fn patient(millis: u64) -> Write {
    Write { patience: Duration::from_millis(millis), ..patch() }
}

async fn silent() -> Server {
    Server::start(|_| answer(202, &[], "")).await
}

/// A site that waits for bodies for a short time only.
fn impatient(url: &str) -> Site {
    Site::new(&onetag_config::Upstream { idle_body_timeout: millis(300), ..settings(url) })
}

fn client_fault(error: &UpstreamError) -> &ClientFault {
    assert_eq!((error.fault(), error.is_transient()), (Whose::Client, false));
    let ErrorKind::Client(fault) = error.kind() else { panic!("{error}") };
    fault
}

/// None of the writes counts as the upstream's, and it saw none to its end.
async fn assert_nobody_blames_the_upstream(site: &Site, server: &Server) {
    for outcome in ["ok", "failed", "timeout", "wrong"] {
        assert_eq!(site.counted("write", outcome), 0, "{outcome}");
    }
    assert!(server.seen().iter().all(|seen| seen.method == Method::GET || seen.body.is_none()));
    assert!(send(&site.upstream, "body").await.is_ok());
}

#[tokio::test]
async fn a_client_that_stalls_is_given_up_and_nobody_blames_the_upstream() {
    let server = silent().await;
    let site = impatient(&server.url());
    for _ in 0..11 {
        let (pieces, body) = channel();
        pieces.send(Ok("begun".into())).await.unwrap();
        let started = Instant::now();
        let error = site.upstream.write(patch(), body).await.unwrap_err();
        assert!(matches!(client_fault(&error), ClientFault::Stalled { .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        assert!(pieces.is_closed());
    }
    assert_nobody_blames_the_upstream(&site, &server).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_never_passes_for_the_whole() {
    let server = silent().await;
    let site = impatient(&server.url());
    let (pieces, body) = channel();
    let (written, ()) = tokio::join!(site.upstream.write(patch(), body), async {
        pieces.send(Ok("begun".into())).await.unwrap();
        pieces.send(Err("the client is gone".into())).await.unwrap();
    });
    let error = written.unwrap_err();
    assert!(matches!(client_fault(&error), ClientFault::Broken(_)), "{error}");
    assert!(error.to_string().ends_with("the client's body broke: the client is gone"), "{error}");
    let (pieces, body) = channel();
    pieces.send(Ok("begun".into())).await.unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(100), site.upstream.write(patch(), body)).await;
    assert!(gone.is_err(), "the caller left");
    assert_nobody_blames_the_upstream(&site, &server).await;
}

#[tokio::test]
async fn a_body_larger_than_its_limit_is_refused_before_it_goes_out_or_where_it_shows() {
    let server = silent().await;
    let site = impatient(&server.url());
    let limited = || Write { limit: Some(4), ..patch() };
    let error = site.upstream.write(limited(), Full::from("12345")).await.unwrap_err();
    assert!(matches!(client_fault(&error), ClientFault::TooLarge { limit: 4 }), "{error}");
    assert_eq!(server.seen().len(), 0);
    let (pieces, body) = channel();
    let (written, ()) = tokio::join!(site.upstream.write(limited(), body), async {
        for piece in ["123", "45"] {
            pieces.send(Ok(piece.into())).await.unwrap();
        }
    });
    let error = written.unwrap_err();
    assert!(matches!(client_fault(&error), ClientFault::TooLarge { limit: 4 }), "{error}");
    assert_nobody_blames_the_upstream(&site, &server).await;
    assert!(site.upstream.write(limited(), Full::from("1234")).await.is_ok());
}

#[tokio::test]
async fn a_body_may_take_its_time_as_long_as_it_moves() {
    let server = silent().await;
    let site = impatient(&server.url());
    let (pieces, body) = channel();
    let (written, ()) = tokio::join!(site.upstream.write(patient(250), body), async {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            pieces.send(Ok("piece".into())).await.unwrap();
        }
        drop(pieces);
    });
    assert_eq!(written.unwrap().status, 202);
    assert_eq!(server.seen()[1].body.as_ref().unwrap().len(), 20);
}

#[tokio::test]
async fn a_client_that_drips_is_given_up() {
    let server = silent().await;
    let site = impatient(&server.url());
    let pace =
        Pace { least: 1_000, window: Duration::from_millis(200), longest_wait: Duration::from_mins(1) };
    let site = Site { upstream: site.upstream.with_pace(pace), metrics: site.metrics };
    let fast = "x".repeat(100);
    for (piece, keeps_pace) in [("x", false), (&*fast, true)] {
        let (pieces, body) = channel();
        let (written, ()) = tokio::join!(site.upstream.write(patch(), body), async {
            for _ in 0..60 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let _given_up = pieces.send(Ok(piece.to_owned().into())).await;
            }
            drop(pieces);
        });
        match written {
            Ok(_) => assert!(keeps_pace),
            Err(error) => assert!(!keeps_pace && matches!(client_fault(&error), ClientFault::Slow { .. })),
        }
    }
}

/// An upstream whose answer to a write is made by hand.
async fn by_hand<F: Future<Output = ()> + Send>(
    serve: impl Fn(tokio::net::TcpStream) -> F + Clone + Send + Sync + 'static,
) -> String {
    let (address, _) = listen(move |mut stream| {
        let serve = serve.clone();
        async move {
            let mut head = vec![0; 4_096];
            let read = stream.read(&mut head).await.unwrap_or_default();
            if head[..read].starts_with(b"GET /v2/ ") {
                let hello = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(hello).await.unwrap();
                return;
            }
            serve(stream).await;
        }
    })
    .await;
    format!("http://{address}")
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_is_given_back_at_once_and_the_rest_is_not_read() {
    let (ended, mut ends) = mpsc::channel(1);
    let url = by_hand(move |mut stream| {
        let ended = ended.clone();
        async move {
            let body = "{\"errors\":[]}";
            let head = format!("HTTP/1.1 413 Too Large\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            let _cut = stream.read_to_end(&mut rest).await;
            ended.send(rest).await.unwrap();
        }
    })
    .await;
    let site = Site::new(&settings(&url));
    let (pieces, body) = channel();
    pieces.send(Ok("begun".into())).await.unwrap();
    let started = Instant::now();
    let written = site.upstream.write(patch(), body).await.unwrap();
    assert_eq!((written.status.as_u16(), written.body), (413, Bytes::from("{\"errors\":[]}")));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(pieces.is_closed());
    // Its connection is cut, and not ended as if that were all.
    let rest = tokio::time::timeout(Duration::from_secs(1), ends.recv()).await.unwrap().unwrap();
    assert!(!rest.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn an_upstream_that_takes_no_bytes_or_does_not_answer_is_given_up() {
    let url = by_hand(|stream| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(stream);
    })
    .await;
    let site = impatient(&url);
    let endless = StreamBody::new(futures_util::stream::repeat_with(|| {
        Ok::<_, BoxError>(Frame::data(Bytes::from(vec![7; 64 << 10])))
    }));
    for (written, phase) in [
        (site.upstream.write(patch(), endless).await, Phase::Body),
        (site.upstream.write(patient(100), Full::from("body")).await, Phase::Headers),
    ] {
        let error = written.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout { phase: p, .. } if *p == phase), "{error}");
    }
    assert_eq!(site.counted("write", "timeout"), 2);
}

async fn go_on(upstream: &Upstream, location: &str) -> Result<Written, UpstreamError> {
    let target = Target::Location(location.parse::<Uri>().unwrap());
    upstream.write(Write { target, ..patch() }, Full::from("body")).await
}

#[tokio::test]
async fn t04_an_upload_that_goes_on_elsewhere_is_sent_without_authorization() {
    let storage = Server::start(|_| answer(200, &[], "")).await;
    let elsewhere = format!("{}/bucket/x?signature=s", storage.url());
    let location = elsewhere.clone();
    let server = Server::start(move |seen| match seen.authorization() {
        None => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
        Some(_) => answer(202, &[("location", &location)], ""),
    })
    .await;
    let site = Site::new(&with_account(&server.url(), "jo", "secret"));
    let opened = open(&site.upstream).await.unwrap().location.unwrap();
    assert_eq!(opened, *elsewhere);
    go_on(&site.upstream, &opened.to_string()).await.unwrap();
    let caller = site.upstream.on_behalf(Some("Bearer canary".parse().unwrap()));
    go_on(&caller, &opened.to_string()).await.unwrap();
    let seen = storage.seen();
    assert_eq!(storage.lines(), ["PATCH /bucket/x?signature=s"; 2]);
    assert!(seen.iter().all(|seen| seen.authorization().is_none() && seen.body.is_some()));
    go_on(&caller, &format!("{}/x", server.url())).await.unwrap();
    assert_eq!(server.seen().last().unwrap().authorization(), Some("Bearer canary"));
}

#[tokio::test]
async fn t06_an_upload_does_not_go_on_where_no_registry_is() {
    let server = Server::start(|seen| match &*seen.path {
        "/v2/" => answer(200, &[], ""),
        UPLOADS => answer(202, &[("location", "http://169.254.169.254/x")], ""),
        _ => answer(201, &[("location", "http://169.254.169.254/x")], ""),
    })
    .await;
    let site = Site::new(&settings(&server.url()));
    let error = open(&site.upstream).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Redirect(Refused::Special)), "{error}");
    let error = go_on(&site.upstream, "http://169.254.169.254/x").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Redirect(Refused::Special)), "{error}");
    // What is done needs no Location.
    assert_eq!(send(&site.upstream, "body").await.unwrap().location, None);
}

#[tokio::test]
async fn an_upstream_that_is_down_is_not_written_to() {
    let registry = Registry::start().await;
    let site = Site::new(&settings(&registry.url()));
    registry.go_down().await;
    until_open(&site).await;
    let (pieces, body) = channel();
    pieces.send(Ok("begun".into())).await.unwrap();
    let error = site.upstream.write(patch(), body.boxed_unsync()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Open { .. }), "{error}");
    assert_eq!(site.counted("write", "refused"), 1);
}

#[tokio::test]
async fn writes_that_fail_open_the_breaker_as_all_requests_do() {
    let registry = Registry::start().await;
    let site = Site::new(&settings(&registry.url()));
    send(&site.upstream, "body").await.unwrap();
    registry.fail(Match::all(), Fault::status(503));
    for _ in 0..10 {
        let error = send(&site.upstream, "body").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Status { .. }), "{error}");
    }
    let error = send(&site.upstream, "body").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Open { .. }), "{error}");
}

#[tokio::test]
async fn a_limit_of_pushes_is_not_one_of_pulls() {
    let registry = Registry::start().await;
    let site = Site::new(&settings(&registry.url()));
    registry.fail(Match::all().method("PATCH"), status(429, &[("retry-after", "60")], ""));
    for _ in 0..2 {
        let error = send(&site.upstream, "body").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limited { retry_after: Some(_), .. }), "{error}");
    }
    assert!(site.manifest("latest").await.unwrap().is_none());
    assert_eq!(site.counted("write", "limited"), 2);
}

//! The registry's paths, over plain HTTP/1.1.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::image::{ARCHITECTURES, Blob, INDEX_TYPE, Image, MANIFEST_TYPE, REPOSITORY, digest};
use crate::cores;
use crate::error::Error;

/// A registry in this process, on a thread of its own; it ends with the process.
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// What each answer waits for.
    latency: AtomicU64,
    requests: AtomicU64,
    layers: Vec<(Blob, String)>,
    /// What was named by digest so far, or made on purpose.
    known: Mutex<HashMap<String, What>>,
}

/// How late a timer of tokio may be, and some.
const TIMER_LATENESS: Duration = Duration::from_millis(3);

/// What a digest is.
#[derive(Debug, Clone, Copy)]
enum What {
    Manifest(u32, usize),
    Config(u32, usize),
    Blob(Blob),
}

impl Upstream {
    /// Starts it; every image has these layers.
    pub(crate) fn start(core: Option<usize>, layers: &[Blob]) -> Result<Self, Error> {
        let layers: Vec<_> = layers.iter().map(|blob| (*blob, blob.digest())).collect();
        let known = layers.iter().map(|(blob, digest)| (digest.clone(), What::Blob(*blob))).collect();
        let state = Arc::new(State { layers, known: Mutex::new(known), ..State::default() });
        let about = "the upstream of the load test";
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(Error::io(about))?;
        listener.set_nonblocking(true).map_err(Error::io(about))?;
        let address = listener.local_addr().map_err(Error::io(about))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::io(about))?;
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            if let Some(core) = core {
                cores::pin(&[core]);
            }
            runtime.block_on(serve(listener, serving));
        });
        Ok(Self { address, state })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on every answer comes so much later.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.state.latency.store(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many requests came in so far.
    pub(crate) fn requests(&self) -> u64 {
        self.state.requests.load(Relaxed)
    }

    /// From now on the images of the first tags are there by their digests too, though nobody asked for the tags yet.
    pub(crate) fn announce(&self, tags: u32) {
        for number in 0..tags {
            for architecture in 0..ARCHITECTURES.len() {
                self.state.image(number, architecture);
            }
        }
    }

    /// Adds a blob that no image has; its digest.
    pub(crate) fn add(&self, blob: Blob) -> String {
        let digest = blob.digest();
        self.state.known().insert(digest.clone(), What::Blob(blob));
        digest
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        stream.set_nodelay(true).ok();
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(state.answer(request).await) }
            });
            let builder = &mut hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

/// Waits until then, and not a millisecond longer: tokio's timers may be late by more than one, which the bars of a
/// cold merge would see. The end of the wait is slept through on a thread.
async fn wait_until(due: Instant) {
    let most = due.saturating_duration_since(Instant::now()).saturating_sub(TIMER_LATENESS);
    if !most.is_zero() {
        tokio::time::sleep(most).await;
    }
    let rest = move || thread::sleep(due.saturating_duration_since(Instant::now()));
    tokio::task::spawn_blocking(rest).await.ok();
}

impl State {
    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, What>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Pieces> {
        self.requests.fetch_add(1, Relaxed);
        let latency = Duration::from_micros(self.latency.load(Relaxed));
        if !latency.is_zero() {
            wait_until(Instant::now() + latency).await;
        }
        let mut response = self.content(request.uri().path());
        if request.method() == Method::HEAD {
            response.body_mut().pieces = Box::new(std::iter::empty());
        }
        response
    }

    fn content(&self, path: &str) -> Response<Pieces> {
        if path == "/v2/" {
            return document(Bytes::from_static(b"{}"), "application/json", None);
        }
        let inside = path.strip_prefix("/v2/").and_then(|rest| rest.strip_prefix(REPOSITORY));
        let found = inside.and_then(|rest| {
            if let Some(reference) = rest.strip_prefix("/manifests/") {
                self.manifest(reference)
            } else if let Some(digest) = rest.strip_prefix("/blobs/") {
                self.blob(digest)
            } else {
                let list = format!(r#"{{"name":"{REPOSITORY}","tags":["t0","t0-arm"]}}"#);
                (rest == "/tags/list").then(|| document(list.into(), "application/json", None))
            }
        });
        found.unwrap_or_else(|| {
            let error = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"there is no such thing"}]}"#;
            let mut response = document(error.into(), "application/json", None);
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        })
    }

    fn manifest(&self, reference: &str) -> Option<Response<Pieces>> {
        if reference.contains(':') {
            let known = self.known().get(reference).copied();
            let Some(What::Manifest(number, architecture)) = known else { return None };
            let image = Image::new(number, architecture, &self.layers);
            return Some(document(image.manifest, MANIFEST_TYPE, Some(reference)));
        }
        let plain = reference.strip_suffix("-arm");
        let (kind, number) = plain.unwrap_or(reference).split_at_checked(1)?;
        let image = self.image(number.parse().ok()?, usize::from(plain.is_some()));
        match kind {
            "t" => Some(document(image.manifest, MANIFEST_TYPE, Some(&image.manifest_digest))),
            "i" => Some(document(image.index.clone(), INDEX_TYPE, Some(&digest(&image.index)))),
            _ => None,
        }
    }

    /// Makes an image; from then on it is there by digest.
    fn image(&self, number: u32, architecture: usize) -> Image {
        let image = Image::new(number, architecture, &self.layers);
        let mut known = self.known();
        known.insert(image.manifest_digest.clone(), What::Manifest(number, architecture));
        known.insert(image.config_digest.clone(), What::Config(number, architecture));
        image
    }

    fn blob(&self, digest: &str) -> Option<Response<Pieces>> {
        let what = self.known().get(digest).copied()?;
        let kind = "application/octet-stream";
        Some(match what {
            What::Manifest(..) => return None,
            What::Config(number, architecture) => {
                document(Image::new(number, architecture, &self.layers).config, kind, Some(digest))
            }
            What::Blob(blob) => {
                answer(Pieces { pieces: Box::new(blob.pieces()), left: blob.size }, kind, Some(digest))
            }
        })
    }
}

fn document(bytes: Bytes, kind: &'static str, digest: Option<&str>) -> Response<Pieces> {
    answer(Pieces { left: bytes.len() as u64, pieces: Box::new(std::iter::once(bytes)) }, kind, digest)
}

fn answer(body: Pieces, kind: &'static str, digest: Option<&str>) -> Response<Pieces> {
    let length = body.left;
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, length.into());
    if let Some(digest) = digest.and_then(|digest| digest.parse().ok()) {
        headers.insert("docker-content-digest", digest);
    }
    response
}

/// A body of pieces that are made when they are sent.
struct Pieces {
    pieces: Box<dyn Iterator<Item = Bytes> + Send + Sync>,
    left: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.next().map(|piece| {
            self.left -= piece.len() as u64;
            Ok(Frame::data(piece))
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

//! HTTP/2: hyper's client, many requests on one connection.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Mutex;

use super::ask::{ACCEPT, Answer, Ask, MERGED, Method, SOURCE};
use super::connect::Address;
use super::record::Failure;

/// What each stream and the connection may send ahead.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The connection that several requests share; made by the first that needs it.
#[derive(Clone, Default)]
pub(super) struct Shared(Rc<Mutex<Option<Http2>>>);

/// A place on a connection.
#[derive(Clone)]
pub(super) struct Http2 {
    sender: SendRequest<Empty<Bytes>>,
    prefix: Arc<str>,
}

/// Runs what hyper spawns on this thread.
#[derive(Clone)]
struct Here;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

impl Shared {
    pub(super) async fn get(&self, address: &Address) -> Result<Http2, Failure> {
        let mut shared = self.0.lock().await;
        if let Some(connection) = shared.as_ref().filter(|connection| !connection.sender.is_closed()) {
            return Ok(connection.clone());
        }
        let stream = TokioIo::new(address.connect().await?);
        let (sender, connection) = Builder::new(Here)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(stream)
            .await
            .map_err(|_| Failure::Connect)?;
        tokio::task::spawn_local(connection);
        let scheme = if address.tls.is_some() { "https" } else { "http" };
        let prefix = format!("{scheme}://{}", address.authority).into();
        Ok(shared.insert(Http2 { sender, prefix }).clone())
    }
}

impl Http2 {
    pub(super) async fn ask(&mut self, ask: &Ask, mut into: Option<&mut Vec<u8>>) -> Result<Answer, Failure> {
        let method = match ask.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
        };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{}", self.prefix, ask.path))
            .header(http::header::ACCEPT, ACCEPT)
            .body(Empty::new())
            .map_err(|_| Failure::Broken)?;
        let response = self.sender.send_request(request).await.map_err(|_| Failure::Closed)?;
        let status = response.status().as_u16();
        let merged = response.headers().get(SOURCE).is_some_and(|source| source == MERGED);
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Failure::Closed)?;
            if let Some(data) = frame.data_ref() {
                bytes += data.len() as u64;
                if let Some(into) = &mut into {
                    into.extend_from_slice(data);
                }
            }
        }
        Ok(Answer { status, bytes, merged })
    }
}

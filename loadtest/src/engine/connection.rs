//! A connection that is made again when it is lost.

use std::time::{Duration, Instant};

use super::ask::{Answer, Ask};
use super::connect::{Address, Protocol};
use super::http1::Http1;
use super::http2::{Http2, Shared};
use super::record::Failure;

/// A connection that rested for longer is not used again: servers close such, and clients know.
const REST: Duration = Duration::from_secs(4);

/// One place for a request under way.
pub(crate) struct Connection {
    address: Address,
    kind: Kind,
    /// When it was used last.
    used: Instant,
}

enum Kind {
    Http1(Option<Box<Http1>>),
    Http2(Shared, Option<Http2>),
}

impl Connection {
    /// Not connected yet.
    pub(crate) fn new(address: Address) -> Self {
        let kind = match address.protocol {
            Protocol::Http1 => Kind::Http1(None),
            Protocol::Http2 => Kind::Http2(Shared::default(), None),
        };
        Self { address, kind, used: Instant::now() }
    }

    /// Another place: with HTTP/2 on the same connection.
    pub(crate) fn another(&self) -> Self {
        let kind = match &self.kind {
            Kind::Http1(_) => Kind::Http1(None),
            Kind::Http2(shared, _) => Kind::Http2(shared.clone(), None),
        };
        Self { address: self.address.clone(), kind, used: Instant::now() }
    }

    /// Connects, unless it is connected.
    pub(crate) async fn open(&mut self) -> Result<(), Failure> {
        match &mut self.kind {
            Kind::Http1(Some(_)) | Kind::Http2(_, Some(_)) => {}
            Kind::Http1(lost) => {
                let stream = self.address.connect().await?;
                *lost = Some(Box::new(Http1::new(stream, &self.address.authority)));
            }
            Kind::Http2(shared, lost) => *lost = Some(shared.get(&self.address).await?),
        }
        Ok(())
    }

    /// Asks, and reads the whole answer: into `body` if there is one, else only counted.
    pub(crate) async fn ask(&mut self, ask: &Ask, body: Option<&mut Vec<u8>>) -> Result<Answer, Failure> {
        // One of HTTP/2 knows by itself that it was closed.
        if self.used.elapsed() > REST
            && let Kind::Http1(connection) = &mut self.kind
        {
            *connection = None;
        }
        self.used = Instant::now();
        self.open().await?;
        let (answer, usable) = match &mut self.kind {
            Kind::Http1(Some(connection)) => {
                let answer = connection.ask(ask, body).await;
                let usable = answer.is_ok() && connection.is_usable();
                (answer, usable)
            }
            Kind::Http2(_, Some(connection)) => {
                let answer = connection.ask(ask, body).await;
                let usable = answer.is_ok();
                (answer, usable)
            }
            Kind::Http1(None) | Kind::Http2(_, None) => (Err(Failure::Connect), false),
        };
        if !usable {
            match &mut self.kind {
                Kind::Http1(connection) => *connection = None,
                Kind::Http2(_, connection) => *connection = None,
            }
        }
        answer
    }
}

//! HTTP/1.1 with as little as possible around it. A client library costs about as much as the servers that are measured
//! here, and would be what is measured on a machine with two cores.

use std::io::Write as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::ask::{ACCEPT, Answer, Ask, MERGED, Method, SOURCE};
use super::connect::Stream;
use super::record::Failure;

const MAX_HEADERS: usize = 64;
/// Of the headers of an answer.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// What is read at once.
const PIECE: usize = 256 << 10;

/// A connection on which one request at a time is under way.
pub(super) struct Http1 {
    stream: Stream,
    authority: Box<str>,
    request: Vec<u8>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read and belong to no answer yet.
    filled: usize,
    closes: bool,
}

/// What the headers of an answer say.
struct Head {
    status: u16,
    /// Bytes of the headers.
    size: usize,
    length: Option<u64>,
    closes: bool,
    merged: bool,
}

impl Http1 {
    pub(super) fn new(stream: Stream, authority: &str) -> Self {
        Self {
            stream,
            authority: authority.into(),
            request: Vec::with_capacity(512),
            buffer: vec![0; 16 << 10],
            filled: 0,
            closes: false,
        }
    }

    /// Whether the connection takes another request.
    pub(super) fn is_usable(&self) -> bool {
        !self.closes
    }

    pub(super) async fn ask(&mut self, ask: &Ask, body: Option<&mut Vec<u8>>) -> Result<Answer, Failure> {
        let Self { request, authority, .. } = self;
        request.clear();
        let (method, path) = (ask.method.as_str(), &ask.path);
        write!(request, "{method} {path} HTTP/1.1\r\nhost: {authority}\r\naccept: {ACCEPT}\r\n\r\n")
            .map_err(|_| Failure::Broken)?;
        self.stream.write_all(&self.request).await.map_err(|_| Failure::Closed)?;
        // rustls keeps what it could not send at once.
        self.stream.flush().await.map_err(|_| Failure::Closed)?;
        let head = self.head().await?;
        self.closes = head.closes;
        let length = match (ask.method, head.status) {
            (Method::Head, _) | (_, 204 | 304) => 0,
            // Where nothing says how long it is, it cannot be told whether all of it came.
            _ => head.length.ok_or(Failure::NoLength)?,
        };
        self.body(head.size, length, body).await?;
        Ok(Answer { status: head.status, bytes: length, merged: head.merged })
    }

    async fn head(&mut self) -> Result<Head, Failure> {
        loop {
            if self.filled > 0
                && let Some(head) = parse(&self.buffer[..self.filled])?
            {
                return Ok(head);
            }
            if self.filled >= MAX_HEAD_BYTES {
                return Err(Failure::Malformed);
            }
            if self.filled == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            self.filled += self.read(self.filled).await?;
        }
    }

    /// Reads on, behind the bytes that are kept; never nothing.
    async fn read(&mut self, kept: usize) -> Result<usize, Failure> {
        match self.stream.read(&mut self.buffer[kept..]).await {
            Ok(0) | Err(_) => Err(Failure::Closed),
            Ok(count) => Ok(count),
        }
    }

    async fn body(
        &mut self,
        head: usize,
        length: u64,
        mut body: Option<&mut Vec<u8>>,
    ) -> Result<(), Failure> {
        let mut left = length;
        let mut from = head;
        loop {
            let there = u64::try_from(self.filled - from).unwrap_or(u64::MAX).min(left);
            let there = usize::try_from(there).unwrap_or(usize::MAX);
            if let Some(body) = &mut body {
                body.extend_from_slice(&self.buffer[from..from + there]);
            }
            left -= there as u64;
            if left == 0 {
                if from + there != self.filled {
                    // Something follows that nobody asked for.
                    return Err(Failure::Malformed);
                }
                self.filled = 0;
                return Ok(());
            }
            if left > self.buffer.len() as u64 && self.buffer.len() < PIECE {
                self.buffer.resize(PIECE, 0);
            }
            from = 0;
            self.filled = self.read(0).await?;
        }
    }
}

/// The headers, if all of them are there.
fn parse(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(size) = response.parse(bytes).map_err(|_| Failure::Malformed)? else {
        return Ok(None);
    };
    let mut head =
        Head { status: response.code.unwrap_or(0), size, length: None, closes: false, merged: false };
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let value = str::from_utf8(header.value).ok().and_then(|value| value.parse().ok());
            head.length = Some(value.ok_or(Failure::Malformed)?);
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.closes = header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case(SOURCE) {
            head.merged = header.value == MERGED.as_bytes();
        }
    }
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_are_read_once_all_are_there() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nabc";
        let head = parse(text).unwrap().unwrap();
        assert_eq!((head.status, head.size, head.length, head.closes), (200, text.len() - 3, Some(12), true));
        assert!(parse(&text[..30]).unwrap().is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").is_err());
        assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
    }
}

//! Parts of files that leave without a copy (`sendfile(2)`), though hyper owns the socket and takes bytes alone.
//!
//! A body gives hyper a stand-in for each part: bytes of a place that nobody reads or writes. Below hyper, the
//! connection knows them by their address, and has the kernel send the file in their stead.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::fs::sendfile;
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

/// The most bytes of one part.
pub const MAX_PART: usize = 2 << 20;

/// What stand-ins are made of. It is never read, so that the system gives no memory for it.
static PLACE: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; MAX_PART].into_boxed_slice());

/// What the answers of one connection have to send of files, in the order of their stand-ins.
#[derive(Default)]
pub struct FileSender {
    parts: Mutex<VecDeque<Part>>,
}

/// The rest of a part.
struct Part {
    file: Arc<File>,
    at: u64,
    /// How much of it has left.
    sent: usize,
    length: usize,
}

impl FileSender {
    /// A stand-in for `length` bytes of a file from `at` on, at most [`MAX_PART`]. It must reach this connection's
    /// stream once and whole, after those that were made before it.
    pub fn stand_in(&self, file: Arc<File>, at: u64, length: usize) -> Bytes {
        let stand_in = Bytes::from_static(&PLACE[..length]);
        if length > 0 {
            self.parts().push_back(Part { file, at, sent: 0, length });
        }
        stand_in
    }

    /// Writes to the connection's stream, as `poll_write_vectored` does. Fails where a file has become shorter than it
    /// was, and where a stand-in is not the next one: then nothing is sent in its place.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().position(|slice| position(slice).is_some()) {
            Some(0) => self.poll_send(cx, stream, &slices[0]),
            Some(before) => Pin::new(stream).poll_write_vectored(cx, &slices[..before]),
            None => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        stream: &TcpStream,
        stand_in: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut parts = self.parts();
        let Some(part) = parts.front_mut().filter(|part| part.is_meant_by(stand_in)) else {
            return Poll::Ready(Err(io::Error::other("a stand-in is not that of the next part of a file")));
        };
        let sent = loop {
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_io(Interest::WRITABLE, || part.send(stream)) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                sent => break sent?,
            }
        };
        if part.sent == part.length {
            parts.pop_front();
        }
        Poll::Ready(Ok(sent))
    }

    fn parts(&self) -> MutexGuard<'_, VecDeque<Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// hyper gives what is left of a stand-in each time.
    fn is_meant_by(&self, stand_in: &[u8]) -> bool {
        position(stand_in) == Some(self.sent) && stand_in.len() == self.length - self.sent
    }

    fn send(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let mut at = self.at + self.sent as u64;
        let sent = sendfile(stream, &*self.file, Some(&mut at), self.length - self.sent)?;
        if sent == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.sent += sent;
        Ok(sent)
    }
}

/// Where in the place of stand-ins these bytes begin, if they are one.
fn position(bytes: &[u8]) -> Option<usize> {
    let place = PLACE.as_ptr_range();
    let is_inside = !bytes.is_empty() && place.contains(&bytes.as_ptr());
    is_inside.then(|| bytes.as_ptr().addr() - place.start.addr())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;

    use bytes::Buf as _;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, client)
    }

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    /// Bytes in which no part is like another.
    fn pattern(length: u32) -> Vec<u8> {
        (0..length / 4).flat_map(u32::to_le_bytes).collect()
    }

    /// Writes as hyper does: all that is left, each time.
    async fn write(sender: &FileSender, stream: &mut TcpStream, mut all: Vec<Bytes>) -> io::Result<()> {
        while !all.is_empty() {
            let slices: Vec<_> = all.iter().map(|bytes| IoSlice::new(bytes)).collect();
            let mut written = poll_fn(|cx| sender.poll_write(cx, stream, &slices)).await?;
            assert!(written > 0);
            drop(slices);
            for bytes in &mut all {
                let taken = written.min(bytes.len());
                bytes.advance(taken);
                written -= taken;
            }
            all.retain(|bytes| !bytes.is_empty());
        }
        Ok(())
    }

    #[tokio::test]
    async fn parts_of_files_and_bytes_arrive_in_their_order() {
        let (mut server, mut client) = connection().await;
        let content = pattern(4 << 20);
        let (sender, file) = (FileSender::default(), file(&content));
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.map(|_| all)
        });
        let text = Bytes::from_static(b"text");
        let mut expected = Vec::new();
        for at in [0, 7, 1 << 20, (4 << 20) - MAX_PART] {
            let part = |length| sender.stand_in(Arc::clone(&file), at as u64, length);
            let all = vec![text.clone(), part(MAX_PART), part(1), text.clone(), part(3), part(0)];
            write(&sender, &mut server, all).await.unwrap();
            let (first, second, third) =
                (&content[at..at + MAX_PART], &content[at..=at], &content[at..at + 3]);
            expected.extend_from_slice(&[&text[..], first, second, &text[..], third].concat());
        }
        assert!(sender.parts().is_empty());
        drop(server);
        assert!(reading.await.unwrap().unwrap() == expected, "what arrives is what was sent");
    }

    #[tokio::test]
    async fn a_file_that_has_become_shorter_is_an_error() {
        let (mut server, _client) = connection().await;
        let (sender, file) = (FileSender::default(), file(&pattern(8192)));
        let stand_in = sender.stand_in(Arc::clone(&file), 4096, 4096);
        file.set_len(4096 + 100).unwrap();
        let error = write(&sender, &mut server, vec![stand_in]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn nothing_is_sent_for_a_stand_in_that_is_not_the_next() {
        let (mut server, mut client) = connection().await;
        let (sender, other) = (FileSender::default(), FileSender::default());
        let foreign = other.stand_in(file(b"other"), 0, 5);
        write(&sender, &mut server, vec![foreign.clone()]).await.unwrap_err();
        let mut own = sender.stand_in(file(b"longer"), 0, 6);
        write(&sender, &mut server, vec![foreign]).await.unwrap_err();
        own.advance(1);
        write(&sender, &mut server, vec![own]).await.unwrap_err();
        drop(server);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
}

//! Parts of files that leave without a copy (`sendfile(2)`), though hyper owns the socket and takes bytes alone.
//!
//! A body gives hyper a stand-in for each part: bytes of a place that nobody reads or writes. Below hyper, the
//! connection knows them by their address, and has the part sent in their stead. hyper must never copy what it is given:
//! it does not where the stream below it takes several slices at once.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::SockRef;
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

/// The most bytes of one part.
pub const MAX_PART: usize = 2 << 20;

/// What stand-ins are made of. It is never read, so that the system gives no memory for it.
static PLACE: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; MAX_PART].into_boxed_slice());

/// What has parts to be sent.
pub trait Source: Send + Sync {
    /// Sends up to `length` bytes from offset `at` on, as [`send`] does, where that may block.
    fn send(&self, to: OwnedFd, at: u64, length: usize) -> BoxFuture<'static, io::Result<usize>>;
}

/// What the answers of one connection have to send of files, in the order of their stand-ins.
#[derive(Default)]
pub struct FileSender {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    parts: VecDeque<Part>,
    /// Of the first part.
    under_way: Option<BoxFuture<'static, io::Result<usize>>>,
}

/// The rest of a part.
struct Part {
    source: Arc<dyn Source>,
    at: u64,
    /// How much of it has left.
    sent: usize,
    length: usize,
}

impl FileSender {
    /// A stand-in for `length` bytes from `at` on, at most [`MAX_PART`]. It must reach this connection's stream once and
    /// whole, after those that were made before it.
    pub fn stand_in(&self, source: Arc<dyn Source>, at: u64, length: usize) -> Bytes {
        let stand_in = Bytes::from_static(&PLACE[..length]);
        if length > 0 {
            self.queue().parts.push_back(Part { source, at, sent: 0, length });
        }
        stand_in
    }

    /// Writes to the connection's stream, as `poll_write_vectored` does. Fails where a part cannot be sent, and where a
    /// stand-in is not the next one: then nothing more is sent.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().position(|slice| position(slice).is_some()) {
            Some(0) => {
                let sent = ready!(self.queue().poll_send(cx, stream, &slices[0]));
                Poll::Ready(sent.inspect_err(|_| {
                    // What is under way may hold the socket for as long as a disk hangs.
                    let _ = SockRef::from(&*stream).shutdown(std::net::Shutdown::Both);
                }))
            }
            Some(before) => Pin::new(stream).poll_write_vectored(cx, &slices[..before]),
            None => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        stream: &TcpStream,
        stand_in: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { parts, under_way } = self;
        let Some(part) = parts.front_mut().filter(|part| part.is_meant_by(stand_in)) else {
            return Poll::Ready(Err(io::Error::other("a stand-in is not that of the next part of a file")));
        };
        let sent = loop {
            if let Some(sending) = under_way {
                let sent = ready!(sending.as_mut().poll(cx));
                *under_way = None;
                match sent? {
                    // There was room, and another look is to tell what became of it.
                    0 => {}
                    sent => break sent,
                }
            }
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_io(Interest::WRITABLE, || has_room(stream)) {
                Ok(()) => *under_way = Some(part.send(stream.as_fd().try_clone_to_owned()?)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        };
        part.sent += sent;
        if part.sent >= part.length {
            parts.pop_front();
        }
        Poll::Ready(Ok(sent))
    }
}

impl Part {
    /// hyper gives what is left of a stand-in each time.
    fn is_meant_by(&self, stand_in: &[u8]) -> bool {
        position(stand_in) == Some(self.sent) && stand_in.len() == self.length - self.sent
    }

    fn send(&self, to: OwnedFd) -> BoxFuture<'static, io::Result<usize>> {
        self.source.send(to, self.at + self.sent as u64, self.length - self.sent)
    }
}

/// Sends up to `length` bytes of a file from `at` on to a socket; how many, none where there is no room. What is not in
/// memory is read from the disk meanwhile.
///
/// # Errors
/// Where the socket or the file fails, and where the file is not as long.
pub fn send(to: &OwnedFd, file: &File, mut at: u64, length: usize) -> io::Result<usize> {
    match rustix::io::retry_on_intr(|| rustix::fs::sendfile(to, file, Some(&mut at), length)) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Says `WouldBlock` where there is no room for anything. The runtime knows only what it was told last.
fn has_room(stream: &TcpStream) -> io::Result<()> {
    let mut looked_at = [PollFd::new(stream, PollFlags::OUT)];
    match poll(&mut looked_at, Some(&Timespec::default()))? {
        0 => Err(ErrorKind::WouldBlock.into()),
        _ => Ok(()),
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
    use std::time::Duration;

    use bytes::Buf as _;
    use futures_util::FutureExt as _;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio::time::{sleep, timeout};

    use super::*;

    /// A file on a disk that takes so long.
    struct OnDisk(Arc<File>, Duration);

    impl Source for OnDisk {
        fn send(&self, to: OwnedFd, at: u64, length: usize) -> BoxFuture<'static, io::Result<usize>> {
            let Self(file, takes) = self;
            let (file, takes) = (Arc::clone(file), *takes);
            async move {
                sleep(takes).await;
                send(&to, &file, at, length)
            }
            .boxed()
        }
    }

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

    fn source(file: &Arc<File>) -> Arc<OnDisk> {
        Arc::new(OnDisk(Arc::clone(file), Duration::ZERO))
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
        for takes in [Duration::ZERO, Duration::from_millis(1)] {
            let (mut server, mut client) = connection().await;
            let content = pattern(4 << 20);
            let (sender, file) = (FileSender::default(), file(&content));
            let source = Arc::new(OnDisk(file, takes));
            // The client is late, so that there is no room now and then.
            let reading = tokio::spawn(async move {
                let (mut all, mut piece) = (Vec::new(), vec![0; 1 << 20]);
                while let Ok(count @ 1..) = client.read(&mut piece).await {
                    all.extend_from_slice(&piece[..count]);
                    sleep(Duration::from_millis(1)).await;
                }
                all
            });
            let text = Bytes::from_static(b"text");
            let mut expected = Vec::new();
            for at in [0, 7, 1 << 20, (4 << 20) - MAX_PART] {
                let part = |length| sender.stand_in(source.clone(), at as u64, length);
                let all = vec![text.clone(), part(MAX_PART), part(1), text.clone(), part(3), part(0)];
                write(&sender, &mut server, all).await.unwrap();
                let (first, second, third) =
                    (&content[at..at + MAX_PART], &content[at..=at], &content[at..at + 3]);
                expected.extend_from_slice(&[&text[..], first, second, &text[..], third].concat());
            }
            assert!(sender.queue().parts.is_empty());
            drop(server);
            assert!(reading.await.unwrap() == expected, "what arrives is what was sent");
        }
    }

    #[tokio::test]
    async fn a_file_that_has_become_shorter_is_an_error() {
        let (mut server, _client) = connection().await;
        let (sender, file) = (FileSender::default(), file(&pattern(8192)));
        let stand_in = sender.stand_in(source(&file), 4096, 4096);
        file.set_len(4096 + 100).unwrap();
        let error = write(&sender, &mut server, vec![stand_in]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn nothing_is_sent_for_a_stand_in_that_is_not_the_next() {
        let (other, foreign) = (FileSender::default(), source(&file(b"other")));
        for (length, skipped) in [(5, 0), (6, 1)] {
            let (mut server, mut client) = connection().await;
            let sender = FileSender::default();
            if skipped > 0 {
                sender.stand_in(source(&file(b"longer")), 0, length);
            }
            let mut stand_in = other.stand_in(foreign.clone(), 0, length);
            stand_in.advance(skipped);
            write(&sender, &mut server, vec![stand_in]).await.unwrap_err();
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn a_client_whose_part_cannot_be_sent_is_told_at_once_whoever_holds_the_socket() {
        let (mut server, mut client) = connection().await;
        let held = server.as_fd().try_clone_to_owned().unwrap();
        let sender = FileSender::default();
        let stand_in = sender.stand_in(source(&file(b"short")), 0, 10);
        let sent = write(&sender, &mut server, vec![stand_in]).await;
        assert_eq!(sent.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        let mut all = Vec::new();
        timeout(Duration::from_secs(10), client.read_to_end(&mut all)).await.unwrap().unwrap();
        assert_eq!(all, b"short");
        drop(held);
    }
}

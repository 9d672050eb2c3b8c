//! Parts of a blob's file that are sent by the kernel, and never read here.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustix::io::Errno;

use super::cache::Blobs;
use super::disk::Call;
use super::piece::{PIECE, peek};
use crate::sendfile::{FileSender, MAX_PART, Source, send};

/// How much of a part is looked at once.
const STRETCH: u64 = 512 << 10;

/// Where the next look is, within each stretch. To look at a page keeps it in memory: were it always the same ones, these
/// would soon be all that is left of a file.
static NEXT_LOOK: AtomicU64 = AtomicU64::new(0);

/// As far as the next look is from the last: 29 pages, prime to those of a stretch, so that each has its turn.
const LOOKS_APART: u64 = 29 << 12;

/// Where a reader's bytes go, once it is known that files can.
#[derive(Clone, Default)]
pub(super) struct Outlet(Arc<OnceLock<Arc<FileSender>>>);

/// A file with the right content, or the part of one that has come.
struct BlobFile {
    blobs: Arc<Blobs>,
    file: Arc<File>,
}

impl Outlet {
    /// From now on, what can be is sent by this.
    pub(super) fn open(&self, files: &Arc<FileSender>) {
        // Only the first counts: a body has one connection.
        let _ = self.0.set(Arc::clone(files));
    }

    /// A stand-in for the next of `length` bytes of a file, where they are worth it. A disk in trouble is read instead, so
    /// that the upstream can take over where it fails.
    pub(super) fn stand_in(
        &self,
        blobs: &Arc<Blobs>,
        file: &Arc<File>,
        at: u64,
        length: u64,
    ) -> Option<Bytes> {
        let files = self.0.get().filter(|_| length > PIECE as u64 && blobs.disk.is_well())?;
        let length = usize::try_from(length).map_or(MAX_PART, |length| length.min(MAX_PART));
        blobs.disk.before(Call::Peek).ok()?;
        seems_in_memory(file, at, length as u64).then(|| {
            let source = BlobFile { blobs: Arc::clone(blobs), file: Arc::clone(file) };
            files.stand_in(Arc::new(source), at, length)
        })
    }
}

impl Source for BlobFile {
    /// In another thread: what is not in memory may hang with its disk (threat T30).
    fn send(&self, to: OwnedFd, at: u64, length: usize) -> BoxFuture<'static, io::Result<usize>> {
        let (blobs, file) = (Arc::clone(&self.blobs), Arc::clone(&self.file));
        async move {
            let disk = Arc::clone(&blobs.disk);
            let work = move || {
                disk.before(Call::Send)?;
                send(&to, &file, at, length)
            };
            let sent = blobs.disk.run(work).await;
            sent.inspect_err(|error| {
                if !is_of_the_client(error) {
                    blobs.disk_failed("a blob cannot be sent", error);
                }
            })
        }
        .boxed()
    }
}

/// Whether it is the connection that failed, and not the disk.
fn is_of_the_client(error: &io::Error) -> bool {
    let of_sockets = [
        Errno::PIPE,
        Errno::CONNRESET,
        Errno::CONNABORTED,
        Errno::NOTCONN,
        Errno::TIMEDOUT,
        Errno::HOSTUNREACH,
        Errno::NETUNREACH,
        Errno::NETDOWN,
    ];
    of_sockets.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Whether a part of a file is in memory, as far as a look at a byte of each stretch can tell. A file system that cannot
/// tell says no.
fn seems_in_memory(file: &File, at: u64, length: u64) -> bool {
    let shift = NEXT_LOOK.fetch_add(LOOKS_APART, Ordering::Relaxed) % STRETCH;
    let (last, mut stretches) = (at + length - 1, 0..length.div_ceil(STRETCH));
    let has = |at| peek(file, &mut [0], at) == Ok(1);
    stretches.all(|stretch| has((at + stretch * STRETCH + shift).min(last)))
}

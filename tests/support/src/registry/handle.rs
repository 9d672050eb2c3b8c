//! The registry as a test holds it.

use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;

use super::builder::Builder;
use super::cdn::BlobServer;
use super::fault::{Fault, FaultId, Match};
use super::front::Front;
use super::journal::Recorded;
use super::routes::Api;
use super::server::Server;
use super::store::Store;
use crate::image::{Image, Index};

/// A registry in memory; it stops when dropped.
pub struct Registry {
    pub(super) server: Server,
    pub(super) token_server: Option<Server>,
    pub(super) api: Arc<Api>,
    pub(super) front: Arc<Front>,
}

impl Registry {
    /// An open registry over plain HTTP.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Sets up a registry with access control or TLS.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// `http://127.0.0.1:PORT`, or with `https`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The token server's address, if there is one.
    pub fn token_address(&self) -> Option<SocketAddr> {
        self.token_server.as_ref().map(Server::address)
    }

    /// Stores an image with its blobs under `tag` (under its digest alone when empty) and returns its digest.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> String {
        for blob in image.blobs() {
            self.put_blob(repository, blob);
        }
        self.put_manifest(repository, tag, &image.media_type, &image.manifest)
    }

    /// Stores an index with all that it leads to under `tag` (under its digest alone when empty) and returns
    /// its digest.
    pub fn push_index(&self, repository: &str, tag: &str, index: &Index) -> String {
        for image in &index.images {
            self.push(repository, "", image);
        }
        for nested in &index.indexes {
            self.push_index(repository, "", nested);
        }
        for blob in &index.blobs {
            self.put_blob(repository, blob);
        }
        self.put_manifest(repository, tag, &index.media_type, &index.manifest)
    }

    /// Stores bytes as a manifest, unchecked, under `tag` or (when empty) under their digest alone; returns
    /// the digest.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: impl AsRef<[u8]>,
    ) -> String {
        let tag = (!tag.is_empty() && !tag.contains(':')).then_some(tag);
        let bytes = Bytes::copy_from_slice(bytes.as_ref());
        self.store().repository(repository).put_manifest(tag, media_type, bytes)
    }

    /// Stores a blob and returns its digest.
    pub fn put_blob(&self, repository: &str, bytes: impl AsRef<[u8]>) -> String {
        self.store().repository(repository).put_blob(Bytes::copy_from_slice(bytes.as_ref()))
    }

    /// Deletes a tag; its manifest stays.
    pub fn delete_tag(&self, repository: &str, tag: &str) {
        self.store().repository(repository).tags.remove(tag);
    }

    /// Deletes a manifest and every tag that names it.
    pub fn delete_manifest(&self, repository: &str, digest: &str) {
        self.store().repository(repository).delete_manifest(digest);
    }

    /// Deletes a blob.
    pub fn delete_blob(&self, repository: &str, digest: &str) {
        self.store().repository(repository).delete_blob(digest);
    }

    /// The digest (sha256) that a tag names at this moment.
    pub fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        self.store().repositories.get(repository)?.tags.get(tag).cloned()
    }

    /// The bytes of a manifest by tag or digest.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<Vec<u8>> {
        self.store().manifest(repository, reference).map(|manifest| manifest.bytes.to_vec())
    }

    /// Whether the repository has this blob.
    pub fn has_blob(&self, repository: &str, digest: &str) -> bool {
        self.store().blob(repository, digest).is_some()
    }

    /// Every request so far, to the registry and to its token server, in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.front.journal.requests()
    }

    /// How many of the requests so far satisfy `wanted`.
    pub fn count(&self, wanted: impl Fn(&Recorded) -> bool) -> usize {
        self.requests().iter().filter(|request| wanted(request)).count()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.front.journal.forget();
    }

    /// Makes every matching request fail. Of several faults for one request the one set first counts, so
    /// counted faults set one after another make a sequence.
    pub fn fail(&self, matching: Match, fault: Fault) -> FaultId {
        self.front.script.add(None, matching, fault)
    }

    /// Makes the next `times` matching requests fail.
    pub fn fail_times(&self, times: usize, matching: Match, fault: Fault) -> FaultId {
        self.front.script.add(Some(times), matching, fault)
    }

    /// Lets `choose` pick a fault for each request that no fault set is for; until [`Self::heal`]. A request
    /// waits for its turn, so it must not take long.
    pub fn fail_by(&self, choose: impl FnMut(&Recorded) -> Option<Fault> + Send + 'static) {
        self.front.script.choose(Box::new(choose));
    }

    /// Ends all faults; what has stalled stays so.
    pub fn heal(&self) {
        self.front.script.heal_all();
    }

    /// Ends one fault.
    pub fn heal_one(&self, fault: FaultId) {
        self.front.script.heal(fault);
    }

    /// How many requests a fault has met.
    pub fn hits(&self, fault: FaultId) -> usize {
        self.front.script.hits(fault)
    }

    /// Closes the registry's listener and all its connections: new ones are refused.
    pub async fn go_down(&self) {
        self.server.stop().await;
    }

    /// Listens again at the same address, with the same content.
    pub async fn come_back(&self) {
        self.server.resume().await;
    }

    /// Takes a user's access away, with the tokens it holds.
    pub fn revoke(&self, user: &str) {
        self.api.access.revoke(user);
    }

    /// Ends all tokens; the accounts may fetch new ones.
    pub fn revoke_tokens(&self) {
        self.api.access.revoke_tokens();
    }

    /// How many uploads are under way.
    pub fn open_uploads(&self) -> usize {
        self.store().uploads.len()
    }

    /// The bytes of a blob.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        self.store().blob(repository, digest).map(|bytes| bytes.to_vec())
    }

    /// From now on sends those who ask for a blob to a second server (307), as registries with object storage do.
    pub async fn redirect_blobs_to_second_server(&self) -> BlobServer {
        let second = BlobServer::over(Arc::clone(&self.api.store)).await;
        *self.api.redirection.lock().unwrap_or_else(PoisonError::into_inner) = Some(second.redirection());
        second
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.api.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

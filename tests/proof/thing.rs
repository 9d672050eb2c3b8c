//! What can be pulled, and which answers are right.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use testkit::client::Response;
use testkit::oracle::{Content, Contents, Member, answer};
use testkit::sha256;

/// Bytes with their media type and digest.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) bytes: Bytes,
}

/// The part of the registry that a thing is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Route {
    Tag,
    Digest,
    Blob,
    List,
}

/// Something that a client can ask for.
pub(crate) struct Thing {
    pub(crate) route: Route,
    path: String,
    /// All that it has been, the latest last. Only tags are ever more than one.
    documents: Mutex<Vec<Document>>,
}

impl Document {
    pub(crate) fn new(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { media_type: media_type.to_owned(), digest: sha256(&bytes), bytes }
    }

    /// What a client must get for these members, the base first, by the oracle. A word belongs to each other one.
    pub(crate) fn merged(members: &[(Option<&str>, &Content)]) -> Self {
        let mut contents = Contents::default();
        for (_, content) in members {
            contents.add(content);
        }
        let members: Vec<_> = members.iter().map(|(word, content)| Member { word: *word, content }).collect();
        let answer = answer(&contents, &members);
        let (media_type, bytes) = answer.body().expect("there is something");
        Self::new(media_type, bytes.to_vec())
    }

    /// Whether a response is this, as far as a response to its method tells.
    fn is_in(&self, response: &Response, route: Route, head: bool) -> bool {
        let named = match route {
            Route::Tag | Route::Digest => {
                response.header("content-type") == Some(&self.media_type)
                    && response.header("docker-content-digest") == Some(&self.digest)
            }
            Route::Blob | Route::List => true,
        };
        let length = response.header("content-length");
        let size = self.bytes.len().to_string();
        named && if head { length == Some(&size) } else { response.body == self.bytes }
    }
}

impl Thing {
    pub(crate) fn new(route: Route, path: String, document: Document) -> Self {
        Self { route, path, documents: Mutex::new(vec![document]) }
    }

    pub(crate) fn manifest(route: Route, repository: &str, reference: &str, document: Document) -> Self {
        Self::new(route, format!("/v2/{repository}/manifests/{reference}"), document)
    }

    pub(crate) fn blob(repository: &str, bytes: &[u8]) -> Self {
        let document = Document::new("application/octet-stream", bytes.to_vec());
        Self::new(Route::Blob, format!("/v2/{repository}/blobs/{}", document.digest), document)
    }

    pub(crate) fn path(&self) -> String {
        self.path.clone()
    }

    /// The digest of its latest bytes.
    pub(crate) fn digest(&self) -> String {
        self.documents().last().expect("it was something from the beginning").digest.clone()
    }

    /// From now on it may be this, too.
    pub(crate) fn becomes(&self, document: Document) {
        self.documents().push(document);
    }

    /// Its latest bytes.
    pub(crate) fn bytes(&self) -> Bytes {
        self.documents().last().expect("it was something from the beginning").bytes.clone()
    }

    /// Whether a complete response is something that it has been by now.
    pub(crate) fn has_been(&self, response: &Response, head: bool) -> bool {
        self.documents().iter().any(|document| document.is_in(response, self.route, head))
    }

    /// Whether a response is complete and its latest; `head`: as far as an answer to HEAD tells.
    pub(crate) fn is_now(&self, response: &Response, head: bool) -> bool {
        let documents = self.documents();
        let latest = documents.last().expect("it was something from the beginning");
        response.status == 200 && latest.is_in(response, self.route, head)
    }

    fn documents(&self) -> std::sync::MutexGuard<'_, Vec<Document>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

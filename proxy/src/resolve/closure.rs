//! The closure of an answer: what of other repositories must be had through this one (rule X1).

use std::collections::HashMap;

use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use onetag_oci::{Descriptor, Digest, Document, Repository, blobs_of};

use crate::cache::Content;
use crate::merge::{self, Finding, Outcome, Selection};

use super::error::ResolveError;
use super::gather::{Found, Gather};
use super::reader::{Budget, MAX_DEPTH, Reader, Stop};

/// The most requests for one closure: an index has no more entries.
const MAX_FETCHES: usize = 256;

impl Gather<'_> {
    /// Every digest that the answer leads to in another repository, with that repository; or that it is
    /// too much. What the other repository lists but does not have is left out: nobody gets it.
    pub(super) async fn closure(
        &self,
        found: &[Found],
        selection: &Selection,
    ) -> Result<Result<Vec<(Digest, Repository)>, Finding>, ResolveError> {
        let roots: Vec<(&Found, Vec<Descriptor>)> = match &selection.outcome {
            Outcome::Nothing | Outcome::Withheld(_) => Vec::new(),
            Outcome::Pass(place) => vec![(&found[*place], vec![found[*place].descriptor()])],
            Outcome::Merged(index) => {
                let of = |place: usize| {
                    let own = index.entries.iter().zip(&index.origins);
                    own.filter(|(_, origin)| **origin == place).map(|(entry, _)| entry.clone()).collect()
                };
                found.iter().enumerate().map(|(place, found)| (found, of(place))).collect()
            }
        };
        let foreign = roots.iter().filter(|(found, _)| found.address.repository.is_some());
        let budget = &Budget::of(MAX_FETCHES);
        let all = foreign.map(|(found, roots)| async move {
            let reader = self.reader_on(&found.home, budget);
            let reached = try_join_all(roots.iter().map(|root| reader.reach(root, 0))).await?;
            Ok::<_, Stop>(reached.concat().into_iter().map(|digest| (digest, found.home.clone())))
        });
        let all = async {
            let all: HashMap<Digest, Repository> = try_join_all(all).await?.into_iter().flatten().collect();
            Ok(all.into_iter().collect())
        };
        Stop::sort(all.await)
    }
}

impl Reader<'_> {
    /// The digest of an entry and all that it leads to.
    fn reach<'b>(&'b self, entry: &'b Descriptor, depth: usize) -> BoxFuture<'b, Result<Vec<Digest>, Stop>> {
        async move {
            let mut reached = vec![entry.digest.clone()];
            self.budget.take_digests(1)?;
            // What is no image is looked into once somebody asks for it.
            let leads_on = merge::is_image(entry) || entry.media_type.is_index();
            if !leads_on || depth > MAX_DEPTH {
                return Ok(reached);
            }
            match self.child(entry).await {
                Ok((_, Document::Index(index))) => {
                    let below = index.manifests.iter().map(|entry| self.reach(entry, depth + 1));
                    reached.extend(try_join_all(below).await?.concat());
                }
                Ok((content, document)) => {
                    let blobs = leads_to(&content, &document);
                    self.budget.take_digests(blobs.len())?;
                    reached.extend(blobs);
                }
                // What is missing or not what it is said to be leads nowhere.
                Err(Stop::Unfit(finding)) if finding != Finding::TooMuch => {}
                Err(stop) => return Err(stop),
            }
            Ok(reached)
        }
        .boxed()
    }
}

/// The digests that a document names. What cannot be read names nothing.
pub(super) fn leads_to(content: &Content, document: &Document) -> Vec<Digest> {
    if let Document::Index(index) = document {
        return index.manifests.iter().map(|entry| entry.digest.clone()).collect();
    }
    let blobs = blobs_of(&content.bytes).unwrap_or_default();
    blobs.into_iter().map(|blob| blob.digest).collect()
}

impl Found {
    fn descriptor(&self) -> Descriptor {
        let size = self.content.bytes.len() as u64;
        Descriptor::new(self.content.media_type.clone(), self.content.digest.clone(), size)
    }
}

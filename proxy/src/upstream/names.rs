//! The names of hosts become addresses, and each address is judged before anything connects to it (threat T6):
//! a name that may be asked must not lead to where its own address could not.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use super::connector::BoxError;
use super::destination::Destinations;

/// Finds the addresses of a host; their ports say nothing.
pub(super) type LookUp = Arc<dyn Fn(Name) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's way: its hosts file and its name servers.
pub(super) fn system() -> LookUp {
    Arc::new(|name| GaiResolver::new().call(name).map(|found| found.map(Iterator::collect)).boxed())
}

/// Gives out addresses that may be connected to, and no others.
#[derive(Clone)]
pub(super) struct Names {
    look_up: LookUp,
    destinations: Arc<Destinations>,
}

impl Names {
    pub(super) fn new(look_up: LookUp, destinations: Arc<Destinations>) -> Self {
        Self { look_up, destinations }
    }
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (destinations, looking_up) = (Arc::clone(&self.destinations), (self.look_up)(name.clone()));
        async move {
            let addresses = looking_up.await?;
            Ok(destinations.admit_addresses(name.as_str(), addresses)?.into_iter())
        }
        .boxed()
    }
}

//! Names that lead elsewhere than they look.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::FutureExt;
use http::Method;
use http_body_util::Full;
use hyper_util::client::legacy::connect::dns::Name;
use testkit::{BlobServer, Fault, Match, Registry};
use tower_service::Service;

use super::super::destination::{Destinations, Refused};
use super::super::kind::{Denied, ErrorKind};
use super::super::names::{LookUp, Names};
use super::super::{Fault as Whose, Target, Write};
use super::writes::write;
use super::{APP, Site, bearer_challenge, image, settings};

const HOST: &str = "registry.example.com";

/// Knows these names and no others.
pub(super) fn knows(names: &[(&str, &[&str])]) -> LookUp {
    let address = |text: &&str| SocketAddr::new(text.parse::<IpAddr>().unwrap(), 0);
    let known: Vec<(String, Vec<SocketAddr>)> = names
        .iter()
        .map(|(name, addresses)| ((*name).to_owned(), addresses.iter().map(address).collect()))
        .collect();
    Arc::new(move |asked| {
        let found = known.iter().find(|(name, _)| name == asked.as_str()).map(|(_, found)| found.clone());
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "no such name");
        async move { found.ok_or_else(unknown) }.boxed()
    })
}

/// The same port under another name.
fn renamed(url: &str, host: &str) -> String {
    let port = url.rsplit(':').next().unwrap();
    let scheme = url.split(':').next().unwrap();
    format!("{scheme}://{host}:{port}")
}

/// What is left of the addresses of a host that an upstream names.
async fn admitted(destinations: &Arc<Destinations>, addresses: &[&str]) -> Result<Vec<String>, Refused> {
    let mut names = Names::new(knows(&[("cdn.example.com", addresses)]), Arc::clone(destinations));
    match names.call("cdn.example.com".parse::<Name>().unwrap()).await {
        Ok(found) => Ok(found.map(|address| address.ip().to_string()).collect()),
        Err(error) => Err(*error.downcast_ref().unwrap()),
    }
}

/// Where the upstream's own name leads.
async fn found(destinations: &Arc<Destinations>, addresses: &[&str]) {
    let mut names = Names::new(knows(&[(HOST, addresses)]), Arc::clone(destinations));
    let found = names.call(HOST.parse::<Name>().unwrap()).await.unwrap();
    assert_eq!(found.len(), addresses.len(), "the upstream itself may be anywhere");
}

fn destinations() -> Arc<Destinations> {
    Arc::new(Destinations::new(&format!("https://{HOST}").parse().unwrap()))
}

#[tokio::test]
async fn t06_a_name_that_leads_inside_is_as_good_as_its_address() {
    let public = destinations();
    for (address, refused) in [
        ("10.1.2.3", Refused::Inside),
        ("192.168.0.1", Refused::Inside),
        ("127.0.0.1", Refused::Inside),
        ("::1", Refused::Inside),
        ("fc00::1", Refused::Inside),
        ("::ffff:10.0.0.1", Refused::Inside),
        ("169.254.169.254", Refused::Special),
        ("fe80::1", Refused::Special),
        ("fd00:ec2::254", Refused::Special),
        ("0.0.0.0", Refused::Special),
        ("100.100.100.200", Refused::Special),
    ] {
        assert_eq!(admitted(&public, &[address]).await, Err(refused), "{address}");
        let mixed = admitted(&public, &[address, "93.184.216.34", address]).await;
        assert_eq!(mixed.unwrap(), ["93.184.216.34"], "{address}");
    }
    assert_eq!(admitted(&public, &[]).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn t06_an_upstream_whose_name_leads_inside_may_name_hosts_that_are_no_deeper() {
    let inside = destinations();
    found(&inside, &["10.0.0.1"]).await;
    assert!(admitted(&inside, &["10.0.0.2"]).await.is_ok());
    assert_eq!(admitted(&inside, &["127.0.0.1"]).await, Err(Refused::Inside));
    assert_eq!(admitted(&inside, &["169.254.169.254"]).await, Err(Refused::Special));
    // One of its addresses is as public as can be.
    let mixed = destinations();
    found(&mixed, &["10.0.0.1", "93.184.216.34"]).await;
    assert_eq!(admitted(&mixed, &["10.0.0.2"]).await, Err(Refused::Inside));
    // And a name that leads inside later on takes no other host there.
    let moved = destinations();
    found(&moved, &["93.184.216.34"]).await;
    found(&moved, &["10.0.0.1"]).await;
    assert_eq!(admitted(&moved, &["10.0.0.2"]).await, Err(Refused::Inside));
}

#[tokio::test]
async fn t06_no_redirect_realm_or_location_leads_to_where_a_name_was_bound_anew() {
    for (is_public, reached) in [(true, 0), (false, 3)] {
        let registry = Registry::start().await;
        registry.push(APP, "latest", &image());
        let inside = BlobServer::start(&[]).await;
        let url = renamed(&registry.url(), HOST);
        let names = knows(&[(HOST, &["127.0.0.1"]), ("cdn.example.com", &["127.0.0.1"])]);
        let site = Site::with(&settings(&url), None, names);
        if is_public {
            found(&site.upstream.attempts.destinations, &["93.184.216.34"]).await;
        }
        let elsewhere = renamed(&inside.url(), "cdn.example.com");

        // At the second hop, too.
        registry.fail_times(1, Match::all(), Fault::Redirect { to: "latest?again".into(), code: 307 });
        registry.fail_times(1, Match::all(), Fault::Redirect { to: format!("{elsewhere}/x"), code: 307 });
        let redirected = site.manifest("latest").await.unwrap_err();
        registry.fail_times(1, Match::all(), bearer_challenge(&format!("{elsewhere}/token")));
        let challenged = site.manifest("latest").await.unwrap_err();
        let target = Target::Location(format!("{elsewhere}/upload").parse().unwrap());
        let upload = Write { target, ..write(Method::PUT, "") };
        let written = site.upstream.write(upload, Full::from("body")).await;

        let inside_refused = |error: &ErrorKind| matches!(error, ErrorKind::Redirect(Refused::Inside));
        assert_eq!(inside_refused(redirected.kind()), is_public, "{redirected}");
        let realm_refused = matches!(challenged.kind(), ErrorKind::Denied(Denied::Realm(Refused::Inside)));
        assert_eq!(realm_refused, is_public, "{challenged}");
        assert_eq!(written.is_err_and(|error| inside_refused(error.kind())), is_public);
        assert_eq!(inside.requests().len(), reached);
    }
}

#[tokio::test]
async fn t36_a_name_that_is_not_found_is_a_failure_of_the_network() {
    let site = Site::with(&settings(&format!("https://{HOST}")), None, knows(&[]));
    let error = site.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Connect(_)), "{error}");
    assert_eq!((error.fault(), error.is_transient()), (Whose::Network, true));
    assert!(error.to_string().contains("cannot connect: dns error: no such name"), "{error}");
    assert_eq!(site.counted("manifest", "failed"), 3);
}

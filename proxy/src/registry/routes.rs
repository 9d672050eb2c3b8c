//! Which upstream a request is for: by `?ns=`, by the name that onetag is called by, by the first parts of the
//! repository's name, or else the default one. Every list is closed: nothing that a client sends leads elsewhere.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderValue;
use http::request::Parts;
use onetag_oci::Repository;

use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::fields::Lines;
use super::host::{self, Host};
use super::query;
use crate::resolve::Resolver;

/// An upstream, as clients find it.
pub struct Site {
    /// What the configuration calls it; empty for the default upstream.
    pub name: Box<str>,
    /// What answers.
    pub resolver: Arc<Resolver>,
    /// Whether callers are let through by the upstream, with credentials of their own; else onetag decides.
    pub asks_upstream: bool,
    /// Where its repositories are here: `/v2/<prefix>/<repository>/`.
    pub prefix: Option<Box<str>>,
    /// The names of onetag under which this upstream is meant: hosts, with or without a port.
    pub hosts: Vec<Box<str>>,
    /// The values of `ns` by which containerd means it.
    pub namespaces: Vec<Box<str>>,
    /// Whether a name of one part is that of an official image, below `library/`.
    pub has_library: bool,
    /// Whether callers' logins are for it only where it is called by a host of its own: by any other name they may be
    /// meant for another registry (threat T4).
    pub takes_logins_by_host: bool,
}

/// All upstreams.
pub struct Routes {
    sites: Vec<Arc<Site>>,
    default: Option<Arc<Site>>,
    by_host: HashMap<Box<str>, Arc<Site>>,
    by_namespace: HashMap<Box<str>, Arc<Site>>,
    by_prefix: Vec<(Box<str>, Arc<Site>)>,
    /// The names that onetag answers to; empty for all.
    answered: Vec<Box<str>>,
}

/// Where a request leads.
pub(super) struct Route<'a> {
    pub(super) site: &'a Arc<Site>,
    /// Whether the repository's name begins with the site's prefix.
    prefixed: bool,
    /// What the client called the registry; the answer repeats it.
    pub(super) namespace: Option<HeaderValue>,
    /// Whether it is one of the site's own hosts that is called.
    by_host: bool,
}

/// A repository, by both of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// By which the client calls it.
    pub(super) outer: Repository,
    /// By which the upstream knows it.
    pub(super) inner: Repository,
}

impl Routes {
    /// The routes to these sites; one with an empty name is the default. `answered` are the names that onetag answers
    /// to, or nothing where it answers to any.
    pub fn new(sites: Vec<Site>, answered: Vec<Box<str>>) -> Self {
        let sites: Vec<_> = sites.into_iter().map(Arc::new).collect();
        let names = |names: fn(&Site) -> &Vec<Box<str>>| {
            let all =
                sites.iter().flat_map(|site| names(site).iter().map(|name| (name.clone(), Arc::clone(site))));
            all.collect::<HashMap<_, _>>()
        };
        let prefix = |site: &Arc<Site>| Some((site.prefix.clone()?, Arc::clone(site)));
        let mut by_prefix: Vec<_> = sites.iter().filter_map(prefix).collect();
        // The longest first.
        by_prefix.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let (by_host, by_namespace) = (names(|site| &site.hosts), names(|site| &site.namespaces));
        let answered = if answered.is_empty() {
            answered
        } else {
            answered.into_iter().chain(by_host.keys().cloned()).collect()
        };
        let default = sites.iter().find(|site| site.name.is_empty()).cloned();
        Self { sites, default, by_host, by_namespace, by_prefix, answered }
    }

    /// One upstream for everything.
    pub fn only(resolver: Arc<Resolver>) -> Self {
        let (name, prefix, hosts, namespaces) = ("".into(), None, Vec::new(), Vec::new());
        let site = Site {
            name,
            resolver,
            asks_upstream: false,
            prefix,
            hosts,
            namespaces,
            has_library: false,
            takes_logins_by_host: false,
        };
        Self::new(vec![site], Vec::new())
    }

    /// All upstreams.
    pub fn sites(&self) -> &[Arc<Site>] {
        &self.sites
    }

    /// The upstream of this name; the default one under the empty name.
    pub fn named(&self, name: &str) -> Option<&Arc<Site>> {
        self.sites.iter().find(|site| &*site.name == name)
    }

    /// The upstream of a repository that is named as in a path, and its name there.
    pub fn of_repository(&self, outer: &Repository) -> Option<(&Arc<Site>, Repository)> {
        let (site, prefixed) = self.by_name(Some(outer))?;
        Some((site, site.names(outer, prefixed)?.inner))
    }

    /// Where a request leads.
    pub(super) fn route(
        &self,
        request: &Parts,
        host: &Lines<'_>,
        endpoint: &Endpoint,
    ) -> Result<Route<'_>, RegistryError> {
        let called = host::host(request, host)?;
        let is_named = |list: &[Box<str>]| {
            called.is_some_and(|Host { authority, host }| {
                list.iter()
                    .any(|name| name.eq_ignore_ascii_case(authority) || name.eq_ignore_ascii_case(host))
            })
        };
        if !self.answered.is_empty() && !is_named(&self.answered) {
            return Err(RegistryError::new(Code::Misdirected, "onetag is not called by this name"));
        }
        if let Some(namespace) = namespace(request.uri.query()) {
            let unknown = || RegistryError::new(Code::NameUnknown, "no registry of this name is configured");
            let site = self.of_namespace(&namespace, called).ok_or_else(unknown)?;
            let namespace = HeaderValue::from_str(&namespace).map_err(|_| unknown())?;
            return Ok(Route { site, prefixed: false, namespace: Some(namespace), by_host: false });
        }
        if !self.by_host.is_empty()
            && let Some(Host { authority, host }) = called
            && let Some(site) = self
                .by_host
                .get(&*authority.to_ascii_lowercase())
                .or_else(|| self.by_host.get(&*host.to_ascii_lowercase()))
        {
            return Ok(Route { site, prefixed: false, namespace: None, by_host: true });
        }
        let found = self.by_name(endpoint.repository());
        match found.or_else(|| self.greeter().filter(|_| *endpoint == Endpoint::Ping)) {
            Some((site, prefixed)) => Ok(Route { site, prefixed, namespace: None, by_host: false }),
            None => Err(RegistryError::new(Code::NameUnknown, "no registry is configured for this name")),
        }
    }

    /// Both names of a repository; none where its name is another site's.
    pub(super) fn names(&self, route: &Route<'_>, outer: &Repository) -> Result<Names, RegistryError> {
        let names = route.names(outer)?;
        if self.is_of_another(route, &names.inner) {
            return Err(RegistryError::new(Code::NameUnknown, "this name is that of another registry here"));
        }
        Ok(names)
    }

    /// Whether a repository's name in `[[allow]]` would be that of another site's: what is said of the one must not hold
    /// for the other, whichever way a client came.
    pub(super) fn is_of_another(&self, route: &Route<'_>, inner: &Repository) -> bool {
        if self.by_prefix.is_empty() {
            return false;
        }
        let canonical = route.site.canonical(inner);
        let owner = self.by_prefix.iter().find(|(prefix, _)| below(&canonical, prefix).is_some());
        owner.is_some_and(|(_, site)| !Arc::ptr_eq(site, route.site))
    }

    /// Who answers `GET /v2/` where there is no default upstream: one for which onetag itself decides, if there is one.
    fn greeter(&self) -> Option<(&Arc<Site>, bool)> {
        let site = self.sites.iter().find(|site| !site.asks_upstream).or(self.sites.first());
        site.map(|site| (site, false))
    }

    /// By the name of the repository alone.
    fn by_name(&self, outer: Option<&Repository>) -> Option<(&Arc<Site>, bool)> {
        let outer = outer.map_or("", Repository::as_str);
        let prefixed = self.by_prefix.iter().find(|(prefix, _)| below(outer, prefix).is_some());
        prefixed.map(|(_, site)| (site, true)).or_else(|| self.default.as_ref().map(|site| (site, false)))
    }

    /// The site that is meant by a value of `ns`; onetag's own name means the default one.
    fn of_namespace(&self, namespace: &str, called: Option<Host<'_>>) -> Option<&Arc<Site>> {
        let named = self.by_namespace.get(&*namespace.to_ascii_lowercase());
        let is_own = || called.is_some_and(|called| called.authority.eq_ignore_ascii_case(namespace));
        named.or_else(|| self.default.as_ref().filter(|_| is_own()))
    }
}

impl Site {
    /// A repository's name in `[[allow]]`: that of the path, with the prefix of its registry, however a client found
    /// its way there.
    pub(super) fn canonical(&self, inner: &Repository) -> String {
        match (&*self.name, &self.prefix) {
            ("", _) => inner.to_string(),
            (_, Some(prefix)) => format!("{prefix}/{inner}"),
            (name, None) => format!("{name}/{inner}"),
        }
    }

    /// The upstream's name for a repository.
    pub(super) fn names(&self, outer: &Repository, prefixed: bool) -> Option<Names> {
        let prefix = self.prefix.as_deref().filter(|_| prefixed);
        let inner = prefix.map_or(Some(outer.as_str()), |prefix| below(outer.as_str(), prefix))?;
        let inner = if self.has_library && !inner.contains('/') {
            format!("library/{inner}").parse().ok()?
        } else if prefix.is_none() {
            outer.clone()
        } else {
            inner.parse().ok()?
        };
        Some(Names { outer: outer.clone(), inner })
    }
}

impl Route<'_> {
    /// Whether what a client sends to prove who it is may be meant for this site.
    pub(super) fn takes_logins(&self) -> bool {
        self.by_host || !self.site.takes_logins_by_host
    }

    /// Both names of a repository.
    fn names(&self, outer: &Repository) -> Result<Names, RegistryError> {
        let invalid =
            || RegistryError::new(Code::NameInvalid, "the registry of this name has no such repository");
        self.site.names(outer, self.prefixed).ok_or_else(invalid)
    }

    /// The upstream's name for another repository of the same site, which a client names as it names all.
    pub(super) fn inner(&self, outer: &str) -> Option<Repository> {
        Some(self.site.names(&outer.parse().ok()?, self.prefixed)?.inner)
    }
}

/// What stands below a prefix of a repository's name.
fn below<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    name.strip_prefix(prefix)?.strip_prefix('/')
}

fn namespace(query: Option<&str>) -> Option<std::borrow::Cow<'_, str>> {
    // Most have none, and this is on every request's way.
    query
        .filter(|query| query.contains("ns") || query.contains('%'))
        .and_then(|query| query::parameter_lossy(query, "ns"))
}

//! Uploads of blobs (distribution-spec, section Pushing blobs): streamed through, and the way back to them rewritten.

use std::time::Duration;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use onetag_oci::Repository;

use super::body::Body;
use super::call::Call;
use super::endpoint::Session;
use super::error::{Code, RegistryError};
use super::query;
use super::relay::{self, header};
use super::routes::Names;
use super::sealed::{Seal, is_wrapped};
use super::write::{Content, forwarded_headers, forwarded_query};
use crate::access::Action;
use crate::upstream::{Actions, Target, Write, Written};

/// How long the upstream may take over a blob once it has all of it: it hashes the whole, and may copy it.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long it may take over anything less.
const SHORT_PATIENCE: Duration = Duration::from_mins(1);

/// How long the upstream may take over this request.
fn patience(call: &Call<'_>) -> Duration {
    let query = call.request.uri.query().unwrap_or_default();
    let is_whole = ["digest", "mount"].iter().any(|name| query::parameter(query, name).is_some());
    if is_whole { PATIENCE } else { SHORT_PATIENCE }
}

/// What blobs are.
const BYTES: &str = "application/octet-stream";

/// Begins an upload, sends a blob in one request, or mounts one of another repository.
pub(super) async fn begin<B: Content>(
    call: &Call<'_>,
    seal: &Seal,
    names: &Names,
    body: B,
) -> Result<Response<Body>, RegistryError> {
    let (from, query) = mount(call);
    let write = Write {
        method: Method::POST,
        target: Target::Path(format!("/v2/{}/blobs/uploads/{query}", names.inner)),
        repository: names.inner.clone(),
        actions: Actions::Push,
        from,
        headers: headers_of_blob(call),
        limit: None,
        patience: patience(call),
    };
    send(call, seal, names, write, body, Code::NameUnknown).await
}

/// Goes on with an upload, ends it, cancels it, or asks how far it is.
pub(super) async fn go_on<B: Content>(
    call: &Call<'_>,
    seal: &Seal,
    names: &Names,
    session: &Session,
    body: B,
) -> Result<Response<Body>, RegistryError> {
    let query = forwarded_query(call);
    let name = session.as_str();
    let target = if is_wrapped(name) {
        let unknown = || RegistryError::new(Code::UploadUnknown, "there is no such upload here");
        let location = seal.unwrap(&call.route.site.name, &names.inner, name).ok_or_else(unknown)?;
        Target::Location(with_query(&location, &query).ok_or_else(unknown)?)
    } else {
        Target::Path(format!("/v2/{}/blobs/uploads/{name}{query}", names.inner))
    };
    let write = Write {
        method: call.request.method.clone(),
        target,
        repository: names.inner.clone(),
        actions: Actions::Push,
        from: None,
        headers: headers_of_blob(call),
        limit: None,
        patience: patience(call),
    };
    send(call, seal, names, write, body, Code::UploadUnknown).await
}

/// What is said of a blob's bytes. They are bytes, whatever a client calls them: a registry would read the parameters
/// of a form, as that of a repository to mount from, and nobody has judged those (threat T2).
fn headers_of_blob(call: &Call<'_>) -> HeaderMap {
    let mut headers = forwarded_headers(&call.request.headers);
    if let Some(media_type) = headers.get_mut(CONTENT_TYPE) {
        *media_type = HeaderValue::from_static(BYTES);
    }
    headers
}

async fn send<B: Content>(
    call: &Call<'_>,
    seal: &Seal,
    names: &Names,
    write: Write,
    body: B,
    absent: Code,
) -> Result<Response<Body>, RegistryError> {
    let written = call.resolver.upstream().write(write, body).await?;
    let mut response = relay::answer(&written, call, absent);
    if let Some(location) = location(call, seal, names, &written) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Where a client goes on, or finds what it has pushed: always here, never past onetag.
fn location(call: &Call<'_>, seal: &Seal, names: &Names, written: &Written) -> Option<HeaderValue> {
    if written.status == StatusCode::CREATED {
        let query = call.request.uri.query().unwrap_or_default();
        let text = query::parameter(query, "digest").or_else(|| query::parameter(query, "mount"))?;
        let digest: onetag_oci::Digest = text.parse().ok()?;
        return Some(header(call.address(names, &format!("blobs/{digest}"))));
    }
    let location = written.location.as_ref()?;
    let prefix = call.resolver.upstream().url().path_prefix();
    if let Some(session) = session_of(location, prefix, &names.inner) {
        let query = location.query().map_or_else(String::new, |query| format!("?{query}"));
        return Some(header(call.address(names, &format!("blobs/uploads/{}{query}", session.as_str()))));
    }
    let name = seal.wrap(&call.route.site.name, &names.inner, location);
    // One that is too long to come back is not handed out.
    Session::new(&name).map(|name| header(call.address(names, &format!("blobs/uploads/{}", name.as_str()))))
}

/// The upload's own name, where a Location has the form that uploads have here. Its host does not matter: the way
/// back leads to the upstream that is configured, by whatever name it calls itself. A query with an `ns` of its own
/// would not come back whole.
fn session_of(location: &Uri, path_prefix: &str, inner: &Repository) -> Option<Session> {
    if query::parameter_lossy(location.query().unwrap_or_default(), "ns").is_some() {
        return None;
    }
    let path = location.path();
    let rest = path.strip_prefix(path_prefix).unwrap_or(path);
    let name = rest.strip_prefix("/v2/")?.strip_prefix(inner.as_str())?.strip_prefix("/blobs/uploads/")?;
    Session::new(name).filter(|_| !is_wrapped(name))
}

/// The repository that a blob is to be taken from, and the query that says so. What the caller may not read is not
/// mounted: it gets an upload then, as for a blob that is not there (threat T2).
fn mount(call: &Call<'_>) -> (Option<Repository>, String) {
    let query = call.request.uri.query().unwrap_or_default();
    if query::parameter(query, "mount").is_none() {
        return (None, forwarded_query(call));
    }
    let rest = |names: &[&str]| {
        let rest = query::without(query, names);
        if rest.is_empty() { rest } else { format!("?{rest}") }
    };
    let none = || (None, rest(&["ns", "mount", "from", "origin"]));
    match query::parameter(query, "from") {
        // From wherever it is: only for those who may read all that there is.
        None if call.may_all(Action::Pull) => (None, rest(&["ns"])),
        None => none(),
        Some(from) => match call.route.inner(&from).filter(|from| call.may(Action::Pull, from)) {
            Some(from) => {
                let kept = rest(&["ns", "from", "origin"]);
                let query = format!("{kept}&from={}", from.as_str().replace('/', "%2F"));
                (Some(from), query)
            }
            None => none(),
        },
    }
}

/// A Location with what a client adds to it, as `digest=`.
fn with_query(location: &Uri, query: &str) -> Option<Uri> {
    let Some(added) = query.strip_prefix('?') else { return Some(location.clone()) };
    let separator = if location.query().is_some() { '&' } else { '?' };
    format!("{location}{separator}{added}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_upload_is_the_upstreams_own_where_it_has_the_usual_form() {
        let app: Repository = "team/app".parse().unwrap();
        let name = |location: &str, prefix| {
            session_of(&location.parse().unwrap(), prefix, &app).map(|session| session.as_str().to_owned())
        };
        let id = Some("6f1c".to_owned());
        assert_eq!(name("https://r.example/v2/team/app/blobs/uploads/6f1c?_state=x", ""), id);
        assert_eq!(name("https://other.example/v2/team/app/blobs/uploads/6f1c", ""), id);
        assert_eq!(name("https://r.example/registry/v2/team/app/blobs/uploads/6f1c", "/registry"), id);
        assert_eq!(name("https://r.example/v2/team/other/blobs/uploads/6f1c", ""), None);
        assert_eq!(name("https://r.example/v2/team/app/blobs/uploads/a/b", ""), None);
        assert_eq!(name("https://r.example/artifacts-uploads/6f1c", ""), None);
        assert_eq!(name("https://r.example/v2/team/app/blobs/uploads/6f1c?ns=x", ""), None);
    }

    #[test]
    fn what_a_client_adds_is_added_to_a_location_of_another_form() {
        let with = |location: &'static str, query| {
            with_query(&Uri::from_static(location), query).unwrap().to_string()
        };
        assert_eq!(with("https://s.example/up?a=1", "?digest=x"), "https://s.example/up?a=1&digest=x");
        assert_eq!(with("https://s.example/up", "?digest=x"), "https://s.example/up?digest=x");
        assert_eq!(with("https://s.example/up", ""), "https://s.example/up");
    }
}

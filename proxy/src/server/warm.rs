//! `POST /warm?ref=REPOSITORY[:TAG|@DIGEST]&platform=OS/ARCH` of the admin listener: fetches what a pull of the
//! reference needs, and tells how far it is, one line of JSON for each step.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use onetag_config::RequiredPlatform;
use onetag_oci::{Platform, Reference, Repository};
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::admin::Answer;
use super::query;
use crate::merge::required;
use crate::registry::Routes;
use crate::resolve::{Resolver, Warmth};

const USAGE: &str = "write /warm?ref=REPOSITORY:TAG or /warm?ref=REPOSITORY:TAG&platform=linux/arm64";

/// The most platforms that one request names.
const MAX_PLATFORMS: usize = 16;

/// How often progress is told at most.
const TOLD_EVERY: Duration = Duration::from_millis(200);

/// Begins to do what the query says; the answer's body ends with it. Who leaves ends it, but not the downloads that
/// are under way.
pub(super) fn answer(routes: &Routes, query: &str, place: OwnedSemaphorePermit) -> Answer {
    let (repository, reference, platforms) = match parse(query) {
        Ok(parsed) => parsed,
        Err(message) => return Answer::failure(StatusCode::BAD_REQUEST, &message),
    };
    let Some((site, repository)) = routes.of_repository(&repository) else { return query::unknown() };
    if site.asks_upstream {
        let why = "this registry is asked with callers' credentials, and onetag has none";
        return Answer::failure(StatusCode::CONFLICT, why);
    }
    let (lines, mut told) = mpsc::channel(16);
    let work = run(Arc::clone(&site.resolver), repository, reference, platforms, lines.clone());
    tokio::spawn(async move {
        let _place = place;
        tokio::select! {
            () = work => {}
            () = lines.closed() => {}
        }
    });
    let lines = stream::poll_fn(move |cx| told.poll_recv(cx));
    let frames = futures_util::StreamExt::map(lines, |line| Ok::<_, Infallible>(Frame::data(line)));
    Answer::stream("application/x-ndjson", StreamBody::new(frames).boxed_unsync())
}

fn parse(query: &str) -> Result<(Repository, Reference, Vec<Platform>), String> {
    let (repository, reference) = query::reference(query, USAGE)?;
    let reference = match reference {
        Some(reference) => reference,
        None => "latest".parse().map_err(|_| USAGE)?,
    };
    let values = query.split('&').filter_map(|pair| pair.strip_prefix("platform="));
    let platforms = values.map(|value| {
        let text = percent_decode_str(value).decode_utf8().map_err(|_| USAGE)?;
        let platform: RequiredPlatform =
            text.parse().map_err(|error| format!("platform {text:?}: {error}"))?;
        Ok::<_, String>(required(&platform))
    });
    let platforms: Vec<Platform> = platforms.collect::<Result<_, _>>()?;
    if platforms.len() > MAX_PLATFORMS {
        return Err(format!("at most {MAX_PLATFORMS} platforms; leave them out to mean all"));
    }
    Ok((repository, reference, platforms))
}

async fn run(
    resolver: Arc<Resolver>,
    repository: Repository,
    reference: Reference,
    platforms: Vec<Platform>,
    lines: mpsc::Sender<Bytes>,
) {
    let mut last: Option<Instant> = None;
    let mut tell = |warmth: Warmth| {
        if last.is_none_or(|last| last.elapsed() >= TOLD_EVERY) {
            last = Some(Instant::now());
            // A reader that is slow misses some steps.
            let _ = lines.try_send(line(&json!(warmth)));
        }
    };
    let warmed = resolver.warm(&repository, &reference, &platforms, &mut tell).await;
    let end = match warmed {
        Ok(Some(Warmth { images: 0, .. })) => json!({ "error": "it has no image for these platforms" }),
        Ok(Some(warmth)) => json!({ "done": true, "warmth": warmth }),
        Ok(None) => json!({ "error": "there is no such reference" }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    // Who has left does not want to know.
    let _ = lines.send(line(&end)).await;
}

fn line(value: &serde_json::Value) -> Bytes {
    format!("{value}\n").into()
}

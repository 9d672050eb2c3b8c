//! The metrics, declared once, with closed label sets (threat T39).
//!
//! Label children are looked up once, here; to count is one atomic addition.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use super::measured::Measured;

/// Declares a closed set of label values.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The label's value.
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

labels! {
    /// The route of a client's request.
    Route {
        /// `/v2/`.
        Ping = "ping",
        /// A manifest by tag.
        ManifestByTag = "manifest_by_tag",
        /// A manifest by digest.
        ManifestByDigest = "manifest_by_digest",
        /// A blob.
        Blob = "blob",
        /// A tag list.
        Tags = "tags",
        /// A list of referrers.
        Referrers = "referrers",
        /// A blob that is pushed.
        Upload = "upload",
        /// A registry's notification of pushes.
        Notifications = "notifications",
        /// Everything else.
        Other = "other",
    }
}

labels! {
    /// How a request for a tag was answered.
    TagAnswer {
        /// From the cache, without a word to the upstream.
        Hit = "hit",
        /// From the cache, past its time; the upstream is asked in the background.
        Revalidated = "revalidated",
        /// The upstream was asked, by this request or one that it waited for.
        Filled = "filled",
        /// The upstream failed; the last good answer was served.
        Stale = "stale",
        /// The members do not belong together; the last coherent answer was served (rule I7).
        Held = "held",
        /// There is no such tag.
        Absent = "absent",
        /// The upstream failed and there was nothing to serve.
        Failed = "failed",
    }
}

labels! {
    /// How a request for a blob was answered.
    BlobAnswer {
        /// From a file of the cache.
        Hit = "hit",
        /// Behind a download that another request had begun.
        Arriving = "arriving",
        /// By a download into the cache that this request began.
        Filled = "filled",
        /// Past the cache: by a stream of its own, or by the upstream's word on HEAD.
        Bypassed = "bypassed",
        /// A part, by the upstream's own answer.
        PassedRange = "passed_range",
        /// There is no such blob.
        Absent = "absent",
        /// The upstream failed before an answer began.
        Failed = "failed",
    }
}

labels! {
    /// What an upstream is asked for.
    UpstreamKind {
        /// A manifest or index.
        Manifest = "manifest",
        /// What a tag names, without the bytes.
        Head = "head",
        /// An image config that a merge needs.
        Config = "config",
        /// A blob for a client.
        Blob = "blob",
        /// A bearer token.
        Token = "token",
        /// Whether an upstream answers, and what it asks for.
        Probe = "probe",
        /// A push or a deletion.
        Write = "write",
        /// Anything else: tag list, referrers.
        Other = "other",
    }
}

labels! {
    /// What came of a request to the upstream.
    UpstreamOutcome {
        /// An answer that could be used.
        Ok = "ok",
        /// There is no such thing.
        Absent = "absent",
        /// 401 or 403.
        Denied = "denied",
        /// 429.
        Limited = "limited",
        /// No connection, or it broke, or a 5xx.
        Failed = "failed",
        /// Too slow.
        Timeout = "timeout",
        /// An answer that cannot be right: wrong digest, type, size or form.
        Wrong = "wrong",
        /// Nothing was sent: the upstream is down, or wants to be left alone.
        Refused = "refused",
    }
}

labels! {
    /// Why a connection was closed before its first request.
    ConnectionClose {
        /// Its peer had as many as it may.
        PeerLimit = "peer_limit",
        /// No request came in time, or the client went first.
        NoRequest = "no_request",
        /// TLS was not agreed upon.
        Handshake = "handshake",
        /// TLS, where there is none.
        TlsOnPlain = "tls_on_plain",
        /// No TLS, where there is nothing else.
        PlainOnTls = "plain_on_tls",
    }
}

labels! {
    /// What became of a registry's notification of pushes.
    NotificationOutcome {
        /// It was understood.
        Accepted = "accepted",
        /// It had no token, or a wrong one.
        Refused = "refused",
        /// It was no notification, or too large, or too slow.
        Malformed = "malformed",
    }
}

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// All metrics of one process.
pub struct Metrics {
    registry: Registry,
    requests: Vec<[IntCounter; 5]>,
    request_seconds: Vec<Histogram>,
    upstream_requests: Vec<Vec<IntCounter>>,
    upstream_seconds: Vec<Histogram>,
    tag_answers: Vec<IntCounter>,
    /// Upstreams that are down, as far as is known.
    pub upstream_open: IntGauge,
    /// How often an upstream was found to be down.
    pub upstream_openings: IntCounter,
    notifications: Vec<IntCounter>,
    connections_closed: Vec<IntCounter>,
    blob_answers: Vec<IntCounter>,
    /// Merged indexes that were built.
    pub merged: IntCounter,
    /// Tags whose upstream bytes were passed on as they are.
    pub passed: IntCounter,
    /// Members that were found and left out of a merge.
    pub members_left_out: IntCounter,
    /// Merges that were refused because the index would break a limit (rule L1).
    pub merges_refused: IntCounter,
    /// Merges of members that come from different builds (rule I7).
    pub merges_skewed: IntCounter,
    /// Blob bytes sent to clients.
    pub blob_bytes: IntCounter,
    /// Bodies of blobs that are being sent.
    pub blob_readers: IntGauge,
    /// Downloads into the cache of blobs under way.
    pub blob_arrivals: IntGauge,
    /// Bytes of the blobs on disk.
    pub blob_cache_bytes: IntGauge,
    /// Blobs on disk.
    pub blob_cache_files: IntGauge,
    /// Blobs removed to make room.
    pub blobs_evicted: IntCounter,
    /// Files of the cache whose content was not what their digest names.
    pub blobs_damaged: IntCounter,
    /// Blobs from the upstream whose content was not what their digest names, or not of their length.
    pub blobs_wrong: IntCounter,
    /// Failures of the disk under the cache of blobs.
    pub blob_disk_errors: IntCounter,
    /// Open client connections.
    pub connections: IntGauge,
    /// Open connections of the admin listener.
    pub admin_connections: IntGauge,
    /// Failures of the store in the data directory.
    pub store_errors: IntCounter,
    /// Records that were not written because the disk cannot keep up or fails.
    pub records_dropped: IntCounter,
    /// Bytes that wait to be written to the data directory.
    pub store_queue_bytes: IntGauge,
    /// Fills of tags and fetches of digests under way.
    pub fills: IntGauge,
    /// Requests that wait for one of these.
    pub waiting_requests: IntGauge,
    /// Bytes held in memory by the caches.
    pub cache_bytes: IntGauge,
}

impl Metrics {
    /// Declares everything; a process has one of these.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let r = &registry;
        let requests = counters(r, "requests_total", "Requests from clients.", &["route", "status"])?;
        let request_seconds =
            histograms(r, "request_seconds", "Time from a request to its response headers.", "route")?;
        let upstream_requests =
            counters(r, "upstream_requests_total", "Requests to the upstream.", &["kind", "outcome"])?;
        let upstream_seconds =
            histograms(r, "upstream_request_seconds", "Time to an upstream's response headers.", "kind")?;
        let tag_answers = counters(r, "tag_answers_total", "Answers to requests for a tag.", &["answer"])?;
        let notifications =
            counters(r, "notifications_total", "Notifications of pushes, from registries.", &["outcome"])?;
        let closed =
            counters(r, "connections_closed_total", "Connections closed without a request.", &["reason"])?;
        let blob_answers = counters(r, "blob_answers_total", "Answers to requests for a blob.", &["answer"])?;
        let class_counters =
            |route: &Route| STATUS_CLASSES.map(|class| requests.with_label_values(&[route.label(), class]));
        let outcome_counters = |kind: &UpstreamKind| {
            let child = |outcome: &UpstreamOutcome| {
                upstream_requests.with_label_values(&[kind.label(), outcome.label()])
            };
            UpstreamOutcome::ALL.iter().map(child).collect()
        };
        Ok(Self {
            requests: Route::ALL.iter().map(class_counters).collect(),
            request_seconds: children(&request_seconds, Route::ALL.iter().map(|route| route.label())),
            upstream_requests: UpstreamKind::ALL.iter().map(outcome_counters).collect(),
            upstream_seconds: children(&upstream_seconds, UpstreamKind::ALL.iter().map(|kind| kind.label())),
            tag_answers: TagAnswer::ALL.iter().map(|a| tag_answers.with_label_values(&[a.label()])).collect(),
            upstream_open: gauge(r, "upstream_open", "Whether the upstream is down and only probed.")?,
            upstream_openings: counter(r, "upstream_openings_total", "Times the upstream was found down.")?,
            notifications: NotificationOutcome::ALL
                .iter()
                .map(|outcome| notifications.with_label_values(&[outcome.label()]))
                .collect(),
            connections_closed: ConnectionClose::ALL
                .iter()
                .map(|reason| closed.with_label_values(&[reason.label()]))
                .collect(),
            blob_answers: BlobAnswer::ALL
                .iter()
                .map(|a| blob_answers.with_label_values(&[a.label()]))
                .collect(),
            merged: counter(r, "merged_total", "Merged indexes built.")?,
            passed: counter(r, "passed_total", "Tags passed on with the upstream's bytes.")?,
            members_left_out: counter(r, "members_left_out_total", "Members found and left out of a merge.")?,
            merges_refused: counter(r, "merges_refused_total", "Merges refused because of a limit.")?,
            merges_skewed: counter(r, "merges_skewed_total", "Merges of members from different builds.")?,
            blob_bytes: counter(r, "blob_bytes_total", "Blob bytes sent to clients.")?,
            blob_readers: gauge(r, "blob_readers", "Blobs that are being sent to clients.")?,
            blob_arrivals: gauge(r, "blob_arrivals", "Downloads of blobs into the cache under way.")?,
            blob_cache_bytes: gauge(r, "blob_cache_bytes", "Bytes of the blobs on disk.")?,
            blob_cache_files: gauge(r, "blob_cache_files", "Blobs on disk.")?,
            blobs_evicted: counter(r, "blobs_evicted_total", "Blobs removed to make room.")?,
            blobs_damaged: counter(r, "blobs_damaged_total", "Blobs on disk found damaged.")?,
            blobs_wrong: counter(r, "blobs_wrong_total", "Blobs from the upstream found wrong.")?,
            blob_disk_errors: counter(r, "blob_disk_errors_total", "Failures of the disk under the blobs.")?,
            connections: gauge(r, "connections", "Open client connections.")?,
            admin_connections: gauge(r, "admin_connections", "Open connections of the admin listener.")?,
            store_errors: counter(r, "store_errors_total", "Failures of the store in the data directory.")?,
            records_dropped: counter(r, "records_dropped_total", "Records that could not be written.")?,
            store_queue_bytes: gauge(r, "store_queue_bytes", "Bytes that wait for the data directory.")?,
            fills: gauge(r, "fills", "Fills of tags and fetches of digests under way.")?,
            waiting_requests: gauge(r, "waiting_requests", "Requests that wait for a fill.")?,
            cache_bytes: gauge(r, "cache_bytes", "Bytes held in memory by the caches.")?,
            registry,
        })
    }

    /// Notes how large the caches of all upstreams are, and what is under way.
    pub fn measured(&self, all: Measured) {
        let set = |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.cache_bytes, all.cache_bytes);
        set(&self.fills, all.fills);
        set(&self.waiting_requests, all.waiting_requests);
        set(&self.store_queue_bytes, all.store_queue_bytes);
    }

    /// Counts a client's request once its response headers are ready.
    pub fn request(&self, route: Route, status: u16, took: Duration) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.requests[route as usize][class].inc();
        self.request_seconds[route as usize].observe(took.as_secs_f64());
    }

    /// Counts a request to the upstream.
    pub fn upstream(&self, kind: UpstreamKind, outcome: UpstreamOutcome, took: Duration) {
        self.upstream_requests[kind as usize][outcome as usize].inc();
        self.upstream_seconds[kind as usize].observe(took.as_secs_f64());
    }

    /// Counts a request to the upstream that was not sent.
    pub fn upstream_refused(&self, kind: UpstreamKind) {
        self.upstream_requests[kind as usize][UpstreamOutcome::Refused as usize].inc();
    }

    /// Counts an answer to a request for a tag.
    pub fn tag(&self, answer: TagAnswer) {
        self.tag_answers[answer as usize].inc();
    }

    /// Counts a registry's notification of pushes.
    pub fn notification(&self, outcome: NotificationOutcome) {
        self.notifications[outcome as usize].inc();
    }

    /// Counts a connection that was closed before its first request.
    pub fn connection_closed(&self, reason: ConnectionClose) {
        self.connections_closed[reason as usize].inc();
    }

    /// Counts an answer to a request for a blob.
    pub fn blob(&self, answer: BlobAnswer) {
        self.blob_answers[answer as usize].inc();
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    register(registry, IntCounterVec::new(Opts::new(format!("onetag_{name}"), help), labels)?)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    register(registry, IntCounter::new(format!("onetag_{name}"), help)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    register(registry, IntGauge::new(format!("onetag_{name}"), help)?)
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
) -> Result<HistogramVec, prometheus::Error> {
    let buckets = prometheus::exponential_buckets(0.000_1, 4.0, 10)?;
    let options = HistogramOpts::new(format!("onetag_{name}"), help).buckets(buckets);
    register(registry, HistogramVec::new(options, &[label])?)
}

fn children<'a>(vec: &HistogramVec, labels: impl Iterator<Item = &'a str>) -> Vec<Histogram> {
    labels.map(|label| vec.with_label_values(&[label])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_shows_under_its_labels() {
        let metrics = Metrics::new().unwrap();
        metrics.request(Route::Other, 404, Duration::from_millis(1));
        metrics.request(Route::Ping, 999, Duration::ZERO);
        metrics.upstream(UpstreamKind::Other, UpstreamOutcome::Wrong, Duration::from_secs(1));
        metrics.tag(TagAnswer::Failed);
        metrics.notification(NotificationOutcome::Malformed);
        let text = metrics.render().unwrap();
        for line in [
            r#"onetag_requests_total{route="other",status="4xx"} 1"#,
            r#"onetag_requests_total{route="ping",status="5xx"} 1"#,
            r#"onetag_upstream_requests_total{kind="other",outcome="wrong"} 1"#,
            r#"onetag_tag_answers_total{answer="failed"} 1"#,
            r#"onetag_notifications_total{outcome="malformed"} 1"#,
            "process_open_fds",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}

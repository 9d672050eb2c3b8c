//! The program under test, what it says about itself, and who asks it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::Onetag;
use testkit::client::{self, Client, Connection, Response};

/// Whoever runs the proofs may have credentials; they stay out of them.
const NO_DOCKER_CONFIG: (&str, &str) = ("DOCKER_CONFIG", "/nonexistent");

/// The longest that a caller waits for a whole response, as patient clients do.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client that knows everything accepts.
pub(crate) const ACCEPT: (&str, &str) = (
    "accept",
    "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*",
);

/// The program under test.
#[derive(Clone)]
pub(crate) struct Subject(PathBuf);

/// A text of metrics.
pub(crate) struct Metrics(String);

/// A client with one connection, which is opened anew when it broke. Nothing is ever asked twice.
pub(crate) struct Caller {
    client: Client,
    url: String,
    connection: Option<Connection>,
}

impl Subject {
    pub(crate) fn new(program: Option<PathBuf>) -> Self {
        Self(program.unwrap_or_else(|| Path::new(env!("CARGO_BIN_EXE_onetag")).to_owned()))
    }

    /// A running `onetag serve` in front of `upstream`, with its data in `data` if that is given.
    pub(crate) fn serve(&self, upstream: &str, data: Option<&Path>, args: &[&str]) -> Onetag {
        let mut all = vec!["--upstream", upstream];
        if let Some(data) = data {
            all.extend(["--data-dir", data.to_str().expect("a path in UTF-8")]);
        }
        all.extend(args);
        Onetag::start_with(&self.0, &all, &[NO_DOCKER_CONFIG])
    }
}

impl Metrics {
    pub(crate) async fn of(onetag: &Onetag) -> Self {
        let url = format!("{}/metrics", onetag.admin_url());
        Self(client::get(&url, &[]).await.expect("the admin listener answers").text())
    }

    /// Whether this build of onetag keeps blobs, and so knows which bytes of them are right.
    pub(crate) fn keeps_blobs(&self) -> bool {
        self.samples("onetag_blob_cache_bytes").next().is_some()
    }

    /// The sum of the samples of a metric whose labels hold `label`, which may be empty.
    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        self.samples(name)
            .filter(|line| line.contains(label))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// The sum of a metric's counts.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.samples(name).filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
    }

    /// How many series there are.
    pub(crate) fn series(&self) -> usize {
        self.0.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count()
    }

    fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .lines()
            .filter(move |line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
    }
}

/// The most memory that a process had in use at once, in bytes.
pub(crate) fn peak_memory(onetag: &Onetag) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", onetag.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

impl Caller {
    pub(crate) fn of(onetag: &Onetag) -> Self {
        Self { client: Client::plain().timeout(PATIENCE), url: onetag.url().to_owned(), connection: None }
    }

    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, client::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.client.connect(&self.url).await?,
        };
        let response = connection.request(method, &format!("{}{path}", self.url), headers, "").await?;
        self.connection = Some(connection);
        Ok(response)
    }
}

//! nginx in front of onetag, and in front of the registry, each under a path of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use testkit::client::{Client, Response};
use testkit::{Authority, Image, Locations, Onetag, Registry, require, sha256};

use super::{ALL, with_digest};
use crate::support::{ACCEPT, REPOSITORY, eventually, serve_config};

/// nginx as it serves one place; killed when dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// Passes what is below `prefix` on to `to`, over TLS if there is an authority.
    async fn start(prefix: &str, to: &str, authority: Option<&Authority>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // It cannot take a free port by itself.
        let address = free_address();
        let config = folder.path().join("nginx.conf");
        std::fs::write(&config, settings(folder.path(), address, (prefix, to), authority)).expect("written");
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&config)
            .arg("-p")
            .arg(folder.path())
            .args(["-e", "stderr"])
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let nginx = Self { child, address, _folder: folder };
        eventually("nginx listens", async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// An address that nobody listens at.
fn free_address() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("an address")
}

/// One process, so that to kill it is to end it.
fn settings(
    folder: &Path,
    address: SocketAddr,
    (prefix, to): (&str, &str),
    authority: Option<&Authority>,
) -> String {
    let tls = authority.map(|authority| authority.server_identity().write(folder, "nginx"));
    let (ssl, tls) = tls.map_or_else(Default::default, |(certificate, key)| {
        let (certificate, key) = (certificate.display(), key.display());
        (" ssl", format!("ssl_certificate {certificate}; ssl_certificate_key {key};"))
    });
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .collect::<Vec<_>>()
        .concat();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
         {temporary}server {{\nlisten {address}{ssl}; {tls}\nclient_max_body_size 0;\nlocation {prefix}/ {{\n\
         proxy_pass {to}/;\nproxy_http_version 1.1;\nproxy_request_buffering off;\n\
         proxy_set_header Host $http_host;\nproxy_set_header X-Forwarded-Host $http_host;\n\
         proxy_set_header X-Forwarded-Proto $scheme;\nproxy_set_header X-Forwarded-Prefix {prefix};\n}}\n}}\n}}\n"
    )
}

/// A client that knows a registry only by its address behind the gateway.
struct Outside {
    client: Client,
    base: String,
}

impl Outside {
    async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
        assert!(url.starts_with(&self.base), "{url} leads past the gateway");
        self.client.request(method, url, headers, body).await.expect("an answer")
    }

    /// Pushes as clients do, by the Locations alone.
    async fn push(&self, image: &Image) {
        let repository = format!("{}/v2/{REPOSITORY}", self.base);
        for blob in image.blobs() {
            let begun = self.send("POST", &format!("{repository}/blobs/uploads/"), &[], Vec::new()).await;
            let location = begun.header("location").expect("a Location");
            let sent = self.send("PATCH", location, &[], blob.to_vec()).await;
            let location = sent.header("location").expect("a Location");
            let done = self.send("PUT", &with_digest(location, &sha256(blob)), &[], Vec::new()).await;
            assert_eq!(done.status, 201, "{}", done.text());
            let pulled =
                self.send("GET", done.header("location").expect("a Location"), &[], Vec::new()).await;
            assert!(pulled.body == *blob, "the blob that was pushed");
        }
        let typed = [("content-type", &*image.media_type)];
        let put = format!("{repository}/manifests/latest");
        let done = self.send("PUT", &put, &typed, image.manifest.clone()).await;
        assert_eq!(done.status, 201, "{}", done.text());
        let location = done.header("location").expect("a Location");
        assert_eq!(self.send("GET", location, &[ACCEPT], Vec::new()).await.body, image.manifest);
        assert_eq!(self.send("GET", &put, &[ACCEPT], Vec::new()).await.body, image.manifest);
    }

    /// The tags, page by page, by the Links alone.
    async fn tags(&self) -> Vec<String> {
        let mut next = Some(format!("{}/v2/{REPOSITORY}/tags/list?n=1", self.base));
        let mut tags = Vec::new();
        while let Some(url) = next {
            let page = self.send("GET", &url, &[], Vec::new()).await;
            let found = page.json()["tags"].as_array().expect("a list").clone();
            tags.extend(found.iter().map(|tag| tag.as_str().expect("a tag").to_owned()));
            let link = page.header("link").and_then(|link| link.strip_prefix('<')?.split_once('>'));
            next = link.map(|(url, _)| url.to_owned());
        }
        tags
    }
}

fn onetag(upstream: &str, server: &str) -> Onetag {
    serve_config(&format!("[server]\n{server}\n[upstream]\nurl = \"{upstream}\"\n{ALL}"), &[])
}

#[tokio::test]
async fn pushes_and_pulls_go_through_gateways_on_both_sides() {
    if !require("nginx") {
        return;
    }
    let authority = Authority::new();
    for locations in [Locations::Absolute, Locations::Relative, Locations::Foreign] {
        let registry = Registry::builder().locations(locations).start().await;
        let back = Nginx::start("/deep/registry", &registry.url(), None).await;
        let upstream = match locations {
            // Where an upload goes on at a path of its own, its gateway would have to know of it.
            Locations::Foreign => registry.url(),
            _ => format!("http://{}/deep/registry", back.address),
        };
        let onetag = onetag(&upstream, "trusted_proxies = [\"127.0.0.1\"]");
        let front = Nginx::start("/registry", onetag.url(), Some(&authority)).await;
        let base = format!("https://{}/registry", front.address);
        let outside = Outside { client: Client::trusting(&authority.ca_pem()), base };
        let image = Image::builder("linux/amd64").seed(locations as u64).build();
        outside.push(&image).await;
        assert_eq!(registry.tag(REPOSITORY, "latest"), Some(image.digest()));
        registry.push(REPOSITORY, "other", &image);
        assert_eq!(outside.tags().await, ["latest", "other"]);
    }
}

#[tokio::test]
async fn the_address_outside_can_be_set_instead() {
    if !require("nginx") {
        return;
    }
    let registry = Registry::start().await;
    // nginx has to know where onetag is, and onetag where nginx is.
    let listen = free_address();
    let front = Nginx::start("/registry", &format!("http://{listen}"), None).await;
    let base = format!("http://{}/registry", front.address);
    let settings = format!("[upstream]\nurl = \"{}\"\n{ALL}", registry.url());
    let _onetag = serve_config(&settings, &["--listen", &listen.to_string(), "--external-url", &base]);
    let outside = Outside { client: Client::plain(), base };
    outside.push(&Image::builder("linux/amd64").build()).await;
    assert_eq!(outside.tags().await, ["latest"]);
}

//! Each registry has authorities and a certificate of its own.

use std::path::Path;

use testkit::client;
use testkit::{Authority, DockerRegistry, Image, Registry};

use crate::support::{ACCEPT, serve_config};

const PATH: &str = "team/app/manifests/latest";

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[tokio::test]
async fn each_registry_is_known_by_its_own_authority_and_shown_its_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = [Authority::new(), Authority::new()];
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    for (authority, place) in [(&one, &first), (&two, &second)] {
        std::fs::create_dir(place).unwrap();
        authority.write_ca(place);
    }
    let registry = Registry::builder().tls(&one).start().await;
    let Some(asking) = DockerRegistry::builder().tls(&two).client_ca(&two).start() else { return };
    let images = [1, 2].map(|seed| Image::builder("linux/amd64").docker().seed(seed).build());
    registry.push("team/app", "latest", &images[0]);
    let asking = tokio::task::spawn_blocking({
        let image = images[1].clone();
        move || {
            asking.push("team/app", "latest", &image);
            asking
        }
    });
    let asking = asking.await.unwrap();
    let (certificate, key) = two.client_identity("onetag").write(folder.path(), "onetag");
    let shown = format!("client_certificate = {:?}\nclient_key = {:?}\n", text(&certificate), text(&key));
    let entry = |name: &str, url: &str, ca: &Path, more: &str| {
        let ca = ca.join("ca.crt");
        let upstream = format!("[registry.upstream]\nurl = \"{url}\"\nca_file = {:?}\n{more}", text(&ca));
        format!("[[registry]]\nname = \"{name}\"\n{upstream}\n")
    };
    let settings = [
        entry("right.example", &registry.url(), &first, ""),
        entry("wrong.example", &registry.url(), &second, ""),
        entry("shown.example", asking.url(), &second, &shown),
        entry("hidden.example", asking.url(), &second, ""),
    ];
    let onetag = serve_config(&settings.concat(), &[]);
    for (name, found) in [
        ("right.example", Some(&images[0])),
        ("wrong.example", None),
        ("shown.example", Some(&images[1])),
        ("hidden.example", None),
    ] {
        let got = client::get(&format!("{}/v2/{name}/{PATH}", onetag.url()), &[ACCEPT]).await.unwrap();
        match found {
            Some(image) => assert_eq!(got.body, image.manifest, "{name}"),
            None => assert!(matches!(got.status, 502 | 503), "{name}: {}", got.status),
        }
    }
}

//! What changes while onetag serves (threat T42, goal G11).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use testkit::client::{Client, basic};
use testkit::{Onetag, Registry};
use tokio::task::JoinHandle;

use crate::isolation::{HASH, PASSWORD, htpasswd};
use crate::support::{ACCEPT, Legacy, eventually, manifest_path, serve_with};

/// How many settings that cannot be used are tried.
const BAD: usize = 200;

/// A registry, and onetag with files that can be changed.
struct Site {
    _registry: Registry,
    onetag: Onetag,
    config: PathBuf,
    htpasswd: PathBuf,
    good: String,
    _folder: tempfile::TempDir,
}

/// Callers who ask all the time.
struct Asking {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Site {
    async fn start() -> Self {
        let registry = Registry::start().await;
        Legacy::docker().push(&registry, "latest");
        let folder = tempfile::tempdir().expect("a folder");
        let htpasswd = htpasswd(folder.path(), &["jo"]);
        let config = folder.path().join("onetag.toml");
        let good = format!(
            "[upstream]\nurl = \"{}\"\n[access]\nhtpasswd = \"{}\"\n",
            registry.url(),
            htpasswd.display()
        );
        std::fs::write(&config, &good).expect("written");
        let onetag = serve_with(&["--config", config.to_str().expect("text")], &[]);
        Self { _registry: registry, onetag, config, htpasswd, good, _folder: folder }
    }

    fn url(&self) -> String {
        format!("{}{}", self.onetag.url(), manifest_path("latest"))
    }

    async fn status(&self, user: &str, password: &str) -> u16 {
        let headers = [ACCEPT, ("authorization", &*basic(user, password))];
        Client::plain().get(&self.url(), &headers).await.expect("an answer").status
    }

    /// How many lines of the log have this.
    fn told(&self, text: &str) -> usize {
        self.onetag.stderr_text().lines().filter(|line| line.contains(text)).count()
    }

    /// Reads everything again, and waits until this was told once more, and no other error.
    async fn reload(&mut self, told: &str) {
        let before = (self.told(told), self.told("ERROR"));
        self.onetag.hang_up();
        eventually(told, || async { self.told(told) > before.0 }).await;
        let errors = usize::from(told == NOT_TAKEN);
        assert_eq!((self.told(told), self.told("ERROR")), (before.0 + 1, before.1 + errors));
    }
}

const NOT_TAKEN: &str = "read again and not taken";
const IN_FORCE: &str = "read again: who may do what is in force";

impl Asking {
    /// Callers that must be answered with the merged index each time.
    fn start(url: &str) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let caller = |_| {
            let (stop, asked, url) = (Arc::clone(&stop), Arc::clone(&asked), url.to_owned());
            tokio::spawn(async move {
                let headers = [ACCEPT, ("authorization", &*basic("jo", PASSWORD))];
                let mut connection = Client::plain().connect(&url).await.expect("a connection");
                while !stop.load(Ordering::Relaxed) {
                    let got = connection.request("GET", &url, &headers, "").await.expect("an answer");
                    assert_eq!(got.status, 200, "{}", got.text());
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        };
        let tasks = (0..4).map(caller).collect();
        Self { stop, asked, tasks }
    }

    /// How many answers there were; each was right.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("no request failed");
        }
        self.asked.load(Ordering::Relaxed)
    }
}

/// Settings that cannot be used, each wrong in a way of its own.
fn bad(site: &Site, number: usize) -> (String, String) {
    let (good, user) = (&site.good, format!("jo:{HASH}\n"));
    match number % 8 {
        0 => (format!("{good}[[allow]\n"), user),
        1 => (format!("{good}passwords = {number}\n"), user),
        2 => (format!("{good}[[allow]]\nactions = [\"pull{number}\"]\n"), user),
        3 => (good.replace("htpasswd\"", &format!("htpasswd-{number}\"")), user),
        4 => (good.clone(), format!("{user}jo:{HASH}\n")),
        5 => (good.clone(), format!("{user}jim:{number}\n")),
        6 => (good.clone(), format!("jim:{}\n", HASH.replace("$05$", "$31$"))),
        _ => (good.replace("url", "address"), format!("{number}")),
    }
}

#[tokio::test]
async fn t42_two_hundred_reloads_of_what_is_wrong_change_nothing_and_fail_no_request() {
    let mut site = Site::start().await;
    let asking = Asking::start(&site.url());
    for number in 0..BAD {
        let (config, users) = bad(&site, number);
        std::fs::write(&site.config, config).expect("written");
        std::fs::write(&site.htpasswd, users).expect("written");
        site.reload(NOT_TAKEN).await;
    }
    assert_eq!((site.told(NOT_TAKEN), site.told("ERROR")), (BAD, BAD), "one line each");
    assert_eq!(site.status("jim", PASSWORD).await, 401);
    let allow = "[[allow]]\nusers = [\"jo\", \"jim\"]\nrepositories = [\"team/*\"]\n";
    std::fs::write(&site.config, format!("{}{allow}", site.good)).expect("written");
    std::fs::write(&site.htpasswd, format!("jo:{HASH}\njim:{HASH}\njan:{HASH}\n")).expect("written");
    site.reload(IN_FORCE).await;
    assert_eq!(site.status("jim", PASSWORD).await, 200);
    assert_eq!(site.status("jan", PASSWORD).await, 404, "known, and allowed nothing");
    let answers = asking.end().await;
    assert!(answers >= BAD, "{answers}");
    println!("{BAD} bad reloads, {answers} answers meanwhile: 0 failed");
}

#[tokio::test]
async fn a_file_of_passwords_that_changes_is_taken_by_itself() {
    let site = Site::start().await;
    assert_eq!((site.status("jo", PASSWORD).await, site.status("jim", PASSWORD).await), (200, 401));
    // As an editor replaces a file.
    let next = site.htpasswd.with_extension("next");
    std::fs::write(&next, format!("jim:{HASH}\n")).expect("written");
    std::fs::rename(&next, &site.htpasswd).expect("in its place");
    eventually("the new one is let in", async || site.status("jim", PASSWORD).await == 200).await;
    assert_eq!(site.status("jo", PASSWORD).await, 401);
    std::fs::write(&site.htpasswd, "jo\n").expect("written");
    eventually("it is told", async || site.told("ERROR") == 1).await;
    assert_eq!((site.status("jim", PASSWORD).await, site.status("jo", PASSWORD).await), (200, 401));
}

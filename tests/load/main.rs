//! The load test itself, shortly: every scenario runs to its end, without a failed request. No time is judged here.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::process::require;

fn loadtest(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onetag-loadtest"));
    command.args(arguments).output().expect("the load test runs")
}

/// Runs a scenario, and wants it whole: its report.
fn report(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.json");
    let mut all = arguments.to_vec();
    all.extend(["--json", path(&file)]);
    let output = loadtest(&all);
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    let text = std::fs::read(&file).expect("a report");
    let report: Value = serde_json::from_slice(&text).expect("JSON");
    assert!(report["runs"].as_array().is_some_and(|runs| !runs.is_empty()), "{report}");
    report
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A run of a scenario, short; all requests were answered right.
fn run(arguments: &[&str]) -> Value {
    let short = ["--duration", "500ms", "--warm-up", "100ms"];
    let report = report(&[arguments, &short[..]].concat());
    let run = report["runs"][0].clone();
    assert!(run["answered"].as_u64().is_some_and(|count| count > 0), "{run}");
    assert_eq!(run["failed"], 0, "{run}");
    for class in run["classes"].as_array().expect("classes") {
        assert!(class["answered"].as_u64().is_some_and(|count| count > 0), "{class}");
    }
    assert!(run["resources"]["rss_after"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{run}");
    run
}

fn upstream_requests(run: &Value) -> u64 {
    run["upstream_requests"].as_u64().expect("an upstream of its own")
}

#[test]
fn hits_never_reach_the_upstream() {
    for scenario in ["tag-hit", "head-hit", "digest-hit"] {
        assert_eq!(upstream_requests(&run(&[scenario, "--tags", "10"])), 0, "{scenario}");
    }
    assert_eq!(upstream_requests(&run(&["blob-hit", "--blob-size", "100 KiB"])), 0);
}

#[test]
fn every_protocol_is_spoken() {
    for arguments in [&["--tls"][..], &["--protocol", "http2"], &["--protocol", "http2", "--tls"]] {
        let run = run(&[&["tag-hit", "--connections", "20"][..], arguments].concat());
        assert_eq!(run["tls"], arguments.contains(&"--tls"));
        assert_eq!(run["protocol"], if arguments.contains(&"http2") { "http2" } else { "http1" });
    }
}

#[test]
fn an_open_loop_asks_at_its_rate_and_counts_from_when_requests_were_due() {
    let run = run(&["tag-hit", "--rate", "200", "--connections", "4"]);
    assert_eq!(run["answered"], 100, "200 a second for half a second");
    // Four places, and each answer takes 50 ms: 80 a second can be answered, so the rest waits, and that counts.
    let slow = ["revalidate", "--rate", "200", "--connections", "4", "--tags", "500", "--latency", "50ms"];
    let run = run_slow(&slow);
    let times = &run["times"];
    assert!(times["max"].as_f64().is_some_and(|micros| micros > 300_000.0), "{times}");
}

/// Like [`run`], with time to get behind.
fn run_slow(arguments: &[&str]) -> Value {
    let short = ["--duration", "1s", "--warm-up", "0s"];
    report(&[arguments, &short[..]].concat())["runs"][0].clone()
}

#[test]
fn what_is_cold_is_merged_once_however_many_ask() {
    let cold = run(&["cold-merge", "--rate", "40", "--latency", "5ms"]);
    let tags = cold["answered"].as_u64().expect("a count");
    // Two tags, and the configs of both.
    assert_eq!(upstream_requests(&cold), tags * 4);
    let stampede = run(&["stampede", "--connections", "50", "--latency", "20ms"]);
    let tags = stampede["answered"].as_u64().expect("a count").div_ceil(50);
    assert!(upstream_requests(&stampede) <= (tags + 1) * 4, "{stampede}");
}

#[test]
fn what_was_due_and_never_sent_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.json");
    let overload =
        ["cold-merge", "--rate", "200", "--connections", "2", "--latency", "2s", "--duration", "500ms"];
    let output = loadtest(&[&overload[..], &["--json", path(&file)]].concat());
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(&file).expect("a report")).expect("JSON");
    let run = &report["runs"][0];
    let (answered, failed) =
        (run["answered"].as_u64().expect("a count"), run["failed"].as_u64().expect("a count"));
    assert_eq!(answered + failed, 100, "200 a second for half a second: {run}");
    let failures = &run["classes"][0]["failures"];
    assert!(failures["never sent"].as_u64().is_some_and(|count| count > 80), "{run}");
}

#[test]
fn what_is_past_its_time_is_asked_for_again() {
    let run = run(&["revalidate", "--connections", "4"]);
    assert!(upstream_requests(&run) > 2, "{run}");
}

#[test]
fn a_rollout_asks_the_upstream_for_each_thing_once() {
    let run = run(&["rollout", "--connections", "20", "--blob-size", "64 KiB", "--latency", "2ms"]);
    // Twenty nodes: the tag, its image, a config and ten layers each.
    assert_eq!(run["answered"], 20 * 13);
    // Ten layers, two images and their configs; the tag itself, a tag list, and once each suffix that may occur.
    assert!(upstream_requests(&run) <= 30, "{run}");
}

#[test]
fn cold_blobs_a_morning_a_slow_upstream_and_a_flood() {
    let cold = run(&["blob-cold", "--blobs", "5", "--blob-size", "300 KiB"]);
    assert_eq!((&cold["answered"], upstream_requests(&cold)), (&5.into(), 5));
    run(&["morning", "--rate", "200", "--latency", "1ms"]);
    run(&["slow-upstream", "--rate", "300", "--latency", "200ms"]);
    run(&["keyflood", "--connections", "8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_named_is_aimed_at_and_what_fails_is_counted() {
    let registry = testkit::Registry::start().await;
    let image = testkit::Image::builder("linux/amd64").build();
    registry.push("team/app", "latest", &image);
    let url = registry.url();
    let target =
        ["--target", &url, "--reference", "team/app:latest", "--duration", "300ms", "--warm-up", "0s"];
    for scenario in ["tag-hit", "head-hit", "digest-hit", "blob-hit", "morning", "keyflood"] {
        let report = report(&[&[scenario, "--connections", "4"], &target[..]].concat());
        assert_eq!(report["runs"][0]["failed"], 0);
    }
    let every_second = std::sync::atomic::AtomicU32::new(0);
    registry.fail_by(move |_| {
        let number = every_second.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // The first ones are those before the run.
        (number > 4 && number.is_multiple_of(2)).then(|| testkit::Fault::status(503))
    });
    let output = loadtest(&[&["tag-hit", "--connections", "4"], &target[..]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("of tag failed: status 503"), "{said}");
}

#[test]
fn wrong_usage_is_told() {
    for (arguments, why) in [
        (&["tag-hit", "--target", "http://192.0.2.1:80", "--reference", "a:b"][..], "--i-own-this-host"),
        (&["tag-hit", "--target", "http://127.0.0.1:1"], "--reference"),
        (&["cold-merge", "--target", "http://127.0.0.1:1", "--reference", "a:b"], "takes no --target"),
        (&["tag-hit", "--rate", "0"], "--rate"),
        (&["tag-hit", "--duration", "1ms"], "--duration"),
        (&["tag-hit", "--server-cores", "999"], "there is no core 999"),
        (&["blob-hit", "--blob-size", "1 PiB"], "--blob-size"),
        (&["tag-hit", "--rate", "5", "--maximum"], "--maximum"),
        (&["no-such-thing"], "no-such-thing"),
        (&["tag-hit", "--warm-up", "500000000000years"], "--warm-up"),
        (&["cold-merge", "--latency", "2h"], "--latency"),
        (&["tag-hit", "--streams", "5"], "--protocol http2"),
        (&["tag-hit", "--server-cores", "0", "--load-cores", "0"], "core 0"),
        (&["tag-hit", "--json", "same", "--html", "same"], "the same file"),
        (
            &["tag-hit", "--target", "http://127.0.0.1:1", "--reference", "a:b", "--pid", "4000000"],
            "no process 4000000",
        ),
        (&["tag-hit", "--target", "http://127.0.0.1:99999", "--reference", "a:b"], "99999"),
    ] {
        let output = loadtest(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    let output = loadtest(&["tag-hit", "--onetag", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_was_reported_before_stays_where_there_is_no_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.json");
    std::fs::write(&file, "before").expect("a file");
    let run = |more: &[&str]| loadtest(&[&["tag-hit", "--json", path(&file)], more].concat()).status.code();
    assert_eq!(run(&["--server-cores", "999"]), Some(2));
    assert_eq!(run(&["--onetag", "/nonexistent"]), Some(1));
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "before");
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_onetag-loadtest"));
    command.args(["tag-hit", "--duration", "30s"]).env("TMPDIR", folder.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let servers = || {
        let pid = child.id();
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default()
    };
    let began = Instant::now();
    while servers().is_empty() || std::fs::read_dir(folder.path()).expect("a folder").next().is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing was started");
        std::thread::sleep(Duration::from_millis(20));
    }
    let servers = servers();
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    for server in servers.split_whitespace() {
        let state = || std::fs::read_to_string(format!("/proc/{server}/stat")).unwrap_or_default();
        // It was killed; the system may take a moment.
        while !(state().is_empty() || state().contains(") Z ")) {
            assert!(began.elapsed() < Duration::from_secs(30), "{server} runs on: {}", state());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn all_servers_are_compared_and_the_page_has_plots() {
    if !(require("nginx") && require("docker-registry")) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("report.html");
    let report = report(&[
        "compare",
        "--rounds",
        "1",
        // docker-registry takes half a second for each of 64 at once.
        "--duration",
        "1500ms",
        "--blob-size",
        "200 KiB",
        "--tags",
        "500",
        "--html",
        path(&page),
    ]);
    let works = report["comparison"]["works"].as_array().expect("works");
    let names: Vec<_> = works.iter().filter_map(|work| work["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "tag hit",
            "HEAD hit",
            "tag hit, TLS, HTTP/1.1",
            "tag hit, TLS, HTTP/2",
            "blob hit",
            "blob hit, TLS",
            "blob cold"
        ]
    );
    for standing in works.iter().flat_map(|work| work["standings"].as_array().expect("standings")) {
        assert!(standing["rates"]["min"].as_f64().is_some_and(|rate| rate > 0.0), "{standing}");
        assert_eq!(standing["failed"], 0, "{standing}");
    }
    assert!(report["comparison"]["bars"].as_array().is_some_and(|bars| bars.len() >= 15));
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg"), "{}", &page[..200]);
}

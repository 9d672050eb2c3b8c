use std::collections::BTreeMap;

use super::super::data::{Resources, percentiles};
use super::super::machine::Machine;
use super::super::*;
use super::axis::stretched;
use super::page::*;
use crate::compare::{Bar, Comparison, Spread, Standing, Work};
use crate::engine::Protocol;

/// Text that breaks out of everything that it is not escaped in.
const HOSTILE: &str = "</title></style>\"'><script>alert(1)</script>&amp;";

fn times_around(micros: f64) -> Times {
    let curve = percentiles().map(|at| (at, micros * (1.0 + stretched(at)))).collect();
    let [p50, p90, p99, p999] = [1.3, 2.0, 3.0, 4.0].map(|times| times * micros);
    Times { min: micros, mean: p50, p50, p90, p99, p999, max: 5.0 * micros, curve }
}

fn no_times() -> Times {
    Times {
        min: 0.0,
        mean: 0.0,
        p50: 0.0,
        p90: 0.0,
        p99: 0.0,
        p999: 0.0,
        max: 0.0,
        curve: percentiles().map(|at| (at, 0.0)).collect(),
    }
}

/// A run of so many seconds.
fn run_of(seconds: u32) -> Run {
    let class = |name, micros| ClassReport {
        name,
        answered: 1_000,
        failures: BTreeMap::from([("status 503".to_owned(), 3)]),
        times: times_around(micros),
    };
    let second = |number: u32| SecondReport {
        answered: 1_000 + u64::from(number % 7) * 10,
        failed: u64::from(number % 5 == 3),
        p50: 300.0,
        p99: 2_000.0 + f64::from(number % 4) * 100.0,
    };
    let sample =
        |number: u32| (f64::from(number) / 5.0, 0.5 + f64::from(number % 3) / 10.0, u64::from(number) << 17);
    Run {
        scenario: "pull".to_owned(),
        server: "onetag".to_owned(),
        protocol: Protocol::Http1,
        tls: true,
        rate_wanted: None,
        concurrency: 64,
        warm_up_seconds: 0.5,
        elapsed_seconds: f64::from(seconds) + 0.01,
        answered: 1_000 * u64::from(seconds),
        failed: 6,
        rate: 1_000.0,
        bytes: 1 << 30,
        mib_per_second: 100.0,
        times: times_around(300.0),
        classes: vec![class("tag", 300.0), class("layer", 20_000.0)],
        seconds: (0..seconds).map(second).collect(),
        resources: Some(Resources {
            cpu_seconds: 1.0,
            cores_busy: 0.6,
            cpu_per_request: 12.0,
            rss_before: 10 << 20,
            rss_peak: 30 << 20,
            rss_after: 20 << 20,
            samples: (0..seconds * 5).map(sample).collect(),
        }),
        load_share: 0.4,
        upstream_requests: Some(7),
    }
}

/// A run in which nothing was answered.
fn empty_run() -> Run {
    let class = ClassReport { name: "tag", answered: 0, failures: BTreeMap::new(), times: no_times() };
    Run {
        elapsed_seconds: 0.0,
        answered: 0,
        failed: 0,
        rate: 0.0,
        mib_per_second: 0.0,
        times: no_times(),
        classes: vec![class],
        seconds: Vec::new(),
        resources: None,
        upstream_requests: None,
        ..run_of(0)
    }
}

fn report(runs: Vec<Run>, comparison: Option<Comparison>) -> Report {
    let machine = Machine {
        processor: "A processor".to_owned(),
        cores: 2,
        memory_bytes: 8 << 30,
        system: "Linux 6.1".to_owned(),
        load_average: 0.25,
    };
    Report { version: "1.2.3", date: "2025-01-02T03:04:05Z".to_owned(), machine, runs, comparison }
}

fn comparison() -> Comparison {
    let spread = |median: f64| Spread { min: median * 0.9, median, max: median * 1.05 };
    let standing = |server: &str, rate, ratio: Option<f64>| Standing {
        server: server.to_owned(),
        rates: spread(rate),
        cpu: spread(12.0),
        ratio: ratio.map(spread),
        cpu_ratio: ratio.map(spread),
        busy: 0.5,
        failed: 0,
    };
    let standings = vec![
        standing("onetag", 81_234.0, None),
        standing("nginx, uncached", 61_000.0, Some(1.33)),
        standing("docker-registry", 900.0, Some(90.0)),
    ];
    let bar = |work: &str, met| Bar {
        work: work.to_owned(),
        wanted: ">= 1.2 x nginx".to_owned(),
        measured: spread(1.33),
        unit: "x",
        met,
        note: "the load was the limit".to_owned(),
    };
    let works = vec![Work { name: "tag hit".to_owned(), unit: "request", standings }];
    Comparison { rounds: 5, works, bars: vec![bar("tag hit", true), bar("blob hit", false)] }
}

/// Whether every element is closed where it belongs.
fn assert_closed(page: &str) {
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag)) {
        let name = tag.split_whitespace().next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') && !["!doctype", "meta"].contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn text_is_escaped() {
    assert_eq!(escape("a < b & \"c\" > 'd'"), "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
    assert_eq!(escape("nginx, läuft"), "nginx, läuft");
}

#[test]
fn a_page_has_the_machine_and_every_plot() {
    let page = page(&report(vec![run_of(30)], None)).unwrap();
    for text in ["2025-01-02T03:04:05Z", "1.2.3", "A processor, 2 cores", "8192.0 MiB", "Linux 6.1", "0.25"] {
        assert!(page.contains(&format!("<dd>{text}</dd>")), "{text}");
    }
    assert_eq!(page.matches("<svg ").count(), 5);
    assert!(page.contains("<details open>") && page.contains("3 of tag failed: status 503"));
    assert_closed(&page);
}

#[test]
fn a_page_is_complete_in_itself() {
    let page = page(&report(vec![run_of(3)], Some(comparison()))).unwrap();
    let page = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for text in ["http:", "https:", "url(", "@import", "src=", "href=", "<script", "<link"] {
        assert!(!page.contains(text), "{text}");
    }
}

#[test]
fn a_comparison_shows_its_works_and_its_bars() {
    let page = page(&report(vec![run_of(3), run_of(3)], Some(comparison()))).unwrap();
    assert!(page.contains("Bars: 1 of 2 met"));
    assert!(page.contains("<tr class=\"met\"><td>met</td><td>tag hit</td><td>&gt;= 1.2 x nginx</td>"));
    assert!(page.contains("<tr class=\"missed\"><td>MISSED</td><td>blob hit</td>"));
    assert!(page.contains("onetag: 81,234 request/s") && page.contains("<td>73,111 .. 85,296</td>"));
    assert_eq!(page.matches("<svg ").count(), 11);
    assert_closed(&page);
}

#[test]
fn nothing_from_outside_is_taken_for_html() {
    let mut comparison = comparison();
    let work = &mut comparison.works[0];
    (work.name, work.standings[0].server) = (HOSTILE.to_owned(), HOSTILE.to_owned());
    let bar = &mut comparison.bars[0];
    (bar.work, bar.wanted, bar.note) = (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
    let mut run = run_of(3);
    (run.scenario, run.server) = (HOSTILE.to_owned(), HOSTILE.to_owned());
    run.classes[0].failures.insert(HOSTILE.to_owned(), 1);
    let mut report = report(vec![run], Some(comparison));
    (report.machine.processor, report.machine.system) = (HOSTILE.to_owned(), HOSTILE.to_owned());
    HOSTILE.clone_into(&mut report.date);
    let page = page(&report).unwrap();
    assert!(!page.contains("<script") && !page.contains("\"'>"));
    assert!(page.contains(&format!("<dd>{}</dd>", escape(HOSTILE))));
    assert_closed(&page);
}

#[test]
fn what_is_empty_has_a_page_as_well() {
    let no_samples = Resources { samples: Vec::new(), ..run_of(1).resources.unwrap() };
    let silent = SecondReport { answered: 0, failed: 4, p50: 0.0, p99: 0.0 };
    let page = page(&report(
        vec![
            empty_run(),
            Run { resources: Some(no_samples), ..empty_run() },
            Run { classes: Vec::new(), seconds: vec![silent.clone()], failed: 4, ..empty_run() },
            Run { seconds: vec![silent; 3], failed: 12, elapsed_seconds: 2.2, ..empty_run() },
        ],
        None,
    ))
    .unwrap();
    assert!(page.contains("Nothing was measured.") && !page.contains("NaN") && !page.contains(">inf"));
    assert_closed(&page);
    let nothing = Comparison { rounds: 0, works: Vec::new(), bars: Vec::new() };
    assert_closed(&super::page(&report(Vec::new(), Some(nothing))).unwrap());
    let mut nobody = comparison();
    nobody.works[0].standings.clear();
    assert_closed(&super::page(&report(Vec::new(), Some(nobody))).unwrap());
}

#[test]
fn one_second_is_enough() {
    let page = page(&report(vec![run_of(1)], None)).unwrap();
    assert_eq!(page.matches("<svg ").count(), 5);
    assert_closed(&page);
}

#[test]
fn numbers_that_are_none_do_no_harm() {
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, f64::MAX] {
        let spread = Spread { min: wrong, median: wrong, max: wrong };
        let mut comparison = comparison();
        for standing in &mut comparison.works[0].standings {
            (standing.rates, standing.cpu, standing.ratio) = (spread, spread, Some(spread));
        }
        comparison.bars[0].measured = spread;
        let mut run = run_of(3);
        (run.rate, run.elapsed_seconds, run.seconds[1].p99) = (wrong, wrong, wrong);
        run.classes[0].times.curve[5].1 = wrong;
        run.resources.as_mut().unwrap().samples[2].1 = wrong;
        assert_closed(&page(&report(vec![run], Some(comparison))).unwrap());
    }
}

#[test]
fn a_long_run_has_no_more_points_than_a_plot_can_show() {
    let page = page(&report(vec![run_of(40_000)], None)).unwrap();
    assert!(page.len() < 200_000, "{}", page.len());
}

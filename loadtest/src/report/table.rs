//! What a person reads on a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::{ClassReport, Report, Run, Times};
use crate::engine::Protocol;

/// A time in microseconds, with the unit that suits it.
pub(super) fn time(micros: f64) -> String {
    match micros {
        _ if micros < 1_000.0 => format!("{micros:.0} us"),
        _ if micros < 1_000_000.0 => format!("{:.2} ms", micros / 1_000.0),
        _ => format!("{:.2} s", micros / 1_000_000.0),
    }
}

/// A count with commas.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub(super) fn mib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "bytes far below 2^53")]
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.1} MiB")
}

/// A table whose columns stand to the right, but for the first.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The whole report.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    match &report.comparison {
        Some(comparison) => text.push_str(&comparison.text()),
        None => report.runs.iter().for_each(|run| text.push_str(&one(run))),
    }
    let machine = &report.machine;
    writeln!(
        text,
        "\n{}, {} cores, {}, load average {:.2}",
        machine.processor, machine.cores, machine.system, machine.load_average
    )
    .ok();
    text
}

/// The columns of [`rows`].
pub(super) const COLUMNS: [&str; 8] = ["", "answered", "failed", "p50", "p90", "p99", "p99.9", "max"];

/// What became of each class, and of all together where there are several.
pub(super) fn rows(run: &Run) -> Vec<[String; 8]> {
    let row = |name: &str, answered: u64, failed: u64, times: &Times| {
        let time = |micros| if answered == 0 { "-".to_owned() } else { time(micros) };
        let Times { p50, p90, p99, p999, max, .. } = *times;
        let (answered, failed) = (answered.to_string(), failed.to_string());
        [name.to_owned(), answered, failed, time(p50), time(p90), time(p99), time(p999), time(max)]
    };
    let failed = |class: &ClassReport| class.failures.values().sum();
    let mut rows: Vec<_> = run
        .classes
        .iter()
        .map(|class| row(class.name, class.answered, failed(class), &class.times))
        .collect();
    if run.classes.len() > 1 {
        rows.push(row("all", run.answered, run.failed, &run.times));
    }
    rows
}

/// How the requests were made.
pub(super) fn way(run: &Run) -> String {
    let protocol = match (run.protocol, run.tls) {
        (Protocol::Http1, false) => "HTTP/1.1",
        (Protocol::Http1, true) => "HTTP/1.1 over TLS",
        (Protocol::Http2, false) => "HTTP/2",
        (Protocol::Http2, true) => "HTTP/2 over TLS",
    };
    let pace = match run.rate_wanted {
        Some(rate) => format!("{} requests/s wanted", count(rate)),
        None => "as fast as they are answered".to_owned(),
    };
    format!("{protocol}, {} at once, {pace}", run.concurrency)
}

/// What the columns do not say, a line each.
pub(super) fn facts(run: &Run) -> Vec<String> {
    let mut facts = Vec::new();
    for class in &run.classes {
        for (failure, number) in &class.failures {
            facts.push(format!("{number} of {} failed: {failure}", class.name));
        }
    }
    facts.push(format!("{} requests/s in {:.1} s", count(run.rate), run.elapsed_seconds));
    if run.mib_per_second >= 1.0 {
        facts.push(format!("{} MiB/s of bodies", count(run.mib_per_second)));
    }
    if let Some(used) = &run.resources {
        facts.push(format!(
            "server: {:.2} cores busy, {:.1} us of processor for each answer, {} resident (before: {}, at most: {})",
            used.cores_busy,
            used.cpu_per_request,
            mib(used.rss_after),
            mib(used.rss_before),
            mib(used.rss_peak)
        ));
    }
    // At a rate it waits by asking the clock, so that nothing is late.
    if run.rate_wanted.is_none() {
        facts.push(format!("load: {:.0} % of its cores", run.load_share * 100.0));
    }
    if run.rate_wanted.is_none()
        && run.load_share > 0.95
        && run.resources.as_ref().is_some_and(|r| r.cores_busy < 0.9)
    {
        facts.push("the load was the limit, not the server: its processor time counts".to_owned());
    }
    if let Some(asked) = run.upstream_requests {
        facts.push(format!("upstream: {asked} requests"));
    }
    facts
}

fn one(run: &Run) -> String {
    let mut text = format!("{}: {}\n\n", run.scenario, way(run));
    let mut all = table(&COLUMNS);
    all.add_rows(rows(run));
    writeln!(text, "{all}\n").ok();
    for fact in facts(run) {
        writeln!(text, "  {fact}").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([time(12.4), time(1_500.0), time(2_500_000.0)], ["12 us", "1.50 ms", "2.50 s"]);
        assert_eq!(
            [count(0.0), count(999.0), count(81_234.6), count(1e6)],
            ["0", "999", "81,235", "1,000,000"]
        );
    }
}

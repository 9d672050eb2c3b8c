//! The page, from its head to its last run.

use std::fmt::Write as _;

use super::super::table::{self, count, mib, time};
use super::super::{ClassReport, Report, Run, SecondReport};
use super::axis::{Axis, logarithm, stretched};
use super::plots::{self, Line};
use super::style;
use crate::compare::{Bar, Comparison, Spread, Work};
use crate::error::Error;

/// Shorter parts of a second say nothing about a rate.
const PART_OF_A_SECOND: f64 = 0.5;

/// The whole page.
pub(in crate::report) fn page(report: &Report) -> Result<String, Error> {
    let mut page = head(report);
    if let Some(comparison) = &report.comparison {
        page.push_str(&bars(&comparison.bars));
        for work in &comparison.works {
            page.push_str(&standings(work, comparison)?);
        }
    }
    page.push_str(if report.runs.len() == 1 { "<h2>The run</h2>\n" } else { "<h2>The runs</h2>\n" });
    let open = if report.comparison.is_none() { " open" } else { "" };
    for (place, run) in report.runs.iter().enumerate() {
        write!(page, "<details{open}>{}</details>\n\n", one(place + 1, run)?).ok();
    }
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

/// Text as it stands in HTML, within quotation marks as well.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

/// All until the first heading below the title.
fn head(report: &Report) -> String {
    let (date, machine) = (escape(&report.date), &report.machine);
    let mut head = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>onetag under load, {date}</title>\n<style>{}</style>\n</head>\n<body>\n\
         <h1>onetag under load</h1>\n<dl>\n",
        style::css()
    );
    let cores = if machine.cores == 1 { "core" } else { "cores" };
    for (name, value) in [
        ("Date", report.date.clone()),
        ("Version", report.version.to_owned()),
        ("Processor", format!("{}, {} {cores}", machine.processor, machine.cores)),
        ("Memory", mib(machine.memory_bytes)),
        ("System", machine.system.clone()),
        ("Load average", format!("{:.2}", machine.load_average)),
    ] {
        writeln!(head, "<dt>{name}</dt><dd>{}</dd>", escape(&value)).ok();
    }
    head.push_str("</dl>\n\n");
    head
}

/// A table of cells that are escaped here; each row has a class.
fn rows(class: &str, header: &[&str], rows: impl IntoIterator<Item = (&'static str, Vec<String>)>) -> String {
    let mut text = format!("<div class=\"scroll\"><table class=\"{class}\">\n<tr>");
    for name in header {
        write!(text, "<th scope=\"col\">{}</th>", escape(name)).ok();
    }
    text.push_str("</tr>\n");
    for (class, cells) in rows {
        write!(text, "<tr class=\"{class}\">").ok();
        for cell in cells {
            write!(text, "<td>{}</td>", escape(&cell)).ok();
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table></div>\n");
    text
}

/// What is promised, and whether it is kept.
fn bars(bars: &[Bar]) -> String {
    let met = bars.iter().filter(|bar| bar.met).count();
    let row = |bar: &Bar| {
        let (class, word) = if bar.met { ("met", "met") } else { ("missed", "MISSED") };
        let Spread { min, median, max } = bar.measured;
        let digits = if median.abs() < 100.0 { 2 } else { 0 };
        let cells = vec![
            word.to_owned(),
            bar.work.clone(),
            bar.wanted.clone(),
            format!("{median:.digits$} {}", bar.unit),
            format!("{min:.digits$} .. {max:.digits$}"),
            bar.note.clone(),
        ];
        (class, cells)
    };
    let header = ["", "work", "bar", "measured", "least .. most", "note"];
    let table = rows("bars", &header, bars.iter().map(row));
    format!("<h2>Bars: {met} of {} met</h2>\n{table}\n", bars.len())
}

/// How each server did in a work.
fn standings(work: &Work, comparison: &Comparison) -> Result<String, Error> {
    let times =
        |ratio: Option<Spread>| ratio.map(|ratio| format!("{:.2} x", ratio.median)).unwrap_or_default();
    let all = work.standings.iter().map(|standing| {
        let (rates, ratio) = (standing.rates, standing.ratio);
        let cells = vec![
            standing.server.clone(),
            count(rates.median),
            format!("{} .. {}", count(rates.min), count(rates.max)),
            format!("{:.1}", standing.cpu.median),
            times(ratio),
            ratio.map(|ratio| format!("{:.2} .. {:.2}", ratio.min, ratio.max)).unwrap_or_default(),
            times(standing.cpu_ratio),
            format!("{:.0} %", standing.busy * 100.0),
            standing.failed.to_string(),
        ];
        ("", cells)
    });
    let (rate, cpu) = (format!("{}/s", work.unit), format!("us/{}", work.unit));
    let header = ["", &rate, "least .. most", &cpu, "onetag is", "least .. most", "by cpu", "busy", "failed"];
    let table = rows("", &header, all);
    let plot = if work.standings.is_empty() { String::new() } else { plots::rates(work)? };
    let heading = format!("{}, {} rounds", work.name, comparison.rounds);
    Ok(format!("<h2>{}</h2>\n{plot}{table}\n", escape(&heading)))
}

/// One run: a line of it, and all else below that.
fn one(number: usize, run: &Run) -> Result<String, Error> {
    let p99 = if run.answered == 0 { "-".to_owned() } else { time(run.times.p99) };
    let line = format!("{}: {} requests/s, p99 {p99}, {} failed", run.server, count(run.rate), run.failed);
    let mut text =
        format!("<summary><b>{number}. {}</b>, {}</summary>\n", escape(&run.scenario), escape(&line));
    let way = format!("{}, after a warm-up of {:.1} s", table::way(run), run.warm_up_seconds);
    writeln!(text, "<p>{}</p>", escape(&way)).ok();
    text.push_str(&rows("", &table::COLUMNS, table::rows(run).into_iter().map(|row| ("", row.into()))));
    text.push_str("<ul>\n");
    for fact in table::facts(run) {
        writeln!(text, "<li>{}</li>", escape(&fact)).ok();
    }
    text.push_str("</ul>\n<div class=\"figures\">\n");
    for plot in [percentiles(run)?, rate(run)?, times(run)?] {
        text.push_str(&plot);
    }
    text.push_str(&resources(run)?);
    text.push_str("</div>\n");
    Ok(text)
}

/// Time by percentile, of each class.
fn percentiles(run: &Run) -> Result<String, Error> {
    let answered = || run.classes.iter().filter(|class| class.answered > 0);
    let line = |class: &ClassReport| {
        let points = class.times.curve.iter().map(|(at, micros)| (stretched(*at), logarithm(*micros)));
        Line::new(class.name, points)
    };
    let lines: Vec<Line> = answered().map(line).collect();
    let micros = answered().flat_map(|class| class.times.curve.iter().map(|(_, micros)| *micros));
    plots::lines("Time by percentile", &Axis::percentiles(), &Axis::times(micros), &lines)
}

/// Seconds of the run, and the middle of each.
fn seconds(run: &Run) -> impl Iterator<Item = (f64, &SecondReport)> + Clone {
    (0u32..).map(|place| f64::from(place) + 0.5).zip(&run.seconds)
}

/// The axis of time, the same for all plots of a run.
fn span(run: &Run) -> Axis {
    let sampled = run.resources.iter().flat_map(|used| used.samples.iter().map(|(at, ..)| *at));
    Axis::seconds(seconds(run).map(|(at, _)| at + 0.5).chain(sampled))
}

fn rate(run: &Run) -> Result<String, Error> {
    // The first second and the last may be part of one.
    let answers = seconds(run).filter_map(|(at, second)| {
        let part = (run.elapsed_seconds - (at - 0.5)).min(1.0);
        let counts = part >= PART_OF_A_SECOND || (at < 1.0 && part > 0.0);
        counts.then(|| (at, float(second.answered) / part))
    });
    let failures = seconds(run).map(|(at, second)| (at, float(second.failed)));
    let y = Axis::linear(answers.clone().chain(failures.clone()).map(|(_, rate)| rate));
    let mut lines = vec![Line::new("answers", answers)];
    if run.failed > 0 {
        lines.push(Line::new("failures", failures).marked());
    }
    plots::lines("Answers in each second", &span(run), &y, &lines)
}

/// Times of each second that has answers.
fn times(run: &Run) -> Result<String, Error> {
    let answered = || seconds(run).filter(|(_, second)| second.answered > 0);
    let line = |name: &str, time: fn(&SecondReport) -> f64| {
        Line::new(name, answered().map(|(at, second)| (at, logarithm(time(second))))).broken_at(1.5)
    };
    let lines = [line("p50", |second| second.p50), line("p99", |second| second.p99)];
    let y = Axis::times(answered().flat_map(|(_, second)| [second.p50, second.p99]));
    plots::lines("Time in each second", &span(run), &y, &lines)
}

/// What the server used, where that is known.
fn resources(run: &Run) -> Result<String, Error> {
    let Some(used) = &run.resources else { return Ok(String::new()) };
    let x = span(run);
    let cores = || used.samples.iter().map(|(at, cores, _)| (*at, *cores));
    let memory = || used.samples.iter().map(|(at, _, rss)| (*at, float(*rss) / f64::from(1 << 20)));
    let mut text = String::new();
    let top = |points: &mut dyn Iterator<Item = (f64, f64)>| Axis::linear(points.map(|(_, value)| value));
    text.push_str(&plots::lines("Cores busy", &x, &top(&mut cores()), &[Line::new("", cores())])?);
    text.push_str(&plots::lines("Resident MiB", &x, &top(&mut memory()), &[Line::new("", memory())])?);
    Ok(text)
}

//! Plots, as SVG in a figure of the page.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::page::escape;
use super::style;
use crate::compare::{Spread, Work};
use crate::error::Error;
use crate::report::table::count;

/// Width and height in units that are about a pixel on a phone.
const SIZE: (u32, u32) = (440, 260);
const FONT: (&str, u32) = ("sans-serif", 16);
/// Points that a line has at most.
const MOST_POINTS: usize = 400;
/// Lines of no more points than this show each.
const FEW_POINTS: usize = 40;

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// A line of a plot.
pub(super) struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    /// The line is broken where the next point is farther away.
    gap: f64,
    /// Points above zero, and only they, are seen even if they are close to it.
    marked: bool,
}

impl Line {
    /// Of those points that are numbers.
    pub(super) fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        Self { name: name.into(), points, gap: f64::INFINITY, marked: false }
    }

    pub(super) fn broken_at(self, gap: f64) -> Self {
        Self { gap, ..self }
    }

    pub(super) fn marked(self) -> Self {
        Self { marked: true, ..self }
    }
}

/// The lowest and the highest point of each group of so many: peaks stay.
fn thin(points: &[(f64, f64)], group: usize) -> Vec<(f64, f64)> {
    if group < 3 {
        return points.to_vec();
    }
    let ends = |part: &[(f64, f64)]| {
        let lowest = part.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
        let highest = part.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
        let mut ends: Vec<_> = lowest.into_iter().chain(highest).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends.dedup();
        ends
    };
    points.chunks(group).flat_map(ends).collect()
}

/// What `draw` draws, with a name for those who do not see it.
fn svg(
    size: (u32, u32),
    name: &str,
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Drawn,
) -> Result<String, Error> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let drawn = draw(&area).and_then(|()| area.present());
        drawn.map_err(|error| Error::prepare(format!("the plot {name}"), error))?;
    }
    Ok(text.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", escape(name)), 1))
}

/// A figure of lines; without a point, it says so.
pub(super) fn lines(name: &str, x: &Axis, y: &Axis, lines: &[Line]) -> Result<String, Error> {
    let mut figure = format!("<figure><figcaption>{}</figcaption>\n", escape(name));
    if lines.iter().all(|line| line.points.is_empty()) {
        figure.push_str("<p>Nothing was measured.</p></figure>\n");
        return Ok(figure);
    }
    let plot = svg(SIZE, name, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(10)
            .margin_right(26)
            .x_label_area_size(42)
            .y_label_area_size(68)
            .build_cartesian_2d(x.clone(), y.clone())?;
        chart
            .configure_mesh()
            .bold_line_style(BLACK.mix(0.15))
            .axis_style(BLACK.mix(0.5))
            .label_style(FONT)
            .set_all_tick_mark_size(3)
            .x_desc(x.name)
            .draw()?;
        for (series, line) in lines.iter().enumerate() {
            let colour = style::colour(series);
            let few = line.points.len() <= FEW_POINTS;
            let group = line.points.len().div_ceil(MOST_POINTS / 2);
            for part in line.points.chunk_by(|one, next| next.0 - one.0 <= line.gap) {
                let part = thin(part, group);
                let all = few || part.len() == 1;
                let seen = |point: &&(f64, f64)| if line.marked { point.1 > 0.0 } else { all };
                let dots = part.iter().filter(seen).map(|at| Circle::new(*at, 3, colour.filled()));
                chart.draw_series(dots)?;
                chart.draw_series(LineSeries::new(part, colour.stroke_width(2)))?;
            }
        }
        Ok(())
    })?;
    figure.push_str(&plot);
    if lines.len() > 1 {
        figure.push_str("<p>");
        for (series, line) in lines.iter().enumerate() {
            write!(figure, "<span class=\"key {}\">{}</span>", style::key(series), escape(&line.name)).ok();
        }
        figure.push_str("</p>");
    }
    figure.push_str("</figure>\n");
    Ok(figure)
}

/// The rate of each server: a bar to the median, and a line from the least to the most.
pub(super) fn rates(work: &Work) -> Result<String, Error> {
    let name =
        format!("{}, {}/s: median of the rounds, and from the least to the most", work.name, work.unit);
    let x =
        Axis::linear(work.standings.iter().flat_map(|standing| [standing.rates.median, standing.rates.max]));
    let rows = u32::try_from(work.standings.len()).unwrap_or(u32::MAX);
    let y = Axis::rows(rows);
    let height = rows.saturating_mul(46).saturating_add(36);
    let plot = svg((SIZE.0, height), &name, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_left(10)
            .margin_right(30)
            .x_label_area_size(30)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .bold_line_style(BLACK.mix(0.15))
            .axis_style(BLACK.mix(0.5))
            .label_style(FONT)
            .set_all_tick_mark_size(3)
            .draw()?;
        let plot = chart.plotting_area();
        let label = FONT.into_text_style(area).pos(Pos::new(HPos::Left, VPos::Top));
        for (row, standing) in (0..rows).zip(&work.standings) {
            let top = -f64::from(row);
            let Spread { min, median, max } = standing.rates;
            let fill = if row == 0 { style::colour(0).mix(0.7) } else { BLACK.mix(0.3) };
            plot.draw(&Rectangle::new([(0.0, top - 0.48), (median, top - 0.88)], fill.filled()))?;
            for whisker in [
                [(min, top - 0.68), (max, top - 0.68)],
                [(min, top - 0.58), (min, top - 0.78)],
                [(max, top - 0.58), (max, top - 0.78)],
            ] {
                plot.draw(&PathElement::new(whisker, BLACK.stroke_width(2)))?;
            }
            let digits = usize::from(median < 100.0);
            let rate = if digits == 0 { count(median) } else { format!("{median:.digits$}") };
            let text = format!("{}: {rate} {}/s", standing.server, work.unit);
            plot.draw(&Text::new(text, (0.0, top - 0.1), label.clone()))?;
        }
        Ok(())
    })?;
    Ok(format!("<figure>{plot}</figure>\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thin_line_keeps_its_peaks() {
        let mut points: Vec<_> = (0..1_000u32).map(|x| (f64::from(x), 1.0)).collect();
        points[500].1 = 9.0;
        let thin = thin(&points, 10);
        assert!(thin.len() <= 200 && thin.contains(&(500.0, 9.0)));
        assert!(thin.is_sorted_by(|one, next| one.0 <= next.0));
    }

    #[test]
    fn names_do_not_end_what_they_stand_in() {
        let (x, y) = (Axis::linear([1.0]), Axis::linear([1.0]));
        let all = [Line::new("<a>", [(0.5, 0.5)]), Line::new("b", [])];
        let figure = lines("\"><script>", &x, &y, &all).unwrap();
        assert!(!figure.contains("<script>") && !figure.contains("<a>"), "{figure}");
    }

    #[test]
    fn colours_are_those_that_the_style_knows() {
        let (x, y) = (Axis::linear([1.0]), Axis::linear([1.0]));
        let points = [(0.2, 0.2), (0.5, 0.5)];
        let figure = lines("a", &x, &y, &[Line::new("b", points), Line::new("c", points)]).unwrap();
        for colour in figure.split('"').filter(|text| text.starts_with('#')) {
            assert!(style::css().contains(&format!("svg [stroke=\"{colour}\"]")), "{colour}");
        }
        assert!(figure.contains("#0072B2") && figure.contains("#000000"));
    }
}

//! How the page looks, on light ground and on dark.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// How one line of a plot is told from the others: by its colour, and without colours by how it is broken.
struct Series {
    light: RGBColor,
    dark: &'static str,
    /// As `stroke-dasharray` and, in legends, as `border-style`.
    dashes: (&'static str, &'static str),
}

/// Colours of Okabe and Ito, which colour-blind people can tell apart.
const SERIES: [Series; 5] = [
    Series { light: RGBColor(0x00, 0x72, 0xb2), dark: "#56b4e9", dashes: ("none", "solid") },
    Series { light: RGBColor(0xd5, 0x5e, 0x00), dark: "#e69f00", dashes: ("7 4", "dashed") },
    Series { light: RGBColor(0x00, 0x9e, 0x73), dark: "#1fbf92", dashes: ("2 3", "dotted") },
    Series { light: RGBColor(0xb0, 0x5a, 0x88), dark: "#cc79a7", dashes: ("12 3 2 3", "double") },
    Series { light: RGBColor(0x6b, 0x6b, 0x6b), dark: "#a8a8a8", dashes: ("14 5", "dashed") },
];

const REST: &str = r##"
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1b1b; --faint: #5c5c5c; --rule: #d4d4d4;
  --met: #00664b; --missed: #a33400; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #161616; --ink: #e8e8e8; --faint: #ababab; --rule: #3d3d3d; --met: #5fd3ae; --missed: #ff9d5c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--ground); overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.2; margin: 1.5em 0 .5em; }
h1 { margin-top: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; }
dt { color: var(--faint); }
dd { margin: 0; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { color: var(--faint); font-weight: normal; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.bars :is(th, td) { text-align: left; }
.bars td:last-child { white-space: normal; min-width: 12rem; }
.met td:first-child { color: var(--met); }
.missed td:first-child { color: var(--missed); font-weight: bold; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
figure { margin: 0; min-width: 0; max-width: 34rem; }
figcaption { font-weight: bold; font-size: .9rem; }
figure p { margin: .2rem 0; font-size: .85rem; color: var(--faint); }
.key { display: inline-block; margin-right: 1rem; }
.key::before { content: ""; display: inline-block; width: 2rem; margin-right: .4rem; vertical-align: middle;
  border-top: 3px solid; }
details { border-top: 1px solid var(--rule); padding: .5rem 0; }
summary { cursor: pointer; }
ul { padding-left: 1.2rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: inherit; }
svg [fill="#000000"] { fill: currentColor; }
svg [stroke="#000000"] { stroke: currentColor; }
"##;

/// The colour that a plot draws this series in; the page has another one on dark ground.
pub(super) fn colour(series: usize) -> RGBColor {
    SERIES[series % SERIES.len()].light
}

/// The class of this series in a legend.
pub(super) fn key(series: usize) -> String {
    format!("s{}", series % SERIES.len())
}

/// All of it, as CSS.
pub(super) fn css() -> String {
    let mut css = REST.to_owned();
    let (mut light, mut dark) = (String::new(), String::new());
    for (number, Series { light: RGBColor(red, green, blue), dark: other, dashes }) in
        SERIES.iter().enumerate()
    {
        // As plotters writes it.
        let drawn = format!("#{red:02X}{green:02X}{blue:02X}");
        write!(light, " --s{number}: {drawn};").ok();
        write!(dark, " --s{number}: {other};").ok();
        writeln!(css, "svg [fill=\"{drawn}\"] {{ fill: var(--s{number}); }}").ok();
        let (dashes, border) = dashes;
        writeln!(
            css,
            "svg [stroke=\"{drawn}\"] {{ stroke: var(--s{number}); stroke-dasharray: {dashes}; }}\n\
             .s{number}::before {{ border-color: var(--s{number}); border-top-style: {border}; }}"
        )
        .ok();
    }
    writeln!(css, ":root {{{light} }}\n@media (prefers-color-scheme: dark) {{ :root {{{dark} }} }}").ok();
    css
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_colours_for_any_number_of_series() {
        assert_eq!(colour(SERIES.len()), colour(0));
        assert_eq!(key(SERIES.len() + 1), "s1");
        assert!(css().contains("svg [stroke=\"#0072B2\"] { stroke: var(--s0); stroke-dasharray: none; }"));
    }
}

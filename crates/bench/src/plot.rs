//! Line charts as SVG.
//!
//! Written by hand: a chart of a few lines needs no drawing library with its fonts, and figures stay whole numbers up to
//! the pixel.

use std::fmt;

const WIDTH: u64 = 900;
const HEIGHT: u64 = 440;
const LEFT: u64 = 80;
const RIGHT: u64 = 190;
const TOP: u64 = 50;
const BOTTOM: u64 = 60;
/// Distinguishable for those who see no difference of red and green (after Okabe and Ito).
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];
/// So many marks on the vertical axis are easy to read.
const MOST_MARKS: u64 = 6;

/// One line.
#[derive(Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(u64, u64)>,
}

/// How heights are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From zero, evenly.
    Linear,
    /// From a power of ten, each of which is as far from the next. Zero counts as one.
    Logarithmic,
}

/// Lines over the same axes.
#[derive(Debug)]
pub struct Chart {
    pub title: String,
    pub across: &'static str,
    pub up: &'static str,
    pub scale: Scale,
    /// What is written along the horizontal axis, and where.
    pub marks: Vec<(u64, String)>,
    pub lines: Vec<Line>,
}

impl Chart {
    fn largest(&self, of: impl Fn(&(u64, u64)) -> u64) -> u64 {
        self.lines.iter().flat_map(|line| &line.points).map(of).max().unwrap_or(1).max(1)
    }

    /// Heights that are marked; the first is the bottom and the last the top.
    fn heights(&self) -> Vec<u64> {
        let largest = self.largest(|point| point.1);
        match self.scale {
            Scale::Linear => {
                let step = step(largest);
                (0..=largest.div_ceil(step)).map(|mark| mark * step).collect()
            }
            Scale::Logarithmic => {
                let points = self.lines.iter().flat_map(|line| &line.points);
                let smallest = points.map(|point| point.1.max(1)).min().unwrap_or(1);
                let top = 10_u64.pow(largest.ilog10() + 1);
                let powers = std::iter::successors(Some(10_u64.pow(smallest.ilog10())), |power| {
                    Some(power * 10)
                });
                powers.take_while(|power| *power <= top).collect()
            }
        }
    }

    fn place_up(&self, value: u64, heights: &[u64]) -> u64 {
        let (bottom, top) = match heights {
            [bottom, .., top] => (*bottom, *top),
            [] | [_] => (0, 1),
        };
        let measure = |value| match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => thousandths_of_log2(value),
        };
        let (bottom, top) = (measure(bottom), measure(top));
        let room = HEIGHT - TOP - BOTTOM;
        HEIGHT - BOTTOM - measure(value).saturating_sub(bottom) * room / (top - bottom).max(1)
    }
}

/// The smallest of 1, 2, 5, 10, 20, … that needs few marks up to `largest`.
fn step(largest: u64) -> u64 {
    let mut power = 1;
    loop {
        for step in [power, 2 * power, 5 * power] {
            if largest.div_ceil(step) <= MOST_MARKS {
                return step;
            }
        }
        power *= 10;
    }
}

/// Between powers of two it goes straight, which is off by a twelfth of a doubling at most.
fn thousandths_of_log2(value: u64) -> u64 {
    let value = value.max(1);
    let whole = value.ilog2();
    let power = 1_u64 << whole;
    u64::from(whole) * 1_000 + (value - power) * 1_000 / power
}

impl fmt::Display for Chart {
    fn fmt(&self, svg: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heights = self.heights();
        let widest = self.largest(|point| point.0);
        let place_across = |value: u64| LEFT + value * (WIDTH - LEFT - RIGHT) / widest;
        let (end, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">"
        )?;
        writeln!(svg, "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>")?;
        text(
            svg,
            (LEFT, 24),
            "start",
            &format!("{} ({} by {})", self.title, self.up, self.across),
        )?;
        for height in &heights {
            let y = self.place_up(*height, &heights);
            writeln!(svg, "<path d=\"M{LEFT} {y}H{end}\" stroke=\"#ddd\"/>")?;
            text(svg, (LEFT - 8, y + 4), "end", &crate::figures::grouped(*height))?;
        }
        for (value, mark) in &self.marks {
            text(svg, (place_across(*value), floor + 20), "middle", mark)?;
        }
        text(svg, (LEFT.midpoint(end), HEIGHT - 12), "middle", self.across)?;
        for (index, Line { name, points }) in self.lines.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let places: Vec<String> = points
                .iter()
                .map(|(x, y)| format!("{},{}", place_across(*x), self.place_up(*y, &heights)))
                .collect();
            let places = places.join(" ");
            writeln!(
                svg,
                "<polyline points=\"{places}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
            )?;
            let y = TOP + 18 * u64::try_from(index).unwrap_or_default();
            writeln!(
                svg,
                "<rect x=\"{}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>",
                end + 14
            )?;
            text(svg, (end + 32, y + 11), "start", name)?;
        }
        writeln!(svg, "</svg>")
    }
}

fn text(
    svg: &mut fmt::Formatter<'_>,
    (x, y): (u64, u64),
    anchor: &str,
    content: &str,
) -> fmt::Result {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{content}</text>")
}

#[cfg(test)]
mod tests {
    use super::{Chart, Line, Scale, step, thousandths_of_log2};

    fn chart(scale: Scale, points: Vec<(u64, u64)>) -> Chart {
        let lines = vec![Line { name: "a < b".to_owned(), points }];
        Chart { title: "t".to_owned(), across: "s", up: "n", scale, marks: Vec::new(), lines }
    }

    #[test]
    fn heights_enclose_all_points() {
        assert_eq!([0, 7, 60, 61, 43_000].map(step), [1, 2, 10, 20, 10_000]);
        assert_eq!(chart(Scale::Linear, vec![(0, 7)]).heights(), [0, 2, 4, 6, 8]);
        let logarithmic = chart(Scale::Logarithmic, vec![(0, 420), (1, 61_000)]);
        assert_eq!(logarithmic.heights(), [100, 1_000, 10_000, 100_000]);
    }

    #[test]
    fn powers_are_evenly_spaced() {
        assert_eq!([1, 2, 4, 1_024].map(thousandths_of_log2), [0, 1_000, 2_000, 10_000]);
        assert_eq!(thousandths_of_log2(3), 1_500);
    }

    #[test]
    fn a_line_goes_from_the_axes_to_the_corner_and_its_name_is_escaped() {
        let svg = chart(Scale::Linear, vec![(0, 0), (10, 6)]).to_string();
        assert!(svg.contains("points=\"80,380 710,50\""), "{svg}");
        assert!(svg.contains("a &lt; b</text>"), "{svg}");
    }
}

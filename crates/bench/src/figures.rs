//! What one round measured, what several rounds say together, and how figures are written. Whole numbers
//! throughout.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longer than any call may take; slower ones count as this.
const LONGEST_MICROS: u64 = 60_000_000;

/// Three digits: a percentile is exact to a thousandth of itself.
const DIGITS: u8 = 3;

/// Latencies in microseconds.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    pub fn new() -> Self {
        Self(
            Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS)
                .expect("the bounds are constants that fit each other"),
        )
    }

    pub fn record(&mut self, micros: u64) {
        self.0.saturating_record(micros);
    }

    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latencies at the points of [`CURVE`].
    pub fn curve(&self) -> Vec<u64> {
        CURVE.map(|quantile| self.0.value_at_quantile(quantile)).to_vec()
    }

    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50_micros: self.0.value_at_quantile(0.50),
            p95_micros: self.0.value_at_quantile(0.95),
            p99_micros: self.0.value_at_quantile(0.99),
            max_micros: self.0.max(),
        }
    }
}

/// Where a plot of latencies has its points.
pub const CURVE: [f64; 9] = [0.1, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0];

/// The same points in percent.
pub const CURVE_NAMES: [&str; 9] = ["10", "50", "75", "90", "95", "99", "99.9", "99.99", "100"];

/// Latencies at the usual points, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
#[allow(clippy::struct_field_names, reason = "in JSON a figure without its unit is a guess")]
pub struct Percentiles {
    pub p50_micros: u64,
    pub p95_micros: u64,
    pub p99_micros: u64,
    pub max_micros: u64,
}

/// One side's measured window.
#[derive(Debug)]
pub struct Round {
    pub calls_per_second: u64,
    pub latencies: Latencies,
}

/// One side's rounds, summed up.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Calls per second of each round, in the order they were run.
    pub rounds: Vec<u64>,
    pub min: u64,
    pub median: u64,
    pub max: u64,
    /// Over all calls of all rounds.
    #[serde(flatten)]
    pub percentiles: Percentiles,
}

/// What a table calls the [`cells`](Summary::cells) of a summary.
pub const SUMMARY_COLUMNS: [&str; 6] = ["min/s", "median/s", "max/s", "p50 ms", "p95 ms", "p99 ms"];

impl Summary {
    /// As cells of a table.
    pub fn cells(&self) -> [String; 6] {
        let Self { rounds: _, min, median, max, percentiles } = self;
        let Percentiles { p50_micros, p95_micros, p99_micros, max_micros: _ } = *percentiles;
        let [min, median, max] = [*min, *median, *max].map(grouped);
        let [p50, p95, p99] = [p50_micros, p95_micros, p99_micros].map(milliseconds);
        [min, median, max, p50, p95, p99]
    }

    /// `None` without any round.
    pub fn of(rounds: &[Round]) -> Option<Self> {
        let in_order: Vec<u64> = rounds.iter().map(|round| round.calls_per_second).collect();
        let mut sorted = in_order.clone();
        sorted.sort_unstable();
        let mut latencies = Latencies::new();
        for round in rounds {
            latencies.add(&round.latencies);
        }
        Some(Self {
            min: *sorted.first()?,
            median: median(&sorted)?,
            max: *sorted.last()?,
            rounds: in_order,
            percentiles: latencies.percentiles(),
        })
    }
}

/// The middle of sorted figures, or the mean of the two in the middle.
fn median(sorted: &[u64]) -> Option<u64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(lower.midpoint(upper))
}

/// `dividend / divisor` in hundredths, rounded; `None` if the divisor is zero.
pub fn ratio_hundredths(dividend: u64, divisor: u64) -> Option<u64> {
    (dividend * 100 + divisor / 2).checked_div(divisor)
}

/// Whether a target is met, in words.
pub fn met(met: bool) -> &'static str {
    if met { "met" } else { "not met" }
}

/// `12345` as `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `438` as `4.38`.
pub fn hundredths(number: u64) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}

/// Microseconds as milliseconds with two decimal places.
pub fn milliseconds(micros: u64) -> String {
    hundredths((micros + 5) / 10)
}

#[cfg(test)]
mod tests {
    use super::{
        Latencies, Round, Summary, grouped, hundredths, median, milliseconds, ratio_hundredths,
    };

    #[test]
    fn the_median_of_an_even_number_of_rounds_lies_between_the_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7]), Some(7));
        assert_eq!(median(&[1, 2, 9]), Some(2));
        assert_eq!(median(&[1, 2, 4, 9]), Some(3));
    }

    #[test]
    fn ratios_are_rounded_to_hundredths() {
        assert_eq!(ratio_hundredths(23_812, 5_432), Some(438));
        assert_eq!(ratio_hundredths(1, 3), Some(33));
        assert_eq!(ratio_hundredths(2, 3), Some(67));
        assert_eq!(ratio_hundredths(1, 0), None);
    }

    #[test]
    fn a_summary_keeps_the_order_of_rounds_and_merges_their_latencies() {
        let round = |calls_per_second, micros| {
            let mut latencies = Latencies::new();
            latencies.record(micros);
            Round { calls_per_second, latencies }
        };
        let summary = Summary::of(&[round(30, 100), round(10, 300), round(20, 200)]);
        let Some(summary) = summary else { panic!("three rounds have a summary") };
        assert_eq!(summary.rounds, [30, 10, 20]);
        assert_eq!((summary.min, summary.median, summary.max), (10, 20, 30));
        assert_eq!((summary.percentiles.p50_micros, summary.percentiles.max_micros), (200, 300));
        assert!(Summary::of(&[]).is_none());
    }

    #[test]
    fn figures_are_printed_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(hundredths(1_504), "15.04");
        assert_eq!(milliseconds(4_756), "4.76");
        assert_eq!(milliseconds(4), "0.00");
    }
}

//! What a row costs, in exact decimals.

use rust_decimal::{Decimal, RoundingStrategy};

use super::trace::Row;

/// Decimal places of the asset.
pub const SCALE: u32 = 6;
/// Decimal places of a price. With [`MAX_PRICE`] and tokens below 2^32 the sum of a row has 28 digits at
/// most, which is what a [`Decimal`] holds exactly.
const MAX_PRICE_SCALE: u32 = 12;
/// Prices and amounts stay below this.
const MAX_PRICE: i64 = 1_000_000;

/// Prices per 1,000 tokens.
#[derive(Debug, Clone, Copy)]
pub struct Prices {
    /// Of tokens that go in.
    pub context_per_1000: Decimal,
    /// Of tokens that come out.
    pub generated_per_1000: Decimal,
}

impl Prices {
    /// What a row costs, rounded up to the asset's scale.
    pub fn of(&self, row: &Row) -> Decimal {
        let context = Decimal::from(row.context_tokens) * self.context_per_1000;
        let generated = Decimal::from(row.generated_tokens) * self.generated_per_1000;
        let thousandth = Decimal::new(1, 3);
        ((context + generated) * thousandth)
            .round_dp_with_strategy(SCALE, RoundingStrategy::AwayFromZero)
            .normalize()
    }
}

/// Reads a price: zero or more, at most 12 decimal places.
pub fn parse_price(text: &str) -> Result<Decimal, String> {
    parse(text, MAX_PRICE_SCALE)
}

/// Reads an amount: more than zero, at most the asset's 6 decimal places.
pub fn parse_amount(text: &str) -> Result<Decimal, String> {
    let amount = parse(text, SCALE)?;
    if amount.is_zero() { Err("must be more than zero".to_owned()) } else { Ok(amount) }
}

fn parse(text: &str, scale: u32) -> Result<Decimal, String> {
    let hint =
        || format!("expected a decimal below {MAX_PRICE}, at most {scale} places, such as 0.003");
    // Decimal itself also takes signs, underscores and a leading point.
    let is_plain = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let decimal = Decimal::from_str_exact(text).ok().filter(|_| is_plain).ok_or_else(hint)?;
    let decimal = decimal.normalize();
    if decimal.scale() > scale || decimal >= Decimal::from(MAX_PRICE) {
        return Err(hint());
    }
    Ok(decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(context: &str, generated: &str, tokens: (u32, u32)) -> String {
        let prices = Prices {
            context_per_1000: parse_price(context).unwrap(),
            generated_per_1000: parse_price(generated).unwrap(),
        };
        let row = Row {
            number: 1,
            timestamp: String::new(),
            context_tokens: tokens.0,
            generated_tokens: tokens.1,
            hash: String::new(),
        };
        prices.of(&row).to_string()
    }

    #[test]
    fn a_row_costs_its_tokens_rounded_up() {
        assert_eq!(price("0.003", "0.015", (4_808, 10)), "0.014574");
        assert_eq!(price("0.0001", "0", (1, 0)), "0.000001");
        assert_eq!(price("0.001", "0", (1, 0)), "0.000001");
        assert_eq!(price("0.001001", "0", (1, 0)), "0.000002");
        assert_eq!(price("0", "0", (4_808, 10)), "0");
        assert_eq!(price("0.003", "0.015", (0, 0)), "0");
    }

    #[test]
    fn the_dearest_row_is_exact() {
        let dearest = "999999.999999999999";
        // 2 × 4294967295 × 999999.999999999999 / 1000, rounded up.
        assert_eq!(price(dearest, dearest, (u32::MAX, u32::MAX)), "8589934589999.999992");
    }

    #[test]
    fn prices_are_plain_decimals() {
        for text in
            ["", "-1", "+1", ".5", "1.", "1e3", "1_000", "NaN", "1000000", "0.0000000000001"]
        {
            assert!(parse_price(text).is_err(), "{text}");
        }
        assert!(parse_amount("0").is_err());
        assert!(parse_amount("0.0000001").is_err());
        assert_eq!(parse_amount("0.90").unwrap().to_string(), "0.9");
    }
}

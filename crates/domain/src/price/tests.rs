use proptest::prelude::*;

use super::*;

fn amount(text: &str) -> PositiveAmount {
    PositiveAmount::parse(text, Scale::MAX).unwrap()
}

fn fixed(price: &str) -> PricePart {
    PricePart::Fixed(UnitPrice::parse(price).unwrap())
}

fn per_unit(unit_price: &str, quantity: &str, rounding: Option<Rounding>) -> PricePart {
    PricePart::PerUnit {
        quantity: QuantityName::parse(quantity).unwrap(),
        unit_price: UnitPrice::parse(unit_price).unwrap(),
        rounding,
    }
}

fn to(mode: RoundingMode, step: &str) -> Rounding {
    Rounding { mode, step: amount(step) }
}

fn terms(parts: Vec<PricePart>) -> PriceTerms {
    PriceTerms { parts, mode: RoundingMode::Up, step: None, minimum: None, maximum: None }
}

fn quantities(given: &[(&str, &str)]) -> Quantities {
    let given = given.iter().map(|(name, figure)| ((*name).to_owned(), (*figure).to_owned()));
    Quantities::parse(&given.collect()).unwrap()
}

fn cost(terms: &PriceTerms, given: &[(&str, &str)], places: i32) -> Result<String, Unpriced> {
    let price = Price::new(terms.clone()).unwrap();
    let cost = price.cost(&quantities(given), Scale::new(places).unwrap());
    cost.map(|amount| amount.to_string())
}

/// Scenario 61.
#[test]
fn a_price_is_a_sum_rounded_as_it_says() {
    let upload = PriceTerms {
        step: Some(amount("1")),
        ..terms(vec![fixed("10"), per_unit("1", "megabytes", None)])
    };
    assert_eq!(cost(&upload, &[("megabytes", "5")], 6).unwrap(), "15");
    assert_eq!(cost(&upload, &[("megabytes", "5.2")], 6).unwrap(), "16");
    for (mode, expected) in [(RoundingMode::Up, "6"), (RoundingMode::Down, "4")] {
        let size = terms(vec![per_unit("2", "megabytes", Some(to(mode, "1")))]);
        assert_eq!(cost(&size, &[("megabytes", "2.1")], 6).unwrap(), expected);
    }
}

#[test]
fn each_mode_rounds_its_own_way() {
    use RoundingMode::{Down, HalfDown, HalfEven, HalfUp, Up};
    for (figure, expected) in [
        ("2", ["2", "2", "2", "2", "2"]),
        ("2.1", ["3", "2", "2", "2", "2"]),
        ("2.5", ["3", "2", "3", "2", "2"]),
        ("3.5", ["4", "3", "4", "3", "4"]),
        ("2.500001", ["3", "2", "3", "3", "3"]),
    ] {
        for (mode, expected) in [Up, Down, HalfUp, HalfDown, HalfEven].into_iter().zip(expected) {
            let price = PriceTerms {
                mode,
                step: Some(amount("1")),
                ..terms(vec![per_unit("1", "units", None)])
            };
            let answered = cost(&price, &[("units", figure)], 6).unwrap();
            assert_eq!(answered, expected, "{figure} {mode:?}");
        }
    }
}

#[test]
fn a_cost_fits_the_assets_scale() {
    let price = terms(vec![per_unit("0.000000000001", "tokens", None)]);
    assert_eq!(cost(&price, &[("tokens", "1")], 6).unwrap(), "0.000001");
    assert_eq!(cost(&price, &[("tokens", "1")], 0).unwrap(), "1");
    let down = PriceTerms { mode: RoundingMode::Down, ..price };
    assert_eq!(cost(&down, &[("tokens", "1")], 6).unwrap(), "0");
    assert_eq!(cost(&down, &[("tokens", "1000000")], 6).unwrap(), "0.000001");
}

#[test]
fn a_cost_has_bounds() {
    let price = PriceTerms {
        minimum: Some(amount("2.5")),
        maximum: Some(amount("7.5")),
        ..terms(vec![per_unit("1", "units", None)])
    };
    for (units, places, expected) in
        [("0", 6, "2.5"), ("3", 6, "3"), ("9", 6, "7.5"), ("0", 0, "3"), ("9", 0, "7")]
    {
        assert_eq!(cost(&price, &[("units", units)], places).unwrap(), expected);
    }
    assert_eq!(cost(&price, &[("units", "999999999999999.999999")], 6).unwrap(), "7.5");
    let inverted = PriceTerms { maximum: Some(amount("2")), ..price };
    assert_eq!(Price::new(inverted), Err(PriceError::MaximumBelowMinimum));
    assert_eq!(Price::new(terms(Vec::new())), Err(PriceError::Parts));
    assert_eq!(Price::new(terms(vec![fixed("1"); MOST_PARTS + 1])), Err(PriceError::Parts));
}

#[test]
fn what_is_given_is_what_is_priced() {
    let price = terms(vec![fixed("1"), per_unit("1", "tokens", None)]);
    let tokens = QuantityName::parse("tokens").unwrap();
    assert_eq!(cost(&price, &[], 6), Err(Unpriced::QuantityMissing { quantity: tokens }));
    let pages = QuantityName::parse("pages").unwrap();
    let given = [("tokens", "1"), ("pages", "1")];
    assert_eq!(cost(&price, &given, 6), Err(Unpriced::QuantityUnknown { quantity: pages }));
    let free = Charge::priced(
        &OperationName::parse("chat").unwrap(),
        Some((&Price::new(terms(vec![fixed("0")])).unwrap(), 1)),
        Quantities::default(),
        Scale::MAX,
    );
    assert_eq!(free.amount(), Err(Unpriced::Nothing));
}

#[test]
fn the_largest_figures_are_too_large_and_no_panic() {
    let most = "999999999999999.999999";
    let dearest = per_unit(
        "999999999999999.999999999999",
        "units",
        Some(to(RoundingMode::Up, "999999999999999.999999")),
    );
    let price = PriceTerms { step: Some(amount(most)), ..terms(vec![dearest; MOST_PARTS]) };
    assert_eq!(cost(&price, &[("units", most)], 6), Err(Unpriced::TooLarge));
    assert_eq!(cost(&price, &[("units", "0")], 6).unwrap(), "0");
}

proptest! {
    /// Plain arithmetic of fractions says the same.
    #[test]
    fn a_cost_is_the_least_multiple_that_is_enough(
        fixed_micros in 0_i128..10_000_000,
        unit_picos in 0_i128..5_000_000_000_000,
        quantity_micros in 0_i128..10_000_000_000,
        step_micros in 1_i128..3_000_000,
    ) {
        let decimal = |figure: i128, places: u32| {
            rust_decimal::Decimal::from_i128_with_scale(figure, places).to_string()
        };
        let price = PriceTerms {
            step: Some(amount(&decimal(step_micros, 6))),
            ..terms(vec![
                fixed(&decimal(fixed_micros, 6)),
                per_unit(&decimal(unit_picos, 12), "units", None),
            ])
        };
        let answered = cost(&price, &[("units", &decimal(quantity_micros, 6))], 6).unwrap();
        let attos = fixed_micros * 10_i128.pow(12) + quantity_micros * unit_picos;
        let step = step_micros * 10_i128.pow(12);
        let steps = (attos + step - 1) / step;
        let expected = amount_of(steps * step_micros);
        prop_assert_eq!(answered, expected);
    }
}

fn amount_of(micros: i128) -> String {
    rust_decimal::Decimal::from_i128_with_scale(micros, 6).normalize().to_string()
}

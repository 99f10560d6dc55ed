//! Texts that stand for something: what is parsed says the same when it is written and parsed again.

use std::fmt::{Debug, Display};

use purse_domain::{
    AccountName, Amount, AssetCode, CommitToken, CostBasis, Currency, IdempotencyKey,
    OperationName, PerCent, Percent, PositiveAmount, Quantity, Scale, TimeZone, Timestamp,
    UnitPrice,
};
use purse_server::page;
use purse_storage::EventPosition;

/// Parses a text as what a byte says.
pub fn check(what: u8, bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match what % 18 {
        0 => again(text, |text| Amount::parse(text, Scale::MAX)),
        1 => again(text, CostBasis::parse),
        2 => again(text, UnitPrice::parse),
        3 => again(text, Quantity::parse),
        4 => again(text, PerCent::parse),
        5 => again_by(text, Percent::parse, |it| it.decimal().to_string()),
        6 => again(text, Timestamp::parse),
        7 => again(text, TimeZone::parse),
        8 => again(text, CommitToken::parse),
        9 => again(text, str::parse::<EventPosition>),
        10 => again(text, AccountName::parse),
        11 => again(text, AssetCode::parse),
        12 => again(text, OperationName::parse),
        13 => again(text, Currency::parse),
        14 => again(text, IdempotencyKey::parse),
        15 => scaled(text),
        16 => instant(bytes),
        _ => token(text),
    }
}

/// What a text stands for is what its own text stands for.
fn again<T: Debug + Display + PartialEq, E: Debug + Display>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) {
    again_by(text, parse, T::to_string);
}

fn again_by<T: Debug + PartialEq, E: Debug + Display>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    write: impl Fn(&T) -> String,
) {
    match parse(text) {
        Ok(parsed) => {
            let written = write(&parsed);
            assert_eq!(parse(&written).expect("its own text"), parsed, "{text:?}, {written:?}");
        }
        Err(problem) => assert!(!problem.to_string().is_empty(), "{text:?} without a word"),
    }
}

/// An amount of an asset is one of every finer asset too, and has no more places than its own.
fn scaled(text: &str) {
    let scales = (0..=6).filter_map(Scale::new);
    let parsed: Vec<Option<PositiveAmount>> =
        scales.clone().map(|scale| PositiveAmount::parse(text, scale).ok()).collect();
    for (scale, amount) in scales.zip(&parsed) {
        let Some(amount) = amount else { continue };
        assert!(amount.get().fits(scale) && !amount.get().is_zero(), "{text:?} at {scale:?}");
        assert_eq!(amount.get().rounded_down(scale), amount.get(), "{text:?} at {scale:?}");
    }
    assert!(parsed.is_sorted_by(|coarse, fine| coarse.is_none() || coarse == fine), "{text:?}");
}

/// Seconds and nanoseconds, as a message has them.
fn instant(bytes: &[u8]) {
    let Some((seconds, rest)) = bytes.split_first_chunk::<8>() else { return };
    let Some((nanos, _)) = rest.split_first_chunk::<4>() else { return };
    let (seconds, nanos) = (i64::from_le_bytes(*seconds), i32::from_le_bytes(*nanos));
    if let Ok(at) = Timestamp::from_parts(seconds, nanos) {
        assert_eq!(at.parts(), (seconds, nanos / 1_000 * 1_000));
        assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
    }
}

/// A token of a page: what somebody made up is refused, and what was given comes back.
fn token(text: &str) {
    let query = page::Query::of("ListEntries", &());
    if let Ok(Some(cursor)) = query.cursor(text) {
        assert_eq!(query.token(&cursor), text, "{text:?}");
    }
    assert!(matches!(query.cursor(&query.token(text)), Ok(Some(cursor)) if cursor == text));
}

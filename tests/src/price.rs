//! Parts of prices as scenario files write them.

use crate::driver::PartAsked;

/// `10` for each use, `1 per megabytes` for each unit, `2 per megabytes UP to 1` if it is rounded first.
pub fn part(text: &str) -> Result<PartAsked, String> {
    let words: Vec<&str> = text.split(' ').collect();
    let owned = |word: &str| word.to_owned();
    match words[..] {
        [price] => Ok(PartAsked { price: owned(price), ..PartAsked::default() }),
        [price, "per", quantity] => {
            Ok(PartAsked { price: owned(price), quantity: owned(quantity), ..PartAsked::default() })
        }
        [price, "per", quantity, rounding, "to", step] => Ok(PartAsked {
            price: owned(price),
            quantity: owned(quantity),
            rounding: owned(rounding),
            step: owned(step),
        }),
        _ => Err(format!("{text:?} is no part of a price")),
    }
}

//! Parts of prices and packs as scenario files write them.

use crate::driver::{PartAsked, SlabAsked};

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

/// `10% from 2` packs, `25 from 300 credits`.
pub fn slab(text: &str) -> Result<SlabAsked, String> {
    let words: Vec<&str> = text.split(' ').collect();
    let (bonus, from, of_credits) = match words[..] {
        [bonus, "from", from] => (bonus, from, false),
        [bonus, "from", from, "credits"] => (bonus, from, true),
        _ => return Err(format!("{text:?} is no bonus")),
    };
    let per_cent = bonus.strip_suffix('%');
    Ok(SlabAsked {
        from: from.to_owned(),
        of_credits,
        bonus: per_cent.unwrap_or(bonus).to_owned(),
        is_per_cent: per_cent.is_some(),
    })
}

/// `49.90 USD`: how much, and in which currency.
pub fn money(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once(' ').ok_or_else(|| format!("{text:?} is no price of a pack"))?;
    Ok((parts.0.to_owned(), parts.1.to_owned()))
}

//! Granting what a payment bought.

use super::{Stop, grant};
use crate::{Purchase, Rejection, draft::Draft};

/// Makes the grants of a purchase, each as one that was asked for by itself.
pub(super) fn purchase(draft: &mut Draft<'_>, purchase: &Purchase) -> Result<(), Stop> {
    let Purchase { pack: _, quantity: _, payment_ref, bought } = purchase;
    let bought = bought.as_ref().map_err(|why| Rejection::from(why.clone()))?;
    let now = draft.now;
    for part in &bought.grants {
        grant::grant(draft, &part.at(now, payment_ref))?;
    }
    Ok(())
}

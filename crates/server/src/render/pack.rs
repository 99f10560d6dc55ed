//! Packs and purchases.

use purse_domain::{
    Bonus, BonusSlab, CatalogItem, Money, Pack, PackShare, PackTerms, PurchaseRecord, SlabFrom,
};
use purse_proto::v1;
use purse_storage::{Answer, CatalogName};

use super::{instant, made_grants, period, written};

/// A pack.
pub fn pack(name: &CatalogName, item: &CatalogItem<Pack>) -> v1::Pack {
    let CatalogItem { definition, version, created_at, updated_at, actor, reason } = item;
    v1::Pack {
        asset: name.asset.to_string(),
        name: name.name.clone(),
        contents: definition.as_ref().map(contents),
        etag: version.to_string(),
        created_at: Some(instant(*created_at)),
        updated_at: Some(instant(*updated_at)),
        updated_by: actor.to_string(),
        reason: reason.to_string(),
    }
}

fn contents(pack: &Pack) -> v1::PackContents {
    let PackTerms { credits, price, paid, slabs, bonus } = pack.terms();
    v1::PackContents {
        credits: credits.get().to_string(),
        price: price.as_ref().map(|Money { currency, amount }| v1::Money {
            currency: currency.to_string(),
            amount: amount.to_string(),
        }),
        paid: Some(share(paid)),
        bonus_slabs: slabs.iter().map(slab).collect(),
        bonus: Some(share(bonus)),
    }
}

fn share(share: &PackShare) -> v1::PackShare {
    let PackShare { category, valid_for, priority } = share;
    v1::PackShare {
        category: category.to_string(),
        valid_for: valid_for.map(period),
        priority: Some(priority.get()),
    }
}

fn slab(BonusSlab { from, bonus }: &BonusSlab) -> v1::BonusSlab {
    let from = match from {
        SlabFrom::Quantity(count) => v1::bonus_slab::From::FromQuantity(i64::from(count.get())),
        SlabFrom::Credits(credits) => v1::bonus_slab::From::FromCredits(credits.get().to_string()),
    };
    let bonus = match bonus {
        Bonus::PerCent(figure) => v1::bonus_slab::Bonus::PerCent(figure.to_string()),
        Bonus::Credits(credits) => v1::bonus_slab::Bonus::Credits(credits.get().to_string()),
    };
    v1::BonusSlab { from: Some(from), bonus: Some(bonus) }
}

/// What was bought.
pub fn purchased(answer: &Answer) -> v1::PurchasePackResponse {
    let (transaction, balance) = written(answer);
    v1::PurchasePackResponse {
        grants: made_grants(answer),
        transaction: Some(transaction),
        balance: Some(balance),
        replayed: answer.replayed,
    }
}

/// What a transaction bought.
pub fn purchase(purchase: &PurchaseRecord) -> v1::Purchase {
    let PurchaseRecord { pack, pack_version, quantity } = purchase;
    v1::Purchase {
        pack: pack.to_string(),
        etag: pack_version.to_string(),
        quantity: i64::from(quantity.get()),
    }
}

//! Requests about packs.

use purse_domain::{
    Actor, AssetCode, Bonus, BonusSlab, CatalogItem, Category, Command, CommitToken, Currency,
    Fingerprint, FundingRef, IdempotencyKey, Metadata, Money, Pack, PackCount, PackError, PackName,
    PackShare, PackTerms, PerCent, PositiveAmount, Priority, Purchase, Reason, Request, Scale,
    SlabFrom, UnitPrice,
};
use purse_proto::v1;
use purse_storage::{CatalogName, CatalogQuery};
use tonic::Status;

use super::{
    Fields,
    catalog::{CatalogEdit, VersionsQuery, after_name, catalog_name, change},
    period,
};
use crate::{auth::Caller, page, status};

/// A request for a pack to be offered. `scale` is the asset's; `None`: there is no such asset yet.
pub fn set_pack(
    caller: &Caller,
    message: v1::SetPackRequest,
    scale: Option<Scale>,
) -> Result<CatalogEdit<Pack>, Status> {
    let v1::SetPackRequest { asset, pack, contents, etag, actor, reason, validate_only } = message;
    let mut fields = Fields::default();
    let name = pack_name(&mut fields, caller, &asset, &pack);
    if contents.is_none() {
        fields.note("contents", "is missing");
    }
    let pack = contents.and_then(|contents| self::contents(&mut fields, contents, scale));
    let change =
        pack.and_then(|pack| change(&mut fields, caller, (Some(pack), &etag), (&actor, &reason)));
    let (name, change) = fields.finish(name.zip(change))?;
    Ok(CatalogEdit { name, change, validate_only })
}

/// A request for a pack to be offered no more.
pub fn delete_pack(
    caller: &Caller,
    message: v1::DeletePackRequest,
) -> Result<CatalogEdit<Pack>, Status> {
    let v1::DeletePackRequest { asset, pack, etag, actor, reason, validate_only } = message;
    let mut fields = Fields::default();
    let name = pack_name(&mut fields, caller, &asset, &pack);
    let change = change(&mut fields, caller, (None, &etag), (&actor, &reason));
    let (name, change) = fields.finish(name.zip(change))?;
    Ok(CatalogEdit { name, change, validate_only })
}

/// The pack that a request names.
pub fn get_pack(caller: &Caller, message: v1::GetPackRequest) -> Result<CatalogName, Status> {
    let v1::GetPackRequest { asset, pack } = message;
    let mut fields = Fields::default();
    let name = pack_name(&mut fields, caller, &asset, &pack);
    fields.finish(name)
}

/// Which packs to list, and the query for the next page's token.
pub fn list_packs(
    caller: &Caller,
    message: v1::ListPacksRequest,
) -> Result<(CatalogQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ListPacksRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ListPacks", &message);
    let v1::ListPacksRequest { asset, page_size: _, page_token: _ } = message;
    let mut fields = Fields::default();
    let asset = (!asset.is_empty()).then(|| AssetCode::parse(&asset));
    let asset = fields.check_optional("asset", asset);
    let most = fields.take(page::size(page_size));
    let after = after_name(&mut fields, &query, &page_token);
    let namespace_id = caller.namespace_id;
    let parsed =
        (|| Some(CatalogQuery { namespace_id, asset: asset?, after: after?, most: most? }))();
    Ok((fields.finish(parsed)?, query))
}

/// Which versions of a pack to list, and the query for the next page's token.
pub fn list_pack_changes(
    caller: &Caller,
    message: v1::ListPackChangesRequest,
) -> Result<(VersionsQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ListPackChangesRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ListPackChanges", &message);
    let v1::ListPackChangesRequest { asset, pack, page_size: _, page_token: _ } = message;
    let mut fields = Fields::default();
    let name = pack_name(&mut fields, caller, &asset, &pack);
    let most = fields.take(page::size(page_size));
    let after = fields.after(&query, &page_token).map(i64::from);
    let parsed = (|| Some(VersionsQuery { name: name?, after: after?, most: most? }))();
    Ok((fields.finish(parsed)?, query))
}

/// A request to grant what was paid for. `scale` is the asset's, `pack` what the catalog has and its version.
pub fn purchase_pack(
    caller: &Caller,
    message: v1::PurchasePackRequest,
    scale: Option<Scale>,
    found: Option<&CatalogItem<Pack>>,
) -> Result<Request, Status> {
    let v1::PurchasePackRequest {
        account,
        asset,
        pack,
        payment_ref,
        quantity,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let pack = fields.check("pack", PackName::parse(&pack));
    let payment_ref = fields.check("payment_ref", FundingRef::parse(&payment_ref));
    let quantity = fields.check("quantity", count(if quantity == 0 { 1 } else { quantity }));
    let asked = fields.check("actor", Actor::parse(&actor));
    let reason = fields.check("reason", Reason::parse(&reason));
    let metadata = fields.check("metadata", Metadata::parse(metadata));
    let token = (!commit_token.is_empty()).then(|| CommitToken::parse(&commit_token));
    let token = fields.check_optional("commit_token", token);
    let parts = (|| {
        let purchase = (pack?, quantity?, payment_ref?);
        Some((wallet?, purchase, (asked?, reason?, metadata?), token?))
    })();
    let (wallet, (pack, quantity, payment_ref), (asked, reason, metadata), commit_token) =
        fields.finish(parts)?;
    let scale = scale.ok_or_else(|| status::asset_not_found(wallet.asset.as_str()))?;
    let key = Some(IdempotencyKey::of_payment(&payment_ref));
    let found = found.and_then(|item| Some((item.definition.as_ref()?, item.version)));
    let command = Command::PurchasePack(Purchase::of(pack, quantity, payment_ref, found, scale));
    // Whoever delivers it again may say something else of it; it is the same purchase.
    let (nobody, unsaid) = (Actor::from_stored(String::new()), Reason::from_stored(String::new()));
    let fingerprint = Fingerprint::of(&wallet, &command, &nobody, &unsaid, &Metadata::default());
    let actor = if asked.as_str().is_empty() { caller.name.clone() } else { asked };
    Ok(Request {
        wallet,
        command,
        key,
        fingerprint,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    })
}

fn pack_name(fields: &mut Fields, caller: &Caller, asset: &str, pack: &str) -> Option<CatalogName> {
    let asset = fields.check("asset", AssetCode::parse(asset));
    let name = fields.check("pack", PackName::parse(pack));
    Some(catalog_name(caller, asset?, name?.as_str()))
}

fn count(count: i64) -> Result<PackCount, String> {
    PackCount::new(count).ok_or_else(|| format!("must be 1 to {}", purse_domain::pack::MOST_PACKS))
}

fn contents(fields: &mut Fields, contents: v1::PackContents, scale: Option<Scale>) -> Option<Pack> {
    let v1::PackContents { credits, price, paid, bonus_slabs, bonus } = contents;
    let credits = amount(fields, "contents.credits", &credits, scale);
    let price = match price {
        None => Some(None),
        Some(price) => money(fields, &price).map(Some),
    };
    let paid = share(fields, paid, &PAID);
    let slabs: Vec<Option<BonusSlab>> =
        bonus_slabs.into_iter().map(|slab| self::slab(fields, slab, scale)).collect();
    let bonus = share(fields, bonus, &BONUS);
    let terms = PackTerms {
        credits: credits?,
        price: price?,
        paid: paid?,
        slabs: slabs.into_iter().collect::<Option<_>>()?,
        bonus: bonus?,
    };
    match Pack::new(terms) {
        Ok(pack) => Some(pack),
        Err(error) => {
            let field = match error {
                PackError::Slabs => "contents.bonus_slabs",
                PackError::TooDear => "contents.price.amount",
            };
            fields.note(field, error.to_string());
            None
        }
    }
}

fn amount(
    fields: &mut Fields,
    field: &'static str,
    text: &str,
    scale: Option<Scale>,
) -> Option<PositiveAmount> {
    fields.check(field, PositiveAmount::parse(text, scale.unwrap_or(Scale::MAX)))
}

fn money(fields: &mut Fields, money: &v1::Money) -> Option<Money> {
    let v1::Money { currency, amount } = money;
    let currency = fields.check("contents.price.currency", Currency::parse(currency));
    let amount = fields.check("contents.price.amount", UnitPrice::parse(amount));
    Some(Money { currency: currency?, amount: amount? })
}

/// The fields of a share, and its category if it names none.
struct ShareFields {
    category: &'static str,
    valid_for: &'static str,
    priority: &'static str,
    default_category: &'static str,
}

const PAID: ShareFields = ShareFields {
    category: "contents.paid.category",
    valid_for: "contents.paid.valid_for",
    priority: "contents.paid.priority",
    default_category: "purchased",
};
const BONUS: ShareFields = ShareFields {
    category: "contents.bonus.category",
    valid_for: "contents.bonus.valid_for",
    priority: "contents.bonus.priority",
    default_category: "bonus",
};

fn share(
    fields: &mut Fields,
    share: Option<v1::PackShare>,
    names: &ShareFields,
) -> Option<PackShare> {
    let v1::PackShare { category, valid_for, priority } = share.unwrap_or_default();
    let category = if category.is_empty() { names.default_category.to_owned() } else { category };
    let category = fields.check(names.category, Category::parse(&category));
    let valid_for = fields.check_optional(names.valid_for, valid_for.map(period));
    let priority = match priority {
        None => Some(Priority::DEFAULT),
        Some(priority) => fields.check(
            names.priority,
            Priority::new(priority).ok_or("must be −1,000,000 to 1,000,000"),
        ),
    };
    Some(PackShare { category: category?, valid_for: valid_for?, priority: priority? })
}

fn slab(fields: &mut Fields, slab: v1::BonusSlab, scale: Option<Scale>) -> Option<BonusSlab> {
    let v1::BonusSlab { from, bonus } = slab;
    let from = match from {
        None => {
            fields.note("contents.bonus_slabs", "has one without from_quantity or from_credits");
            None
        }
        Some(v1::bonus_slab::From::FromQuantity(count)) => fields
            .check("contents.bonus_slabs.from_quantity", self::count(count))
            .map(SlabFrom::Quantity),
        Some(v1::bonus_slab::From::FromCredits(credits)) => {
            amount(fields, "contents.bonus_slabs.from_credits", &credits, None)
                .map(SlabFrom::Credits)
        }
    };
    let bonus = match bonus {
        None => {
            fields.note("contents.bonus_slabs", "has one without per_cent or credits");
            None
        }
        Some(v1::bonus_slab::Bonus::PerCent(figure)) => fields
            .check("contents.bonus_slabs.per_cent", PerCent::parse(&figure))
            .map(Bonus::PerCent),
        Some(v1::bonus_slab::Bonus::Credits(credits)) => {
            amount(fields, "contents.bonus_slabs.credits", &credits, scale).map(Bonus::Credits)
        }
    };
    Some(BonusSlab { from: from?, bonus: bonus? })
}

//! `purse pack`: credits for sale, and what payments bought.

use std::time::Duration;

use clap::{Args, Subcommand};
use purse_client::{
    Client,
    v1::{
        BonusSlab, DeletePackRequest, GetPackRequest, ListPackChangesRequest, ListPacksRequest,
        Money, Pack, PackContents, PackShare, PurchasePackRequest, PurchasePackResponse,
        SetPackRequest,
        bonus_slab::{Bonus, From},
    },
};

use crate::{
    args::WalletArgs,
    duration,
    exit::Failure,
    instant,
    operation::{ChangeArgs, outcome},
    output::Output,
    pages, spend,
    table::{self, Column},
    write_args::parse_pair,
};

/// What to do with packs.
#[derive(Debug, Subcommand)]
pub enum PackCommand {
    /// Offer a pack, or change it
    Set(Box<SetArgs>),
    /// Show a pack
    Get(PackArgs),
    /// List the packs that are offered
    List(ListArgs),
    /// Offer a pack no more
    Delete(DeleteArgs),
    /// List what a pack was before, and who changed that
    History(HistoryArgs),
    /// Grant what a payment bought, once for each payment
    Purchase(PurchaseArgs),
}

/// The two names of a pack.
#[derive(Debug, Clone, Args)]
pub struct PackArgs {
    /// What is sold, such as credits
    asset: String,
    /// The pack's name
    pack: String,
}

/// What `pack set` takes.
#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    of: PackArgs,
    /// The credits of one pack
    credits: String,
    /// What one pack costs, such as 49.90; the credits bought have their cost basis from it
    #[arg(long, value_name = "AMOUNT", requires = "currency")]
    price: Option<String>,
    /// The currency of the price, such as USD
    #[arg(long, value_name = "CODE", requires = "price")]
    currency: Option<String>,
    /// For how long credits bought can be spent, such as 365d; without it for ever
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    valid_for: Option<Duration>,
    /// What kind of credits those are [default: purchased]
    #[arg(long, default_value = "", hide_default_value = true)]
    category: String,
    /// Their priority, lower is drawn first [default: 100]
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// A bonus from so many packs on, such as 5=10%, or from so many credits on, such as 5000credits=250. May be repeated;
    /// of those that apply the best one does
    #[arg(long, value_name = "FROM=BONUS", value_parser = parse_slab)]
    bonus: Vec<BonusSlab>,
    /// For how long a bonus can be spent; without it for ever
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    bonus_valid_for: Option<Duration>,
    /// What kind of credits a bonus is [default: bonus]
    #[arg(long, default_value = "", hide_default_value = true)]
    bonus_category: String,
    /// Its priority, lower is drawn first [default: 100]
    #[arg(long, allow_negative_numbers = true)]
    bonus_priority: Option<i32>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// What `pack list` takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only packs of this asset
    #[arg(long, default_value = "", hide_default_value = true)]
    asset: String,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// What `pack delete` takes.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    of: PackArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

/// What `pack history` takes.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    #[command(flatten)]
    of: PackArgs,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// What `pack purchase` takes.
#[derive(Debug, Args)]
pub struct PurchaseArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The pack's name
    pack: String,
    /// What paid for it, such as a charge: it is granted once, however often it is repeated
    payment_ref: String,
    /// How many packs
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..))]
    quantity: i64,
    /// Who asks; without it the name of the credentials
    #[arg(long, default_value = "", hide_default_value = true)]
    actor: String,
    /// Why, kept with the transaction
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Your own data; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    metadata: Vec<(String, String)>,
    /// Decide and answer exactly, but write nothing
    #[arg(long)]
    validate_only: bool,
    /// What the answer to --validate-only gave as its commit token: do just that or nothing
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    commit_token: String,
}

/// Runs `purse pack`.
pub async fn run(
    command: PackCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        PackCommand::Set(args) => set(*args, client, output).await,
        PackCommand::Get(PackArgs { asset, pack }) => {
            let answer = client.get_pack(GetPackRequest { asset, pack }).await?;
            output.answer(&answer, |answer| record(answer.pack.as_ref(), ""))
        }
        PackCommand::List(args) => list(args, client, output).await,
        PackCommand::Delete(args) => delete(args, client, output).await,
        PackCommand::History(args) => history(args, client, output).await,
        PackCommand::Purchase(args) => purchase(args, client, output).await,
    }
}

async fn set(args: SetArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let SetArgs {
        of: PackArgs { asset, pack },
        credits,
        price,
        currency,
        valid_for,
        category,
        priority,
        bonus,
        bonus_valid_for,
        bonus_category,
        bonus_priority,
        change: ChangeArgs { etag, actor, reason, validate_only },
    } = args;
    let price = price.zip(currency).map(|(amount, currency)| Money { currency, amount });
    let contents = PackContents {
        credits,
        price,
        paid: Some(share(category, valid_for, priority)?),
        bonus_slabs: bonus,
        bonus: Some(share(bonus_category, bonus_valid_for, bonus_priority)?),
    };
    let contents = Some(contents);
    let request = SetPackRequest { asset, pack, contents, etag, actor, reason, validate_only };
    let answer = client.set_pack(request).await?;
    output.answer(&answer, |answer| {
        record(answer.pack.as_ref(), outcome(answer.changed, validate_only))
    })
}

fn share(
    category: String,
    valid_for: Option<Duration>,
    priority: Option<i32>,
) -> Result<PackShare, Failure> {
    let valid_for = valid_for.map(TryInto::try_into).transpose();
    let valid_for = valid_for.map_err(|_| Failure::Usage("a duration is too long".to_owned()))?;
    Ok(PackShare { category, valid_for, priority })
}

async fn delete(args: DeleteArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let DeleteArgs { of: PackArgs { asset, pack }, change } = args;
    let ChangeArgs { etag, actor, reason, validate_only } = change;
    let request = DeletePackRequest { asset, pack, etag, actor, reason, validate_only };
    let answer = client.delete_pack(request).await?;
    output.answer(&answer, |answer| {
        record(answer.pack.as_ref(), outcome(answer.changed, validate_only))
    })
}

async fn list(args: ListArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let ListArgs { asset, limit } = args;
    let request = ListPacksRequest { asset, ..ListPacksRequest::default() };
    let answer = pages::list_packs(client, request, limit).await?;
    output.answer(&answer, |answer| {
        let columns = [
            Column::Word("asset"),
            Column::Word("pack"),
            Column::Text("contents"),
            Column::Text("updated"),
            Column::Text("by"),
        ];
        let lines = answer.packs.iter().map(|pack| {
            vec![
                pack.asset.clone(),
                pack.name.clone(),
                brief(pack.contents.as_ref()),
                instant::brief(pack.updated_at),
                pack.updated_by.clone(),
            ]
        });
        table::rows(&columns, lines)
    })?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

async fn history(args: HistoryArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let HistoryArgs { of: PackArgs { asset, pack }, limit } = args;
    let request = ListPackChangesRequest { asset, pack, ..ListPackChangesRequest::default() };
    let answer = pages::list_pack_changes(client, request, limit).await?;
    output.answer(&answer, |answer| {
        let columns = [
            Column::Figure("etag"),
            Column::Text("contents"),
            Column::Text("changed"),
            Column::Text("by"),
            Column::Text("reason"),
        ];
        let lines = answer.changes.iter().map(|pack| {
            vec![
                pack.etag.clone(),
                brief(pack.contents.as_ref()),
                instant::brief(pack.updated_at),
                pack.updated_by.clone(),
                pack.reason.clone(),
            ]
        });
        table::rows(&columns, lines)
    })?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

async fn purchase(args: PurchaseArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let PurchaseArgs {
        wallet: WalletArgs { account, asset },
        pack,
        payment_ref,
        quantity,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = args;
    let request = PurchasePackRequest {
        account,
        asset,
        pack,
        payment_ref,
        quantity,
        actor,
        reason,
        metadata: metadata.into_iter().collect(),
        validate_only,
        commit_token,
    };
    let answer = client.purchase_pack(request).await?;
    output.answer(&answer, |PurchasePackResponse { grants, transaction, balance, replayed }| {
        let columns = [
            Column::Figure("grant"),
            Column::Figure("amount"),
            Column::Word("category"),
            Column::Figure("cost basis"),
            Column::Text("expires"),
        ];
        let lines = grants.iter().map(|grant| {
            vec![
                grant.number.to_string(),
                grant.amount.clone(),
                grant.category.clone(),
                grant.cost_basis.clone(),
                grant.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string()),
            ]
        });
        let bought = table::rows(&columns, lines);
        let written = spend::record(transaction.as_ref(), balance.as_ref(), *replayed);
        format!("{bought}\n\n{written}")
    })
}

fn record(pack: Option<&Pack>, outcome: &str) -> String {
    let pack = pack.cloned().unwrap_or_default();
    table::record([
        ("asset", pack.asset),
        ("pack", pack.name),
        ("contents", brief(pack.contents.as_ref())),
        ("created", instant::show(pack.created_at)),
        ("updated", instant::show(pack.updated_at)),
        ("by", pack.updated_by),
        ("reason", pack.reason),
        ("etag", pack.etag),
        ("outcome", outcome.to_owned()),
    ])
}

/// A pack in a line, such as `1000 purchased for 49.9 USD, valid 365d; 10% bonus from 2 packs, valid 30d`.
fn brief(contents: Option<&PackContents>) -> String {
    let Some(contents) = contents else { return "deleted".to_owned() };
    let price = contents.price.as_ref();
    let price = price.map(|Money { currency, amount }| format!(" for {amount} {currency}"));
    let paid = contents.paid.clone().unwrap_or_default();
    let credits = &contents.credits;
    let bought =
        format!("{credits} {}{}{}", paid.category, price.unwrap_or_default(), validity(&paid));
    let bonus = contents.bonus.clone().unwrap_or_default();
    let slabs: Vec<String> = contents.bonus_slabs.iter().map(slab).collect();
    if slabs.is_empty() {
        return bought;
    }
    format!("{bought}; {} {}{}", slabs.join(" or "), bonus.category, validity(&bonus))
}

fn validity(share: &PackShare) -> String {
    let length = share.valid_for.as_ref().map(duration::show);
    length.map(|length| format!(", valid {length}")).unwrap_or_default()
}

fn slab(slab: &BonusSlab) -> String {
    let bonus = match &slab.bonus {
        None => String::new(),
        Some(Bonus::PerCent(figure)) => format!("{figure}%"),
        Some(Bonus::Credits(credits)) => credits.clone(),
    };
    match &slab.from {
        None => bonus,
        Some(From::FromQuantity(count)) => format!("{bonus} from {count} packs"),
        Some(From::FromCredits(credits)) => format!("{bonus} from {credits} credits"),
    }
}

/// Reads `5=10%`, `5=250`, `5000credits=10%` or `5000credits=250`.
fn parse_slab(text: &str) -> Result<BonusSlab, String> {
    let (from, bonus) = parse_pair(text)?;
    let from = match from.strip_suffix("credits") {
        Some(credits) => From::FromCredits(credits.to_owned()),
        None => {
            From::FromQuantity(from.parse().map_err(|_| "expected packs=BONUS or credits=BONUS")?)
        }
    };
    let bonus = match bonus.strip_suffix('%') {
        Some(figure) => Bonus::PerCent(figure.to_owned()),
        None => Bonus::Credits(bonus),
    };
    Ok(BonusSlab { from: Some(from), bonus: Some(bonus) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_told_in_a_line() {
        let share = |category: &str, days: u64| {
            let valid_for = (days > 0).then(|| Duration::from_secs(days * 86_400));
            share(category.to_owned(), valid_for, None).unwrap()
        };
        let contents = PackContents {
            credits: "1000".to_owned(),
            price: Some(Money { currency: "USD".to_owned(), amount: "49.9".to_owned() }),
            paid: Some(share("purchased", 0)),
            bonus_slabs: vec![parse_slab("2=10%").unwrap(), parse_slab("5000credits=600").unwrap()],
            bonus: Some(share("bonus", 30)),
        };
        let told = "1000 purchased for 49.9 USD; 10% from 2 packs or 600 from 5000 credits bonus, \
                    valid 30d";
        assert_eq!(brief(Some(&contents)), told);
        assert!(parse_slab("many=10%").is_err());
    }
}

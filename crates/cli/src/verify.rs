//! `purse verify`: recompute wallets from their entries.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use purse_client::{
    Client,
    v1::{ListWalletsRequest, VerifyWalletRequest, VerifyWalletResponse, Wallet},
};
use serde_json::json;

use crate::{
    exit::Failure,
    instant,
    output::{Format, Output},
    pages, table,
};

/// What `verify` takes.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Who holds the credits, such as org:42
    #[arg(required_unless_present = "all", requires = "asset")]
    account: Option<String>,
    /// What is counted, such as credits
    asset: Option<String>,
    /// Verify every wallet of the namespace
    #[arg(long, conflicts_with = "account")]
    all: bool,
}

/// Runs `purse verify`. Fails if something is wrong.
pub async fn run(args: VerifyArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    match args {
        VerifyArgs { account: Some(account), asset: Some(asset), .. } => {
            let request = VerifyWalletRequest { account, asset };
            let answer = client.verify_wallet(request).await?;
            output.answer(&answer, record)?;
            if answer.sound {
                Ok(())
            } else {
                Err(Failure::Wrong("the wallet is not sound".into()))
            }
        }
        VerifyArgs { .. } => all(client, output).await,
    }
}

async fn all(client: &Client, output: &mut Output) -> Result<(), Failure> {
    let bar = progress();
    let mut request =
        ListWalletsRequest { page_size: pages::MAX_PAGE_SIZE, ..ListWalletsRequest::default() };
    let (mut wallets, mut entries, mut unsound) = (0_u64, 0_i64, Vec::new());
    loop {
        let page = client.list_wallets(request.clone()).await?;
        bar.inc_length(u64::try_from(page.wallets.len()).unwrap_or(0));
        for Wallet { account, asset, .. } in page.wallets {
            let one = VerifyWalletRequest { account: account.clone(), asset: asset.clone() };
            let answer = client.verify_wallet(one).await?;
            wallets += 1;
            entries += answer.entries;
            if !answer.sound {
                bar.suspend(|| eprintln!("purse: {account} {asset}: {}", answer.problem));
                unsound.push((account, asset, answer));
            }
            bar.inc(1);
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    bar.finish_and_clear();
    match output.format() {
        Format::Table => output.line(&table::record([
            ("wallets", wallets.to_string()),
            ("entries", entries.to_string()),
            ("not sound", unsound.len().to_string()),
        ]))?,
        Format::Json => {
            let found: Vec<_> = unsound
                .iter()
                .map(|(account, asset, answer)| {
                    json!({
                        "account": account,
                        "asset": asset,
                        "problem": answer.problem,
                        "entrySequence": answer.entry_sequence.to_string(),
                    })
                })
                .collect();
            let summary = json!({ "wallets": wallets, "entries": entries, "unsound": found });
            output.line(&format!("{summary:#}"))?;
        }
    }
    match unsound.len() {
        0 => Ok(()),
        count => Err(Failure::Wrong(format!("{count} of {wallets} wallets are not sound"))),
    }
}

/// What a verification found, a line for each figure.
fn record(answer: &VerifyWalletResponse) -> String {
    let entry = match answer.entry_sequence {
        0 => String::new(),
        entry => entry.to_string(),
    };
    table::record([
        ("sound", if answer.sound { "yes" } else { "no" }.to_owned()),
        ("problem", answer.problem.clone()),
        ("first wrong entry", entry),
        ("entries", answer.entries.to_string()),
        ("grants", answer.grants.to_string()),
        ("holds", answer.holds.to_string()),
        ("as of", instant::show(answer.recorded_at)),
    ])
}

/// A bar on stderr, if that is a terminal; otherwise nothing.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} wallets  {per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

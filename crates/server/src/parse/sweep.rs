//! Which wallets to settle.

use purse_domain::WalletName;
use purse_proto::v1;
use tonic::Status;

use super::Fields;
use crate::auth::Caller;

/// Some hundred milliseconds of work.
const DEFAULT: usize = 256;
/// Well within a call's deadline.
const MOST: usize = 1_000;

/// Which wallets to settle.
#[derive(Debug)]
pub enum Sweep {
    /// This one.
    One(WalletName),
    /// Those of which something is due.
    Due {
        /// At most this many.
        most: usize,
    },
}

/// Which wallets to settle.
pub fn sweep_wallets(caller: &Caller, message: v1::SweepWalletsRequest) -> Result<Sweep, Status> {
    let v1::SweepWalletsRequest { account, asset, max_wallets } = message;
    let mut fields = Fields::default();
    let most = match usize::try_from(max_wallets) {
        Err(_) => {
            fields.note("max_wallets", "must not be negative");
            None
        }
        Ok(0) => Some(DEFAULT),
        Ok(most) => Some(most.min(MOST)),
    };
    let sweep = if account.is_empty() && asset.is_empty() {
        most.map(|most| Sweep::Due { most })
    } else {
        fields.wallet(caller, &account, &asset).map(Sweep::One)
    };
    fields.finish(sweep)
}

//! Wallets as a lane's last batches left them, so that the next batch on them need not read them again.
//!
//! Nothing is true because it is kept. A batch that is decided on kept wallets is written by one statement
//! that names the revision of each, and that fails if any has another one by now. And only acceptances are
//! believed: what would be a rejection or a preview, or lacks a grant, is decided again on wallets that are
//! locked and read. So any number of servers may keep the same wallets; it only costs speed.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
};

use lru::LruCache;
use purse_domain::{AccountId, Command, Group, Request, WalletId, WalletState};

/// Most wallets that a lane keeps, at about one to two kilobytes each.
const MOST_WALLETS: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();
/// Most grants that are kept of a wallet: what a few spends draw.
const MOST_GRANTS: usize = 8;
/// The longest pause, in batches, after kept wallets were found changed by another server.
const LONGEST_PAUSE: u32 = 1_024;

/// The wallets that a lane keeps.
#[derive(Debug)]
pub struct Kept {
    wallets: LruCache<WalletId, WalletState>,
    /// For this many batches nothing is taken out: another server works on the same wallets.
    pause: u32,
    next_pause: u32,
}

impl Default for Kept {
    fn default() -> Self {
        Self { wallets: LruCache::new(MOST_WALLETS), pause: 0, next_pause: 1 }
    }
}

impl Kept {
    /// Takes out the wallets of a batch; `None`: it must read some of what it needs. What is taken out is
    /// forgotten, unless it is put back.
    pub(crate) fn take(&mut self, groups: &[&Group]) -> Option<HashMap<WalletId, WalletState>> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let suffices = |request: &&Request| {
            needs_only_its_wallets(request)
                && request.wallets().all(|name| self.wallets.contains(&name.wallet_id))
        };
        let mut requests = groups.iter().flat_map(|group| group.requests());
        if !requests.all(|request| suffices(&request)) {
            return None;
        }
        let ids = groups.iter().flat_map(|group| group.wallets()).map(|name| name.wallet_id);
        // The second request on a wallet finds it taken out.
        Some(ids.filter_map(|id| self.wallets.pop_entry(&id)).collect())
    }

    /// Keeps wallets as a batch left them. Those of accounts that are not at `home` in its lane are not kept:
    /// their own lane will change them.
    pub(crate) fn put(
        &mut self,
        wallets: HashMap<WalletId, WalletState>,
        home: &HashSet<AccountId>,
    ) {
        for (id, mut wallet) in wallets {
            if home.contains(&wallet.settings.name.account_id) {
                wallet.trim(MOST_GRANTS);
                self.wallets.put(id, wallet);
            } else {
                self.wallets.pop(&id);
            }
        }
    }

    /// The database went away. What comes back may lack what was acknowledged here, and have other writes in its place
    /// under the same revisions.
    pub(crate) fn forget_all(&mut self) {
        self.wallets.clear();
    }

    /// A batch was written on what was kept.
    pub(crate) fn held_true(&mut self) {
        self.next_pause = 1;
    }

    /// A batch on what was kept was refused. When two servers write to the same wallets most would be, so the
    /// pauses get longer.
    pub(crate) fn was_refused(&mut self) {
        self.pause = self.next_pause;
        self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether a request needs nothing of the database but its wallets and the first grants.
fn needs_only_its_wallets(request: &Request) -> bool {
    !request.validate_only
        && match &request.command {
            // A hold that is not kept is missing, and then looked up.
            Command::Grant(_)
            | Command::PurchasePack(_)
            | Command::CreateHold(_)
            | Command::CaptureHold(_)
            | Command::ReleaseHold(_)
            | Command::ExtendHold(..)
            | Command::Transfer(_) => true,
            Command::Spend(spend) => spend.occurred_at.is_none(),
            Command::CreateWallet(_)
            | Command::UpdateWallet(_)
            | Command::CarryOver(_)
            | Command::VoidGrant(_)
            | Command::ExpireGrant(_)
            | Command::ChangeGrantExpiry(_)
            | Command::ReverseSpend(_)
            | Command::RevokeFunding(_)
            | Command::Receive(_)
            | Command::FreezeWallet
            | Command::UnfreezeWallet
            | Command::DeclineTopUp(_)
            | Command::CloseWallet(_)
            // What is due is read.
            | Command::Settle => false,
        }
}

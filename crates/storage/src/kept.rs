//! Wallets as a lane's last batches left them, so that the next batch on them need not read them again.
//!
//! Nothing is true because it is kept. A batch that is decided on kept wallets is written by one statement
//! that names the revision of each, and that fails if any has another one by now. A wallet is kept as a batch will
//! leave it while that is still being written; then the next one also names the transaction that it builds on, and
//! fails if that is not there. Rejections and previews, which write nothing, name what they rely on likewise. What lacks a
//! grant is decided again on wallets that are locked and read. So any number of servers may keep the same wallets; it
//! only costs speed.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
};

use lru::LruCache;
use purse_domain::{AccountId, Command, Group, Request, TransactionId, WalletId, WalletState};

/// Most wallets that a lane keeps, at about one to two kilobytes each.
const MOST_WALLETS: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();
/// Most grants that are kept of a wallet: what a few spends draw.
const MOST_GRANTS: usize = 8;
/// The longest pause, in batches, after batches on kept wallets were refused.
const LONGEST_PAUSE: u32 = 1_024;

/// The wallets that a lane keeps.
#[derive(Debug)]
pub struct Kept {
    wallets: LruCache<WalletId, KeptWallet>,
    /// For this many batches nothing is taken out, because batches on what is kept are refused.
    pause: u32,
    next_pause: u32,
}

#[derive(Debug)]
struct KeptWallet {
    state: WalletState,
    /// The last transaction on it, if that is still being written.
    unwritten: Option<TransactionId>,
}

/// Wallets that were taken out.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) wallets: HashMap<WalletId, WalletState>,
    /// The last transactions on some of them, which are still being written.
    pub(crate) unwritten: HashMap<WalletId, TransactionId>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { wallets: LruCache::new(MOST_WALLETS), pause: 0, next_pause: 1 }
    }
}

impl Kept {
    /// Takes out the wallets of a batch; `None`: it must read some of what it needs. What is taken out is
    /// forgotten, unless it is put back.
    pub(crate) fn take(&mut self, groups: &[Group]) -> Option<Taken> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let suffices = |request: &&Request| {
            needs_only_its_wallets(&request.command)
                && request.wallets().all(|name| self.wallets.contains(&name.wallet_id))
        };
        let mut requests = groups.iter().flat_map(Group::requests);
        if !requests.all(|request| suffices(&request)) {
            return None;
        }
        let mut taken = Taken::default();
        for name in groups.iter().flat_map(Group::wallets) {
            // The second request on a wallet finds it taken out.
            if let Some((id, KeptWallet { state, unwritten })) =
                self.wallets.pop_entry(&name.wallet_id)
            {
                taken.wallets.insert(id, state);
                taken.unwritten.extend(unwritten.map(|transaction| (id, transaction)));
            }
        }
        Some(taken)
    }

    /// Keeps wallets as a batch left them, or will leave them once its transactions, `unwritten`, are there. Those of
    /// accounts that are not at `home` in its lane are not kept: their own lane will change them.
    pub(crate) fn put(
        &mut self,
        wallets: HashMap<WalletId, WalletState>,
        unwritten: &HashMap<WalletId, TransactionId>,
        home: &HashSet<AccountId>,
    ) {
        for (id, mut state) in wallets {
            if home.contains(&state.settings.name.account_id) {
                state.trim(MOST_GRANTS);
                let unwritten = unwritten.get(&id).copied();
                self.wallets.put(id, KeptWallet { state, unwritten });
            } else {
                self.wallets.pop(&id);
            }
        }
    }

    /// These transactions were written, each the last one of its batch on its wallet.
    pub(crate) fn were_written(&mut self, written: &HashMap<WalletId, TransactionId>) {
        self.next_pause = 1;
        for (id, transaction) in written {
            if let Some(wallet) = self.wallets.peek_mut(id)
                && wallet.unwritten == Some(*transaction)
            {
                wallet.unwritten = None;
            }
        }
    }

    /// A batch of these groups was refused: what was kept of their wallets, and will be once it is written, is not so.
    pub(crate) fn forget(&mut self, refused: &[Group]) {
        for name in refused.iter().flat_map(Group::wallets) {
            self.wallets.pop(&name.wallet_id);
        }
    }

    /// A batch on what was kept was refused. When two servers write to the same wallets, or callers repeat what has happened, most
    /// would be, so the pauses get longer.
    pub(crate) fn pause(&mut self) {
        self.pause = self.next_pause;
        self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
    }

    /// The database went away. What comes back may lack what was acknowledged here, and have other writes in its place
    /// under the same revisions.
    pub(crate) fn forget_all(&mut self) {
        self.wallets.clear();
    }
}

/// Whether a command needs nothing of the database but its wallets and the first grants.
fn needs_only_its_wallets(command: &Command) -> bool {
    match command {
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

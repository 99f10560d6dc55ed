//! Which wallets spends are from.

use std::sync::Arc;

use clap::ValueEnum;

use crate::{seeds::Seed, wallets::Wallets};

/// Of each ten spends, those that the hot wallets take in [`Spread::Hundredth`].
pub const HOT_TENTHS: u64 = 9;

/// How spends are spread over wallets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spread {
    /// All wallets alike.
    Many,
    /// All spends from one wallet.
    Hot,
    /// Nine spends of ten from a hundredth of the wallets, the tenth from all alike.
    Hundredth,
}

impl Spread {
    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Many => "many",
            Self::Hot => "hot",
            Self::Hundredth => "1 % hot",
        }
    }

    /// How many times as many spends as the naive side's best the project wants to make, in hundredths; `None`: it has
    /// set no target for so many callers.
    pub fn target_hundredths(self, callers: u32) -> Option<u64> {
        match (self, callers) {
            (Self::Many, 64) => Some(400),
            (Self::Many, 256) => Some(550),
            (Self::Hot, 64) => Some(1_200),
            (Self::Hot, 256) => Some(1_800),
            (Self::Many | Self::Hot | Self::Hundredth, _) => None,
        }
    }

    /// How many of so many wallets are hot: one at least.
    pub fn hot_wallets(wallets: u64) -> u64 {
        (wallets / 100).max(1)
    }

    /// Where a caller finds the accounts to spend from.
    pub fn accounts(self, wallets: &Wallets) -> Accounts {
        let all = match self {
            Self::Many | Self::Hundredth => &wallets.many,
            Self::Hot => &wallets.hot,
        };
        let count = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let hot = match self {
            Self::Hundredth => usize::try_from(Self::hot_wallets(count)).unwrap_or(1),
            Self::Many | Self::Hot => 0,
        };
        Accounts { all: Arc::clone(all), hot }
    }
}

/// The accounts of a spread.
#[derive(Debug, Clone)]
pub struct Accounts {
    all: Arc<[String]>,
    /// How many of the first take most of the spends; 0: none does.
    hot: usize,
}

impl Accounts {
    /// The account of a caller's call.
    pub fn choose(&self, seed: Seed, call: u64) -> &String {
        if self.hot > 0 && seed.draw(call, 10) < HOT_TENTHS {
            return seed.choose(call, &self.all[..self.hot]);
        }
        seed.choose(call, &self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::Accounts;
    use crate::seeds::Seeds;

    #[test]
    fn nine_spends_of_ten_are_from_the_hot_wallets() {
        let all: Vec<String> = (0..1_000).map(|account| account.to_string()).collect();
        let accounts = Accounts { all: all.into(), hot: 10 };
        let seed = Seeds::new(1, Some(1)).next_caller();
        let hot = (0..10_000)
            .filter(|call| accounts.choose(seed, *call).parse::<u32>().is_ok_and(|n| n < 10))
            .count();
        // Nine tenths, and of the last tenth one in a hundred.
        assert!((8_900..9_120).contains(&hot), "{hot}");
    }
}

//! Chance, and the idempotency keys made of it.

use std::{collections::hash_map::RandomState, hash::BuildHasher, process};

/// Where callers get their seeds: which wallets they choose and which keys they use.
#[derive(Debug)]
pub struct Seeds {
    /// Decides the choice of wallets: the same in each run with the same flag.
    choice: u64,
    /// Decides the keys: another one in each run.
    keys: u64,
    callers: u64,
}

/// A caller's own.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    choice: u64,
    keys: u64,
}

impl Seeds {
    /// Keys come from the process id and the chance that the standard library seeds its maps with,
    /// unless `run` is given.
    pub fn new(seed: u64, run: Option<u64>) -> Self {
        let keys = run.unwrap_or_else(|| RandomState::new().hash_one(process::id()));
        Self { choice: scatter(seed), keys: scatter(keys), callers: 0 }
    }

    /// What is other in each run.
    pub fn run(&self) -> u64 {
        self.keys
    }

    /// Seeds for callers that are made later, other than all that are made here.
    pub fn branch(&mut self) -> Self {
        let Seed { choice, keys } = self.next_caller();
        Self { choice, keys, callers: 0 }
    }

    pub fn next_caller(&mut self) -> Seed {
        self.callers += 1;
        Seed {
            choice: scatter(self.choice.wrapping_add(self.callers)),
            keys: scatter(self.keys.wrapping_add(self.callers)),
        }
    }
}

impl Seed {
    /// A key of its own for each call: a caller's keys differ in the first part, callers differ in
    /// the second. It looks like a random UUID because that is what clients send, and an index
    /// takes random keys harder than rising ones.
    pub fn key(self, call: u64) -> String {
        let first = scatter(self.keys.wrapping_add(call));
        let second = self.keys;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            first >> 32,
            (first >> 16) & 0xffff,
            first & 0xffff,
            second >> 48,
            second & 0xffff_ffff_ffff,
        )
    }

    /// A number below `below`, by chance, that has nothing to do with what `choose` chooses.
    pub fn draw(self, call: u64, below: u64) -> u64 {
        scatter(scatter(self.choice.wrapping_add(call))) % below
    }

    pub fn choose(self, call: u64, of: &[String]) -> &String {
        let count = u64::try_from(of.len()).unwrap_or(u64::MAX);
        let index = scatter(self.choice.wrapping_add(call)) % count;
        &of[usize::try_from(index).unwrap_or(0)]
    }
}

/// The finisher of `SplitMix64`: one to one, and neighbours come out far apart.
fn scatter(value: u64) -> u64 {
    let mut mixed = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Seeds;

    #[test]
    fn no_key_comes_twice_in_a_run() {
        let mut seeds = Seeds::new(1, Some(1));
        let callers: Vec<_> = (0..64).map(|_| seeds.next_caller()).collect();
        let keys: HashSet<String> =
            callers.iter().flat_map(|seed| (1..=1_000).map(|call| seed.key(call))).collect();
        assert_eq!(keys.len(), 64_000);
        assert!(keys.iter().all(|key| key.len() == 36));
    }

    #[test]
    fn the_same_seed_chooses_the_same_wallets_and_reaches_all() {
        let accounts: Vec<String> = (0..100).map(|account| account.to_string()).collect();
        let choices = |run| -> Vec<String> {
            let seed = Seeds::new(7, Some(run)).next_caller();
            (1..=2_000).map(|call| seed.choose(call, &accounts).clone()).collect()
        };
        assert_eq!(choices(1), choices(2));
        assert_eq!(choices(1).into_iter().collect::<HashSet<_>>().len(), 100);
    }

    #[test]
    fn another_run_has_other_keys() {
        let key = |run| Seeds::new(1, Some(run)).next_caller().key(1);
        assert_ne!(key(1), key(2));
    }
}

//! What limits count of a wallet in memory, from all that was ever done on it.

use std::collections::BTreeMap;

use purse_domain::{
    Command, Counted, Decision, Entry, EntryKind, HoldNumber, LimitUsage, Missing, OpenHold,
    Origin, Request, SpendLimit, Spender, Sum, Tally, Timestamp, WalletState, limit_usage,
};

/// All that counts, whether there are limits or not.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitStore {
    counted: Vec<Counted>,
    /// For whom holds were made.
    held_for: BTreeMap<HoldNumber, Origin>,
}

impl LimitStore {
    /// Adds what a decision counts.
    pub(super) fn add(&mut self, request: &Request, decision: &Decision) {
        let operation = decision.operation(&request.command).cloned();
        let mut origin = Origin { actor: request.actor.clone(), operation };
        if let Some(number) = decision.hold {
            if matches!(request.command, Command::CreateHold(_)) {
                self.held_for.insert(number, origin.clone());
            }
            origin = self.held_for.get(&number).cloned().unwrap_or(origin);
        }
        let undone = decision.reversed.as_ref().map(|(_, spend)| spend);
        let origin = undone.and_then(|spend| spend.origin.as_ref()).unwrap_or(&origin);
        // What undoes a revocation is no spending.
        let undoes_a_spend = |entry: &&Entry| entry.kind != EntryKind::Reversed || undone.is_some();
        let own = decision.own_entries().iter().filter(undoes_a_spend);
        self.counted.extend(own.filter_map(|entry| {
            let at = undone.map_or(entry.effective_at, |spend| spend.effective_at);
            Counted::of(entry.kind, entry.amount, at, origin)
        }));
    }

    /// How much of a limit is used.
    pub(super) fn usage(
        &self,
        state: &mut WalletState,
        limit: &SpendLimit,
        spender: &Spender,
        now: Timestamp,
    ) -> LimitUsage {
        loop {
            match limit_usage(state, limit, spender.clone(), now) {
                Ok(usage) => return usage,
                Err(missing) => assert!(self.supply(state, &missing), "{missing:?}"),
            }
        }
    }

    /// Whether it is this that is missing; then it is there now.
    pub(super) fn supply(&self, state: &mut WalletState, missing: &Missing) -> bool {
        match missing {
            Missing::OpenHolds => {
                let open = state.holds.values().filter(|hold| hold.is_open());
                let open = open.filter_map(|hold| {
                    let origin = self.held_for.get(&hold.number)?.clone();
                    let (held, expires_at) = (hold.held(), hold.expires_at);
                    Some((hold.number, OpenHold { origin, held, expires_at }))
                });
                state.counts.load_open_holds(open.collect());
            }
            Missing::Spending(unknown) => {
                let scans = state.counts.scans_of(unknown);
                let mut tally = Tally::default();
                for counted in &self.counted {
                    tally.add(&state.settings.spend_limits, counted);
                }
                let found = tally.iter().filter(|(spender, width, start, _)| {
                    let is_scanned = |scan: &&purse_domain::Scan| {
                        scan.width == *width && scan.from <= *start && *start < scan.to
                    };
                    **spender == unknown.spender && scans.iter().any(|scan| is_scanned(&scan))
                });
                let found: Vec<Sum> =
                    found.map(|(_, width, start, amount)| Sum { width, start, amount }).collect();
                state.counts.load(&unknown.spender, &scans, &found);
            }
            Missing::DueBy(_)
            | Missing::MoreInOrder
            | Missing::AllOpen
            | Missing::Hold(_)
            | Missing::Debts => return false,
        }
        true
    }
}

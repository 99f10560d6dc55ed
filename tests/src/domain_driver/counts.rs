//! What limits count of a wallet in memory, from all that was ever done on it.

use std::collections::BTreeMap;

use purse_domain::{
    Command, Counted, Decision, HoldNumber, LimitUsage, Missing, OpenHold, Origin, Request,
    SpendLimit, Spender, Sum, Tally, Timestamp, Verdict, WalletState, limit_usage,
};

/// All that counts, whether there are limits or not.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    counted: Vec<Counted>,
    /// For whom holds were made.
    held_for: BTreeMap<HoldNumber, Origin>,
}

impl Counts {
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
        let origin = undone.map_or(&origin, |spend| &spend.origin);
        self.counted.extend(decision.own_entries().iter().filter_map(|entry| {
            let at = undone.map_or(entry.effective_at, |spend| spend.effective_at);
            Counted::of(entry.kind, entry.amount, at, origin)
        }));
    }

    /// Asks for a decision, and supplies what it lacks of this.
    pub(super) fn supplied(
        &self,
        state: &mut WalletState,
        ask: impl Fn(&WalletState) -> Verdict,
    ) -> Verdict {
        loop {
            match ask(state) {
                Verdict::Lacking(missing) if self.supply(state, &missing) => {}
                verdict @ (Verdict::Accepted(_) | Verdict::Rejected(_) | Verdict::Lacking(_)) => {
                    return verdict;
                }
            }
        }
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
    fn supply(&self, state: &mut WalletState, missing: &Missing) -> bool {
        match missing {
            Missing::OpenHolds => {
                let open = state.holds.values().filter(|hold| hold.is_open());
                let open = open.filter_map(|hold| {
                    let origin = self.held_for.get(&hold.number)?.clone();
                    let (held, expires_at) = (hold.held(), hold.expires_at);
                    Some((hold.number, OpenHold { origin, held, expires_at }))
                });
                state.usage.load_open_holds(open.collect());
            }
            Missing::Spending(unknown) => {
                let scans = state.usage.scans_of(unknown);
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
                state.usage.load(&unknown.spender, &scans, &found);
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

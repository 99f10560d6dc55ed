//! Deciding with some of the grants, and more on demand, gives the decision that all of them give.
//!
//! This is how storage decides: it holds the first few grants in drawdown order, and supplies what
//! [`Verdict::Lacking`] asks for out of a database that still has the state from before the batch.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use purse_domain::{
    Counts, Coverage, Decision, DrawdownKey, Grant, Head, Hold, HoldNumber, Missing, Request,
    Timestamp, Verdict, WalletState, decide,
};

use super::{
    cases,
    invariants::not_later,
    ledger::{Ledger, LimitStore},
    limited::limited_programs,
    program::{HOUR, START, Step, programs_with_a_bad_clock, request},
};

/// No decision over the few grants of a program asks more often.
const MOST_LOADS: usize = 200;

/// How a store reads prefixes.
#[derive(Debug, Clone)]
pub struct Habits {
    /// How many grants it reads before it decides.
    pub first: usize,
    /// How many more it reads each time.
    pub further: usize,
    /// Whether it knows when the rest becomes due, or goes by what the wallet's row says.
    pub knows_next_due: bool,
}

fn habits() -> impl Strategy<Value = Habits> {
    (0..5_usize, 1..=3_usize, any::<bool>()).prop_map(|(first, further, knows_next_due)| Habits {
        first,
        further,
        knows_next_due,
    })
}

fn all_sorts() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![programs_with_a_bad_clock(40), limited_programs(40)]
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_prefix_and_more_on_demand_decide_as_all_grants_do(
        program in all_sorts(),
        habits in habits(),
    ) {
        suffices(&program, &habits)?;
    }

    #[test]
    fn a_batch_on_a_prefix_decides_as_its_commands_do_one_by_one(
        program in all_sorts(),
        habits in habits(),
        batch_size in 2..=7_usize,
    ) {
        let mut ledger = Ledger::opened();
        let mut clock = START;
        for batch in program.chunks(batch_size) {
            let steps = dated(batch, &mut clock);
            let requests: Vec<Request> = steps.iter().map(|(request, _)| request.clone()).collect();
            let mut store = Store::of(&ledger, &habits);
            let mut state = store.load(&requests);
            for ((request, clock), step) in steps.iter().zip(batch) {
                // What limits count is counted anew when they change, so that stands alone.
                if request.command.limit_change().is_some() {
                    ledger.run(&step.action, *clock);
                    store = Store::of(&ledger, &habits);
                    state = store.load(&requests);
                    continue;
                }
                // Nobody knows the transactions of a batch before it is answered.
                let reverses = request.command.reverses();
                if reverses.is_some_and(|id| !store.database.spends.contains_key(&id)) {
                    continue;
                }
                let partial = store.decide(&mut state, request, *clock)?;
                if let Verdict::Accepted(decision) = &partial {
                    state.apply(decision);
                }
                let complete = ledger.run(&step.action, *clock);
                same(&partial, &complete, &ledger)?;
            }
        }
    }

    #[test]
    fn a_kept_state_decides_as_all_grants_do(
        program in all_sorts(),
        habits in habits(),
        most in 1..5_usize,
    ) {
        let mut ledger = Ledger::opened();
        let mut clock = START;
        let mut kept = ledger.state.clone();
        for step in &program {
            clock = clock.plus_micros(step.wait * HOUR);
            let request = request(&step.action, clock);
            let store = Store::of(&ledger, &habits);
            // What names a grant, a spend or a funding or looks back is not decided on a kept state.
            let looks_up = request.command.grant_number().is_some()
                || request.command.occurred_at().is_some()
                || request.command.reverses().is_some()
                || request.command.revokes().is_some();
            let mut verdict = decide(Some(&kept), &request, clock);
            if looks_up || matches!(verdict, Verdict::Lacking(_)) {
                kept = store.load(std::slice::from_ref(&request));
                verdict = store.decide(&mut kept, &request, clock)?;
            }
            if let Verdict::Accepted(decision) = &verdict {
                kept.apply(decision);
            }
            kept.trim(most);
            let complete = ledger.run(&step.action, clock);
            same(&verdict, &complete, &ledger)?;
        }
    }

    #[test]
    fn settling_on_demand_gives_the_balances_that_all_grants_give(
        program in programs_with_a_bad_clock(30),
        habits in habits(),
        ahead in 0_i64..100,
    ) {
        let mut ledger = Ledger::opened();
        let mut clock = START;
        for step in &program {
            clock = clock.plus_micros(step.wait * HOUR);
            ledger.run(&step.action, clock);
        }
        let at = clock.max(ledger.state.head.recorded_at).plus_micros(ahead * HOUR);
        let store = Store::of(&ledger, &habits);
        let mut state = store.load(&[]);
        let balances = loop {
            match purse_domain::balances_at(&state, at) {
                Ok(balances) => break balances,
                Err(missing) => store.supply(&mut state, &missing),
            }
        };
        prop_assert_eq!(Ok(balances), purse_domain::balances_at(&ledger.state, at));
    }
}

/// A prefix, and more on demand, decide as all grants do.
pub fn suffices(program: &[Step], habits: &Habits) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        let request = request(&step.action, clock);
        let store = Store::of(&ledger, habits);
        let mut state = store.load(std::slice::from_ref(&request));
        let partial = store.decide(&mut state, &request, clock)?;
        let complete = ledger.run(&step.action, clock);
        same(&partial, &complete, &ledger)?;
    }
    Ok(())
}

/// The requests of a batch with the clock that each is decided at.
fn dated(batch: &[Step], clock: &mut Timestamp) -> Vec<(Request, Timestamp)> {
    batch
        .iter()
        .map(|step| {
            *clock = clock.plus_micros(step.wait * HOUR);
            (request(&step.action, *clock), *clock)
        })
        .collect()
}

/// A database as it was before a batch, and how prefixes are read from it.
struct Store {
    database: WalletState,
    limits: LimitStore,
    habits: Habits,
}

impl Store {
    fn of(ledger: &Ledger, habits: &Habits) -> Self {
        let (database, habits) = (ledger.state.clone(), habits.clone());
        Self { database, limits: ledger.store(), habits }
    }

    /// The first grants in order, those that a request names, those that late usage may draw, and the spends
    /// and fundings that are to be undone, with their debts and with the grants that they go back to.
    fn load(&self, requests: &[Request]) -> WalletState {
        let first: Vec<(DrawdownKey, Grant)> = self.open().take(self.habits.first).collect();
        let named = requests.iter().filter_map(|request| request.command.grant_number());
        let mut named: Vec<_> = named.collect();
        let spends: BTreeMap<_, _> = requests
            .iter()
            .filter_map(|request| request.command.reverses())
            .filter_map(|id| Some((id, self.database.spends.get(&id)?.clone())))
            .collect();
        let mut debts = BTreeMap::new();
        for spend in spends.values().flatten() {
            named.extend(spend.allocations.iter().map(|part| part.grant));
            if let Some(debt) = self.database.debts.get(&spend.entry) {
                named.extend(debt.repaid.iter().map(|part| part.grant));
                debts.insert(spend.entry, debt.clone());
            }
        }
        let fundings: BTreeMap<_, _> = requests
            .iter()
            .filter_map(|request| request.command.revokes())
            .filter_map(|name| Some((name.clone(), self.database.fundings.get(name)?.clone())))
            .collect();
        for entry in fundings.values().flat_map(|funding| &funding.debts) {
            if let Some(debt) = self.database.debts.get(entry) {
                named.extend(debt.repaid.iter().map(|part| part.grant));
                debts.insert(*entry, debt.clone());
            }
        }
        let funded = |grant: &Grant| {
            grant.terms.funding_ref.as_ref().is_some_and(|name| fundings.contains_key(name))
        };
        let late_since = requests.iter().filter_map(|request| request.command.occurred_at()).min();
        let lost = |grant: &Grant| {
            late_since.is_some_and(|since| grant.expired_at.is_some_and(|lost_at| lost_at > since))
        };
        let drawn_to = first.last().map(|(key, _)| *key);
        let covers_all_grants = first.len() < self.habits.first;
        let covers_all = covers_all_grants && self.database.head.balances.held.is_zero();
        let mut state = WalletState {
            grants: BTreeMap::new(),
            moved: BTreeSet::new(),
            coverage: Coverage::Complete,
            holds: BTreeMap::new(),
            debts,
            has_all_debts: self.database.head.balances.debt.is_zero(),
            spends,
            counts: Counts::default(),
            fundings: fundings.clone(),
            ..self.database.clone()
        };
        let besides = self.database.grants.values();
        let besides =
            besides.filter(|grant| named.contains(&grant.number) || lost(grant) || funded(grant));
        for grant in first.into_iter().map(|(_, grant)| grant).chain(besides.cloned()) {
            state.hold_loaded(grant);
        }
        if !covers_all {
            let next_due_at = if self.habits.knows_next_due {
                let deadlines = self.open_holds().map(|hold| hold.expires_at).min();
                self.next_due(|key, _| !state.grants.contains_key(key))
                    .into_iter()
                    .chain(deadlines)
                    .min()
            } else {
                self.database.head.next_due_at
            };
            state.coverage = if covers_all_grants {
                Coverage::all_grants(next_due_at)
            } else {
                Coverage::Partial { drawn_to, next_due_at }
            };
        }
        state
    }

    fn decide(
        &self,
        state: &mut WalletState,
        request: &Request,
        clock: Timestamp,
    ) -> Result<Verdict, TestCaseError> {
        for _ in 0..MOST_LOADS {
            match decide(Some(state), request, clock) {
                Verdict::Lacking(missing) => {
                    match missing {
                        Missing::Debts => prop_assert!(!state.has_all_debts),
                        // An ended one is never among those that a coverage is about, nor is what limits count.
                        Missing::Hold(_) | Missing::Spending(_) | Missing::OpenHolds => {}
                        Missing::DueBy(_) | Missing::MoreInOrder | Missing::AllOpen => {
                            prop_assert_ne!(state.coverage, Coverage::Complete);
                        }
                    }
                    self.supply(state, &missing);
                }
                verdict @ (Verdict::Accepted(_) | Verdict::Rejected(_)) => return Ok(verdict),
            }
        }
        Err(TestCaseError::fail(format!("grants are lacking without end: {state:?}")))
    }

    fn supply(&self, state: &mut WalletState, missing: &Missing) {
        self.limits.supply(&mut state.counts, missing);
        if *missing == Missing::Debts {
            let open = self.database.debts.iter().filter(|(_, debt)| !debt.left.is_zero());
            for (entry, debt) in open {
                state.debts.entry(*entry).or_insert_with(|| debt.clone());
            }
            state.has_all_debts = true;
            return;
        }
        if let Missing::Hold(number) = missing {
            self.supply_hold(state, *number);
            return;
        }
        let Coverage::Partial { drawn_to, next_due_at } = state.coverage else { return };
        match missing {
            Missing::DueBy(at) => {
                let is_due =
                    |grant: &Grant| self.database.due_at(grant).is_some_and(|due_at| due_at <= *at);
                for (_, grant) in self.open().filter(|(_, grant)| is_due(grant)) {
                    state.hold_loaded(grant);
                }
                let due = self.open_holds().filter(|hold| hold.expires_at <= *at);
                for number in due.map(|hold| hold.number).collect::<Vec<_>>() {
                    self.supply_hold(state, number);
                }
                let later = self.open_holds().map(|hold| hold.expires_at).filter(|due| due > at);
                let next_due_at =
                    self.next_due(|_, grant| !is_due(grant)).into_iter().chain(later).min();
                state.coverage = Coverage::Partial { drawn_to, next_due_at };
            }
            Missing::MoreInOrder => {
                let more: Vec<(DrawdownKey, Grant)> = self
                    .open()
                    .filter(|(key, _)| drawn_to.is_none_or(|drawn_to| *key > drawn_to))
                    .take(self.habits.further)
                    .collect();
                let drawn_to = more.last().map(|(key, _)| *key).or(drawn_to);
                state.coverage = if more.len() < self.habits.further {
                    Coverage::all_grants(next_due_at)
                } else {
                    Coverage::Partial { drawn_to, next_due_at }
                };
                for (_, grant) in more {
                    state.hold_loaded(grant);
                }
            }
            Missing::Debts | Missing::Hold(_) | Missing::Spending(_) | Missing::OpenHolds => {}
            Missing::AllOpen => {
                for (_, grant) in self.open() {
                    state.hold_loaded(grant);
                }
                for hold in self.open_holds() {
                    state.holds.entry(hold.number).or_insert_with(|| hold.clone());
                }
                state.coverage = Coverage::Complete;
            }
        }
    }

    fn open_holds(&self) -> impl Iterator<Item = &Hold> {
        self.database.holds.values().filter(|hold| hold.is_open())
    }

    fn supply_hold(&self, state: &mut WalletState, number: HoldNumber) {
        let Some(hold) = self.database.holds.get(&number) else { return };
        for slice in &hold.slices {
            let pinned = self.database.grants.values().find(|grant| grant.number == slice.grant);
            if let Some(grant) = pinned {
                state.hold_loaded(grant.clone());
            }
        }
        state.holds.entry(number).or_insert_with(|| hold.clone());
    }

    fn open(&self) -> impl Iterator<Item = (DrawdownKey, Grant)> {
        let open = self.database.grants.iter().filter(|(_, grant)| grant.is_open());
        open.map(|(key, grant)| (*key, grant.clone()))
    }

    fn next_due(&self, counts: impl Fn(&DrawdownKey, &Grant) -> bool) -> Option<Timestamp> {
        self.open()
            .filter(|(key, grant)| counts(key, grant))
            .filter_map(|(_, grant)| self.database.due_at(&grant))
            .min()
    }
}

/// The same but for `next_due_at`, which may be too early in its own way, but never too late. `after` is the
/// wallet after it, with all grants.
fn same(partial: &Verdict, complete: &Verdict, after: &Ledger) -> Result<(), TestCaseError> {
    match (partial, complete) {
        (Verdict::Accepted(partial), Verdict::Accepted(complete)) => {
            let early = partial.head.next_due_at;
            let holds = after.state.holds.values().filter(|hold| hold.is_open());
            let deadlines = holds.map(|hold| hold.expires_at);
            let due = after.state.grants.values().filter_map(|grant| after.state.due_at(grant));
            let exact = due.chain(deadlines).min();
            prop_assert!(not_later(early, exact), "{early:?} is after {exact:?}");
            let without = |decision: &Decision| {
                let head = Head { next_due_at: None, ..decision.head };
                format!("{:?}", Decision { head, ..decision.clone() })
            };
            prop_assert_eq!(without(partial), without(complete));
        }
        (Verdict::Rejected(partial), Verdict::Rejected(complete)) => {
            prop_assert_eq!(partial, complete);
        }
        (Verdict::Accepted(_) | Verdict::Rejected(_) | Verdict::Lacking(_), _) => {
            prop_assert!(false, "{:?} with some grants, {:?} with all", partial, complete);
        }
    }
    Ok(())
}

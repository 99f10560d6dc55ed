//! A wallet in memory with all of its entries.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use purse_domain::{
    Amount, Balances, Command, Composer, Composition, Counted, Counts, Decision, Entry, EntryKind,
    Event, Fold, FundingRecord, Grant, GrantNumber, GrantTerms, HoldNumber, Missing, NoticesFrom,
    OpenHold, OperationName, Origin, Recount, Request, Scan, Sequence, SignedAmount, SpendRecord,
    Spender, Sum, Timestamp, TransactionId, Verdict, WalletSettings, WalletState, balances_at,
    decide,
    explain::{Explainer, Explanation, Unexplained},
    settle::settled,
};

use super::program::{Action, START, fundings, request, settings, transaction};

/// A wallet whose state holds all of its grants, open and ended, all its transactions, and its whole ledger.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// The wallet as the next command finds it.
    pub state: WalletState,
    /// All entries.
    pub entries: Vec<Entry>,
    /// All events.
    pub events: Vec<Event>,
    /// Which write made which entry; what is not here time did.
    owners: BTreeMap<Sequence, TransactionId>,
    /// What the wallet wanted to be told of, from its opening on.
    notices: Vec<NoticesFrom>,
    /// What commands said that their entries are for.
    operations: BTreeMap<Sequence, OperationName>,
    /// What all entries count, whether there were limits or not.
    pub counted: Vec<Counted>,
    /// For whom which hold was made.
    pub held_for: BTreeMap<HoldNumber, Origin>,
    /// When which hold got which deadline.
    deadlines: Vec<(Timestamp, HoldNumber, Timestamp)>,
    writes: u32,
}

impl Ledger {
    /// A wallet that was just opened.
    pub fn opened() -> Self {
        let mut state = WalletState::opened(settings());
        state.fundings = fundings().map(|name| (name, FundingRecord::default())).collect();
        Self {
            state,
            entries: Vec::new(),
            events: Vec::new(),
            owners: BTreeMap::new(),
            notices: vec![notices_from(&settings(), Sequence(0), START)],
            operations: BTreeMap::new(),
            counted: Vec::new(),
            held_for: BTreeMap::new(),
            deadlines: Vec::new(),
            writes: 0,
        }
    }

    /// Decides an action and, if it is accepted, writes it.
    pub fn run(&mut self, action: &Action, clock: Timestamp) -> Verdict {
        self.ask(&request(action, clock), clock)
    }

    /// Decides a request and, if it is accepted, writes it.
    pub fn ask(&mut self, request: &Request, clock: Timestamp) -> Verdict {
        let verdict = self.decide(request, clock);
        if let Verdict::Accepted(decision) = &verdict {
            self.write(decision, request);
        }
        verdict
    }

    /// Decides a request, and supplies what limits count.
    pub fn decide(&mut self, request: &Request, clock: Timestamp) -> Verdict {
        loop {
            let verdict = decide(Some(&self.state), request, clock);
            match &verdict {
                Verdict::Lacking(Missing::Spending(_) | Missing::OpenHolds) => {}
                Verdict::Accepted(_) | Verdict::Rejected(_) | Verdict::Lacking(_) => {
                    return verdict;
                }
            }
            if let Verdict::Lacking(missing) = verdict {
                self.store().supply(&mut self.state.counts, &missing);
            }
        }
    }

    /// What its limits count, from all entries.
    pub fn store(&self) -> LimitStore {
        let holds = self.state.holds.values().filter(|hold| hold.is_open());
        let open = holds.map(|hold| {
            let origin = self.held_for[&hold.number].clone();
            let (held, expires_at) = (hold.held(), hold.expires_at);
            (hold.number, OpenHold { origin, held, expires_at })
        });
        LimitStore { counted: self.counted.clone(), open_holds: open.collect() }
    }

    fn write(&mut self, decision: &Decision, request: &Request) {
        let command = &request.command;
        let counted = self.count(decision, request);
        if !self.state.settings.spend_limits.is_empty() {
            assert_eq!(decision.counted, counted, "what a decision counts is what its entries say");
        }
        self.counted.extend(counted);
        let operation = decision.operation(command);
        for entry in decision.own_entries() {
            self.operations.extend(operation.map(|name| (entry.sequence, name.clone())));
        }
        let holds = decision.holds.values();
        self.deadlines.extend(holds.map(|hold| (decision.now, hold.number, hold.expires_at)));
        self.state.apply(decision);
        self.entries.extend_from_slice(&decision.entries);
        self.events.extend_from_slice(&decision.events);
        // What a sweep does belongs to nobody.
        let Some(kind) = command.kind() else { return };
        self.writes += 1;
        let own = decision.own_entries().iter().map(|entry| entry.sequence);
        self.owners.extend(own.map(|sequence| (sequence, transaction(self.writes))));
        if let Some(settings) = &decision.settings {
            self.notices.push(notices_from(settings, decision.head.last_sequence, decision.now));
        }
        // The next one is decided on what the entries say.
        self.state.counts = Counts::default();
        let (actor, operation) = (request.actor.clone(), operation.cloned());
        let origin = Some(Origin { actor, operation });
        let spend = SpendRecord::of(kind, decision.own_entries());
        let spend = spend.map(|spend| SpendRecord { origin, ..spend });
        self.state.spends.insert(transaction(self.writes), spend);
    }

    /// What the entries of a decision count: for whoever asked or, of what comes of a hold, for its maker, and of a
    /// reversal when and for whom the spend does.
    fn count(&mut self, decision: &Decision, request: &Request) -> Vec<Counted> {
        let (actor, operation) = (&request.actor, decision.operation(&request.command));
        let mut origin = Origin { actor: actor.clone(), operation: operation.cloned() };
        match (&request.command, decision.hold) {
            (Command::CreateHold(_), Some(hold)) => {
                self.held_for.insert(hold, origin.clone());
            }
            (_, Some(hold)) => origin = self.held_for[&hold].clone(),
            (_, None) => {}
        }
        let mut at = None;
        if let Some((_, spend)) = &decision.reversed {
            at = Some(spend.effective_at);
            origin = spend.origin.clone().expect("programs look it up");
        }
        // What undoes a revocation is no spending.
        let undoes_a_spend = |entry: &&Entry| entry.kind != EntryKind::Reversed || at.is_some();
        let own = decision.own_entries().iter().filter(undoes_a_spend);
        own.filter_map(|entry| {
            Counted::of(entry.kind, entry.amount, at.unwrap_or(entry.effective_at), &origin)
        })
        .collect()
    }

    /// Does what a sweeper does: books what is due by `at`, if anything is.
    pub fn sweep(&mut self, at: Timestamp) {
        let request = Request::settle(self.state.settings.name.clone());
        let Verdict::Accepted(decision) = self.decide(&request, at) else {
            panic!("what is due is booked");
        };
        assert!(decision.own_entries().is_empty() && decision.settings.is_none());
        assert_eq!(decision.writes, self.state.head.next_due_at.is_some_and(|due| due <= at));
        if !decision.writes {
            return;
        }
        assert!(decision.head.next_due_at.is_none_or(|due| due > at), "it is due no more");
        let read = settled(&self.state, at).expect("all grants are held");
        self.write(&decision, &request);
        assert_eq!(self.state.head.balances, read.head.balances, "reads see the same");
        assert_eq!(self.state.head.next_due_at, read.head.next_due_at);
    }

    /// The grants by number.
    pub fn grants(&self) -> Vec<&Grant> {
        let mut grants: Vec<&Grant> = self.state.grants.values().collect();
        grants.sort_by_key(|grant| grant.number);
        grants
    }

    /// The terms on which the grants were made.
    pub fn terms(&self) -> BTreeMap<GrantNumber, Arc<GrantTerms>> {
        let grants = self.state.grants.values();
        grants.map(|grant| (grant.number, Arc::clone(&grant.terms))).collect()
    }

    /// The wallet after its first entries, from them alone.
    pub fn folded(&self, entries: &[Entry]) -> Fold {
        let terms = self.terms();
        let mut fold = Fold::opened(Arc::clone(&self.state.settings));
        for entry in entries {
            let operation = self.operations.get(&entry.sequence);
            fold.book(entry, operation, &terms).expect("entries that were decided are a ledger");
        }
        fold
    }

    /// The events, from the entries and settings alone.
    pub fn recounted(&self) -> Recount {
        let terms = self.terms();
        let mut fold = self.folded(&[]);
        let mut recount = Recount::new(Sequence(0), self.notices.clone());
        for entry in &self.entries {
            recount.add(&fold, entry, self.owners.get(&entry.sequence).copied());
            let operation = self.operations.get(&entry.sequence);
            fold.book(entry, operation, &terms).expect("entries that were decided are a ledger");
        }
        recount.finish(&fold, self.state.head.recorded_at);
        recount
    }

    /// Why the entries of a command moved what they moved.
    pub fn explain(&self, unexplained: Unexplained) -> Vec<Explanation> {
        let terms = self.terms();
        let mut explainer = Explainer::new(Arc::clone(&self.state.settings), unexplained);
        let last = explainer.last_before();
        for entry in self.entries.iter().filter(|entry| entry.sequence <= last) {
            let operation = self.operations.get(&entry.sequence);
            explainer.book(entry, operation, &terms).expect("entries that were decided");
        }
        explainer.explain(&terms).expect("what was decided is decided again")
    }

    /// What the balance at an instant is made of.
    pub fn compose(&self, at: Timestamp) -> Composition {
        let terms = self.terms();
        let mut composer = Composer::new(Arc::clone(&self.state.settings), at);
        for entry in &self.entries {
            let operation = self.operations.get(&entry.sequence);
            composer.book(entry, operation, &terms).expect("entries that were decided");
        }
        let deadline = |hold| self.state.holds.get(&hold).map_or(START, |hold| hold.expires_at);
        composer.compose(deadline).expect("a ledger sums to balances")
    }

    /// Each instant at which something begins or ends, and a microsecond on either side.
    pub fn boundaries(&self) -> BTreeSet<Timestamp> {
        let windows = self.state.grants.values().map(|grant| grant.terms.granted_window);
        let changes = self.entries.iter().filter_map(|entry| entry.expiry);
        windows
            .flat_map(|window| [Some(window.effective_at()), window.expires_at()])
            .flatten()
            .chain(self.entries.iter().flat_map(|entry| [entry.effective_at, entry.recorded_at]))
            .chain(self.state.holds.values().map(|hold| hold.expires_at))
            .chain(changes.filter_map(|change| change.to))
            .chain([START])
            .flat_map(|at| [-1, 0, 1].map(|micros| at.plus_micros(micros)))
            .collect()
    }

    /// The wallet with nothing but what was recorded by then.
    pub fn as_known(&self, known_at: Timestamp) -> Self {
        let known = self.entries.iter().filter(|entry| entry.recorded_at <= known_at);
        let entries: Vec<Entry> = known.cloned().collect();
        let deadline = |hold| {
            let mut newest = self.deadlines.iter().rev();
            let known = newest.find(|(at, of, _)| *at <= known_at && *of == hold);
            known.map_or(START, |(_, _, expires_at)| *expires_at)
        };
        let state = self.folded(&entries).into_state(deadline);
        Self { state, entries, ..self.clone() }
    }

    /// The balances at any instant: before the last transaction from the entries, from it on by settling.
    pub fn totals(&self, at: Timestamp) -> Totals {
        if at < self.state.head.recorded_at {
            self.past(at)
        } else {
            Totals::of(&balances_at(&self.state, at).expect("all grants are held"))
        }
    }

    /// What the entries say today about an instant that is not after the last one: the sum of what those that
    /// count by then did.
    pub fn past(&self, at: Timestamp) -> Totals {
        let mut before = Totals::of(&Balances::ZERO);
        let mut sum = Totals::of(&Balances::ZERO);
        for entry in &self.entries {
            let after = Totals::of(&entry.after);
            if entry.effective_at <= at {
                sum = sum.plus(&after).minus(&before);
            }
            before = after;
        }
        sum
    }
}

fn notices_from(settings: &WalletSettings, after: Sequence, at: Timestamp) -> NoticesFrom {
    NoticesFrom::of(settings, after, at, false)
}

/// What limits count, as a store keeps it.
#[derive(Debug, Clone, Default)]
pub struct LimitStore {
    counted: Vec<Counted>,
    open_holds: BTreeMap<HoldNumber, OpenHold>,
}

impl LimitStore {
    /// Answers what a decision lacks, if it is about limits.
    pub fn supply(&self, counts: &mut Counts, missing: &Missing) {
        match missing {
            Missing::OpenHolds => counts.load_open_holds(self.open_holds.clone()),
            Missing::Spending(unknown) => {
                let scans = counts.scans_of(unknown);
                assert!(!scans.is_empty(), "{unknown:?} is as fine as it can be");
                counts.load(&unknown.spender, &scans, &self.found(&unknown.spender, &scans));
            }
            Missing::DueBy(_)
            | Missing::MoreInOrder
            | Missing::AllOpen
            | Missing::Hold(_)
            | Missing::Debts => {}
        }
    }

    fn found(&self, spender: &Spender, scans: &[Scan]) -> Vec<Sum> {
        let mut found = BTreeMap::new();
        for Scan { width, from, to } in scans {
            for counted in self.counted.iter().filter(|counted| spender.covers(&counted.origin)) {
                let start = width.start_of(counted.at);
                if *from <= start && start < *to {
                    let sums: &mut SignedAmount =
                        found.entry((*width, *from, start)).or_insert(SignedAmount::ZERO);
                    *sums = *sums + counted.amount;
                }
            }
        }
        let sums = found.into_iter();
        sums.map(|((width, _, start), amount)| Sum { width, start, amount }).collect()
    }
}

/// Balances that arithmetic may have driven below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// In effective grants.
    pub available: SignedAmount,
    /// Not effective yet.
    pub scheduled: SignedAmount,
    /// In holds.
    pub held: SignedAmount,
    /// Owed.
    pub debt: SignedAmount,
}

impl Totals {
    /// Of a wallet's balances.
    pub fn of(balances: &Balances) -> Self {
        let Balances { available, held, debt, scheduled } = *balances;
        let [available, held, debt, scheduled] =
            [available, held, debt, scheduled].map(Amount::signed);
        Self { available, scheduled, held, debt }
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            available: self.available + other.available,
            scheduled: self.scheduled + other.scheduled,
            held: self.held + other.held,
            debt: self.debt + other.debt,
        }
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            available: self.available - other.available,
            scheduled: self.scheduled - other.scheduled,
            held: self.held - other.held,
            debt: self.debt - other.debt,
        }
    }
}

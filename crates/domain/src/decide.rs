//! `decide`: the one function that says what a command does.
//!
//! Pure: the same state, command and instant give the same verdict, always. Idempotency keys are not
//! decided here but by whoever knows which keys were used.

use std::collections::BTreeMap;

mod change_expiry;
mod end_grant;
mod grant;
mod hold;
mod limits;
mod purchase;
mod reverse;
mod revoke;
mod spend;
mod status;
mod top_up;
mod transfer;
mod wallet;

pub use spend::LATE_WINDOW_MICROS;

use crate::{
    Command, Counted, Debt, DrawdownKey, Entry, EntryHash, Event, Grant, GrantNumber, GrantTerms,
    Head, Hold, HoldNumber, Missing, OperationName, Origin, Owner, Rejection, Request, Sequence,
    SpendRecord, Timestamp, TransactionId, WalletSettings, WalletState, WalletStatus, draft::Draft,
    settle::settle,
};

/// What a command does, once it is accepted.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The one instant at which it was decided.
    pub now: Timestamp,
    /// The entries to append: first those that were due, then the command's own.
    pub entries: Vec<Entry>,
    /// The hashes of the entries.
    pub hashes: Vec<EntryHash>,
    /// How many of the entries were merely due.
    pub settled: usize,
    /// The events, in their order: first those of what was due, then the command's own.
    pub events: Vec<Event>,
    /// How many of the events time alone made.
    pub settled_events: usize,
    /// The head of the ledger after them.
    pub head: Head,
    /// The grants that changed or are new, as they are after it.
    pub grants: BTreeMap<DrawdownKey, Grant>,
    /// The places in the order that grants have left for others.
    pub vacated: Vec<DrawdownKey>,
    /// The debts that changed or are new, as they are after it.
    pub debts: BTreeMap<Sequence, Debt>,
    /// The holds that changed or are new, as they are after it.
    pub holds: BTreeMap<HoldNumber, Hold>,
    /// The wallet's settings after it, if the command was about them.
    pub settings: Option<WalletSettings>,
    /// The number of the hold that it made or was about.
    pub hold: Option<HoldNumber>,
    /// The numbers of the grants that it made.
    pub new_grants: Vec<GrantNumber>,
    /// What it counts towards limits, if the wallet has any.
    pub counted: Vec<Counted>,
    /// Who made the hold that it made, and what for, if the wallet has limits.
    pub held_for: Option<Origin>,
    /// The spend that it reversed, as it is after it.
    pub reversed: Option<(TransactionId, SpendRecord)>,
    /// What it sends to another wallet, which has to take it in for this to happen.
    pub sent: Vec<GrantTerms>,
    /// Whether there is anything to write: opening a wallet that is there already writes nothing, nor does settling
    /// one of which nothing is due.
    pub writes: bool,
}

impl Decision {
    /// The entries that the command itself appends.
    pub fn own_entries(&self) -> &[Entry] {
        &self.entries[self.settled..]
    }

    /// The grants that it made, by number.
    pub fn made_grants(&self) -> impl Iterator<Item = &Grant> {
        let made = |number| self.grants.values().find(move |grant| grant.number == number);
        self.new_grants.iter().filter_map(move |number| made(*number))
    }

    /// What it is for: what its command says, or what the hold that it is about is for.
    pub fn operation<'a>(&'a self, command: &'a Command) -> Option<&'a OperationName> {
        command.operation().or_else(|| self.hold()?.operation.as_ref())
    }

    /// The hold that it made or was about, as it is after it.
    pub fn hold(&self) -> Option<&Hold> {
        self.holds.get(&self.hold?)
    }
}

/// The answer to a command.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It happens, like this.
    Accepted(Box<Decision>),
    /// It may not happen; nothing is written.
    Rejected(Rejection),
    /// The state holds too few grants to tell. Load these and decide again.
    Lacking(Missing),
}

/// Why a step of a decision ends early.
#[derive(Debug)]
enum Stop {
    Rejected(Rejection),
    Lacking(Missing),
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Lacking(missing)
    }
}

/// Decides a request on a wallet (`None`: there is none) at an instant.
///
/// `clock` is what the clock says; within a wallet time never runs backwards, so the decision is taken at
/// the wallet's last transaction if that is later.
pub fn decide(state: Option<&WalletState>, request: &Request, clock: Timestamp) -> Verdict {
    match attempt(state, request, clock) {
        Ok(decision) => Verdict::Accepted(Box::new(decision)),
        Err(Stop::Rejected(rejection)) => Verdict::Rejected(rejection),
        Err(Stop::Lacking(missing)) => Verdict::Lacking(missing),
    }
}

fn attempt(
    state: Option<&WalletState>,
    request: &Request,
    clock: Timestamp,
) -> Result<Decision, Stop> {
    if let Command::CreateWallet(create) = &request.command {
        return wallet::create(state, create, request, clock).map_err(Stop::from);
    }
    let state = state.ok_or(Rejection::WalletNotFound)?;
    status::check(state.settings.status, &request.command)?;
    let mut draft = Draft::new(state, clock);
    settle(&mut draft)?;
    let (settled, settled_events) = (draft.entries.len(), draft.events.len());
    let mut settings = None;
    let mut reversed = None;
    let mut sent = Vec::new();
    let mut hold = request.command.hold_number();
    let mut held_for = None;
    match &request.command {
        // Answered above: there is no wallet to settle yet; and settled above.
        Command::CreateWallet(_) | Command::Settle => {}
        Command::UpdateWallet(update) => settings = Some(wallet::update(&mut draft, update)?),
        Command::Grant(grant) => grant::grant(&mut draft, grant)?,
        Command::CarryOver(carry) => grant::carry_over(&mut draft, *carry)?,
        Command::Spend(spend) => spend::spend(&mut draft, spend, &request.actor, None)?,
        Command::VoidGrant(number) => end_grant::void(&mut draft, *number)?,
        Command::ExpireGrant(number) => end_grant::expire(&mut draft, *number)?,
        Command::ChangeGrantExpiry(change) => change_expiry::change(&mut draft, *change)?,
        Command::CreateHold(create) => {
            let number;
            (number, held_for) = hold::create(&mut draft, create, &request.actor)?;
            hold = Some(number);
        }
        Command::CaptureHold(capture) => hold::capture(&mut draft, capture, &request.actor)?,
        Command::ReleaseHold(release) => hold::release(&mut draft, release)?,
        Command::ExtendHold(number, expires_at) => {
            hold::set_deadline(&mut draft, *number, *expires_at)?;
        }
        Command::ReverseSpend(reverse) => reversed = Some(reverse::reverse(&mut draft, reverse)?),
        Command::RevokeFunding(revoke) => revoke::revoke(&mut draft, revoke)?,
        Command::Transfer(transfer) => sent = transfer::send(&mut draft, transfer)?,
        Command::Receive(receive) => transfer::receive(&mut draft, receive)?,
        Command::PurchasePack(purchase) => purchase::purchase(&mut draft, purchase)?,
        Command::FreezeWallet => settings = Some(status::set(&draft, WalletStatus::Frozen)),
        Command::DeclineTopUp(reference) => {
            settings = Some(top_up::decline(&mut draft, reference)?);
        }
        Command::UnfreezeWallet => settings = Some(status::set(&draft, WalletStatus::Active)),
        Command::CloseWallet(close) => settings = Some(status::close(&mut draft, *close)?),
    }
    let counted = limits::counted(&draft, request)?;
    draft.end_step(draft.now);
    announce_at_once(&mut draft, settled);
    let Draft {
        now,
        mut head,
        entries,
        events,
        changed,
        vacated,
        changed_debts,
        changed_holds,
        new_grants,
        ..
    } = draft;
    // What was due is not any more, even if nothing came of it.
    let writes = request.command.kind().is_some() || head.next_due_at != state.head.next_due_at;
    let hashes = chained(&mut head, request, &entries, settled, &changed);
    Ok(Decision {
        now,
        entries,
        hashes,
        settled,
        events,
        settled_events,
        head,
        grants: changed,
        vacated,
        debts: changed_debts,
        holds: changed_holds,
        settings,
        hold,
        new_grants,
        counted,
        held_for,
        reversed,
        sent,
        writes,
    })
}

/// Announces what the command, whose entries come after the first `settled`, has made due: grants that it made, and a
/// grant that ends sooner than before.
fn announce_at_once(draft: &mut Draft<'_>, settled: usize) {
    let (leads, now) = (draft.leads(), draft.now);
    if leads.as_slice().is_empty() {
        return;
    }
    let mut due = Vec::new();
    for (key, grant) in draft.new_grants.iter().filter_map(|number| draft.grant(*number)) {
        let made_due = leads.announcements(grant).filter(|(at, _)| *at <= now);
        due.extend(made_due.map(|(_, lead)| (key, lead)));
    }
    for entry in &draft.entries[settled..] {
        let changed = entry.allocations.first().and_then(|part| draft.grant(part.grant));
        if let (Some(change), Some((key, grant))) = (entry.expiry, changed) {
            due.extend(leads.overtaken(grant, change, now).map(|lead| (key, lead)));
        }
    }
    for (key, lead) in due {
        draft.announce(&key, lead, now);
    }
}

/// The hashes of new entries, the first `settled` of which time alone made; the head gets the last.
fn chained(
    head: &mut Head,
    request: &Request,
    entries: &[Entry],
    settled: usize,
    grants: &BTreeMap<DrawdownKey, Grant>,
) -> Vec<EntryHash> {
    let terms =
        |number| grants.values().find(|grant| grant.number == number).map(|grant| &*grant.terms);
    let mut hashes = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let owner = Owner { key: request.key.as_ref(), fingerprint: &request.fingerprint };
        let owner = (index >= settled).then_some(owner);
        head.last_hash = head.last_hash.next(request.wallet.wallet_id, entry, owner, terms);
        hashes.push(head.last_hash);
    }
    hashes
}

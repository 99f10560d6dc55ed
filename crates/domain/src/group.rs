//! Groups: requests that are accepted together or not at all, each on what the ones before it left.
//!
//! A group of one is the simple case. A request with a key begins a transaction; those without one that follow
//! are further legs of it, in other wallets: they share its id, and are known by it.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    Command, CommitToken, Decision, Missing, Receive, Rejection, Request, Timestamp, Verdict,
    WalletId, WalletName, WalletState, decide,
};

/// Requests that are accepted together or not at all.
#[derive(Debug, Clone)]
pub struct Group(Vec<Request>);

impl From<Request> for Group {
    fn from(request: Request) -> Self {
        Self(vec![request])
    }
}

impl Group {
    /// A group; `None` if it is empty or begins with a further leg.
    pub fn new(requests: Vec<Request>) -> Option<Self> {
        requests.first()?.key.as_ref()?;
        Some(Self(requests))
    }

    /// Its requests; there is at least one.
    pub fn requests(&self) -> &[Request] {
        &self.0
    }

    /// The wallets that it is decided on, each as often as its requests name it.
    pub fn wallets(&self) -> impl Iterator<Item = &WalletName> {
        self.0.iter().flat_map(Request::wallets)
    }

    /// Its transactions: a request with a key, and the legs that follow it.
    pub fn transactions(&self) -> impl Iterator<Item = &[Request]> {
        self.0.chunk_by(|_, next| next.key.is_none())
    }
}

/// What becomes of a group.
#[derive(Debug)]
pub enum GroupVerdict<'r> {
    /// All of it happens, like this, in this order.
    Accepted(Vec<Decided<'r>>),
    /// None of it may happen, because of one request.
    Rejected(Refused),
    /// A wallet's state holds too little to tell. Load this and decide again.
    Lacking(WalletId, Missing),
}

/// A request of a group, decided.
#[derive(Debug)]
pub struct Decided<'r> {
    /// The request.
    pub request: Cow<'r, Request>,
    /// What it does.
    pub decision: Decision,
}

/// Why a group may not happen.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The request that may not happen: its place in the group, from 0.
    pub index: usize,
    /// The wallet that stands against it.
    pub wallet: WalletName,
    /// Why.
    pub rejection: Rejection,
}

/// Decides requests at one instant, as [`decide`] does each. `find` knows the wallets as they are before the first
/// request.
pub fn decide_group<'r, 's>(
    find: impl Fn(WalletId) -> Option<&'s WalletState>,
    requests: &[&'r Request],
    clock: Timestamp,
) -> GroupVerdict<'r> {
    // Within no wallet does time run backwards.
    let wallets = requests.iter().flat_map(|request| request.wallets());
    let states = wallets.filter_map(|name| find(name.wallet_id));
    let clock = states.map(|state| state.head.recorded_at).fold(clock, Timestamp::max);
    let mut after: HashMap<WalletId, WalletState> = HashMap::new();
    let mut decided = Vec::with_capacity(requests.len());
    for (index, request) in requests.iter().enumerate() {
        let mut next = Some(Cow::Borrowed(*request));
        while let Some(request) = next {
            let id = request.wallet.wallet_id;
            let state = after.get(&id).or_else(|| find(id));
            let decision = match decide(state, &request, clock) {
                Verdict::Accepted(decision) => *decision,
                Verdict::Lacking(missing) => return GroupVerdict::Lacking(id, missing),
                Verdict::Rejected(rejection) => {
                    let wallet = request.wallet.clone();
                    return GroupVerdict::Rejected(Refused { index, wallet, rejection });
                }
            };
            next = receipt(&request, &decision).map(Cow::Owned);
            if requests.len() > 1 || next.is_some() {
                match after.get_mut(&id) {
                    Some(state) => state.apply(&decision),
                    None => {
                        after.extend(WalletState::after(find(id), &decision).map(|it| (id, it)));
                    }
                }
            }
            decided.push(Decided { request, decision });
        }
    }
    let stale = transactions(&decided).find(|legs| {
        let token = legs[0].request.commit_token;
        token.is_some_and(|token| token != CommitToken::of(legs))
    });
    if let Some(legs) = stale {
        let request = &legs[0].request;
        let is_it = |asked: &&&Request| asked.key == request.key && asked.wallet == request.wallet;
        let index = requests.iter().take_while(|asked| !is_it(asked)).count();
        let (wallet, rejection) = (request.wallet.clone(), Rejection::StaleCommitToken);
        return GroupVerdict::Rejected(Refused { index, wallet, rejection });
    }
    GroupVerdict::Accepted(decided)
}

/// What was decided, transaction by transaction: a request with a key, and the legs that follow it.
pub fn transactions<'d, 'r>(decided: &'d [Decided<'r>]) -> impl Iterator<Item = &'d [Decided<'r>]> {
    decided.chunk_by(|_, next| next.request.key.is_none())
}

/// The further leg that follows from a request: the wallet that credits were sent to takes them in.
fn receipt(request: &Request, decision: &Decision) -> Option<Request> {
    let Command::Transfer(transfer) = &request.command else { return None };
    let receive = Receive { from: request.wallet.clone(), grants: decision.sent.clone() };
    Some(Request {
        wallet: transfer.to.clone(),
        command: Command::Receive(receive),
        key: None,
        commit_token: None,
        ..request.clone()
    })
}

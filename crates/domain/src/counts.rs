//! What a wallet's state knows of what its limits count: sums of what was spent, and open holds. A wallet without
//! limits knows nothing of it, and needs nothing.

use std::collections::BTreeMap;

use crate::{
    Amount, Counted, Decision, HoldNumber, Missing, Origin, Spender, Timestamp,
    sums::{Scan, Span, Sum, Sums},
};

/// An open hold, as far as limits count it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenHold {
    /// Who made it, and what for.
    pub origin: Origin,
    /// What is still set aside.
    pub held: Amount,
    /// The deadline.
    pub expires_at: Timestamp,
}

/// What is known.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    sums: BTreeMap<Spender, Sums>,
    /// What was decided since the wallet was loaded: whoever's sums are loaded later lacks it.
    recent: Vec<Counted>,
    /// All open holds; `None`: they are not loaded.
    open_holds: Option<BTreeMap<HoldNumber, OpenHold>>,
}

/// What a spender spent is not here, or not in parts that are fine enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Who.
    pub spender: Spender,
    /// The part of time.
    pub span: Span,
}

impl Counts {
    /// Of a wallet of which nothing is held.
    pub fn without_holds() -> Self {
        Self { open_holds: Some(BTreeMap::new()), ..Self::default() }
    }

    /// What to load before anything is decided, so that windows of a spender may begin at these instants.
    pub fn scans_from(
        &self,
        spender: &Spender,
        edges: impl IntoIterator<Item = Timestamp>,
    ) -> Vec<Scan> {
        let unloaded = Sums::unloaded();
        let sums = self.sums.get(spender).unwrap_or(&unloaded);
        sums.scans_from(edges).into_iter().collect()
    }

    /// What to load of what is unknown.
    pub fn scans_of(&self, unknown: &Unknown) -> Vec<Scan> {
        let Unknown { spender, span } = unknown;
        let unloaded = Sums::unloaded();
        let sums = self.sums.get(spender).unwrap_or(&unloaded);
        sums.scans_of(*span).into_iter().collect()
    }

    /// Takes what scans found of a spender, as it was before anything was decided on this state.
    pub fn load(&mut self, spender: &Spender, scans: &[Scan], found: &[Sum]) {
        let sums = self.sums.entry(spender.clone()).or_insert_with(|| {
            let mut sums = Sums::unloaded();
            for counted in self.recent.iter().filter(|counted| spender.covers(&counted.origin)) {
                sums.add(counted.at, counted.amount);
            }
            sums
        });
        sums.load(&scans.iter().copied().collect(), found);
    }

    /// Takes all open holds, before anything was decided on this state.
    pub fn load_open_holds(&mut self, holds: BTreeMap<HoldNumber, OpenHold>) {
        self.open_holds = Some(holds);
    }

    /// What a spender spent, if any of it is here.
    pub(crate) fn sums(&self, spender: &Spender) -> Option<&Sums> {
        self.sums.get(spender)
    }

    /// All open holds.
    pub(crate) fn open_holds(&self) -> Result<&BTreeMap<HoldNumber, OpenHold>, Missing> {
        self.open_holds.as_ref().ok_or(Missing::OpenHolds)
    }

    /// Who made an open hold, and what for.
    pub(crate) fn origin_of(&self, hold: HoldNumber) -> Result<Option<&Origin>, Missing> {
        Ok(self.open_holds()?.get(&hold).map(|open| &open.origin))
    }

    /// Takes what was decided.
    pub(crate) fn apply(&mut self, decision: &Decision) {
        for counted in &decision.counted {
            for (spender, sums) in &mut self.sums {
                if spender.covers(&counted.origin) {
                    sums.add(counted.at, counted.amount);
                }
            }
            self.recent.push(counted.clone());
        }
        let Some(open) = &mut self.open_holds else { return };
        for (number, hold) in &decision.holds {
            let origin = open.remove(number).map(|open| open.origin).or(decision.held_for.clone());
            if let Some(origin) = origin.filter(|_| hold.is_open()) {
                let (held, expires_at) = (hold.held(), hold.expires_at);
                open.insert(*number, OpenHold { origin, held, expires_at });
            }
        }
    }

    /// Lets go of what takes much room. What stays was complete when the state was loaded, so nothing may be loaded
    /// beside it any more.
    pub(crate) fn trim(&mut self, most: usize) {
        self.recent = Vec::new();
        if self.sums.values().map(Sums::len).sum::<usize>() > most {
            self.sums.clear();
        }
        if self.open_holds.as_ref().is_some_and(|open| open.len() > most) {
            self.open_holds = None;
        }
    }
}

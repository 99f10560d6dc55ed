//! What happened, as a code and as JSON: each kind of event has figures of its own.

use purse_domain::{
    Amount, Crossing, GrantNumber, Occurrence, Period, PositiveAmount, SignedAmount, Timestamp,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::StorageError;

/// The code of what happened, for ever.
pub(crate) fn kind_code(occurrence: &Occurrence) -> i16 {
    match occurrence {
        Occurrence::LowBalance { .. } => 1,
        Occurrence::Depleted { .. } => 2,
        Occurrence::Recovered { .. } => 3,
        Occurrence::ExpiringSoon { .. } => 4,
        Occurrence::TopUpRequested { .. } => 5,
    }
}

/// The figures of an event; amounts are texts, so that no reader takes them for floats.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EventData {
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_number: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_micros: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lead_micros: Option<i64>,
}

impl EventData {
    pub(crate) fn of(occurrence: &Occurrence) -> Self {
        match occurrence {
            Occurrence::LowBalance { threshold, balance } => {
                Self::crossing(Some(*threshold), *balance)
            }
            Occurrence::Depleted { balance } => Self::crossing(None, *balance),
            Occurrence::Recovered { threshold, balance } => Self::crossing(*threshold, *balance),
            Occurrence::ExpiringSoon { grant, amount, expires_at, lead } => Self {
                grant_number: Some(grant.0),
                amount: Some(amount.to_string()),
                expires_at_micros: Some(expires_at.micros()),
                lead_micros: Some(lead.micros()),
                ..Self::default()
            },
            Occurrence::TopUpRequested { threshold, amount, balance } => Self {
                amount: Some(amount.get().to_string()),
                ..Self::crossing(Some(*threshold), *balance)
            },
        }
    }

    fn crossing(threshold: Option<PositiveAmount>, balance: Crossing) -> Self {
        Self {
            threshold: threshold.map(|threshold| threshold.get().to_string()),
            balance_before: Some(balance.before.to_string()),
            balance_after: Some(balance.after.to_string()),
            ..Self::default()
        }
    }

    /// What happened, by its code.
    pub(crate) fn occurrence(&self, kind: i16) -> Result<Occurrence, StorageError> {
        match kind {
            1 => self.low_balance(),
            2 => self.balance().map(|balance| Occurrence::Depleted { balance }),
            3 => self.recovered(),
            4 => self.expiring_soon(),
            5 => self.top_up_requested(),
            _ => None,
        }
        .ok_or_else(|| StorageError::Corrupt(format!("an event of kind {kind}: {self:?}")))
    }

    fn low_balance(&self) -> Option<Occurrence> {
        let threshold = positive(self.threshold.as_ref()?)?;
        Some(Occurrence::LowBalance { threshold, balance: self.balance()? })
    }

    fn recovered(&self) -> Option<Occurrence> {
        let threshold = match &self.threshold {
            None => None,
            Some(text) => Some(positive(text)?),
        };
        Some(Occurrence::Recovered { threshold, balance: self.balance()? })
    }

    fn expiring_soon(&self) -> Option<Occurrence> {
        Some(Occurrence::ExpiringSoon {
            grant: GrantNumber(self.grant_number?),
            amount: amount(self.amount.as_ref()?)?,
            expires_at: Timestamp::from_micros(self.expires_at_micros?),
            lead: Period::from_micros(self.lead_micros?).ok()?,
        })
    }

    fn top_up_requested(&self) -> Option<Occurrence> {
        Some(Occurrence::TopUpRequested {
            threshold: positive(self.threshold.as_ref()?)?,
            amount: positive(self.amount.as_ref()?)?,
            balance: self.balance()?,
        })
    }

    fn balance(&self) -> Option<Crossing> {
        let signed = |text: &String| text.parse::<Decimal>().ok().map(SignedAmount::from_stored);
        Some(Crossing {
            before: signed(self.balance_before.as_ref()?)?,
            after: signed(self.balance_after.as_ref()?)?,
        })
    }
}

fn amount(text: &str) -> Option<Amount> {
    Amount::from_stored(text.parse().ok()?)
}

fn positive(text: &str) -> Option<PositiveAmount> {
    PositiveAmount::from_stored(amount(text)?)
}

//! Events: against a plain walk over the entries, and against what verifying recounts.

use std::collections::BTreeMap;

use proptest::prelude::*;
use purse_domain::{Command, Entry, Event, Occurrence, Sequence, Timestamp, Verdict};

use super::{
    cases,
    ledger::Ledger,
    model::{Model, hundredths},
    program::{HOUR, START, Step, programs, programs_with_a_bad_clock, request, settings},
};

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn events_are_those_that_a_plain_walk_over_the_entries_finds(
        program in programs_with_a_bad_clock(30)
    ) {
        tells_of_each_event(&program)?;
    }

    #[test]
    fn recounting_the_entries_gives_the_events_that_were_written(
        program in programs_with_a_bad_clock(30)
    ) {
        recounts(&program)?;
    }

    #[test]
    fn settling_often_or_seldom_makes_the_same_events(
        program in programs(30),
        sweep_every in 1_i64..=9,
    ) {
        let mut seldom = Ledger::opened();
        let mut often = Ledger::opened();
        let mut clock = START;
        for step in &program {
            let until = clock.plus_micros(step.wait * HOUR);
            while clock < until {
                clock = until.min(clock.plus_micros(sweep_every * HOUR));
                often.sweep(clock);
            }
            seldom.run(&step.action, clock);
            often.run(&step.action, clock);
        }
        let end = clock.plus_micros(100 * HOUR);
        seldom.sweep(end);
        often.sweep(end);
        prop_assert_eq!(undated(&seldom), undated(&often));
    }
}

/// Events are those that a plain walk over the entries finds.
pub fn tells_of_each_event(program: &[Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut walk = Walk::new();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        let command = request(&step.action, clock).command;
        let before = (ledger.events.len(), ledger.state.head.recorded_at);
        let due = walk.announced_by_time(before.1, clock);
        let earlier = walk.model.clone();
        let outcome = walk.model.run(&request(&step.action, clock), clock);
        let verdict = ledger.run(&step.action, clock);
        let Verdict::Accepted(decision) = verdict else { continue };
        prop_assert!(matches!(outcome, super::model::Outcome::Done(_)));
        let mut expected = walk.follow(&decision.entries, decision.settled, due, decision.now);
        if matches!(command, Command::ChangeGrantExpiry(_)) {
            let overtaken = walk.model.overtaken(&earlier, decision.now);
            expected.extend(overtaken.into_iter().map(announced));
        }
        let events: Vec<Line> = ledger.events[before.0..].iter().filter_map(line).collect();
        prop_assert_eq!(events, expected, "{:?} at {}", step, clock);
        walk.change_settings(&command);
    }
    for (number, event) in (1..).zip(&ledger.events) {
        prop_assert_eq!(event.sequence.0, number, "a gap");
        prop_assert!(event.effective_at <= event.recorded_at);
    }
    let count = i64::try_from(ledger.events.len()).expect("a few");
    prop_assert_eq!(ledger.state.head.last_event.0, count);
    Ok(())
}

/// Recounting the entries gives the events that were written.
pub fn recounts(program: &[Step]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::opened();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        ledger.run(&step.action, clock);
        let mut recount = ledger.recounted();
        prop_assert_eq!(recount.lows(), ledger.state.head.lows);
        prop_assert_eq!(recount.top_ups(), ledger.state.head.top_ups);
        prop_assert_eq!(recount.last(), ledger.state.head.last_event);
        let said = recount.take();
        prop_assert_eq!(said.len(), ledger.events.len());
        for (kept, said) in ledger.events.iter().zip(&said) {
            prop_assert_eq!(purse_domain::verify_event(kept, said), Ok(()), "{:?}", said);
        }
    }
    Ok(())
}

/// When an event counts, what happened, and the entry that did it.
type Line = (Timestamp, String, Option<Sequence>);

/// What the walk knows of; it asks for nothing.
fn line(event: &Event) -> Option<Line> {
    let what = match event.occurrence {
        Occurrence::LowBalance { threshold, .. } => {
            format!("below {}", hundredths(threshold.get()))
        }
        Occurrence::Depleted { .. } => "below 1".to_owned(),
        Occurrence::Recovered { threshold, .. } => {
            format!("back at {}", threshold.map_or(1, |threshold| hundredths(threshold.get())))
        }
        Occurrence::ExpiringSoon { grant, amount, lead, .. } => {
            let lead = lead.micros();
            return Some(announced((event.effective_at, grant.0, lead, hundredths(amount))));
        }
        Occurrence::TopUpRequested { .. } => return None,
    };
    Some((event.effective_at, what, event.entry))
}

fn announced((at, grant, lead, amount): (Timestamp, i32, i64, i64)) -> Line {
    (at, format!("{amount} of {grant} soon, {} h", lead / HOUR), None)
}

/// A wallet whose entries are looked at one step after the other. All amounts are whole hundredths, so nothing
/// is left exactly if the balance is below one; and programs have that as a threshold too.
struct Walk {
    model: Model,
    /// The thresholds, and whether the balance fell below each and has not come back.
    fallen: BTreeMap<i64, bool>,
    /// Of being depleted, likewise.
    depleted: bool,
}

impl Walk {
    fn new() -> Self {
        let thresholds = settings().low_balance_thresholds;
        let fallen = thresholds.as_slice().iter().map(|amount| (hundredths(amount.get()), false));
        Self { model: Model::new(), fallen: fallen.collect(), depleted: false }
    }

    fn announced_by_time(&self, after: Timestamp, clock: Timestamp) -> Vec<Line> {
        let mut due = self.model.announcements(after, clock.max(after), 0);
        due.sort_by_key(|(at, grant, lead, _)| (*at, *grant, -*lead));
        due.into_iter().map(announced).collect()
    }

    fn change_settings(&mut self, command: &Command) {
        let Command::UpdateWallet(update) = command else { return };
        let Some(thresholds) = &update.low_balance_thresholds else { return };
        let amounts = thresholds.as_slice().iter().map(|amount| hundredths(amount.get()));
        let old = std::mem::take(&mut self.fallen);
        self.fallen = amounts.map(|amount| (amount, old.get(&amount) == Some(&true))).collect();
    }

    /// The events of a command: what time did, instant by instant, then what it did itself.
    fn follow(
        &mut self,
        entries: &[Entry],
        settled: usize,
        mut due: Vec<Line>,
        now: Timestamp,
    ) -> Vec<Line> {
        let (by_time, own) = entries.split_at(settled);
        let mut lines = Vec::new();
        let mut instants: Vec<Timestamp> = by_time.iter().map(|entry| entry.effective_at).collect();
        instants.extend(due.iter().map(|(at, _, _)| *at));
        instants.sort_unstable();
        instants.dedup();
        for instant in instants {
            let step: Vec<&Entry> =
                by_time.iter().filter(|entry| entry.effective_at == instant).collect();
            self.cross(&step, &mut lines);
            lines.extend(due.extract_if(.., |(at, _, _)| *at == instant));
        }
        self.cross(&own.iter().collect::<Vec<_>>(), &mut lines);
        let made = own.iter().filter(|entry| entry.kind == purse_domain::EntryKind::Granted);
        let first = self.model.grant_count() - made.count();
        let new = self.model.announcements(now.plus_micros(-1), now, first);
        lines.extend(new.into_iter().map(announced));
        lines
    }

    fn cross(&mut self, step: &[&Entry], lines: &mut Vec<Line>) {
        let (Some(first), Some(last)) = (step.first(), step.last()) else { return };
        let figure = |balance: purse_domain::SignedAmount| {
            let mut decimal = balance.decimal();
            decimal.rescale(2);
            i64::try_from(decimal.mantissa()).expect("programs have small amounts")
        };
        let (before, after) = (figure(first.balance_before), figure(last.after.balance()));
        let mover = step.iter().rev().find(|entry| entry.balance_before != entry.after.balance());
        let mut passed: Vec<(i64, &mut bool)> = vec![(1, &mut self.depleted)];
        passed.extend(self.fallen.iter_mut().map(|(amount, fallen)| (*amount, fallen)));
        let mut crossed = Vec::new();
        for (level, fallen) in passed {
            let at = mover.map_or(START, |entry| entry.effective_at);
            let entry = mover.map(|entry| entry.sequence);
            if before >= level && after < level {
                *fallen = true;
                crossed.push((at, format!("below {level}"), entry));
            } else if before < level && after >= level && *fallen {
                *fallen = false;
                crossed.push((at, format!("back at {level}"), entry));
            }
        }
        if after < before {
            crossed.reverse();
        }
        lines.extend(crossed);
    }
}

/// The events without when they were written.
fn undated(ledger: &Ledger) -> Vec<Event> {
    let undated = |event: &Event| Event { recorded_at: START, ..event.clone() };
    ledger.events.iter().map(undated).collect()
}

//! What was known at an instant stays known (invariant 8): whatever is recorded later, each answer that was given
//! can be given again.

use proptest::prelude::*;
use purse_domain::Timestamp;

use super::{
    cases,
    ledger::Ledger,
    program::{HOUR, START, Step, programs},
};

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn what_was_answered_is_what_was_known(program in programs(20)) {
        knows(&program)?;
    }
}

/// What was answered is what was known.
pub fn knows(program: &[Step]) -> Result<(), TestCaseError> {
    let answered = play(program);
    let Some((_, ledger)) = answered.last() else { return Ok(()) };
    let instants = ledger.boundaries();
    for (known_at, then) in &answered {
        let known = ledger.as_known(*known_at);
        // Past, present and future alike, with late usage and backdated grants among what came later.
        for at in &instants {
            let (told, tells) = (then.totals(*at), known.totals(*at));
            prop_assert_eq!(tells, told, "at {} as known at {}", at, known_at);
        }
    }
    Ok(())
}

/// The wallet as it was at each instant of a program, once all that was asked for then was done.
fn play(program: &[Step]) -> Vec<(Timestamp, Ledger)> {
    let mut ledger = Ledger::opened();
    let mut answered: Vec<(Timestamp, Ledger)> = Vec::new();
    let mut clock = START;
    for step in program {
        clock = clock.plus_micros(step.wait * HOUR);
        ledger.run(&step.action, clock);
        answered.pop_if(|(at, _)| *at == clock);
        answered.push((clock, ledger.clone()));
    }
    answered
}

//! A ledger that adds up, and what is said when one thing in it does not.

use super::*;

fn spent() -> Vec<Spent> {
    let spent = |key: &str, amount: i64, transaction: &str| Spent {
        key: key.to_owned(),
        amount: Decimal::from(amount),
        transaction_id: transaction.to_owned(),
    };
    vec![spent("row:1", 7, "t-1"), spent("row:2", 5, "t-2")]
}

fn entry(
    sequence: i64,
    kind: EntryKind,
    amount: &str,
    (before, after): (&str, &str),
    allocations: &[(i32, &str)],
) -> Entry {
    Entry {
        sequence,
        kind: kind.into(),
        amount: amount.to_owned(),
        balance_before: before.to_owned(),
        balance_after: after.to_owned(),
        allocations: allocations
            .iter()
            .map(|(grant_number, amount)| Allocation {
                category: String::new(),
                grant_number: *grant_number,
                amount: (*amount).to_owned(),
            })
            .collect(),
        ..Entry::default()
    }
}

fn of(mut entry: Entry, key: &str, transaction: &str) -> Entry {
    key.clone_into(&mut entry.idempotency_key);
    entry.transaction_id = transaction.to_owned();
    entry
}

/// Grants of 10 (monthly) and 5 (purchased); spends of 7 and 5.
fn entries() -> Vec<Entry> {
    vec![
        entry(1, EntryKind::Granted, "10", ("0", "10"), &[(1, "10")]),
        entry(2, EntryKind::Granted, "5", ("10", "15"), &[(2, "5")]),
        of(entry(3, EntryKind::Spent, "7", ("15", "8"), &[(1, "7")]), "row:1", "t-1"),
        of(entry(4, EntryKind::Spent, "5", ("8", "3"), &[(1, "3"), (2, "2")]), "row:2", "t-2"),
    ]
}

fn grant(number: i32, category: &str, amount: &str, consumed: &str, available: &str) -> Grant {
    let zero = || "0".to_owned();
    Grant {
        number,
        category: category.to_owned(),
        amount: amount.to_owned(),
        consumed: consumed.to_owned(),
        available: available.to_owned(),
        held: zero(),
        expired: zero(),
        voided: zero(),
        revoked: zero(),
        transferred_out: zero(),
        ..Grant::default()
    }
}

fn grants() -> Vec<Grant> {
    vec![grant(1, "monthly", "10", "10", "0"), grant(2, "purchased", "5", "2", "3")]
}

fn check(entries: &[Entry], grants: &[Grant], balance: &str) -> Result<Totals, String> {
    let spent = spent();
    let mut check = Check::new("a:1", &spent, false);
    for entry in entries {
        check.entry(entry).map_err(|discrepancy| discrepancy.to_string())?;
    }
    let balance = Balance { balance: balance.to_owned(), ..Balance::default() };
    check.finish(grants, Some(&balance)).map_err(|discrepancy| discrepancy.to_string())
}

#[test]
fn a_sound_ledger_adds_up() {
    let totals = check(&entries(), &grants(), "3").unwrap();
    assert_eq!((totals.entries, totals.grants), (4, 2));
    let spent = |category| totals.spent_by_category[category].to_string();
    assert_eq!((spent("monthly"), spent("purchased")), ("10".to_owned(), "2".to_owned()));
}

#[test]
fn what_a_reversal_gives_back_is_not_consumed() {
    let mut entries = entries();
    entries.push(entry(5, EntryKind::Reversed, "4", ("3", "7"), &[(2, "2"), (1, "2")]));
    let grants = [grant(1, "monthly", "10", "8", "2"), grant(2, "purchased", "5", "0", "5")];
    let totals = check(&entries, &grants, "7").unwrap();
    assert_eq!(totals.spent_by_category["monthly"].to_string(), "8");
}

/// Something that is wrong with a ledger.
type Defect = fn(&mut Vec<Entry>, &mut Vec<Grant>);

#[test]
fn what_does_not_add_up_is_named() {
    let cases: [(Defect, &str); 11] = [
        (|entries, _| drop(entries.remove(1)), "a:1, entry 3: number 2 should be here"),
        (
            |entries, _| entries[2].balance_before = "14".to_owned(),
            "a:1, entry 3: begins at 14, and the one before ended at 15",
        ),
        (
            |entries, _| entries[2].balance_after = "9".to_owned(),
            "a:1, entry 3: ENTRY_KIND_SPENT of 7 leads from 15 to 9",
        ),
        (
            |entries, _| entries[3].allocations[1].amount = "1".to_owned(),
            "a:1, entry 4: moves 5, and its allocations sum to 4",
        ),
        (|entries, _| entries[0].amount = "ten".to_owned(), "a:1, entry 1: \"ten\" is no amount"),
        (
            |entries, _| entries[3].transaction_id = "t-9".to_owned(),
            "a:1, entry 4: spends for row:2 in transaction t-9, and the answer named t-2",
        ),
        (
            |entries, _| {
                let twice =
                    of(entry(5, EntryKind::Spent, "1", ("3", "2"), &[(2, "1")]), "row:2", "t-3");
                entries.push(twice);
            },
            "a:1, entry 5: spends 1 for \"row:2\" twice, or without an answer",
        ),
        (|entries, _| drop(entries.pop()), "a:1: 1 answered spends are not there, such as row:2"),
        (
            |_, grants| grants[1].available = "2".to_owned(),
            "a:1: the parts of grant 2 sum to 4, not to 5",
        ),
        (
            |_, grants| grants[0] = grant(1, "monthly", "10", "9", "1"),
            "a:1: grant 1 consumed 9, entries say 10",
        ),
        (|_, grants| drop(grants.pop()), "a:1: entries draw grant 2, which is not there"),
    ];
    for (defect, said) in cases {
        let (mut entries, mut grants) = (entries(), grants());
        defect(&mut entries, &mut grants);
        assert_eq!(check(&entries, &grants, "3"), Err(said.to_owned()));
    }
}

#[test]
fn the_last_entry_ends_at_the_balance() {
    assert_eq!(
        check(&entries(), &grants(), "4"),
        Err("a:1, entry 4: ends at 3, and the balance at that instant is 4".to_owned())
    );
}

//! The rows of a usage trace: `TIMESTAMP,ContextTokens,GeneratedTokens`, in the order of time.

use std::{fs, io, path::Path};

use prost_types::Timestamp;
use thiserror::Error;

const HEADER: &str = "TIMESTAMP,ContextTokens,GeneratedTokens";

/// One request to a language model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// From the first row on.
    pub micros: u64,
    /// Both kinds.
    pub tokens: u64,
}

/// Why a trace cannot be used.
#[derive(Debug, Error)]
pub enum TraceError {
    #[error("the file")]
    File(#[from] io::Error),
    #[error("the first line is not {HEADER}")]
    Header,
    #[error(
        "line {line}: {text:?} is not an instant and two numbers, or an instant before that of the line above"
    )]
    Row { line: usize, text: String },
    #[error("there is no row")]
    Empty,
}

/// Reads a trace.
pub fn read(file: &Path) -> Result<Vec<Row>, TraceError> {
    parse(&fs::read_to_string(file)?)
}

fn parse(text: &str) -> Result<Vec<Row>, TraceError> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Err(TraceError::Header);
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut first = None;
    for (line, text) in (2..).zip(lines) {
        let before = rows.last().map_or(0, |row| row.micros);
        let row = parse_row(text, &mut first)
            .filter(|row| row.micros >= before)
            .ok_or_else(|| TraceError::Row { line, text: text.to_owned() })?;
        rows.push(row);
    }
    if rows.is_empty() { Err(TraceError::Empty) } else { Ok(rows) }
}

/// `first` is the instant of the first row, once it is known.
fn parse_row(text: &str, first: &mut Option<i64>) -> Option<Row> {
    let mut columns = text.split(',');
    let (at, context, generated) = (columns.next()?, columns.next()?, columns.next()?);
    // `2023-11-16 18:17:03.9799600`, in UTC.
    let at: Timestamp = format!("{}Z", at.replacen(' ', "T", 1)).parse().ok()?;
    let micros = at.seconds * 1_000_000 + i64::from(at.nanos / 1_000);
    let micros = u64::try_from(micros - *first.get_or_insert(micros)).ok()?;
    let tokens = context.parse::<u64>().ok()?.checked_add(generated.parse().ok()?)?;
    columns.next().is_none().then_some(Row { micros, tokens })
}

#[cfg(test)]
mod tests {
    use super::{HEADER, Row, parse};

    #[test]
    fn rows_count_from_the_first() {
        let text = format!(
            "{HEADER}\n2023-11-16 23:59:59.9799600,4808,10\n2023-11-17 00:00:00.0319600,3180,8\n"
        );
        let rows = [Row { micros: 0, tokens: 4_818 }, Row { micros: 52_000, tokens: 3_188 }];
        assert_eq!(parse(&text).ok().as_deref(), Some(&rows[..]));
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        for rows in ["", "2023-11-16 18:17:03,1\n", "yesterday,1,2\n", "2023-11-16 18:17:03,1,-2\n"]
        {
            assert!(parse(&format!("{HEADER}\n{rows}")).is_err(), "{rows}");
        }
        let backwards = "2023-11-16 18:17:03,1,2\n2023-11-16 18:17:02,1,2\n";
        assert!(parse(&format!("{HEADER}\n{backwards}")).is_err());
        assert!(parse("a,b,c\n2023-11-16 18:17:03,1,2\n").is_err());
    }
}
